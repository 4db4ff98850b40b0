/** One batch on the wire: its body, its RU reservation, and its answer made the same whatever form it has. */
import type { SyncError } from '../shared/errors.ts';
import { parseBatchAnswer, type OperationAnswer } from './batch-answer.ts';
import type { ContainerGateway } from './container-gateway.ts';
import type { RuReservation } from './ru-limiter.ts';
import {
  PARTITION_KEY_FULL,
  deliveryError,
  isCertificateCause,
  isPassing,
  parseJson,
  readAnswer,
  targetError,
  type ServiceAnswer,
} from './service-answer.ts';
import type { WriterCounters } from './writer-counters.ts';

export type BatchResult =
  /** One answer per operation. `understood`: the service read the batch. */
  | { readonly kind: 'answers'; readonly understood: boolean; readonly answers: readonly OperationAnswer[] }
  | BatchRefusal
  | { readonly kind: 'target'; readonly error: SyncError };

const BATCH_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/json',
  'x-ms-cosmos-is-batch-request': 'true',
  'x-ms-cosmos-batch-atomic': 'false',
  'x-ms-cosmos-batch-continue-on-error': 'true',
};

/** The batch was refused as a whole because of what is in it. */
export interface BatchRefusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly subStatus: number;
  readonly chargedRu: number;
}

/**
 * Sends operations to one partition key range and settles the reservation. Rejects only when no request could be made:
 * no token, no account.
 */
export async function sendBatch(
  gateway: ContainerGateway,
  range: string,
  operations: readonly { readonly text: string }[],
  answerWith: 'documents' | 'nothing',
  reservation: RuReservation,
  counters: WriterCounters,
  signal: AbortSignal,
): Promise<BatchResult> {
  const headers: Record<string, string> = { ...BATCH_HEADERS, 'x-ms-documentdb-partitionkeyrangeid': range };
  if (answerWith === 'nothing') headers['prefer'] = 'return=minimal';
  let exchange;
  try {
    const body = Buffer.from(batchBody(operations));
    exchange = await gateway.postDocuments({ headers, body, cancel: [reservation.expired] }, signal);
  } catch (error) {
    reservation.release();
    throw error;
  }
  if (exchange.kind === 'unsent') {
    reservation.release();
    if (isCertificateCause(exchange.cause)) {
      return { kind: 'target', error: deliveryError(exchange.cause, gateway.name) };
    }
    return sameForAll(operations, { ...NO_ANSWER, lost: false });
  }
  counters.requests++;
  if (exchange.kind === 'lost') {
    reservation.lost();
    counters.lost++;
    return sameForAll(operations, NO_ANSWER);
  }
  const answer = readAnswer(exchange);
  if (answer.status === 200 || answer.status === 207) {
    const answers = parseBatchAnswer(parseJson(answer.body), operations.length);
    if (answers === undefined) {
      reservation.lost();
      counters.lost++;
      return sameForAll(operations, NO_ANSWER);
    }
    settle(reservation, answer, answers, counters);
    return { kind: 'answers', understood: true, answers };
  }
  const { status, subStatus, retryAfterMs } = answer;
  const chargedRu = answer.chargedRu / operations.length;
  const shared = { ...NO_ANSWER, lost: false, statusCode: status, subStatus, chargedRu, retryAfterMs };
  settle(reservation, answer, [shared], counters);
  if (answer.status === 410 || isPassing(answer.status, answer.subStatus)) return sameForAll(operations, shared);
  const error =
    answer.status === 403 && answer.subStatus === PARTITION_KEY_FULL
      ? undefined
      : targetError(answer, gateway.name, gateway.now());
  if (error !== undefined) return { kind: 'target', error };
  return { kind: 'refused', status: answer.status, subStatus: answer.subStatus, chargedRu: answer.chargedRu };
}

/** What is known of an operation whose request got no answer. */
const NO_ANSWER: OperationAnswer = {
  statusCode: 0,
  subStatus: 0,
  chargedRu: 0,
  retryAfterMs: 0,
  message: '',
  etag: '',
  document: undefined,
  lost: true,
};

function batchBody(operations: readonly { readonly text: string }[]): string {
  let body = '[';
  for (let index = 0; index < operations.length; index++) {
    if (index > 0) body += ',';
    body += operations[index]?.text;
  }
  return `${body}]`;
}

function sameForAll(operations: readonly unknown[], answer: OperationAnswer): BatchResult {
  return { kind: 'answers', understood: false, answers: operations.map(() => answer) };
}

function settle(
  reservation: RuReservation,
  answer: ServiceAnswer,
  answers: readonly OperationAnswer[],
  counters: WriterCounters,
): void {
  let chargedRu = answer.chargedRu;
  let retryAfterMs = 0;
  let summed = 0;
  for (const one of answers) {
    summed += one.chargedRu;
    if (one.statusCode === 429) retryAfterMs = Math.max(retryAfterMs, one.retryAfterMs, 1);
  }
  chargedRu = Math.max(chargedRu, summed);
  counters.requestUnits += chargedRu;
  if (retryAfterMs > 0) reservation.settle(chargedRu, retryAfterMs);
  else reservation.settle(chargedRu);
}
