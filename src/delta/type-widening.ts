/** Type widening (PROTOCOL.md, "Type Widening"): which recorded type changes a reader may meet in older files. */
import { SyncError } from '../shared/errors.ts';
import { isRecord } from './action-record.ts';
import type { DataType, StructType } from './schema.ts';
import { parsePrimitive } from './schema-json.ts';

const INTEGER_RANK: ReadonlyMap<string, number> = new Map([
  ['byte', 1],
  ['short', 2],
  ['integer', 3],
  ['long', 4],
]);
/** Digits of the largest value, as the protocol counts them for the step to decimal. */
const INTEGER_DIGITS: ReadonlyMap<string, number> = new Map([
  ['byte', 10],
  ['short', 10],
  ['integer', 10],
  ['long', 20],
]);

/** True when a file with values of type `from` may be read as `to`. */
export function isWidening(from: DataType, to: DataType): boolean {
  if (from.kind === 'decimal' && to.kind === 'decimal') {
    const wholeDigits = to.precision - from.precision - (to.scale - from.scale);
    return to.scale >= from.scale && wholeDigits >= 0;
  }
  if (from.kind !== 'primitive') return false;
  if (to.kind === 'decimal') {
    const digits = INTEGER_DIGITS.get(from.name);
    return digits !== undefined && to.precision - to.scale >= digits;
  }
  if (to.kind !== 'primitive') return false;
  if (from.name === to.name || from.name === 'void') return true;
  const fromRank = INTEGER_RANK.get(from.name);
  const toRank = INTEGER_RANK.get(to.name);
  if (fromRank !== undefined && toRank !== undefined) return fromRank < toRank;
  if (to.name === 'double') return from.name === 'float' || (fromRank !== undefined && fromRank <= 3);
  return from.name === 'date' && to.name === 'timestamp_ntz';
}

function typeOf(value: unknown): DataType | undefined {
  try {
    return typeof value === 'string' ? parsePrimitive(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Throws `unsupportedFeature` when the schema records a type change that is no widening this reader knows. */
export function assertKnownTypeChanges(type: DataType): void {
  switch (type.kind) {
    case 'struct':
      assertFields(type);
      return;
    case 'array':
      assertKnownTypeChanges(type.element);
      return;
    case 'map':
      assertKnownTypeChanges(type.key);
      assertKnownTypeChanges(type.value);
      return;
    case 'primitive':
    case 'decimal':
  }
}

/** For messages: from what to what. */
function changeText(change: unknown): string {
  const name = (type: unknown): string => (typeof type === 'string' ? type.slice(0, 100) : 'no type');
  return isRecord(change) ? `${name(change['fromType'])} to ${name(change['toType'])}` : 'no change at all';
}

function assertFields(type: StructType): void {
  for (const field of type.fields) {
    const changes = field.metadata['delta.typeChanges'];
    for (const change of Array.isArray(changes) ? (changes as unknown[]) : []) {
      const from = isRecord(change) ? typeOf(change['fromType']) : undefined;
      const to = isRecord(change) ? typeOf(change['toType']) : undefined;
      if (from === undefined || to === undefined || !isWidening(from, to)) {
        throw new SyncError('unsupportedFeature', {
          problem: `The column ${JSON.stringify(field.name)} records a type change that this reader does not know: ${changeText(change)}.`,
          remedy: 'Rewrite the column with the engine that writes the table.',
        });
      }
    }
    assertKnownTypeChanges(field.type);
  }
}
