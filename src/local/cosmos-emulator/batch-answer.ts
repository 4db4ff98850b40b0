/** The answer to a batch: the results of its operations as JSON or, for a batch that came so, in HybridRow. */
import type { Container } from './container.ts';
import type { DocumentOperation, OperationResult } from './document-operations.ts';
import { resourceText } from './document.ts';
import { isHybridRow, writeHybridRows } from './hybrid-row.ts';
import type { Partition } from './partition.ts';
import { header, type Answer, type CosmosRequest } from './request.ts';
import { sessionHeaders, type Service } from './service.ts';

/** Bytes of an answer at most; reads beyond it are answered with 413/3402. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** An operation of a batch; `minimal` when the client does not want to see what it wrote. */
export interface BatchOperation extends DocumentOperation {
  readonly minimal: boolean;
}

/** One result as it is given out. */
export interface BatchResult {
  readonly status: number;
  readonly substatus: number;
  /** RU. */
  readonly charge: number;
  readonly retryAfterMs: number | undefined;
  readonly message: string | undefined;
  readonly etag: string | undefined;
  /** The document as JSON text. */
  readonly resource: string | undefined;
}

export function batchAnswer(
  service: Service,
  request: CosmosRequest,
  container: Container,
  partition: Partition,
  operations: readonly BatchOperation[],
  results: readonly OperationResult[],
  charge: number,
): Answer {
  const allMinimal = header(request, 'prefer')?.includes('return=minimal') === true;
  let characters = 0;
  const given = results.map((result, index): BatchResult => {
    const operation = operations[index];
    const reads = operation === undefined || operation.kind === 'Read';
    const shown = result.item !== undefined && result.status < 300 && (reads || !(allMinimal || operation.minimal));
    const tooLong = shown && reads && characters + (result.item?.size ?? 0) > MAX_ANSWER_BYTES;
    const resource = shown && !tooLong && result.item !== undefined ? resourceText(container, result.item) : undefined;
    characters += resource?.length ?? 0;
    const { item, retryAfterMs } = result;
    return {
      status: tooLong ? 413 : result.status,
      substatus: tooLong ? 3402 : (result.substatus ?? 0),
      charge: result.charge,
      retryAfterMs: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs),
      message: tooLong ? 'Response size is too large.' : result.message,
      etag: tooLong ? undefined : item?.etag,
      resource,
    };
  });
  for (const result of given) service.counters.answered(result.status, result.substatus);
  const hybrid = isHybridRow(request.body);
  return {
    status: given.some((result) => result.status >= 400) ? 207 : 200,
    charge,
    headers: {
      ...sessionHeaders(container, [partition]),
      lsn: String(partition.lsn),
      ...(hybrid ? { 'content-type': 'application/octet-stream' } : {}),
    },
    body: hybrid ? writeHybridRows(given) : `[${given.map(resultText).join(',')}]`,
  };
}

function resultText(result: BatchResult): string {
  let text = `{"statusCode":${result.status},"requestCharge":${result.charge}`;
  if (result.substatus !== 0) text += `,"subStatusCode":${result.substatus}`;
  if (result.retryAfterMs !== undefined) text += `,"retryAfterMilliseconds":${result.retryAfterMs}`;
  if (result.message !== undefined) text += `,"message":${JSON.stringify(result.message)}`;
  if (result.etag !== undefined) text += `,"eTag":${JSON.stringify(result.etag)}`;
  if (result.resource !== undefined) text += `,"resourceBody":${result.resource}`;
  return `${text}}`;
}
