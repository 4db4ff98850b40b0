/** Events are hostile input: what they name is compared with the configuration, and nothing in them can fail a trigger. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hintMessage, requeuedHint } from '../../src/activities/hint-message.ts';
import { parseTableLocation } from '../../src/storage/table-location.ts';
import { blobsOf, hintsFor } from '../../src/triggers/hint.ts';

const V = '00000000000000000042';
const LOCATIONS = new Map(
  Object.entries({
    products: 'https://lake.blob.core.windows.net/lake/products',
    productsAgain: 'abfss://lake@lake.dfs.core.windows.net/products/',
    root: 'https://lake.blob.core.windows.net/whole',
    encoded: 'https://lake.blob.core.windows.net/lake/with%20space/100%25',
    folderContainer: 'https://lake.blob.core.windows.net/folder/a%2520b',
    local: '/data/tables/sales 2026',
  }).map(([id, source]) => [id, parseTableLocation(source)]),
);

const tablesOf = (container: string, path: string): readonly string[] =>
  hintsFor(container, path, LOCATIONS).map(({ tableId }) => tableId);

describe('hints', () => {
  it.each([
    ['lake', `products/_delta_log/${V}.json`, ['products', 'productsAgain']],
    ['whole', `_delta_log/${V}.json`, ['root']],
    ['lake', `with space/100%/_delta_log/${V}.json`, ['encoded']],
    ['lake', `with%20space/100%25/_delta_log/${V}.json`, []],
    ['folder', `a%20b/_delta_log/${V}.json`, ['folderContainer']],
    ['folder', `%zz/_delta_log/${V}.json`, []],
    ['_folder', `data/tables/sales%202026/_delta_log/${V}.json`, ['local']],
    ['_folder', `%zz/_delta_log/${V}.json`, []],
    ['other', `products/_delta_log/${V}.json`, []],
    ['lake', `products/inner/_delta_log/${V}.json`, []],
    ['lake', `PRODUCTS/_delta_log/${V}.json`, []],
    ['lake', `products/_delta_log/${V}.checkpoint.parquet`, []],
  ])('%s %s', (container, path, tables) => {
    expect(tablesOf(container, path)).toEqual(tables);
  });

  it('carry the version, for messages', () => {
    expect(hintsFor('whole', `_delta_log/${V}.json`, LOCATIONS)).toEqual([{ tableId: 'root', version: 42 }]);
  });
});

describe('queue messages', () => {
  const subject = `/blobServices/default/containers/lake/blobs/products/_delta_log/${V}.json`;
  const blob = { container: 'lake', path: `products/_delta_log/${V}.json` };

  it('speak of the blob in the subject: Event Grid schema, CloudEvents, alone or several', () => {
    const gridEvent = { id: '1', eventType: 'Microsoft.Storage.BlobCreated', subject, data: { url: 'https://x/' } };
    const cloudEvent = { id: '1', type: 'Microsoft.Storage.BlobRenamed', source: '/subscriptions', subject };
    expect(blobsOf(gridEvent)).toEqual([blob]);
    expect(blobsOf([gridEvent, cloudEvent])).toEqual([blob, blob]);
  });

  it('of any other kind speak of nothing, and never fail', () => {
    const hostile = fc.oneof(
      fc.anything(),
      fc.record({ subject: fc.anything(), hint: fc.anything() }),
      fc.array(fc.record({ subject: fc.string() })),
    );
    fc.assert(
      fc.property(hostile, fc.string(), (message, path) => {
        expect(blobsOf(message)).toEqual([]);
        requeuedHint(message);
        for (const container of ['lake', '_folder']) expect(tablesOf(container, path)).toEqual([]);
      }),
      { seed: 20, numRuns: 500 },
    );
    expect(blobsOf({ subject: `${subject}${'x'.repeat(5_000)}` })).toEqual([]);
  });

  it('that the app put back name their table', () => {
    expect(requeuedHint(JSON.parse(hintMessage('products')))).toBe('products');
    expect(requeuedHint({ hint: 'x'.repeat(65) })).toBe(null);
    expect(requeuedHint({ hint: 7 })).toBe(null);
  });
});
