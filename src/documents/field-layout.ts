/** Which column or constant stands where in a document, decided and checked once for each table. */
import { nearestName } from '../config/nearest-name.ts';
import type { TableConfiguration, TypePolicy } from '../config/sync-configuration.ts';
import type { DataType, StructType } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import type { JsonValue } from './document.ts';
import { type FieldPath, fieldPathText, parseFieldPath } from './field-path.ts';

/** What stands at a path of every document. */
export type FieldSource =
  | { readonly kind: 'column'; readonly column: string; readonly type: DataType; readonly policy: TypePolicy }
  | { readonly kind: 'constant'; readonly value: JsonValue };

export interface LaidOutField {
  readonly path: FieldPath;
  readonly source: FieldSource;
  /** The setting that put it there, for messages. */
  readonly setting: string;
}

/** Top-level fields that Cosmos DB keeps for itself. */
export const SYSTEM_FIELDS: readonly string[] = ['_rid', '_self', '_etag', '_attachments', '_ts'];

/**
 * Fields of the documents in the order of the schema, then constants; `id` is not among them. Throws `columnUnknown`
 * and `mappingInvalid` (clashes, names that Cosmos DB or another setting uses).
 */
export function layOutFields(
  table: TableConfiguration,
  schema: StructType,
  idColumns: readonly string[],
): LaidOutField[] {
  checkColumnNames(table, schema);
  const { include, exclude, rename } = table.columns;
  const fields: LaidOutField[] = [];
  for (const column of schema.fields) {
    if (include !== undefined && !include.includes(column.name)) continue;
    if (exclude?.includes(column.name) === true) continue;
    const renamed = own(rename, column.name);
    const setting =
      renamed === undefined
        ? `column ${JSON.stringify(column.name)}`
        : `columns.rename[${JSON.stringify(column.name)}]`;
    const path = renamed === undefined ? [column.name] : parseFieldPath(renamed, setting);
    // The id template writes this column's text there, and no two values of it give the same id.
    if (path.length === 1 && path[0] === 'id' && idColumns.includes(column.name)) continue;
    const policy = columnPolicy(table, column.name);
    fields.push({ path, source: { kind: 'column', column: column.name, type: column.type, policy }, setting });
  }
  for (const [name, value] of Object.entries(table.constants ?? {})) {
    const setting = `constants[${JSON.stringify(name)}]`;
    fields.push({ path: parseFieldPath(name, setting), source: { kind: 'constant', value }, setting });
  }
  if (table.discriminator !== undefined) {
    const { field, value } = table.discriminator;
    fields.push({
      path: parseFieldPath(`/${escaped(field)}`, 'discriminator'),
      source: { kind: 'constant', value },
      setting: 'discriminator',
    });
  }
  return fields;
}

/** The policies for the values of a column: its own, else those of the table. */
export function columnPolicy(table: TableConfiguration, column: string): TypePolicy {
  const { columns, ...perType } = table.types;
  return { nulls: table.nulls, ...perType, ...own(columns, column) };
}

/** Refuses fields that would overwrite each other, or that the service or another setting writes. */
export function checkFields(fields: readonly LaidOutField[], table: TableConfiguration): void {
  const reserved = new Map<string, string>([
    ['id', 'the id template writes it'],
    ['ttl', 'Cosmos DB reads it as the time to live'],
    ...SYSTEM_FIELDS.map((name) => [name, 'Cosmos DB keeps it for itself'] as const),
  ]);
  if (table.softDelete !== undefined) {
    reserved.set(table.softDelete.flag, 'softDelete.flag writes it');
    reserved.set(table.softDelete.at, 'softDelete.at writes it');
  }
  if (table.sourceVersion !== undefined) reserved.set(table.sourceVersion, 'sourceVersion writes it');
  if (table.publish.kind === 'versionFlag') reserved.set(table.publish.field, 'publish.field writes it');

  const taken = new Map<string, LaidOutField>();
  for (const field of fields) {
    const top = field.path[0] ?? '';
    const owner = reserved.get(top);
    if (owner !== undefined) {
      throw new SyncError('mappingInvalid', {
        problem: `${field.setting} would be written to the field ${JSON.stringify(top)}.`,
        reason: `There ${owner}.`,
        remedy: 'Rename it with columns.rename, or exclude it.',
      });
    }
    for (let length = 1; length <= field.path.length; length++) {
      const rival = taken.get(JSON.stringify(field.path.slice(0, length)));
      if (rival !== undefined) throw clash(field, rival);
    }
    taken.set(JSON.stringify(field.path), field);
  }
  for (const field of fields) {
    for (let length = 1; length < field.path.length; length++) {
      const rival = taken.get(JSON.stringify(field.path.slice(0, length)));
      if (rival !== undefined) throw clash(field, rival);
    }
  }
}

function clash(field: LaidOutField, rival: LaidOutField): SyncError {
  return new SyncError('mappingInvalid', {
    problem: `${field.setting} and ${rival.setting} both write ${fieldPathText(rival.path)}.`,
    remedy: 'Rename or exclude one of them.',
  });
}

function checkColumnNames(table: TableConfiguration, schema: StructType): void {
  const names = schema.fields.map((field) => field.name);
  const known = new Set(names);
  const settings: readonly (readonly [string, readonly string[]])[] = [
    ['columns.include', table.columns.include ?? []],
    ['columns.exclude', table.columns.exclude ?? []],
    ['columns.rename', Object.keys(table.columns.rename ?? {})],
    ['types.columns', Object.keys(table.types.columns ?? {})],
  ];
  for (const [setting, listed] of settings) {
    const unknown = listed.find((name) => !known.has(name));
    if (unknown === undefined) continue;
    const nearest = nearestName(unknown, names);
    throw new SyncError('columnUnknown', {
      problem: `${setting}: the table has no column ${JSON.stringify(unknown)}.`,
      ...(nearest === undefined ? {} : { remedy: `Did you mean ${JSON.stringify(nearest)}?` }),
    });
  }
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
