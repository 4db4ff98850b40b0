import { beforeAll, describe, expect, it } from 'vitest';
import { parseTableLocation } from '../../src/storage/table-location.ts';
import { blobsOf, commitOf, hintsFor } from '../../src/triggers/hint.ts';
import { hasBicep, ofType, predict } from './bicep.ts';
import { delivers, type EventFilter, type StorageEvent } from './event-filter.ts';

const V = '00000000000000000042';
const UUID = '3f2b7c1e-0a54-4a57-9d0e-7c1b0f0c9a11';

/** Paths below a container; `commit`: what both the filter and the code have to say. */
const COMMITS = [
  `t/_delta_log/${V}.json`,
  `_delta_log/${V}.json`,
  'products_delta/_delta_log/00000000000000000000.json',
  'products_delta/_delta_log/99999999999999999999.json',
  `a/b/c/d/e/_delta_log/${V}.json`,
  `with space/_delta_log/${V}.json`,
  `per%20cent/_delta_log/${V}.json`,
  `Grün/テーブル/_delta_log/${V}.json`,
  `year=2026/month=11/_delta_log/${V}.json`,
  `_delta_log/_delta_log/${V}.json`,
  `t.json/_delta_log/${V}.json`,
  `UPPER/_delta_log/${V}.json`,
  `quote'd/_delta_log/${V}.json`,
  `plus+sign/_delta_log/${V}.json`,
  `hash#tag/_delta_log/${V}.json`,
  `percent%2Fslash/_delta_log/${V}.json`,
  `day=2026-11-22 10%3A00%3A00/_delta_log/${V}.json`,
  `question?mark&and/_delta_log/${V}.json`,
  `%/_delta_log/${V}.json`,
  `%E0%A4%A/_delta_log/${V}.json`,
  `t/_staged_commits/_delta_log/${V}.json`,
];

/** Commits of tables that nobody configured: delivered, since filters cannot know, and of no consequence. */
const OTHER_TABLES = [
  `products_delta_2/_delta_log/${V}.json`,
  `archive/products_delta/_delta_log/${V}.json`,
  `Products_Delta/_delta_log/${V}.json`,
  `products_delta/nested/_delta_log/${V}.json`,
  `products%5Fdelta/_delta_log/${V}.json`,
];

/** Neither delivered nor commits. */
const OTHERS = [
  `t/_delta_log/${V}.checkpoint.parquet`,
  `t/_delta_log/${V}.checkpoint.0000000001.0000000002.parquet`,
  `t/_delta_log/${V}.checkpoint.${UUID}.json`,
  `t/_delta_log/${V}.checkpoint.${UUID}.parquet`,
  't/_delta_log/_last_checkpoint',
  `t/_delta_log/_sidecars/${UUID}.parquet`,
  `t/_delta_log/_staged_commits/${V}.${UUID}.json`,
  `t/_delta_log/__tmp_path_dir/.${V}.json.${UUID}.tmp`,
  `t/_delta_log/__tmp_path_dir/${V}.json`,
  `t/_delta_log/00000000000000000001.${V}.compacted.json`,
  `t/_delta_log/${V}.crc`,
  `t/_delta_log/.${V}.crc`,
  `t/_delta_log/.${V}.json.${UUID}.tmp`,
  `t/_delta_log/${V}.json.tmp`,
  `t/_delta_log/${V}`,
  `t/_delta_log/`,
  `t/_delta_log`,
  `t/part-00000-${UUID}.c000.snappy.parquet`,
  `t/_change_data/cdc-00000-${UUID}.c000.snappy.parquet`,
  `t/deletion_vector_${UUID}.bin`,
  `t/${V}.json`,
  `t/delta_log/${V}.json`,
  `t/x_delta_log/${V}.json`,
  `t/_delta_logs/${V}.json`,
  `t/_delta_log%2F${V}.json`,
  't/data.json',
  'other/config.json',
  `t/_delta_log/_commits/${V}.${UUID}.json.tmp`,
  `t/_delta_log/${V}.checkpoint.tmp.json`,
  `t/_delta_log/${V}.json~`,
  `t/_delta_log/${V}.json%20`,
  `t/_delta_log/${V}.json.gz`,
  `t/_delta_log%252F${V}.json`,
  't/_delta_index/_delta_logs.json',
  `t/_spark_metadata/${V}.json`,
];

/** Delivered, since filters know no patterns, and then refused by the code. */
const LEFT_TO_THE_CODE = [
  't/_delta_log/extra.json',
  't/_delta_log/1.json',
  `t/_delta_log/sub/${V}.json`,
  `t/_delta_log/${V}0.json`,
  `t/_delta_log/_commits/${V}.${UUID}.json`,
  `t/_delta_log/.${V}.json`,
  `t/_DELTA_LOG/${V}.json`,
  `t/_delta_log/${V}.JSON`,
];

const subjectOf = (path: string, container = 'lake'): string =>
  `/blobServices/default/containers/${container}/blobs/${path}`;
const created = (path: string, api = 'PutBlob'): StorageEvent => ({
  type: 'Microsoft.Storage.BlobCreated',
  subject: subjectOf(path),
  api,
});
const renamed = (path: string): StorageEvent => ({
  type: 'Microsoft.Storage.BlobRenamed',
  subject: subjectOf(path),
  api: 'RenameFile',
});

