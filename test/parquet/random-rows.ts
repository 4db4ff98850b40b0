import * as fc from 'fast-check';
import type { DataType, Row, StructField, Value } from '../../src/parquet/value-type.ts';
import { field, primitive } from './field.ts';

/** Types and rows that any reader of Delta tables may meet. */

export { field, primitive };

const leafType: fc.Arbitrary<DataType> = fc.oneof(
  fc
    .constantFrom(
      'string',
      'long',
      'integer',
      'short',
      'byte',
      'float',
      'double',
      'boolean',
      'binary',
      'date',
      'timestamp',
      'timestamp_ntz',
    )
    .map((name) => primitive(name as 'string')),
  fc
    .tuple(fc.integer({ min: 1, max: 38 }), fc.nat({ max: 38 }))
    .map(([precision, scale]): DataType => ({ kind: 'decimal', precision, scale: Math.min(scale, precision) })),
);

const fieldName = fc.oneof(
  fc.constantFrom('a', 'b', 'x.y', '__proto__', 'constructor', 'Ünï', '0', '1', 'quote\'"', 'list', 'element', 'key'),
  fc.string({ minLength: 1, maxLength: 6 }),
);

export const { type: anyType } = fc.letrec<{ type: DataType; fields: readonly StructField[] }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, depthSize: 'small', withCrossShrink: true },
    leafType,
    tie('fields').map((fields): DataType => ({ kind: 'struct', fields })),
    tie('type').map((element): DataType => ({ kind: 'array', element, containsNull: true })),
    fc
      .tuple(leafType, tie('type'))
      .map(([key, value]): DataType => ({ kind: 'map', key, value, valueContainsNull: true })),
  ),
  fields: fc
    .uniqueArray(fc.tuple(fieldName, tie('type')), {
      minLength: 1,
      maxLength: 4,
      selector: ([name]) => name.toLowerCase(),
    })
    .map((pairs) => pairs.map(([name, type]) => field(name, type))),
}));

/** A year-independent text of a date, made by the platform's calendar. */
function dateOf(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, -14);
}

const days = fc.oneof(fc.integer({ min: -720_000, max: 2_932_896 }), fc.integer({ min: -99_000_000, max: 99_000_000 }));

function moment(suffix: '' | 'Z'): fc.Arbitrary<Value> {
  return fc.tuple(days, fc.nat({ max: 86_399 }), fc.nat({ max: 999_999 })).map(([day, second, micro]) => {
    const time = new Date(second * 1000).toISOString().slice(11, 19);
    return `${dateOf(day)}T${time}.${String(micro).padStart(6, '0')}${suffix}`;
  });
}

/** A decimal's text from its digits, written out without the code under test. */
function decimalOf(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ minLength: 100, maxLength: 300 }),
  fc.constantFrom('', '\uFEFFmark', 'red', 'blue', '\u0000'),
);

function leafValue(type: DataType): fc.Arbitrary<Value> {
  if (type.kind === 'decimal') {
    const limit = 10n ** BigInt(type.precision) - 1n;
    return fc.bigInt({ min: -limit, max: limit }).map((unscaled) => decimalOf(unscaled, type.scale));
  }
  const make = type.kind === 'primitive' ? LEAF_VALUES[type.name] : undefined;
  return make === undefined ? fc.constant(null) : make;
}

const LEAF_VALUES: Readonly<Record<string, fc.Arbitrary<Value>>> = {
  string: text,
  long: fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value): Value => (Number.isSafeInteger(Number(value)) ? Number(value) : value)),
  integer: fc.integer(),
  short: fc.integer({ min: -32_768, max: 32_767 }),
  byte: fc.integer({ min: -128, max: 127 }),
  float: fc.float(),
  double: fc.double(),
  boolean: fc.boolean(),
  binary: fc.uint8Array({ maxLength: 20 }),
  date: days.map(dateOf),
  timestamp: moment('Z'),
  timestamp_ntz: moment(''),
};

function requiredValue(type: DataType): fc.Arbitrary<Value> {
  switch (type.kind) {
    case 'struct':
      return rowOf(type.fields);
    case 'array':
      return fc.array(valueOf(type.element), { maxLength: 4 });
    case 'map':
      return fc.array(fc.tuple(requiredValue(type.key), valueOf(type.value)), { maxLength: 3 });
    case 'primitive':
    case 'decimal':
      return leafValue(type);
    default:
      return type satisfies never;
  }
}

export function valueOf(type: DataType): fc.Arbitrary<Value> {
  return fc.option(requiredValue(type), { nil: null, freq: 4 });
}

export function rowOf(fields: readonly StructField[]): fc.Arbitrary<Row> {
  return fc
    .tuple(...fields.map((one) => valueOf(one.type)))
    .map((values) => Object.fromEntries(fields.map((one, i) => [one.name, values[i]!])));
}
