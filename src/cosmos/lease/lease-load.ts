/** Port from the lease holder to the limiter that spends its grant. */
import type { SyncError } from '../../shared/errors.ts';

/** What the holder asks of the limiter it works for. Hundredths of RU and RU/s. */
export interface LeaseLoad {
  demand(): number;
  operation(): number;
  /** RU that the service may have charged all at once within the last second. */
  chargedAtOnce(): number;
  /** False when no table uses the budget any more: leaving ends the holder id. */
  open(): boolean;
  /** What may be spent has changed. */
  grantChanged(): void;
  /** The lease cannot be used and trying again will not help. */
  failed(error: SyncError): void;
}
