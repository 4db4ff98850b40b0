/** Tables that are published as blueGreen or versionFlag, and readers that follow their pointer document. */
import { PartitionKeyDefinitionVersion, type Container } from '@azure/cosmos';
import { expect } from 'vitest';
import type { JsonObject } from '../../src/documents/document.ts';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import type { PublicationDocument } from '../../src/sync/publication.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from './delta-writer.ts';
import type { SyncTable, SyncWorld } from './sync-harness.ts';
import { COLUMNS, rows } from './priced-table.ts';

export const GRACE_SECONDS = 600;
/** Every load is cut into several chunks and slices. */
export const SMALL = { ...WORK_SIZES, smallRows: 20, rangeRows: 40 };

export type Strategy = 'versionFlag' | 'blueGreen';

export interface Published {
  readonly table: SyncTable;
  readonly writer: DeltaWriter;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly other: Container;
  /** What the pointer calls the slot of the first load, and that of the second. */
  readonly first: string | number;
  readonly second: string | number;
}

export async function published(
  world: SyncWorld,
  strategy: Strategy,
  verify = 'checksums',
  sizes = WORK_SIZES,
): Promise<Published> {
  const table = await world.table({}, '/id', sizes);
  const other = `${table.id}-b`;
  if (strategy === 'blueGreen') {
    const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
    await table.database.containers.create({ id: other, partitionKey });
  }
  const pair = strategy === 'blueGreen' ? { other } : {};
  const settings = { publish: { kind: strategy, graceSeconds: GRACE_SECONDS, verify, ...pair } };
  table.configure(settings);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  const [first, second] = strategy === 'blueGreen' ? [table.id, other] : [1, 2];
  return { table, writer, settings, other: table.database.container(other), first, second };
}

export function freshness(table: SyncTable): Container {
  return table.database.container('freshness');
}

export async function pointer(table: SyncTable): Promise<PublicationDocument | undefined> {
  return (await freshness(table).item(table.id, table.id).read<PublicationDocument>()).resource;
}

/** Everything in a slot, as a reader sees it that was sent there. */
export async function slotDocuments(table: SyncTable, live: string | number): Promise<readonly JsonObject[]> {
  const container = typeof live === 'string' ? table.database.container(live) : table.container;
  const query =
    typeof live === 'string'
      ? 'SELECT * FROM c'
      : { query: 'SELECT * FROM c WHERE c.generation = @live', parameters: [{ name: '@live', value: live }] };
  return (await container.items.query<JsonObject>(query).fetchAll()).resources;
}

/** What a reader that follows the pointer sees: the names by price, under whatever field they lie. */
export async function read(table: SyncTable, field = 'name'): Promise<readonly unknown[]> {
  const document = await pointer(table);
  if (document === undefined) return [];
  const documents = await slotDocuments(table, document.live);
  return documents.toSorted((a, b) => Number(a['price']) - Number(b['price'])).map((each) => each[field]);
}

export const names = (count: number): string[] => rows(count).map((each) => each.name);

export async function approve(table: SyncTable): Promise<void> {
  const { held } = await tableStatus(table.dependencies, table.id);
  await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
}

/** A changed mapping, approved: the next load under the field name `title`. */
export async function switchToTitles({ table, settings }: Published): Promise<void> {
  table.configure({ ...settings, columns: { rename: { name: 'title' } } });
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
  await approve(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
}

/** Once the slot is loaded, one of its documents is changed behind the sync's back (default: deleted). */
export async function damageBeforeVerification(
  { table, second }: Published,
  damage = async (container: Container, document: JsonObject): Promise<void> => {
    const id = document['id'] as string;
    await container.item(id, id).delete();
  },
): Promise<void> {
  const { states } = table.dependencies;
  const record = states.record.bind(states);
  const container = typeof second === 'string' ? table.database.container(second) : table.container;
  let done = false;
  states.record = async (entry, signal) => {
    const [document] = entry.kind === 'verify' || done ? [] : await slotDocuments(table, second);
    if (document !== undefined) {
      done = true;
      await damage(container, document);
    }
    await record(entry, signal);
  };
}

/** Follows the pointer without pause and remembers what did not fit together. */
export class Reader {
  readonly mixtures: string[] = [];
  readonly seen = new Set<string>();
  readonly #table: SyncTable;
  #stopped = false;
  #looks = 0;

  constructor(table: SyncTable) {
    this.#table = table;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const live = (await pointer(this.#table))?.live ?? '';
      const documents = await slotDocuments(this.#table, live);
      const fields = new Set(documents.flatMap((each) => ['name', 'title', 'label'].filter((name) => name in each)));
      for (const field of fields) this.seen.add(field);
      const ids = new Set(documents.map((each) => each['price']));
      if (documents.length !== 150 || fields.size !== 1 || ids.size !== 150)
        this.mixtures.push(`${live}: ${documents.length} documents with ${[...fields].join(', ')}`);
      this.#looks++;
    }
  }

  /** Resolves when the pointer was read and followed since: nobody is where it led to before. */
  async looked(): Promise<void> {
    const from = this.#looks;
    while (this.#looks < from + 2) await new Promise((resolve) => setImmediate(resolve));
  }

  stop(): void {
    this.#stopped = true;
  }
}
