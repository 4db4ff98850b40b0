/** Reads the target container, to show what the app wrote. */
import { CosmosClient } from '@azure/cosmos';
import type { Container } from '@azure/cosmos';
import type { CosmosAddress } from './services.ts';

/** A document without the fields that Cosmos adds. */
export type TargetDocument = Readonly<Record<string, unknown>>;

/** The target container of the local run. */
export class TargetDocuments {
  readonly #client: CosmosClient;
  readonly #container: Container;

  constructor(cosmos: CosmosAddress, database: string, container: string) {
    this.#client = new CosmosClient({ endpoint: cosmos.endpoint, key: cosmos.key });
    this.#container = this.#client.database(database).container(container);
  }

  async count(signal: AbortSignal): Promise<number> {
    const query = this.#container.items.query<number>('SELECT VALUE COUNT(1) FROM c', { abortSignal: signal });
    const { resources } = await query.fetchAll();
    return resources[0] ?? 0;
  }

  /** Every document, ordered by id. For small containers. */
  async all(signal: AbortSignal): Promise<TargetDocument[]> {
    const { resources } = await this.#container.items
      .query<Record<string, unknown>>('SELECT * FROM c', { abortSignal: signal })
      .fetchAll();
    return resources
      .map((document) => Object.fromEntries(Object.entries(document).filter(([name]) => !name.startsWith('_'))))
      .toSorted((a, b) => (JSON.stringify(a['id']) < JSON.stringify(b['id']) ? -1 : 1));
  }

  close(): void {
    this.#client.dispose();
  }
}

/** How a set of documents became another. */
export interface DocumentChange {
  readonly kind: 'added' | 'changed' | 'removed';
  /** As it is now, or as it was. */
  readonly document: TargetDocument;
}

/** Differences between two reads; documents are the same when id and `partitionKey` field are. Removals come first. */
export function documentChanges(
  before: readonly TargetDocument[],
  after: readonly TargetDocument[],
  partitionKey: string,
): DocumentChange[] {
  const keyOf = (document: TargetDocument): string => JSON.stringify([document[partitionKey], document['id']]);
  const old = new Map(before.map((document) => [keyOf(document), document]));
  const kept = new Set(after.map(keyOf));
  const changes: DocumentChange[] = [];
  for (const [key, document] of old) if (!kept.has(key)) changes.push({ kind: 'removed', document });
  for (const document of after) {
    const previous = old.get(keyOf(document));
    if (previous === undefined) changes.push({ kind: 'added', document });
    else if (JSON.stringify(previous) !== JSON.stringify(document)) changes.push({ kind: 'changed', document });
  }
  return changes;
}
