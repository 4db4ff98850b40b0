/** Reads every document of a range of effective partition keys, page by page, under the RU limiter. */
import type { Clock } from '../shared/clock.ts';
import { SyncError } from '../shared/errors.ts';
import type { JsonObject } from '../documents/document.ts';
import type { PartitionKeyHashing } from '../documents/effective-partition-key.ts';
import type { DocumentPage, EpkRange, StoredDocument } from '../sync/document-writer.ts';
import type { ContainerGateway } from './container-gateway.ts';
import { findPartition, type PartitionMap, type PartitionRange } from './partition-map.ts';
import type { RuLimiter, RuReservation } from './ru-limiter.ts';
import {
  deliveryError,
  isCertificateCause,
  isJsonObject,
  isPassing,
  parseJson,
  readAnswer,
  targetError,
} from './service-answer.ts';
import { identityOf, storedDocument } from './stored-document.ts';
import type { WriterCounters } from './writer-counters.ts';

/** What a scan works with. */
export interface ScanContext {
  readonly gateway: ContainerGateway;
  readonly partitions: PartitionMap;
  readonly limiter: RuLimiter;
  readonly counters: WriterCounters;
  readonly clock: Clock;
  readonly hashing: PartitionKeyHashing;
  readonly keyPaths: readonly (readonly string[])[];
  /** Milliseconds for which one page is tried. */
  readonly retryForMs: number;
}

/** A stretch that is still to be read; `token` is the service's continuation inside it. */
interface ScanPart extends EpkRange {
  readonly token: string | null;
}

const MAX_PAGE_DOCUMENTS = 1_000;
/** A query costs about this much before its first document. */
const QUERY_RU = 3;

export class DocumentScan {
  readonly #context: ScanContext;
  /** RU of one document in a page, learnt from pages. */
  #documentRu = 0.2;

  constructor(context: ScanContext) {
    this.#context = context;
  }

  /** The page after `cursor` (null: the first). An empty page with a cursor is possible. */
  async page(range: EpkRange, cursor: string | null, signal: AbortSignal): Promise<DocumentPage> {
    const { clock, partitions } = this.#context;
    const parts = cursor === null ? [{ ...range, token: null }] : parseCursor(cursor);
    const deadline = clock.monotonic() + this.#context.retryForMs;
    let requestUnits = 0;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const [first, ...rest] = parts;
      if (first === undefined || first.start >= first.end) return { documents: [], cursor: null, requestUnits };
      const partition = findPartition(await partitions.layout(signal), first.start);
      // A stretch of several partitions is read one by one. After a split both halves go on from the same token: it names
      // a place in the order of the service's own document ids, which the halves keep.
      const part = { ...first, end: first.end < partition.end ? first.end : partition.end };
      const after = part.end < first.end ? [{ ...first, start: part.end }, ...rest] : rest;
      const result = await this.#query(part, partition, signal);
      requestUnits += result.requestUnits;
      if (result.kind === 'page') {
        const left = result.token === null ? after : [{ ...part, token: result.token }, ...after];
        return { documents: result.documents, cursor: left.length === 0 ? null : JSON.stringify(left), requestUnits };
      }
      if (clock.monotonic() >= deadline) throw deliveryError(result.cause, this.#context.gateway.name);
      if (result.kind === 'moved') await partitions.refreshUntilGone(partition.id, signal);
      else await clock.sleep(Math.max(result.retryAfterMs, Math.min(10 * 2 ** attempt, 2_000)), signal);
    }
  }

