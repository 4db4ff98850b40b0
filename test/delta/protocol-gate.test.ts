import { beforeEach, describe, expect, it } from 'vitest';
import { add, type HandmadeTable, metaData, protocol } from '../support/handmade-table.ts';
import { tableRows } from '../support/read-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
beforeEach(async () => {
  table = await temporaryTable();
  await table.data('1.parquet', columns, [{ id: 1 }]);
});

const columns = { id: 'long' };
const features = (...names: readonly string[]) => protocol(3, names);
const bare = (reader: unknown, rest: object = {}) => ({
  protocol: { minReaderVersion: reader, minWriterVersion: 7, ...rest },
});

describe('the protocol lets a reader', () => {
  it.each([
    ['version 1', protocol(1)],
    ['version 1 with writer features, known or not', bare(1, { writerFeatures: ['invariants', 'notYetInvented'] })],
    [
      'version 2 with writer features',
      bare(2, { writerFeatures: ['columnMapping', 'identityColumns', 'rowTracking'] }),
    ],
    ['version 3 without any feature', features()],
    [
      'version 3 with every feature that it knows',
      features(
        'columnMapping',
        'deletionVectors',
        'timestampNtz',
        'v2Checkpoint',
        'typeWidening',
        'typeWidening-preview',
        'vacuumProtocolCheck',
        'variantType',
        'variantType-preview',
      ),
    ],
    [
      'features for writers only',
      bare(3, {
        readerFeatures: [],
        writerFeatures: [
          'appendOnly',
          'invariants',
          'checkConstraints',
          'changeDataFeed',
          'generatedColumns',
          'allowColumnDefaults',
          'identityColumns',
          'domainMetadata',
          'rowTracking',
          'clustering',
          'icebergCompatV1',
          'icebergCompatV2',
          'icebergCompatV3',
          'inCommitTimestamp',
          'materializePartitionColumns',
          'checkpointProtection',
          'collations',
          'variantShredding',
          'notYetInvented',
        ],
      }),
    ],
    ['unknown fields', bare(1, { readerFeatures: null, newLimit: 5 })],
    ['a later version that needs less', bare(1, { minWriterVersion: 99 })],
  ])('in: %s', async (_what, action) => {
    await table.commits([action, metaData(columns), add('1.parquet')]);
    expect(await tableRows(table.store)).toEqual([{ id: 1 }]);
  });

  it.each([
    ['version 4', bare(4), 'unsupportedFeature', 'minReaderVersion 4'],
    ['version 0', bare(0), 'unsupportedFeature', 'minReaderVersion 0'],
    [
      'version 99 with known features',
      bare(99, { readerFeatures: ['deletionVectors'] }),
      'unsupportedFeature',
      'minReaderVersion 99',
    ],
    ['version 3 without a list of features', bare(3), 'logDamaged', 'readerFeatures'],
    ['no number as version', bare('1'), 'logDamaged', 'no versions'],
    ['features that are no names', bare(3, { readerFeatures: [7] }), 'logDamaged', 'no names'],
    [
      'a feature that nobody knows',
      features('deletionVectors', 'notYetInvented'),
      'unsupportedFeature',
      'notYetInvented',
    ],
    ['a feature in another case', features('DeletionVectors'), 'unsupportedFeature', 'DeletionVectors'],
    [
      'features that only writers have, for readers',
      features('rowTracking', 'clustering'),
      'unsupportedFeature',
      'rowTracking, clustering',
    ],
    [
      'an unknown feature of a version that has none',
      bare(2, { readerFeatures: ['notYetInvented'] }),
      'unsupportedFeature',
      'notYetInvented',
    ],
    ['geospatial', features('geospatial'), 'unsupportedFeature', 'geospatial'],
    ['variantShredding', features('variantType', 'variantShredding'), 'unsupportedFeature', 'variantShredding'],
    [
      'variantShredding-preview',
      features('variantShredding-preview'),
      'unsupportedFeature',
      'variantShredding-preview',
    ],
    ['catalogManaged', features('catalogManaged', 'notYetInvented'), 'catalogManaged', 'catalog'],
    ['catalogOwned', features('catalogOwned'), 'catalogManaged', 'catalog'],
    ['catalogOwned-preview', features('catalogOwned-preview'), 'catalogManaged', 'catalog'],
  ])('not in: %s', async (_what, action, code, about) => {
    await table.commits([action, metaData(columns), add('1.parquet')]);
    await expect(tableRows(table.store)).rejects.toMatchObject({
      code,
      class: 'refused',
      message: expect.stringContaining(about),
    });
  });

  it('in at the versions before an upgrade that it does not know', async () => {
    await table.commits([protocol(), metaData(columns), add('1.parquet')], [features('notYetInvented')]);
    expect(await tableRows(table.store, { kind: 'version', version: 0 })).toEqual([{ id: 1 }]);
    await expect(tableRows(table.store)).rejects.toMatchObject({ code: 'unsupportedFeature' });
  });

  it('in again after such a feature was dropped', async () => {
    await table.commits(
      [features('notYetInvented'), metaData(columns), add('1.parquet')],
      [features('deletionVectors')],
    );
    expect(await tableRows(table.store)).toEqual([{ id: 1 }]);
    await expect(tableRows(table.store, { kind: 'version', version: 0 })).rejects.toMatchObject({
      code: 'unsupportedFeature',
    });
  });
});

