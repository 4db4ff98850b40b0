/** What a local run tells: plain data, from which each output (JSON lines, plain lines, a terminal) makes its own text. */
import type { AzuriteAddress, CosmosAddress, FunctionsAddress } from './services.ts';
import type { DocumentChange, TargetDocument } from './target-documents.ts';

/** The three services' addresses and keys. */
export interface Addresses {
  readonly functions: FunctionsAddress;
  readonly cosmos: CosmosAddress;
  readonly azurite: AzuriteAddress;
}

export type SessionEvent =
  /** A message about the run itself. */
  | { readonly kind: 'note'; readonly text: string }
  | {
      readonly kind: 'ready';
      readonly addresses: Addresses;
      readonly table: string;
      readonly target: string;
      readonly dataFolder: string;
      readonly milliseconds: number;
    }
  /** A commit of the sample table. */
  | { readonly kind: 'commit'; readonly version: number; readonly title: string }
  /** What that commit did in Cosmos, `milliseconds` after it was written. */
  | {
      readonly kind: 'arrived';
      readonly version: number;
      readonly changes: readonly DocumentChange[];
      readonly milliseconds: number;
    }
  | {
      readonly kind: 'epoch';
      readonly table: string;
      readonly epochKind: string;
      readonly from: number | null;
      readonly to: number;
      readonly rows: number;
      readonly operations: Readonly<Record<string, number>>;
      readonly ru: number;
      readonly milliseconds: number;
      /** From the commit to the end of the epoch; undefined when the table does not say when it was committed. */
      readonly lagMilliseconds: number | undefined;
    }
  | {
      readonly kind: 'synced';
      readonly table: string;
      readonly version: number;
      readonly documents: number;
      /** Since the services were ready, or since the table changed again. */
      readonly seconds: number;
    }
  /** The documents at the end of the sample. */
  | { readonly kind: 'documents'; readonly documents: readonly TargetDocument[] }
  /** Everything that was there is in Cosmos, or something is in the way; the run goes on until it is stopped. */
  | { readonly kind: 'watching'; readonly isSample: boolean }
  /** Something goes wrong. Codes of the error catalogue and of held epochs. */
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

/** How far the table is; shown while it lasts, never kept. */
export interface Progress {
  readonly table: string;
  /** Versions of the epoch under way; undefined when there is none. */
  readonly epoch: { readonly kind: string; readonly from: number | null; readonly to: number } | undefined;
  /** 0 to 1. */
  readonly share: number;
  readonly rows: number;
  readonly documents: number;
  readonly budget: { readonly ruPerSecond: number; readonly used: number } | undefined;
  /** Age of the oldest commit that is not in Cosmos, in milliseconds; undefined when there is none. */
  readonly lagMilliseconds: number | undefined;
}

/** Where a run's events go. */
export interface Reporter {
  /** Whether `progress` shows anything. */
  readonly showsProgress: boolean;
  event(event: SessionEvent): void;
  progress(progress: Progress): void;
  /** Nothing more will come: leaves the output in order. */
  close(): void;
}
