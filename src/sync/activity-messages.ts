/** What activities are asked and what they answer: plain JSON, small, in Durable histories. Changed only with the orchestration version. */
import type { OperationCounts } from './state-store.ts';
import type { EpochKind, StageName } from './state.ts';

/** What the orchestration needs to know of a claimed plan; rows and files stay in blobs. */
export interface PlanSummary {
  readonly planId: string;
  readonly epoch: number;
  readonly kind: EpochKind;
  readonly to: number;
  readonly stages: readonly { readonly name: StageName; readonly chunks: number }[];
  /** How many slices run side by side. */
  readonly width: number;
}

export interface PlanInput {
  readonly tableId: string;
  /** Who drives the epoch: the orchestration instance with its run, or a command. */
  readonly driver: string;
  /** An epoch that cannot go on, and why. */
  readonly failure: EpochFailure | null;
}

export interface EpochFailure {
  readonly planId: string;
  readonly code: string;
  readonly message: string;
}

export type PlanResult =
  | { readonly kind: 'epoch'; readonly plan: PlanSummary }
  | { readonly kind: 'idle'; readonly version: number | null }
  | { readonly kind: 'busy' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'held'; readonly planId: string; readonly code: string; readonly reason: string }
  /** Nothing can be done yet (a half-written commit, a source that is empty for the moment). */
  | { readonly kind: 'retryAfter'; readonly ms: number }
  /** A newer version of the app is deployed than the one this run began with. */
  | { readonly kind: 'newVersion' }
  | Failure;

export interface SliceInput {
  readonly tableId: string;
  readonly planId: string;
  readonly stage: StageName;
  readonly chunk: number;
  /** Where the chunk's former slice stopped; null at its beginning. */
  readonly cursor: string | null;
  /** Distinguishes what this slice writes (shuffle blobs) from other attempts at the chunk. */
  readonly attempt: string;
  /** Dead letters of the epoch's other slices so far; absent for none. */
  readonly deadLettered?: number;
}

export type SliceResult =
  | {
      readonly kind: 'ok';
      /** Null when the chunk is done. */
      readonly cursor: string | null;
      readonly counts: OperationCounts;
      /** True when the slice wrote a shuffle blob for its attempt. */
      readonly output?: boolean;
    }
  | { readonly kind: 'retryAfter'; readonly ms: number }
  /** The epoch is paused, held or no longer current. */
  | { readonly kind: 'stopped' }
  | Failure;

export interface SealInput {
  readonly tableId: string;
  readonly planId: string;
  readonly stage: StageName;
  /** Attempts whose output counts. */
  readonly outputs: readonly string[];
  readonly counts: OperationCounts;
}

export type SealResult =
  | { readonly kind: 'ok' }
  | { readonly kind: 'held'; readonly code: string; readonly reason: string }
  | Failure;

export interface CompleteInput {
  readonly tableId: string;
  readonly planId: string;
  readonly counts: OperationCounts;
}

export type CompleteResult = { readonly kind: 'ok'; readonly version: number } | Failure;

/** An activity's expected failure, as data. */
export interface Failure {
  readonly kind: 'failed';
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}
