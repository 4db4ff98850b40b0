/** Actions of the test writer. */
import type { StructField } from '../../src/delta/schema.ts';
import { encodePath } from '../../src/delta/file-path.ts';
import type { Action } from './delta-log-writer.ts';
import { schemaString, typeName } from './writer-columns.ts';
import type { LiveFile } from './writer-files.ts';

export const FEED = 'delta.enableChangeDataFeed';
export const MAPPING = 'delta.columnMapping.mode';

/** What of a table its protocol and metadata say. */
export interface TableDescription {
  readonly fields: readonly StructField[];
  readonly partitionBy: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

export interface ProtocolOptions {
  readonly deletionVectors?: boolean;
  readonly inCommitTimestamps?: boolean;
  readonly v2Checkpoints?: boolean;
}

/** An `add`; `time` in milliseconds. */
export function addAction({ file, deleted, vector }: LiveFile, time: number, dataChange = true): Action {
  const stats = JSON.stringify({
    numRecords: file.rows.length,
    ...(deleted.size === 0 ? {} : { tightBounds: false }),
  });
  return {
    add: {
      path: encodePath(file.path),
      partitionValues: file.partitionValues,
      size: file.size,
      modificationTime: time,
      dataChange,
      stats,
      ...(vector === undefined ? {} : { deletionVector: vector }),
    },
  };
}

/** A `remove`; `extended`: with partition values and size. */
export function removeAction({ file, vector }: LiveFile, time: number, extended: boolean, dataChange = true): Action {
  return {
    remove: {
      path: encodePath(file.path),
      deletionTimestamp: time,
      dataChange,
      ...(extended ? { extendedFileMetadata: true, partitionValues: file.partitionValues, size: file.size } : {}),
      ...(vector === undefined ? {} : { deletionVector: vector }),
    },
  };
}

/** The `protocol` that a table needs. */
export function protocolAction({ fields, properties }: TableDescription, options: ProtocolOptions): Action {
  const { deletionVectors, inCommitTimestamps, v2Checkpoints } = options;
  const isMapped = (properties[MAPPING] ?? 'none') !== 'none';
  const reader = [
    ...(deletionVectors === true ? ['deletionVectors'] : []),
    ...(v2Checkpoints === true ? ['v2Checkpoint'] : []),
    ...(properties['delta.enableTypeWidening'] === 'true' ? ['typeWidening'] : []),
    ...(fields.some((field) => typeName(field.type) === 'timestamp_ntz') ? ['timestampNtz'] : []),
  ];
  const writer = [
    ...(properties[FEED] === 'true' ? ['changeDataFeed'] : []),
    ...(inCommitTimestamps === true ? ['inCommitTimestamp'] : []),
  ];
  if (reader.length === 0 && inCommitTimestamps !== true) {
    const versions = isMapped ? [2, 5] : properties[FEED] === 'true' ? [1, 4] : [1, 2];
    return { protocol: { minReaderVersion: versions[0], minWriterVersion: versions[1] } };
  }
  if (isMapped) reader.push('columnMapping');
  return {
    protocol: {
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: reader,
      writerFeatures: [...reader, ...writer],
    },
  };
}

/** The `metaData` of a table; `created` in milliseconds. */
export function metaDataAction(
  { fields, partitionBy, properties }: TableDescription,
  id: string,
  created: number,
): Action {
  return {
    metaData: {
      id,
      name: 'test',
      format: { provider: 'parquet', options: {} },
      schemaString: schemaString(fields),
      partitionColumns: partitionBy,
      configuration: properties,
      createdTime: created,
    },
  };
}
