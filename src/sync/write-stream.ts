/**
 * Writes the decisions of a slice: batches of decisions go in, each with the cursor that stands behind it; the cursor of
 * the slice is behind the last batch of which every operation is settled.
 */
import { mergeOperation, type Decision, type Merge } from '../changes/operation-decision.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import type { DocumentWriter, Operation, Outcome } from './document-writer.ts';
import type { FailedRow } from './dead-letters.ts';
import type { OutcomeAccount } from './outcome-account.ts';

/** A decision with what a dead letter would say of its row. */
export interface PlacedDecision {
  readonly decision: Extract<Decision, { kind: 'operation' | 'merge' }>;
  readonly row: Pick<FailedRow, 'version' | 'position'>;
  /** The changes say that there was no such row before: a document that is there all the same has another owner. */
  readonly fresh: boolean;
}

export interface DecisionBatch {
  readonly decisions: readonly PlacedDecision[];
  /** Rows of this batch that were refused before any operation. */
  readonly failed: readonly FailedRow[];
  /** Where a later slice goes on when everything up to here is settled. */
  readonly cursor: string;
}

/** Decisions of a slice's first batch: under the smallest budget some are settled before its time is over. */
const FIRST_BATCH = 10;

/** Sizes of one batch after another: small at first, then twice as many each time. */
export function* batchSizes(most: number): Generator<number, never> {
  for (let size = Math.min(FIRST_BATCH, most); ; size = Math.min(2 * size, most)) yield size;
}

export interface StreamResult {
  /** Behind the last settled batch; null when none was. */
  readonly cursor: string | null;
  /** Whether every batch that was handed in is settled. */
  readonly settled: boolean;
  /** Dead letters of the settled batches. */
  readonly deadLetters: readonly FailedRow[];
  /** Documents that were there although their row is new: another row claims them, too, or a lost attempt wrote them. */
  readonly surprises: readonly Identity[];
  /** The first operation that could not be done although nobody stopped the slice. */
  readonly failure: Outcome | null;
}

/** Read, decide and write again at most this often when somebody else changes the same document. */
const MERGE_ROUNDS = 5;

interface Pending {
  readonly batch: number;
  readonly placed: PlacedDecision;
}

export interface StreamOptions {
  readonly writer: DocumentWriter;
  readonly account: OutcomeAccount;
  /** Field with the table version: a new stamp alone is no reason to write. */
  readonly sourceVersion: string | undefined;
  readonly signal: AbortSignal;
}

/** Writes everything that `batches` yields. Never rejects for a row; rejects for errors of the target. */
export async function writeDecisions(
  batches: AsyncIterable<DecisionBatch>,
  options: StreamOptions,
): Promise<StreamResult> {
  const stream = new WriteStream(options);
  return stream.run(batches);
}

class WriteStream {
  readonly #options: StreamOptions;
  readonly #pending = new Map<Operation, Pending>();
  /** Unsettled operations of each batch. */
  readonly #open: number[] = [];
  readonly #cursors: string[] = [];
  readonly #letters: FailedRow[][] = [];
  #merges: Pending[] = [];
  #failure: Outcome | null = null;
  readonly #surprises: Identity[] = [];

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  async run(batches: AsyncIterable<DecisionBatch>): Promise<StreamResult> {
    await this.#write(this.#operations(batches));
    for (let round = 0; round < MERGE_ROUNDS && this.#merges.length > 0; round++) await this.#mergeRound();
    for (const { placed } of this.#merges) this.#failure ??= contended(placed);
    return this.#result();
  }

  async #write(operations: AsyncIterable<readonly Operation[]>): Promise<void> {
    const { writer, account, signal } = this.#options;
    for await (const outcomes of writer.write(counted(operations, account), signal)) {
      for (const outcome of outcomes) this.#settle(outcome);
    }
  }

  async *#operations(batches: AsyncIterable<DecisionBatch>): AsyncGenerator<readonly Operation[]> {
    for await (const batch of batches) {
      const index = this.#open.length;
      this.#open.push(batch.decisions.length);
      this.#cursors.push(batch.cursor);
      this.#letters.push([...batch.failed]);
      for (let i = 0; i < batch.failed.length; i++) this.#options.account.deadLetter();
      const operations: Operation[] = [];
      for (const placed of batch.decisions) {
        const pending = { batch: index, placed };
        if (placed.decision.kind === 'merge') {
          this.#merges.push(pending);
          continue;
        }
        this.#pending.set(placed.decision.operation, pending);
        operations.push(placed.decision.operation);
      }
      if (operations.length > 0) yield operations;
      if (this.#merges.length >= 1_000) yield* this.#mergeOperations();
    }
  }

  /** Reads the documents to be merged into and yields what is to be done to them. */
  async *#mergeOperations(): AsyncGenerator<readonly Operation[]> {
    const { writer, account, signal, sourceVersion } = this.#options;
    const merges = this.#merges;
    this.#merges = [];
    if (signal.aborted) {
      this.#merges = merges;
      return;
    }
    const read = await writer.read(
      merges.map((pending) => mergeOf(pending).identity),
      signal,
    );
    account.spend(read.requestUnits);
    const stored = new Map(read.documents.map((document) => [identityHash(document.identity), document]));
    const operations: Operation[] = [];
    for (const pending of merges) {
      const merge = mergeOf(pending);
      const operation = mergeOperation(merge, stored.get(identityHash(merge.identity)), sourceVersion);
      if (operation === undefined) {
        this.#close(pending.batch);
        account.skip(1);
        continue;
      }
      this.#pending.set(operation, pending);
      operations.push(operation);
    }
    if (operations.length > 0) yield operations;
  }

