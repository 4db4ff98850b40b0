/**
 * The `where` filter of a table over its rows, with SQL's three values: a row belongs to the table's documents only when
 * the filter is true, not when it is unknown. Literals take the type of the column they are compared with, and are
 * compared exactly.
 */
import type { DataType, Row, StructType, Value } from '../delta/schema.ts';
import { columnType } from './key-template.ts';
import {
  type ColumnPath,
  type ComparisonOperator,
  type Literal,
  parseWhere,
  whereError,
  type WhereTree,
} from './where-parser.ts';
import { compileComparison } from './where-comparison.ts';

/** A filter compiled against a schema. */
export interface Where {
  holds(row: Row): boolean;
  /** Top-level columns it looks at. */
  readonly columns: readonly string[];
}

/** true, false, or null for unknown. */
type Truth = boolean | null;
type Evaluate = (row: Row) => Truth;

/** Throws `mappingInvalid` for a filter that cannot be parsed or compares unlike things, `columnUnknown` for a column. */
export function compileWhere(text: string, schema: StructType): Where {
  const tree = parseWhere(text);
  const columns = new Set<string>();
  const evaluate = compile(tree, schema, columns);
  return { holds: (row) => evaluate(row) === true, columns: [...columns] };
}

function compile(tree: WhereTree, schema: StructType, columns: Set<string>): Evaluate {
  switch (tree.kind) {
    case 'constant':
      return () => tree.value;
    case 'and':
      return junction(
        tree.terms.map((term) => compile(term, schema, columns)),
        false,
      );
    case 'or':
      return junction(
        tree.terms.map((term) => compile(term, schema, columns)),
        true,
      );
    case 'not': {
      const term = compile(tree.term, schema, columns);
      return (row) => {
        const truth = term(row);
        return truth === null ? null : !truth;
      };
    }
    case 'isNull': {
      const { read } = reader(tree.column, schema, columns);
      return (row) => read(row) === null;
    }
    case 'holds': {
      const { read, type } = reader(tree.column, schema, columns);
      if (type.kind !== 'primitive' || type.name !== 'boolean') {
        throw whereError(`${tree.column.join('.')} is no boolean.`, 'Compare it with a value.');
      }
      return (row) => {
        const value = read(row);
        return typeof value === 'boolean' ? value : null;
      };
    }
    case 'compare': {
      const { read, compare } = comparison(tree.column, tree.literal, schema, columns);
      const test = TESTS[tree.operator];
      return (row) => {
        const value = read(row);
        return value === null ? null : test(compare(value));
      };
    }
    case 'in': {
      const tests = tree.literals.map((literal) => comparison(tree.column, literal, schema, columns));
      const { read } = reader(tree.column, schema, columns);
      return (row) => {
        const value = read(row);
        return value === null ? null : tests.some(({ compare }) => compare(value) === 0);
      };
    }
  }
}

const TESTS: Readonly<Record<ComparisonOperator, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** AND (`decisive` false) or OR (`decisive` true): one decisive term decides, else one unknown term makes it unknown. */
function junction(terms: readonly Evaluate[], decisive: boolean): Evaluate {
  return (row) => {
    let result: Truth = !decisive;
    for (const term of terms) {
      const truth = term(row);
      if (truth === decisive) return decisive;
      if (truth === null) result = null;
    }
    return result;
  };
}

function comparison(
  path: ColumnPath,
  literal: Literal,
  schema: StructType,
  columns: Set<string>,
): { read: (row: Row) => Value; compare: (value: NonNullable<Value>) => number } {
  const { read, type } = reader(path, schema, columns);
  return { read, compare: compileComparison(type, literal, path.join('.')) };
}

function reader(
  path: ColumnPath,
  schema: StructType,
  columns: Set<string>,
): { readonly read: (row: Row) => Value; readonly type: DataType } {
  const [column = '', ...rest] = path;
  let type = columnType(schema, column, 'where');
  columns.add(column);
  for (const name of rest) {
    if (type.kind !== 'struct') throw whereError(`${path.join('.')} goes into a column that is no struct.`);
    type = columnType(type, name, 'where');
  }
  if (rest.length === 0) return { read: (row) => row[column] ?? null, type };
  const read = (row: Row): Value => {
    let value: Value = row[column] ?? null;
    for (const name of rest) {
      if (value === null) return null;
      value = (value as Row)[name] ?? null;
    }
    return value;
  };
  return { read, type };
}
