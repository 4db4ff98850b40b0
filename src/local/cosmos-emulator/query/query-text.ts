/** Writes a syntax tree as query text again. */
import type { Expression, Query, Selection, Source } from './syntax.ts';

/** Text of an expression; everything that could bind otherwise stands in parentheses. */
export function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case 'literal':
      return expression.value === undefined ? 'undefined' : JSON.stringify(expression.value);
    case 'parameter':
    case 'identifier':
      return expression.name;
    case 'member':
      return `${expressionText(expression.object)}[${JSON.stringify(expression.name)}]`;
    case 'index':
      return `${expressionText(expression.object)}[${expressionText(expression.index)}]`;
    case 'unary':
      return `(${expression.operator} ${expressionText(expression.operand)})`;
    case 'binary':
      return `(${expressionText(expression.left)} ${expression.operator} ${expressionText(expression.right)})`;
    case 'ternary':
      return `(${expressionText(expression.test)} ? ${expressionText(expression.yes)} : ${expressionText(expression.no)})`;
    case 'in':
      return `(${expressionText(expression.value)}${not(expression.not)} IN (${list(expression.among)}))`;
    case 'between':
      return `(${expressionText(expression.value)}${not(expression.not)} BETWEEN ${expressionText(expression.low)} AND ${expressionText(expression.high)})`;
    case 'like': {
      const escape = expression.escape === undefined ? '' : ` ESCAPE ${JSON.stringify(expression.escape)}`;
      return `(${expressionText(expression.value)}${not(expression.not)} LIKE ${expressionText(expression.pattern)}${escape})`;
    }
    case 'call':
      return `${expression.udf ? 'udf.' : ''}${expression.name}(${list(expression.args)})`;
    case 'array':
      return `[${list(expression.elements)}]`;
    case 'object':
      return `{${expression.members.map(([name, value]) => `${JSON.stringify(name)}: ${expressionText(value)}`).join(', ')}}`;
    case 'subquery': {
      const form = { scalar: '', exists: 'EXISTS', array: 'ARRAY' }[expression.form];
      return `${form}(${queryText(expression.query)})`;
    }
  }
}

function not(negated: boolean): string {
  return negated ? ' NOT' : '';
}

function list(expressions: readonly Expression[]): string {
  return expressions.map(expressionText).join(', ');
}

/** Text of a whole query. */
export function queryText(query: Query): string {
  const { top, offset, limit } = query;
  return [
    'SELECT',
    ...(query.distinct ? ['DISTINCT'] : []),
    ...(top === undefined ? [] : [`TOP ${expressionText(top)}`]),
    selectionText(query.select),
    ...(query.sources.length === 0 ? [] : [`FROM ${query.sources.map(sourceText).join(' JOIN ')}`]),
    ...(query.where === undefined ? [] : [`WHERE ${expressionText(query.where)}`]),
    ...(query.groupBy.length === 0 ? [] : [`GROUP BY ${list(query.groupBy)}`]),
    ...(query.orderBy.length === 0 ? [] : [`ORDER BY ${query.orderBy.map(orderText).join(', ')}`]),
    ...(offset === undefined || limit === undefined
      ? []
      : [`OFFSET ${expressionText(offset)} LIMIT ${expressionText(limit)}`]),
  ].join(' ');
}

function orderText(key: Query['orderBy'][number]): string {
  return `${expressionText(key.value)} ${key.descending ? 'DESC' : 'ASC'}`;
}

function selectionText(select: Selection): string {
  if (select.kind === 'all') return '*';
  if (select.kind === 'value') return `VALUE ${expressionText(select.value)}`;
  return select.items.map((item) => `${expressionText(item.value)} AS ${item.name}`).join(', ');
}

function sourceText(source: Source): string {
  const from = source.from.kind === 'path' ? expressionText(source.from.path) : `(${queryText(source.from.query)})`;
  if (source.kind === 'iterate') return `${source.alias ?? ''} IN ${from}`;
  return source.alias === undefined ? from : `${from} AS ${source.alias}`;
}
