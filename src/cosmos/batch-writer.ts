/** The mirrored container, written and read in batches under the table's RU limiter. */
import { systemClock, type Clock } from '../shared/clock.ts';
import { SyncError } from '../shared/errors.ts';
import type { Identity } from '../documents/document.ts';
import type {
  DocumentPage,
  DocumentWriter,
  EpkRange,
  Operation,
  Outcome,
  StoredDocument,
  TargetInfo,
} from '../sync/document-writer.ts';
import type { BatchItem } from './batch-item.ts';
import type { BatchOperation } from './batch-operation.ts';
import type { SessionContext } from './batch-dispatch.ts';
import { BatchSession } from './batch-session.ts';
import { ContainerGateway, type ContainerAddress } from './container-gateway.ts';
import type { CosmosAccount } from './cosmos-account.ts';
import { DocumentScan } from './document-scan.ts';
import { OperationCosts } from './operation-cost.ts';
import { PartitionMap } from './partition-map.ts';
import { refusalText } from './row-refusal.ts';
import type { RuLimiter } from './ru-limiter.ts';
import { deliveryError } from './service-answer.ts';
import { SharedTask } from './shared-task.ts';
import { keyPathNames, storedDocument } from './stored-document.ts';
import { checkTarget, parseTarget } from './target-check.ts';
import { writerCounters, type WriterCounters } from './writer-counters.ts';

/** What a writer needs. */
export interface DocumentWriterOptions extends ContainerAddress {
  readonly account: CosmosAccount;
  readonly limiter: RuLimiter;
  /** Key paths that the mapping fills; absent when it takes them from the container. */
  readonly partitionKeyPaths?: readonly string[];
  /** Milliseconds during which an operation is sent again while the service has passing trouble. Default 60,000. */
  readonly retryForMs?: number;
  readonly clock?: Clock;
}

/** A DocumentWriter that tells what it did. */
export interface CosmosDocumentWriter extends DocumentWriter {
  readonly counters: Readonly<WriterCounters>;
}

/** A writer for one container; no request is sent before it is used. */
export function openDocumentWriter(options: DocumentWriterOptions): CosmosDocumentWriter {
  return new BatchWriter(options);
}

const DEFAULT_RETRY_FOR_MS = 60_000;

/** The container as found, and what is worked out from it once. */
interface Target {
  readonly info: Omit<TargetInfo, 'partitions'>;
  readonly session: SessionContext;
  readonly scan: DocumentScan;
}

class BatchWriter implements CosmosDocumentWriter {
  readonly counters: WriterCounters = writerCounters();
  readonly #options: DocumentWriterOptions;
  readonly #gateway: ContainerGateway;
  readonly #partitions: PartitionMap;
  readonly #costs = new OperationCosts();
  readonly #clock: Clock;
  readonly #finding = new SharedTask((signal) => this.#find(signal));
  #target: Target | undefined;

  constructor(options: DocumentWriterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#gateway = new ContainerGateway(options.account, options);
    const gateway = this.#gateway;
    this.#partitions = new PartitionMap((signal) => gateway.readRanges(signal), this.#clock, gateway.name);
  }

  async describe(signal: AbortSignal): Promise<TargetInfo> {
    this.#target = await this.#finding.run(signal);
    const { info } = this.#target;
    // Whoever describes plans anew, also for a container that was created again.
    this.#partitions.forget();
    const { ranges } = await this.#partitions.refresh(signal);
    return { ...info, partitions: ranges.map(({ start, end }) => ({ start, end })) };
  }

