/** State documents and the ledger in memory, with ETags. */
import type { LedgerEntry, StateStore, StoredState } from '../../src/sync/state-store.ts';
import { initialState, type SyncState } from '../../src/sync/state.ts';

export class MemoryStateStore implements StateStore {
  readonly #states = new Map<string, StoredState>();
  readonly #ledger: LedgerEntry[] = [];
  #writes = 0;

  read(target: string): Promise<StoredState> {
    return Promise.resolve(this.#states.get(target) ?? { state: initialState(target), etag: null });
  }

  replace(state: SyncState, etag: string | null): Promise<boolean> {
    if ((this.#states.get(state.target)?.etag ?? null) !== etag) return Promise.resolve(false);
    this.#states.set(state.target, { state, etag: String(++this.#writes) });
    return Promise.resolve(true);
  }

  record(entry: LedgerEntry): Promise<void> {
    this.#ledger.unshift(entry);
    return Promise.resolve();
  }

  history(target: string, limit: number): Promise<readonly LedgerEntry[]> {
    return Promise.resolve(this.#ledger.filter((entry) => entry.target === target).slice(0, limit));
  }
}
