/** When other holders' entries expire, told by this process's monotonic clock alone. */
import type { LeaseDocument } from './lease-document.ts';
import { LEASE_TERMS } from './lease-terms.ts';

/**
 * Remembers since when each holder's `seq` stands still. An entry is expired when the same seq was seen for its whole
 * ttl since this process first saw it: its owner's grant ended earlier, since that counts from before the write.
 */
export class HolderWatch {
  readonly #seen = new Map<string, { readonly seq: number; readonly at: number }>();

  /** Takes note of a document that was just read. `now` is monotonic milliseconds. */
  observe(document: LeaseDocument, now: number): void {
    for (const [id, entry] of document.holders) {
      if (this.#seen.get(id)?.seq !== entry.seq) this.#seen.set(id, { seq: entry.seq, at: now });
    }
    if (this.#seen.size === document.holders.size) return;
    for (const id of this.#seen.keys()) {
      if (!document.holders.has(id)) this.#seen.delete(id);
    }
  }

  /** The holders of `document` that are expired at `now`. */
  expired(document: LeaseDocument, now: number): ReadonlySet<string> {
    const expired = new Set<string>();
    for (const [id, entry] of document.holders) {
      const seen = this.#seen.get(id);
      if (seen?.seq === entry.seq && now - seen.at >= entry.ttl * LEASE_TERMS.clockDrift) expired.add(id);
    }
    return expired;
  }
}
