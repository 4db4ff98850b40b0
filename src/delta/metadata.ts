/** The `metaData` action: identity, schema, partition columns and configuration of a table version. */
import type { Metadata } from './actions.ts';
import { logDamaged, stringMap, type LogRecord } from './action-record.ts';
import { parseSchema } from './schema-json.ts';

/** Parses a `metaData` action. Throws `logDamaged` and `unsupportedFeature` (data type, file format). */
export function metadataFromRecord(record: LogRecord): Metadata {
  const schemaString = record['schemaString'];
  if (typeof schemaString !== 'string' || schemaString === '') {
    throw logDamaged('The metaData action has no schemaString.', 'The schema of the table is unknown.');
  }
  const schema = parseSchema(schemaString);
  const listed = record['partitionColumns'];
  const partitionColumns = Array.isArray(listed) ? listed.filter((name) => typeof name === 'string') : [];
  const names = new Map(schema.fields.map((field) => [field.name.toLowerCase(), field.name]));
  const configuration: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [key, value] of Object.entries(stringMap(record['configuration']) ?? {})) {
    if (value !== null) configuration[key] = value;
  }
  return {
    id: typeof record['id'] === 'string' ? record['id'] : '',
    name: typeof record['name'] === 'string' ? record['name'] : undefined,
    schema,
    partitionColumns: partitionColumns.map((column) => {
      const name = names.get(column.toLowerCase());
      if (name === undefined) {
        throw logDamaged(`The partition column ${JSON.stringify(column)} is not in the table schema.`);
      }
      return name;
    }),
    configuration,
  };
}

/** A table property that is `true` or `false`; absent is false. Delta compares without regard to case. */
export function isEnabled(metadata: Metadata, property: string): boolean {
  return metadata.configuration[property]?.toLowerCase() === 'true';
}