describe('type changes of the schema', () => {
  const changed = (changes: unknown) => ({
    kind: 'struct',
    fields: [{ name: 'id', type: 'long', nullable: true, metadata: { 'delta.typeChanges': changes } }],
  });
  const schema = (changes: unknown) => ({ schemaString: JSON.stringify({ ...changed(changes), type: 'struct' }) });
  const write = (changes: unknown) =>
    table.commits([features('typeWidening'), metaData(columns, schema(changes)), add('1.parquet')]);

  it.each([
    [
      [
        { fromType: 'byte', toType: 'short' },
        { fromType: 'short', toType: 'integer' },
        { fromType: 'integer', toType: 'long' },
      ],
    ],
    [
      [
        { fromType: 'float', toType: 'double', fieldPath: 'key' },
        { fromType: 'date', toType: 'timestamp_ntz', fieldPath: 'element.value' },
      ],
    ],
    [
      [
        { fromType: 'decimal(6, 2)', toType: 'decimal(10, 4)', tableVersion: 3 },
        { fromType: 'integer', toType: 'decimal(12,2)' },
        { fromType: 'long', toType: 'decimal(20,0)' },
      ],
    ],
    [[{ fromType: 'short', toType: 'double' }]],
    [[]],
  ])('are accepted: %j', async (changes) => {
    await write(changes);
    expect(await tableRows(table.store)).toEqual([{ id: 1 }]);
  });

  it.each([
    [[{ fromType: 'long', toType: 'integer' }]],
    [[{ fromType: 'long', toType: 'double' }]],
    [[{ fromType: 'integer', toType: 'decimal(9,0)' }]],
    [[{ fromType: 'long', toType: 'decimal(19,0)' }]],
    [[{ fromType: 'decimal(10,2)', toType: 'decimal(11,4)' }]],
    [[{ fromType: 'timestamp', toType: 'timestamp_ntz' }]],
    [[{ fromType: 'integer', toType: 'string' }]],
    [[{ fromType: 'integer' }]],
    [['integer']],
  ])('are refused: %j', async (changes) => {
    await write(changes);
    await expect(tableRows(table.store)).rejects.toMatchObject({
      code: 'unsupportedFeature',
      message: expect.stringContaining('"id" records a type change'),
    });
  });

  it('are named when they are refused', async () => {
    await write([{ fromType: 'long', toType: 'integer' }]);
    await expect(tableRows(table.store)).rejects.toThrow('long to integer');
  });
});
