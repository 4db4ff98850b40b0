/** Column mapping (PROTOCOL.md, "Column Mapping"): how a field of the schema is found in a Parquet file. */
import { SyncError } from '../shared/errors.ts';
import type { Metadata, Protocol } from './actions.ts';
import { logDamaged } from './action-record.ts';
import type { DataType, StructField, StructType } from './schema.ts';

/** `name`: Parquet column by physical name. `id`: by Parquet field id. `none`: by logical name. */
export type ColumnMappingMode = 'none' | 'name' | 'id';

const PHYSICAL_NAME = 'delta.columnMapping.physicalName';
const ID = 'delta.columnMapping.id';

/**
 * The mode of a table version. Throws `unsupportedFeature` for a mode the protocol does not know. A mode without the
 * table feature is honoured: files were written with it, and the alternative reads nothing but nulls.
 */
export function columnMappingMode(metadata: Pick<Metadata, 'configuration'>, protocol?: Protocol): ColumnMappingMode {
  // Delta compares modes without regard to case.
  const mode = metadata.configuration['delta.columnMapping.mode']?.toLowerCase();
  if (mode === undefined || mode === 'none') return 'none';
  if (mode !== 'name' && mode !== 'id') {
    throw new SyncError('unsupportedFeature', {
      problem: `The column mapping mode ${JSON.stringify(mode.slice(0, 100))} is unknown.`,
      reason: 'The protocol knows none, name and id.',
      remedy: 'Set delta.columnMapping.mode with the engine that writes the table.',
    });
  }
  // Reader version 1 has no column mapping at all: such a property is only a wish for a later upgrade.
  if (protocol !== undefined && protocol.minReaderVersion < 2) return 'none';
  return mode;
}

/** Physical name of a field: the key of partition values and statistics in both modes. */
export function physicalName(field: StructField, mode: ColumnMappingMode): string {
  if (mode === 'none') return field.name;
  const name = field.metadata[PHYSICAL_NAME];
  if (typeof name === 'string' && name !== '') return name;
  throw logDamaged(
    `The column ${JSON.stringify(field.name)} has no physical name.`,
    'Column mapping is on, so every field must have one.',
  );
}

/** Parquet field id of a field in id mode, undefined in the others; an id that is none is refused in name mode, too. */
export function fieldId(field: StructField, mode: ColumnMappingMode): number | undefined {
  const id = field.metadata[ID];
  if (mode === 'none' || (mode === 'name' && id === undefined)) return undefined;
  // Parquet has 32 bits for it.
  if (typeof id === 'number' && (id | 0) === id) return mode === 'id' ? id : undefined;
  throw logDamaged(
    `The column ${JSON.stringify(field.name)} has no column mapping id.`,
    'Column mapping gives every field a whole number of 32 bits.',
  );
}

/** Throws `logDamaged` unless every field at every depth has what the mode needs, and no two columns share a place. */
export function assertMapped(schema: StructType, mode: ColumnMappingMode): void {
  if (mode !== 'none') assertTypeMapped(schema, mode);
}

function assertTypeMapped(type: DataType, mode: ColumnMappingMode): void {
  switch (type.kind) {
    case 'struct': {
      const seen = new Set<string>();
      for (const field of type.fields) {
        fieldId(field, mode);
        const name = physicalName(field, mode);
        if (seen.has(name)) throw logDamaged(`Two columns have the physical name ${JSON.stringify(name)}.`);
        seen.add(name);
        assertTypeMapped(field.type, mode);
      }
      return;
    }
    case 'array':
      assertTypeMapped(type.element, mode);
      return;
    case 'map':
      assertTypeMapped(type.key, mode);
      assertTypeMapped(type.value, mode);
      return;
    case 'primitive':
    case 'decimal':
  }
}