  async #mergeRound(): Promise<void> {
    await this.#write(this.#mergeOperations());
  }

  #settle(outcome: Outcome): void {
    const { account, signal } = this.#options;
    const pending = this.#pending.get(outcome.operation);
    this.#pending.delete(outcome.operation);
    const again = pending !== undefined && needsMerge(outcome, pending);
    account.book(outcome, !again);
    if (pending === undefined) return;
    const found = outcome.status === 'exists' || (outcome.status === 'applied' && outcome.statusCode === 200);
    if (found && pending.placed.fresh) this.#surprises.push(outcome.operation.identity);
    if (again) {
      this.#merges.push(pending);
      return;
    }
    if (outcome.status === 'failed') {
      if (!signal.aborted) this.#failure ??= outcome;
      return;
    }
    if (outcome.status === 'rejected') {
      account.deadLetter();
      const { identity } = outcome.operation;
      const document = 'document' in outcome.operation ? { document: outcome.operation.document } : {};
      const reason = outcome.reason ?? `The service answered ${outcome.statusCode}.`;
      this.#letters[pending.batch]?.push({
        code: rejectionCode(outcome),
        reason,
        ...pending.placed.row,
        identity,
        ...document,
      });
    }
    this.#close(pending.batch);
  }

  #close(batch: number): void {
    this.#open[batch] = (this.#open[batch] ?? 1) - 1;
  }

  #result(): StreamResult {
    const firstOpen = this.#open.findIndex((count) => count > 0);
    const settled = firstOpen === -1 ? this.#open.length : firstOpen;
    return {
      cursor: this.#cursors[settled - 1] ?? null,
      settled: firstOpen === -1,
      deadLetters: this.#letters.slice(0, settled).flat(),
      surprises: this.#surprises,
      failure: this.#failure,
    };
  }
}

async function* counted(
  operations: AsyncIterable<readonly Operation[]>,
  account: OutcomeAccount,
): AsyncGenerator<readonly Operation[]> {
  for await (const batch of operations) {
    account.hand(batch);
    yield batch;
  }
}

function mergeOf({ placed }: Pending): Merge {
  const { decision } = placed;
  if (decision.kind === 'merge') return decision.merge;
  if (decision.otherwise === undefined) throw new TypeError('A decision without a merge was read for one.');
  return decision.otherwise;
}

function needsMerge(outcome: Outcome, { placed }: Pending): boolean {
  const soft = outcome.status === 'exists' || outcome.status === 'missing' || outcome.status === 'changed';
  return soft && (placed.decision.kind === 'merge' || placed.decision.otherwise !== undefined);
}

/** What the writer found before sending has a code of its own, which begins its reason. */
function rejectionCode({ statusCode, reason = '' }: Outcome): string {
  if (statusCode > 0) return `rejected${statusCode}`;
  return /^[a-zA-Z]+(?=: )/.exec(reason)?.[0] ?? 'rejected';
}

function contended(placed: PlacedDecision): Outcome {
  const { decision } = placed;
  const identity = decision.kind === 'merge' ? decision.merge.identity : decision.operation.identity;
  return {
    operation: { kind: 'delete', identity },
    status: 'failed',
    statusCode: 412,
    subStatus: 0,
    ambiguous: false,
    requestUnits: 0,
    attempts: MERGE_ROUNDS,
    reason: 'The document was changed by somebody else at every attempt to merge into it.',
  };
}
