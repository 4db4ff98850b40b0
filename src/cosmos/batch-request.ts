/** One batch on the wire: its body, its RU reservation, and its answer made the same whatever form it has. */
import { SyncError } from '../shared/errors.ts';
import { blamesRows, parseBatchAnswer, type OperationAnswer } from './batch-answer.ts';
import type { ContainerGateway } from './container-gateway.ts';
import type { RuReservation } from './ru-limiter.ts';
import {
  activity,
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
  /** One answer per operation; `trouble` says why when the service did not read the batch, or nobody knows. */
  | { readonly kind: 'answers'; readonly trouble: string | undefined; readonly answers: readonly OperationAnswer[] }
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
    return sameForAll(operations, { ...NO_ANSWER, lost: false }, exchange.cause);
  }
  counters.requests++;
  if (exchange.kind === 'lost') {
    reservation.lost();
    counters.lost++;
    return sameForAll(operations, NO_ANSWER, exchange.cause);
  }
  const answer = readAnswer(exchange);
  const { status, subStatus, retryAfterMs } = answer;
  if (status >= 200 && status < 300) {
    const answers = parseBatchAnswer(parseJson(answer.body), operations.length);
    if (answers === undefined) {
      reservation.lost();
      counters.lost++;
      return sameForAll(operations, NO_ANSWER, `an unreadable answer ${status}`);
    }
    settle(reservation, answer, answers, counters);
    return { kind: 'answers', trouble: undefined, answers };
  }
  const chargedRu = answer.chargedRu / operations.length;
  const shared = { ...NO_ANSWER, lost: false, statusCode: status, subStatus, chargedRu, retryAfterMs };
  settle(reservation, answer, [shared], counters);
  if (status === 410 || isPassing(status, subStatus)) return sameForAll(operations, shared, `${status}/${subStatus}`);
  if (blamesRows(status, subStatus)) return { kind: 'refused', status, subStatus, chargedRu: answer.chargedRu };
  return { kind: 'target', error: targetError(answer, gateway.name, gateway.now()) ?? rejection(answer, gateway.name) };
}

/** An answer that Cosmos DB does not give to a batch: of a proxy, or of something else at this address. */
function rejection(answer: ServiceAnswer, name: string): SyncError {
  return new SyncError('targetRejects', {
    problem: `The ${name} refuses batches of operations.`,
    reason: `The answer was ${answer.status}/${answer.subStatus}${activity(answer)}.`,
    remedy: 'Check the endpoint, and what stands between this app and the account.',
  });
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

function sameForAll(operations: readonly unknown[], answer: OperationAnswer, trouble: string): BatchResult {
  return { kind: 'answers', trouble, answers: operations.map(() => answer) };
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
  // Nothing that the service does is free: what it does not tell counts as expected.
  else if (chargedRu === 0 && answer.status < 300) reservation.lost();
  else reservation.settle(chargedRu);
}