describe.skipIf(!hasBicep)('event subscription', () => {
  let filter: EventFilter;
  let properties: Readonly<Record<string, unknown>> = {};
  beforeAll(() => {
    properties =
      ofType(predict({ lakeContainers: ['lake', 'gold'] }), 'Microsoft.EventGrid/systemTopics/eventSubscriptions')[0]
        ?.properties ?? {};
    filter = properties['filter'] as EventFilter;
  });

  it.each(COMMITS)('delivers %s, created or renamed to its name, and the code sees the commit', (path) => {
    expect(delivers(filter, created(path))).toBe(true);
    expect(delivers(filter, renamed(path))).toBe(true);
    const [blob] = blobsOf({ subject: subjectOf(path) });
    expect(blob).toEqual({ container: 'lake', path });
    expect(commitOf(path)).not.toBeNull();
  });

  it.each(OTHERS)('does not deliver %s, which the code would ignore', (path) => {
    expect(delivers(filter, created(path))).toBe(false);
    expect(delivers(filter, renamed(path))).toBe(false);
    expect(commitOf(path)).toBeNull();
  });

  it.each(LEFT_TO_THE_CODE)('leaves %s to the code, which ignores it', (path) => {
    expect(delivers(filter, created(path))).toBe(true);
    expect(commitOf(path)).toBeNull();
  });

  const tables = new Map([
    ['products', parseTableLocation('https://account.blob.example/lake/products_delta')],
    ['spaced', parseTableLocation('https://account.blob.example/lake/with%20space')],
  ]);

  it.each(OTHER_TABLES)('delivers %s, which is no configured table', (path) => {
    expect(delivers(filter, created(path))).toBe(true);
    expect(commitOf(path)).not.toBeNull();
    expect(hintsFor('lake', path, tables)).toEqual([]);
  });

  it('a commit of a configured table is a hint for that table, by its decoded name and in its container only', () => {
    const version = Number(V);
    expect(hintsFor('lake', `products_delta/_delta_log/${V}.json`, tables)).toEqual([{ tableId: 'products', version }]);
    expect(hintsFor('lake', `with space/_delta_log/${V}.json`, tables)).toEqual([{ tableId: 'spaced', version }]);
    expect(hintsFor('lake', `with%20space/_delta_log/${V}.json`, tables)).toEqual([]);
    expect(hintsFor('gold', `products_delta/_delta_log/${V}.json`, tables)).toEqual([]);
  });

  it('covers at least 60 subjects, none twice, and never drops what the code would act on', () => {
    const paths = [...COMMITS, ...OTHERS, ...LEFT_TO_THE_CODE, ...OTHER_TABLES];
    expect(new Set(paths).size).toBe(paths.length);
    expect(paths.length).toBeGreaterThanOrEqual(60);
    for (const path of paths) if (commitOf(path) !== null) expect(delivers(filter, created(path)), path).toBe(true);
  });

  it.each([
    ['CreateFile', false],
    ['PutBlob', true],
    ['PutBlockList', true],
    ['CopyBlob', true],
    ['FlushWithClose', true],
    ['SftpCommit', true],
    ['SftpCreate', false],
    ['AppendFile', false],
  ])('a commit by %s: %s', (api, expected) => {
    expect(delivers(filter, created(`t/_delta_log/${V}.json`, api))).toBe(expected);
  });

  it('hears every named container and no other', () => {
    const path = `t/_delta_log/${V}.json`;
    for (const [container, expected] of [
      ['lake', true],
      ['gold', true],
      ['golden', false],
      ['raw', false],
    ] as const)
      expect(delivers(filter, { ...created(path), subject: subjectOf(path, container) }), container).toBe(expected);
    expect(delivers(filter, { ...created(path), type: 'Microsoft.Storage.BlobDeleted', api: 'DeleteBlob' })).toBe(
      false,
    );
  });

  it('stays within what Event Grid takes: 25 filters, 25 values, 512 characters', () => {
    const most = Array.from({ length: 8 }, (_, index) => `${'c'.repeat(62)}${index}`);
    const subscription = ofType(
      predict({ lakeContainers: most }),
      'Microsoft.EventGrid/systemTopics/eventSubscriptions',
    )[0];
    const { advancedFilters = [] } = (subscription?.properties['filter'] ?? {}) as Partial<EventFilter>;
    const values = advancedFilters.flatMap((each) => each.values);
    expect(advancedFilters.length).toBeLessThanOrEqual(25);
    expect(values.length).toBeLessThanOrEqual(25);
    for (const value of values) expect(value.length).toBeLessThanOrEqual(512);
  });

  it('goes to the queue with the identity of the topic, and to dead letters after a day', () => {
    expect(properties).toMatchObject({
      eventDeliverySchema: 'EventGridSchema',
      deliveryWithResourceIdentity: {
        identity: { type: 'SystemAssigned' },
        destination: { endpointType: 'StorageQueue', properties: { queueName: 'log-events' } },
      },
      deadLetterWithResourceIdentity: { deadLetterDestination: { endpointType: 'StorageBlob' } },
      retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
    });
    expect(properties).not.toHaveProperty('destination');
  });
});
