/** Port to the state documents and the ledger of epochs. */
import { SyncError } from '../shared/errors.ts';
import type { SyncState, EpochKind } from './state.ts';

/** A state document as read, with the ETag that a change must match. */
export interface StoredState {
  readonly state: SyncState;
  /** Null for a target that has no document yet. */
  readonly etag: string | null;
}

/** One line of the ledger: what an epoch did. Kept for a limited time. */
export interface LedgerEntry {
  readonly target: string;
  readonly epoch: number;
  readonly planId: string;
  readonly kind: EpochKind;
  readonly why: string;
  readonly from: number | null;
  readonly to: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly counts: OperationCounts;
  readonly approvedBy?: string;
  readonly report?: VerifyReport;
}

/** Everything an epoch counted. Additive, so slices can be summed. */
export interface OperationCounts {
  readonly rows: number;
  readonly upserts: number;
  readonly creates: number;
  readonly patches: number;
  readonly deletes: number;
  /** Changes that needed no write. */
  readonly skipped: number;
  readonly deadLettered: number;
  readonly ambiguous: number;
  /** Documents that are new (201) minus documents that are gone (204). */
  readonly documentsDelta: number;
  readonly requestUnits: number;
}

export const NO_COUNTS: OperationCounts = {
  rows: 0,
  upserts: 0,
  creates: 0,
  patches: 0,
  deletes: 0,
  skipped: 0,
  deadLettered: 0,
  ambiguous: 0,
  documentsDelta: 0,
  requestUnits: 0,
};

/** Sum of two counts. */
export function addCounts(a: OperationCounts, b: OperationCounts): OperationCounts {
  return {
    rows: a.rows + b.rows,
    upserts: a.upserts + b.upserts,
    creates: a.creates + b.creates,
    patches: a.patches + b.patches,
    deletes: a.deletes + b.deletes,
    skipped: a.skipped + b.skipped,
    deadLettered: a.deadLettered + b.deadLettered,
    ambiguous: a.ambiguous + b.ambiguous,
    documentsDelta: a.documentsDelta + b.documentsDelta,
    requestUnits: a.requestUnits + b.requestUnits,
  };
}

/** What a verification found. Samples name identities, never content. */
export interface VerifyReport {
  readonly equal: number;
  readonly missing: number;
  readonly different: number;
  readonly extra: number;
  readonly samples: readonly {
    readonly kind: 'missing' | 'different' | 'extra';
    readonly id: string;
    readonly fields?: readonly string[];
  }[];
}

export interface StateStore {
  /** The state of a target; `initialState` with a null ETag when there is none. */
  read(target: string, signal?: AbortSignal): Promise<StoredState>;
  /** Writes by compare-and-swap; false when somebody else was first. */
  replace(state: SyncState, etag: string | null, signal?: AbortSignal): Promise<boolean>;
  /** Adds or rewrites the ledger line of (target, epoch). */
  record(entry: LedgerEntry, signal?: AbortSignal): Promise<void>;
  /** Newest ledger lines first. */
  history(target: string, limit: number, signal?: AbortSignal): Promise<readonly LedgerEntry[]>;
}

/** How often a transition is tried against other writers of the same document. */
const ATTEMPTS = 20;

/**
 * Applies a pure transition by compare-and-swap, reading again when somebody else was first. The transition returns the
 * same object to leave the document alone, or null to give up; the result is the state that is now stored, or null.
 */
export async function transition(
  store: StateStore,
  target: string,
  change: (state: SyncState) => SyncState | null,
  signal?: AbortSignal,
): Promise<SyncState | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { state, etag } = await store.read(target, signal);
    const next = change(state);
    if (next === null) return null;
    if (next === state || (await store.replace(next, etag, signal))) return next;
  }
  throw new SyncError('stateContended', {
    problem: `The state document of ${target} changed at every attempt to update it.`,
  });
}
