/** Classes of schema change between two versions of a table, at the top level where documents get their fields. */
import type { SchemaDriftPolicy } from '../config/sync-configuration.ts';
import type { Metadata } from '../delta/actions.ts';
import { columnMappingMode, physicalName } from '../delta/column-mapping.ts';
import type { DataType, StructField } from '../delta/schema.ts';
import type { TableContext } from './table-context.ts';

export interface SchemaDrift {
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  readonly renamed: readonly string[];
  readonly widened: readonly string[];
  readonly narrowed: readonly string[];
}

/** Compares by physical name, so that a rename is a rename and not a drop and an add. */
export function schemaDrift(from: Metadata, to: Metadata): SchemaDrift {
  const before = byPhysicalName(from);
  const after = byPhysicalName(to);
  const drift = {
    added: [] as string[],
    dropped: [] as string[],
    renamed: [] as string[],
    widened: [] as string[],
    narrowed: [] as string[],
  };
  for (const [physical, field] of after) {
    const old = before.get(physical);
    if (old === undefined) {
      drift.added.push(field.name);
      continue;
    }
    if (old.name !== field.name) drift.renamed.push(field.name);
    if (JSON.stringify(shape(old.type)) === JSON.stringify(shape(field.type))) continue;
    (isWidened(old.type, field.type) ? drift.widened : drift.narrowed).push(field.name);
  }
  for (const [physical, field] of before) if (!after.has(physical)) drift.dropped.push(field.name);
  return drift;
}

/** The part of a drift that is about certain columns. */
export function driftIn(drift: SchemaDrift, columns: ReadonlySet<string>): SchemaDrift {
  const among = (names: readonly string[]): readonly string[] => names.filter((name) => columns.has(name));
  return {
    added: among(drift.added),
    dropped: among(drift.dropped),
    renamed: among(drift.renamed),
    widened: among(drift.widened),
    narrowed: among(drift.narrowed),
  };
}

/** Columns that earlier epochs left out because `added: ignore` says so, by the names they have now. */
export function ignoredColumns(before: TableContext, now: TableContext): readonly string[] {
  const configured = new Set(now.table.columns.exclude);
  const old = new Map([...byPhysicalName(before.metadata)].map(([physical, field]) => [field.name, physical]));
  const fields = byPhysicalName(now.metadata);
  return (before.table.columns.exclude ?? []).flatMap((name) => {
    const field = configured.has(name) ? undefined : fields.get(old.get(name) ?? '');
    return field === undefined ? [] : [field.name];
  });
}

/** What the policies make of a drift: the strictest class decides. */
export function judgeDrift(drift: SchemaDrift, policy: SchemaDriftPolicy): 'none' | 'accept' | 'ignore' | 'pause' {
  const classes = (['added', 'dropped', 'renamed', 'widened', 'narrowed'] as const).filter(
    (name) => drift[name].length > 0,
  );
  const verdicts = new Set(classes.map((name) => policy[name]));
  if (verdicts.size === 0) return 'none';
  if (verdicts.has('pause')) return 'pause';
  return verdicts.has('accept') ? 'accept' : 'ignore';
}

function byPhysicalName(metadata: Metadata): ReadonlyMap<string, StructField> {
  const mode = columnMappingMode(metadata);
  return new Map(metadata.schema.fields.map((field) => [physicalName(field, mode), field]));
}

/** A type without the metadata that engines rewrite at every commit. */
function shape(type: DataType): unknown {
  switch (type.kind) {
    case 'primitive':
      return type.name;
    case 'decimal':
      return [type.precision, type.scale];
    case 'struct':
      return type.fields.map((field) => [field.name, shape(field.type)]);
    case 'array':
      return ['array', shape(type.element)];
    case 'map':
      return ['map', shape(type.key), shape(type.value)];
  }
}

const WIDTH: Readonly<Record<string, number>> = {
  void: 0,
  byte: 1,
  short: 2,
  integer: 3,
  long: 4,
  float: 5,
  double: 6,
};

function isWidened(from: DataType, to: DataType): boolean {
  if (from.kind === 'decimal' && to.kind === 'decimal') {
    return to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale;
  }
  if (from.kind === 'primitive' && to.kind === 'decimal') return (WIDTH[from.name] ?? 9) <= 4;
  if (from.kind === 'primitive' && to.kind === 'primitive') {
    if (from.name === 'void') return true;
    if (from.name === 'date') return to.name === 'timestamp_ntz';
    const [low, high] = [WIDTH[from.name], WIDTH[to.name]];
    return low !== undefined && high !== undefined && high > low;
  }
  if (from.kind === 'struct' && to.kind === 'struct') {
    const fields = new Map(to.fields.map((field) => [field.name, field.type]));
    return from.fields.every((field) => {
      const type = fields.get(field.name);
      return (
        type !== undefined &&
        (JSON.stringify(shape(type)) === JSON.stringify(shape(field.type)) || isWidened(field.type, type))
      );
    });
  }
  if (from.kind === 'array' && to.kind === 'array') return isWidened(from.element, to.element);
  if (from.kind === 'map' && to.kind === 'map') {
    return [
      [from.key, to.key],
      [from.value, to.value],
    ].every(
      ([a, b]) =>
        a !== undefined &&
        b !== undefined &&
        (JSON.stringify(shape(a)) === JSON.stringify(shape(b)) || isWidened(a, b)),
    );
  }
  return false;
}