  async *write(
    operations: AsyncIterable<readonly Operation[]>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Outcome[], void, undefined> {
    let target: Target;
    try {
      target = await this.#open(signal);
    } catch (error) {
      // Stopped before anything was handed in: there is nothing to report.
      if (signal.aborted) return;
      throw error;
    }
    const { session } = target;
    for await (const items of new BatchSession<Operation>(session, signal).run(operations)) yield items.map(outcome);
  }

  async read(
    identities: readonly Identity[],
    signal: AbortSignal,
  ): Promise<{ readonly documents: readonly StoredDocument[]; readonly requestUnits: number }> {
    const { session } = await this.#open(signal);
    const reads = identities.map((identity) => ({ kind: 'read', identity }) as const);
    const context: SessionContext = { ...session, answerWith: 'documents' };
    const documents: StoredDocument[] = [];
    let requestUnits = 0;
    let failed: BatchItem | undefined;
    for await (const items of new BatchSession<BatchOperation>(context, signal).run(onePage(reads))) {
      for (const item of items) {
        requestUnits += item.requestUnits;
        // An identity that is not even sent, because the service would refuse it, has no document.
        if (item.status === 'failed' || (item.status === 'rejected' && item.attempts > 0)) failed ??= item;
        if (item.document === undefined) continue;
        const found = storedDocument(item.document, item.operation.identity);
        documents.push(found.etag === '' ? { ...found, etag: item.etag } : found);
      }
    }
    signal.throwIfAborted();
    if (failed !== undefined) throw unread(failed, this.#gateway.name);
    return { documents, requestUnits };
  }

  async scan(range: EpkRange, cursor: string | null, signal: AbortSignal): Promise<DocumentPage> {
    const { scan } = await this.#open(signal);
    return scan.page(range, cursor, signal);
  }

  /** The container, read and checked once. */
  async #open(signal: AbortSignal): Promise<Target> {
    this.#target ??= await this.#finding.run(signal);
    return this.#target;
  }

  async #find(signal: AbortSignal): Promise<Target> {
    const gateway = this.#gateway;
    await gateway.findRegion(signal);
    const info = parseTarget(await gateway.readContainer(signal), gateway.name);
    const { partitionKeyPaths } = this.#options;
    checkTarget(
      { ...info, partitions: [] },
      {
        name: gateway.name,
        multipleWriteRegions: gateway.multipleWriteRegions,
        ...(partitionKeyPaths === undefined ? {} : { partitionKeyPaths }),
      },
    );
    const hashing = { kind: info.partitionKeyKind, version: info.partitionKeyVersion };
    const shared = {
      gateway,
      partitions: this.#partitions,
      limiter: this.#options.limiter,
      counters: this.counters,
      clock: this.#clock,
      retryForMs: this.#options.retryForMs ?? DEFAULT_RETRY_FOR_MS,
    };
    return {
      info,
      session: {
        ...shared,
        answerWith: 'nothing',
        costs: this.#costs,
        key: { ...hashing, levels: info.partitionKeyPaths.length },
      },
      scan: new DocumentScan({ ...shared, hashing, keyPaths: info.partitionKeyPaths.map(keyPathNames) }),
    };
  }
}

function outcome(item: BatchItem<Operation>): Outcome {
  const { reason } = item;
  if (item.status === undefined) throw new SyncError('internal', { problem: 'An operation ended without a status.' });
  return {
    operation: item.operation,
    status: item.status,
    statusCode: item.statusCode,
    subStatus: item.subStatus,
    ambiguous: item.ambiguous,
    requestUnits: item.requestUnits,
    attempts: item.attempts,
    ...(reason === undefined ? {} : { reason: item.status === 'rejected' ? refusalText(reason) : reason }),
  };
}

/** A document that could not be read must not pass for one that is not there. */
function unread({ status, statusCode, subStatus, attempts }: BatchItem, name: string): SyncError {
  const answer = `${statusCode}/${subStatus}`;
  if (status === 'failed') return deliveryError(`${answer} after ${attempts} attempts`, name);
  return new SyncError('targetRejects', {
    problem: `A document of the ${name} cannot be read.`,
    reason: `Cosmos DB answered ${answer}.`,
  });
}

async function* onePage<T>(page: readonly T[]): AsyncGenerator<readonly T[], void, undefined> {
  yield page;
}
