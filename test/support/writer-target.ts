/** A container on an emulator, a writer for it, and operations to write. */
import { Agent } from 'node:https';
import { CosmosClient, type ContainerRequest } from '@azure/cosmos';
import { onTestFinished } from 'vitest';
import {
  openDocumentWriter,
  type CosmosDocumentWriter,
  type DocumentWriterOptions,
} from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import type { Identity, JsonObject, PartitionKeyValue } from '../../src/documents/document.ts';
import { effectivePartitionKey, type PartitionKeyHashing } from '../../src/documents/effective-partition-key.ts';
import {
  startCosmosEmulator,
  type CosmosEmulator,
  type EmulatorOptions,
} from '../../src/local/cosmos-emulator/emulator.ts';
import type { Operation, Outcome } from '../../src/sync/document-writer.ts';

export const V2: PartitionKeyHashing = { kind: 'Hash', version: 2 };
export const DATABASE = 'shop';
export const CONTAINER = 'products';

export interface WriterTarget {
  readonly emulator: CosmosEmulator;
  readonly client: CosmosClient;
  /** A writer of the container; options override the usual ones. */
  readonly writer: (options?: Partial<DocumentWriterOptions>) => Promise<CosmosDocumentWriter>;
}

/**
 * Starts an emulator with the container `shop/products`, by default partitioned by `/category`. To be called in a test or in
 * `beforeEach`; it ends with the test, after its hooks.
 */
export async function openWriterTarget(
  options: EmulatorOptions = {},
  container: Readonly<Record<string, unknown>> = {},
): Promise<WriterTarget> {
  const emulator = await startCosmosEmulator(options);
  const { endpoint, key } = emulator;
  const ca = emulator.caCertificate;
  const client = new CosmosClient({ endpoint, key, ...(ca === undefined ? {} : { agent: new Agent({ ca }) }) });
  await client.databases.create({ id: DATABASE });
  const definition = { id: CONTAINER, partitionKey: { paths: ['/category'], kind: 'Hash', version: 2 }, ...container };
  // The SDK's enums are the same words.
  await client.database(DATABASE).containers.create(definition as unknown as ContainerRequest);
  const opened: { close(): void }[] = [];
  onTestFinished(async () => {
    for (const account of opened) account.close();
    client.dispose();
    await emulator.close();
  });
  return {
    emulator,
    client,
    writer: async (extra) => {
      const account = await openCosmosAccount({ endpoint, identity: { kind: 'key', key } });
      opened.push(account);
      return openDocumentWriter({ account, database: DATABASE, container: CONTAINER, limiter: unlimited, ...extra });
    },
  };
}

/** The identity of a document in a container partitioned by one V2 key. */
export function identityOf(id: string, category: PartitionKeyValue): Identity {
  return { id, partitionKey: [category], epk: effectivePartitionKey([category], V2) };
}

/** An upsert of `{ id, category, … }`. */
export function upsert(id: string, category: string, fields: JsonObject = {}): Operation {
  return { kind: 'upsert', identity: identityOf(id, category), document: { id, category, ...fields } };
}

/** Writes these pages and gathers the outcomes. */
export async function writeAll(
  writer: CosmosDocumentWriter,
  pages: readonly (readonly Operation[])[],
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for await (const some of writer.write(pagesOf(pages), signal)) outcomes.push(...some);
  return outcomes;
}

/** A source of pages. */
export async function* pagesOf<T>(pages: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* pages;
}

/** How many outcomes have each status. */
export function tally(outcomes: readonly Outcome[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of outcomes) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
