/**
 * The plan by which SDKs run a query over partitions one by one and put the results together themselves: what they have
 * to merge, and the query to send to each partition.
 */
import type { JsonMap } from '../json.ts';
import { aggregateFactory } from './aggregates.ts';
import { isAggregate, selectedValues } from './merging.ts';
import { queryError } from './query-error.ts';
import { expressionText, queryText } from './query-text.ts';
import type { Expression, Query } from './syntax.ts';
import type { Value } from './values.ts';

/** Replaced by the client with a condition of its own before it sends the query. */
const FILTER = '{documentdb-formattableorderbyquery-filter}';

/** What SDKs call the aggregates. */
const AGGREGATES: Readonly<Record<string, string>> = {
  COUNT: 'Count',
  COUNTIF: 'CountIf',
  SUM: 'Sum',
  AVG: 'Average',
  MIN: 'Min',
  MAX: 'Max',
  MAKELIST: 'MakeList',
  MAKESET: 'MakeSet',
};

/** `queryInfo` of a plan; `number` evaluates the counts of TOP, OFFSET and LIMIT. */
export function queryInfo(query: Query, number: (expression: Expression) => number): JsonMap {
  const { select } = query;
  const top = query.top === undefined ? undefined : number(query.top);
  const limit = query.limit === undefined ? undefined : number(query.limit);
  const offset = limit === undefined ? undefined : query.offset === undefined ? 0 : number(query.offset);
  const grouped = query.groupBy.length > 0 || selectedValues(query).some(isAggregate);
  // One result of aggregates needs no order.
  const orderBy = grouped ? [] : query.orderBy;
  const info: JsonMap = {
    distinctType: query.distinct ? (orderBy.length > 0 ? 'Ordered' : 'Unordered') : 'None',
    top: top ?? null,
    offset: offset ?? null,
    limit: limit ?? null,
    orderBy: orderBy.map((key) => (key.descending ? 'Descending' : 'Ascending')),
    orderByExpressions: orderBy.map((key) => expressionText(key.value)),
    groupByExpressions: query.groupBy.map(expressionText),
    groupByAliases: select.kind === 'list' && grouped ? select.items.map((item) => item.name) : [],
    aggregates: [],
    groupByAliasToAggregateType: {},
    rewrittenQuery: '',
    hasSelectValue: select.kind === 'value',
    hasNonStreamingOrderBy: false,
  };
  // Each partition gives all that the first `offset + limit` results could be made of.
  const paged: Query =
    offset === undefined || limit === undefined
      ? query
      : { ...query, offset: literal(0), limit: literal(offset + limit) };
  if (grouped) return { ...info, ...groupedInfo(query) };
  if (query.orderBy.length > 0) return { ...info, rewrittenQuery: orderedText(paged) };
  return limit === undefined ? info : { ...info, rewrittenQuery: queryText(paged) };
}

function literal(value: number): Expression {
  return { kind: 'literal', value };
}

function aggregateName(expression: Expression): string | undefined {
  if (expression.kind !== 'call' || aggregateFactory(expression.name) === undefined) return undefined;
  return AGGREGATES[expression.name];
}

/** An object expression of the given members. */
function objectOf(members: Readonly<Record<string, Expression>>): Expression {
  return { kind: 'object', members: Object.entries(members) };
}

/** What a partition gives of an aggregate, so that the client can go on with it. */
function partial(expression: Expression): Expression {
  const name = aggregateName(expression);
  if (name === undefined || expression.kind !== 'call') return expression;
  const call = (other: string): Expression => ({ ...expression, name: other });
  if (name === 'Average') return objectOf({ item: objectOf({ sum: call('SUM'), count: call('COUNT') }) });
  if (name === 'Min' || name === 'Max') {
    return objectOf({ item: objectOf({ [name.toLowerCase()]: expression, count: call('COUNT') }) });
  }
  return objectOf({ item: expression });
}

function groupedInfo(query: Query): JsonMap {
  const { select } = query;
  const plain: Query = { ...query, distinct: false, top: undefined, offset: undefined, limit: undefined, orderBy: [] };
  const groupByItems: Expression = {
    kind: 'array',
    elements: query.groupBy.map((key) => objectOf({ item: key })),
  };
  if (select.kind === 'all') throw queryError("'SELECT *' cannot be used with GROUP BY.", 'SC2102');
  if (select.kind === 'value') {
    const name = aggregateName(select.value);
    const payload: Expression =
      name === undefined ? select.value : { kind: 'array', elements: [partial(select.value)] };
    const rewritten: Query =
      query.groupBy.length === 0
        ? { ...plain, select: { kind: 'value', value: payload } }
        : {
            ...plain,
            select: {
              kind: 'list',
              items: [
                { value: groupByItems, name: 'groupByItems' },
                { value: payload, name: 'payload' },
              ],
            },
          };
    return { aggregates: name === undefined ? [] : [name], rewrittenQuery: queryText(rewritten) };
  }
  const types: JsonMap = {};
  for (const item of select.items) types[item.name] = aggregateName(item.value) ?? null;
  const payload: Expression = {
    kind: 'object',
    members: select.items.map((item) => [item.name, partial(item.value)] as const),
  };
  const groups = query.groupBy.length === 0 ? [] : [{ value: groupByItems, name: 'groupByItems' }];
  const rewritten: Query = {
    ...plain,
    select: { kind: 'list', items: [...groups, { value: payload, name: 'payload' }] },
  };
  return { groupByAliasToAggregateType: types, rewrittenQuery: queryText(rewritten) };
}

/** Results with their sort keys beside them, and a place for the client's filter. */
function orderedText(query: Query): string {
  const { select } = query;
  const [source] = query.sources;
  const path = source?.from.kind === 'path' ? source.from.path : undefined;
  const alias = source?.alias ?? (path?.kind === 'identifier' || path?.kind === 'member' ? path.name : undefined);
  if (alias === undefined) throw queryError('A query that is ordered over partitions needs a named source.', 'SC2016');
  const root: Expression = { kind: 'identifier', name: alias };
  const payload: Expression =
    select.kind === 'all'
      ? root
      : select.kind === 'value'
        ? select.value
        : { kind: 'object', members: select.items.map((item) => [item.name, item.value] as const) };
  const keys: Expression = {
    kind: 'array',
    elements: query.orderBy.map((key) => objectOf({ item: key.value })),
  };
  // SDKs tell results of equal keys apart by the document, also where they drop equal ones.
  const rid = { value: { kind: 'member', object: root, name: '_rid' } as const, name: '_rid' };
  const placeholder: Expression = { kind: 'identifier', name: FILTER };
  return queryText({
    ...query,
    select: {
      kind: 'list',
      items: [rid, { value: keys, name: 'orderByItems' }, { value: payload, name: 'payload' }],
    },
    where:
      query.where === undefined
        ? placeholder
        : { kind: 'binary', operator: 'AND', left: query.where, right: placeholder },
  });
}

/** Reads a count of TOP, OFFSET or LIMIT. */
export function countReader(parameters: ReadonlyMap<string, Value>): (expression: Expression) => number {
  return (expression) => {
    const value =
      expression.kind === 'literal'
        ? expression.value
        : expression.kind === 'parameter'
          ? parameters.get(expression.name)
          : undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      throw queryError('TOP, OFFSET and LIMIT need a whole number that is not negative.', 'SC2062');
    }
    return value;
  };
}
