import { describe, expect, it } from 'vitest';
import type { CosmosDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import type { EpkRange, StoredDocument } from '../../src/sync/document-writer.ts';
import {
  CONTAINER,
  DATABASE,
  identityOf,
  openWriterTarget,
  upsert,
  writeAll,
  type WriterTarget,
} from '../support/writer-target.ts';

const never = new AbortController().signal;
const EVERYTHING: EpkRange = { start: '', end: 'FF' };

/** A container with documents p0 … in 100 categories. */
async function filled(partitions: number, documents: number, text = ''): Promise<[WriterTarget, CosmosDocumentWriter]> {
  const target = await openWriterTarget({ partitions });
  const writer = await target.writer();
  const all = Array.from({ length: documents }, (_, n) => upsert(`p${n}`, `category ${n % 100}`, { n, text }));
  await writeAll(writer, [all]);
  return [target, writer];
}

async function scanAll(
  writer: CosmosDocumentWriter,
  range: EpkRange,
  afterPage: (page: number) => void = () => undefined,
): Promise<readonly StoredDocument[]> {
  const found: StoredDocument[] = [];
  let cursor: string | null = null;
  let page = 0;
  do {
    const next = await writer.scan(range, cursor, never);
    found.push(...next.documents);
    cursor = next.cursor;
    afterPage(++page);
  } while (cursor !== null);
  return found;
}

function ids(documents: readonly StoredDocument[]): readonly string[] {
  return documents.map(({ identity }) => identity.id).toSorted();
}

describe('a scan', () => {
  it('gives every document once, with its identity and ETag and without system properties', async () => {
    const [, writer] = await filled(3, 2_500);
    const documents = await scanAll(writer, EVERYTHING);
    expect(ids(documents)).toEqual(Array.from({ length: 2_500 }, (_, n) => `p${n}`).toSorted());
    for (const { identity, document, etag } of documents.slice(0, 50)) {
      expect(identity).toEqual(identityOf(identity.id, document['category'] as string));
      expect(Object.keys(document).toSorted()).toEqual(['category', 'id', 'n', 'text']);
      expect(etag).not.toBe('');
    }
  });

  it('of ranges that meet gives each document to exactly one of them', async () => {
    const [, writer] = await filled(2, 800);
    const bounds = ['', '07', '0F3', '1000000000000000', '2A', 'FF'];
    const found: StoredDocument[] = [];
    for (const [index, start] of bounds.slice(0, -1).entries()) {
      const range = { start, end: bounds[index + 1] ?? 'FF' };
      const part = await scanAll(writer, range);
      expect(part.every(({ identity }) => identity.epk >= range.start && identity.epk < range.end)).toBe(true);
      found.push(...part);
    }
    expect(ids(found)).toEqual(Array.from({ length: 800 }, (_, n) => `p${n}`).toSorted());
  });

  it('goes on over a split without losing or repeating a document', async () => {
    const [{ emulator }, writer] = await filled(1, 4_000);
    const documents = await scanAll(writer, EVERYTHING, (page) => {
      if (page === 1) emulator.split(DATABASE, CONTAINER, '0');
      if (page === 2) emulator.split(DATABASE, CONTAINER, '1');
    });
    expect(ids(documents)).toEqual(Array.from({ length: 4_000 }, (_, n) => `p${n}`).toSorted());
  });

  it('gets over throttling, lost answers and passing trouble', async () => {
    const [{ emulator }, writer] = await filled(2, 500);
    const match = { kind: 'query' } as const;
    emulator.faults.add({ match, action: { kind: 'answer', status: 429, substatus: 3200, retryAfterMs: 5 } });
    emulator.faults.add({ match, skip: 1, action: { kind: 'reset', when: 'after' } });
    emulator.faults.add({ match, skip: 2, action: { kind: 'truncate' } });
    emulator.faults.add({ match, skip: 3, action: { kind: 'answer', status: 503 } });
    expect(await scanAll(writer, EVERYTHING)).toHaveLength(500);
  });

  it('refuses a cursor that is not its own', async () => {
    const [, writer] = await filled(1, 1);
    await expect(writer.scan(EVERYTHING, '{"a":1}', never)).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('reading identities', () => {
  it('gives the documents that exist', async () => {
    const [, writer] = await filled(2, 300);
    const wanted = [
      ...Array.from({ length: 250 }, (_, n) => identityOf(`p${n}`, `category ${n % 100}`)),
      identityOf('p1', 'category 2'),
      identityOf('nowhere', 'category 1'),
      identityOf('not/possible', 'category 1'),
    ];
    const { documents, requestUnits } = await writer.read(wanted, never);
    expect(ids(documents)).toEqual(Array.from({ length: 250 }, (_, n) => `p${n}`).toSorted());
    expect(requestUnits).toBeGreaterThan(200);
  });

  it('gives documents that together are larger than one answer of the service', async () => {
    const [, writer] = await filled(1, 30, 'x'.repeat(500_000));
    const wanted = Array.from({ length: 30 }, (_, n) => identityOf(`p${n}`, `category ${n % 100}`));
    expect((await writer.read(wanted, never)).documents).toHaveLength(30);
  });
});
