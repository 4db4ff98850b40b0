/** Accounts for every operation of a slice: what was handed to the writer must come back exactly once. */
import { SyncError } from '../shared/errors.ts';
import type { Operation, Outcome } from './document-writer.ts';
import { NO_COUNTS, type OperationCounts } from './state-store.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class OutcomeAccount {
  readonly #counts: Mutable<OperationCounts> = { ...NO_COUNTS };
  #handed = 0;
  #returned = 0;
  #sentInVain = false;

  /** Rows, images or documents read. */
  read(rows: number): void {
    this.#counts.rows += rows;
  }

  skip(changes: number): void {
    this.#counts.skipped += changes;
  }

  deadLetter(): void {
    this.#counts.deadLettered++;
  }

  /** RU spent on reading the container. */
  spend(requestUnits: number): void {
    this.#counts.requestUnits += requestUnits;
  }

  hand(operations: readonly Operation[]): void {
    this.#handed += operations.length;
  }

  /** Books an outcome that settles its operation, or merely its cost when the caller will try another operation. */
  book(outcome: Outcome, settled: boolean): void {
    this.#returned++;
    this.#counts.requestUnits += outcome.requestUnits;
    if (outcome.ambiguous) this.#counts.ambiguous++;
    if (!settled) return;
    if (outcome.status === 'failed' && outcome.attempts > 0) this.#sentInVain = true;
    if (outcome.status !== 'applied') {
      if (outcome.status !== 'failed' && outcome.status !== 'rejected') this.#counts.skipped++;
      return;
    }
    const kind = outcome.operation.kind;
    if (kind === 'delete') this.#counts.deletes++;
    else if (kind === 'patch') this.#counts.patches++;
    else if (kind === 'create') this.#counts.creates++;
    else this.#counts.upserts++;
    if (outcome.statusCode === 201) this.#counts.documentsDelta++;
    if (outcome.statusCode === 204) this.#counts.documentsDelta--;
  }

  /** Whether something that was sent may still land: what never was sent cannot. */
  get answersLost(): boolean {
    return this.#counts.ambiguous > 0 || this.#sentInVain || this.#handed !== this.#returned;
  }

  /** Throws `internal` when operations and outcomes do not agree. */
  total(): OperationCounts {
    if (this.#handed !== this.#returned) {
      throw new SyncError('internal', {
        problem: `${this.#handed} operations were handed to the writer, ${this.#returned} outcomes came back.`,
      });
    }
    return { ...this.#counts };
  }
}