  async #query(part: ScanPart, partition: PartitionRange, signal: AbortSignal): Promise<QueryResult> {
    const { gateway, limiter, counters } = this.#context;
    const room = limiter.batchRu(partition.id) - QUERY_RU;
    const documents = Math.max(1, Math.min(MAX_PAGE_DOCUMENTS, Math.floor(room / this.#documentRu)));
    const estimatedRu = QUERY_RU + documents * this.#documentRu;
    const reservation = await limiter.reserve({ partition: partition.id, estimatedRu, operations: 1 }, signal);
    const exchange = await this.#send(part, partition, documents, reservation, signal);
    if (exchange.kind === 'unsent') {
      reservation.release();
      if (isCertificateCause(exchange.cause)) throw deliveryError(exchange.cause, gateway.name);
      return { kind: 'retry', cause: exchange.cause, retryAfterMs: 0, requestUnits: 0 };
    }
    counters.requests++;
    if (exchange.kind === 'lost') {
      reservation.lost();
      counters.lost++;
      return { kind: 'retry', cause: exchange.cause, retryAfterMs: 0, requestUnits: 0 };
    }
    const answer = readAnswer(exchange);
    const { status, subStatus, chargedRu: requestUnits } = answer;
    counters.requestUnits += requestUnits;
    if (status === 429) reservation.settle(requestUnits, Math.max(1, answer.retryAfterMs));
    else if (requestUnits === 0 && status < 300) reservation.lost();
    else reservation.settle(requestUnits);
    const cause = `${status}/${subStatus}`;
    if (status >= 200 && status < 300) {
      const found = documentsOf(parseJson(answer.body));
      if (found === undefined) {
        return { kind: 'retry', cause: `an unreadable answer ${status}`, retryAfterMs: 0, requestUnits };
      }
      if (found.length > 0)
        this.#documentRu += 0.3 * (Math.max(0, requestUnits - QUERY_RU) / found.length - this.#documentRu);
      const token = answer.headers['x-ms-continuation'];
      return {
        kind: 'page',
        documents: this.#inside(found, part),
        token: typeof token === 'string' && token !== '' ? token : null,
        requestUnits,
      };
    }
    if (status === 410) return { kind: 'moved', cause, requestUnits };
    if (isPassing(status, subStatus)) return { kind: 'retry', cause, retryAfterMs: answer.retryAfterMs, requestUnits };
    throw (
      targetError(answer, gateway.name, gateway.now()) ??
      new SyncError('targetRejects', {
        problem: `The ${gateway.name} cannot be read.`,
        reason: `Cosmos DB answered ${cause} to a query.`,
      })
    );
  }

  async #send(
    part: ScanPart,
    partition: PartitionRange,
    documents: number,
    reservation: RuReservation,
    signal: AbortSignal,
  ): ReturnType<ContainerGateway['postDocuments']> {
    const headers: Record<string, string> = {
      'content-type': 'application/query+json',
      'x-ms-documentdb-isquery': 'true',
      'x-ms-documentdb-query-enablecrosspartition': 'true',
      'x-ms-documentdb-partitionkeyrangeid': partition.id,
      'x-ms-max-item-count': String(documents),
    };
    if (part.token !== null) headers['x-ms-continuation'] = part.token;
    if (part.start > partition.start || part.end < partition.end) {
      headers['x-ms-read-key-type'] = 'EffectivePartitionKeyRange';
      headers['x-ms-start-epk'] = part.start;
      headers['x-ms-end-epk'] = part.end;
    }
    try {
      const cancel = [reservation.expired, signal];
      return await this.#context.gateway.postDocuments({ headers, body: QUERY, cancel }, signal);
    } catch (error) {
      reservation.release();
      throw error;
    }
  }

  /** The service may answer with the whole partition; only the stretch that was asked for is passed on. */
  #inside(found: readonly JsonObject[], part: ScanPart): readonly StoredDocument[] {
    const documents: StoredDocument[] = [];
    for (const raw of found) {
      const identity = identityOf(raw, this.#context.keyPaths, this.#context.hashing);
      if (identity.epk >= part.start && identity.epk < part.end) documents.push(storedDocument(raw, identity));
    }
    return documents;
  }
}

type QueryResult =
  | {
      readonly kind: 'page';
      readonly documents: readonly StoredDocument[];
      readonly token: string | null;
      readonly requestUnits: number;
    }
  | { readonly kind: 'retry'; readonly cause: string; readonly retryAfterMs: number; readonly requestUnits: number }
  | { readonly kind: 'moved'; readonly cause: string; readonly requestUnits: number };

/** The documents of a page; undefined when the answer is none. */
function documentsOf(json: unknown): readonly JsonObject[] | undefined {
  const found = ((json ?? {}) as { readonly Documents?: unknown }).Documents;
  if (!Array.isArray(found)) return undefined;
  return found.every(isJsonObject) ? found : undefined;
}

const QUERY = Buffer.from(JSON.stringify({ query: 'SELECT * FROM c' }));

function parseCursor(cursor: string): readonly ScanPart[] {
  const parts = parseJson(Buffer.from(cursor));
  if (Array.isArray(parts) && parts.every(isPart)) return parts;
  throw new SyncError('internal', { problem: 'A scan was continued with a cursor that is not its own.' });
}

function isPart(value: unknown): value is ScanPart {
  const { start, end, token } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof start === 'string' && typeof end === 'string' && (token === null || typeof token === 'string');
}
