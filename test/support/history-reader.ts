/**
 * A reader of a published table that follows the pointer document. Increments become visible document by document, so
 * what it may see of each row is any of its states since the last synchronisation, and nothing of any other copy.
 */
import { sameDocument, withoutFields } from '../../src/documents/document-text.ts';
import type { JsonObject } from '../../src/documents/document.ts';
import { pointer, slotDocuments } from './published-table.ts';
import type { SyncTable } from './sync-harness.ts';

/** Documents of the slot that the pointer names, by the id of their row, as they would be in a table written in place. */
export async function publishedDocuments(table: SyncTable): Promise<ReadonlyMap<string, JsonObject>> {
  const document = await pointer(table);
  if (document === undefined) return new Map();
  const documents = await slotDocuments(table, document.live);
  const rows = documents.map((stored) => {
    const { id, generation, ...fields } = withoutFields(stored);
    const text = typeof id === 'string' ? id : '';
    const own = generation === undefined ? text : text.slice(text.indexOf('|') + 1);
    return [own, { ...fields, id: own }] as const;
  });
  if (new Set(rows.map(([id]) => id)).size !== rows.length) throw new Error('a reader sees a row twice');
  return new Map(rows);
}

export class HistoryReader {
  readonly #table: SyncTable;
  /** States of the table since the last synchronisation, oldest first; empty while nobody can say what is to be seen. */
  #states: ReadonlyMap<string, JsonObject>[] = [];

  constructor(table: SyncTable) {
    this.#table = table;
  }

  /** The table was synchronised at this state; null: what readers see is not known until it is again. */
  begin(state: ReadonlyMap<string, JsonObject> | null): void {
    this.#states = state === null ? [] : [state];
  }

  /** The table has this state now. */
  add(state: ReadonlyMap<string, JsonObject>): void {
    if (this.#states.length > 0) this.#states.push(state);
  }

  /** Looks once. Throws when there is anything that belongs to no state, or a row is missing that was there all the time. */
  async look(): Promise<void> {
    if (this.#states.length === 0) return;
    const seen = await publishedDocuments(this.#table);
    for (const [id, document] of seen) {
      const states = this.#states.flatMap((state) => state.get(id) ?? []);
      if (!states.some((state) => sameDocument(state, this.#plain(document))))
        throw new Error(`a reader sees ${JSON.stringify(document)}, the row was ${JSON.stringify(states)}`);
    }
    for (const id of this.#states[0]?.keys() ?? []) {
      if (this.#states.every((state) => state.has(id)) && !seen.has(id)) throw new Error(`a reader misses ${id}`);
    }
  }

  #plain(document: JsonObject): JsonObject {
    const stamp = this.#table.configuration.sourceVersion;
    return stamp === undefined ? document : withoutFields(document, [stamp]);
  }
}
