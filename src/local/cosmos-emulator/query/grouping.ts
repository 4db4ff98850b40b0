/** What a select list may name when rows are grouped: group keys, aggregates and what is made of them. */
import { aggregateFactory } from './aggregates.ts';
import { queryError } from './query-error.ts';
import { childrenOf, type Expression, type Query } from './syntax.ts';

/** Refuses a select list that names a property which has no single value in a group. */
export function checkGrouping(query: Query, aggregated: boolean): void {
  if (query.groupBy.length === 0 && !aggregated) return;
  const { select } = query;
  if (select.kind === 'all') throw queryError("'SELECT *' cannot be used with GROUP BY.", 'SC2102');
  const keys = new Set(query.groupBy.map((key) => JSON.stringify(key)));
  const values = select.kind === 'value' ? [select.value] : select.items.map((item) => item.value);
  for (const value of values) checkCovered(value, keys);
}

function checkCovered(expression: Expression, keys: ReadonlySet<string>): void {
  if (keys.has(JSON.stringify(expression))) return;
  if (expression.kind === 'call' && aggregateFactory(expression.name) !== undefined) return;
  if (expression.kind === 'identifier' || expression.kind === 'member') {
    const name = expression.name;
    throw queryError(
      `Property reference '${name}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`,
      'SC2102',
    );
  }
  for (const child of childrenOf(expression)) checkCovered(child, keys);
}
