/** Port to the place of one lease document. */
import type { LeaseDocument } from './lease-document.ts';

/** What a read found. */
export type LeaseRead =
  | { readonly kind: 'document'; readonly document: LeaseDocument; readonly etag: string }
  /** Still the version whose etag was given. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'absent' };

/** What became of a write. `conflict` may also be the answer to a repeated request whose first copy was applied. */
export type LeaseWrite = { readonly kind: 'written'; readonly etag: string } | { readonly kind: 'conflict' };

/**
 * Reads and replaces one lease document. Retryable SyncErrors (no answer, throttled, unavailable) mean that the
 * request may or may not have been applied; others are final (no container, no permission, damaged document).
 */
export interface LeaseStore {
  /** `etag` of the version that is known already, or null. */
  read(etag: string | null, signal: AbortSignal): Promise<LeaseRead>;
  /** Replaces the version with this etag; null creates. */
  replace(document: LeaseDocument, etag: string | null, signal: AbortSignal): Promise<LeaseWrite>;
}
