/** Whether a query can be answered partition by partition, and what then is left to do. */
import { aggregateFactory } from './aggregates.ts';
import { childrenOf, type Expression, type Query } from './syntax.ts';
import { isVectorDistance } from './vector-distance.ts';

/**
 * `none`: the results of the partitions, one after the other, are the results. `plan`: SDKs merge them by a query plan.
 * `whole`: only a look at all documents at once gives them.
 */
export type Merging = 'none' | 'plan' | 'whole';

export function mergingOf(query: Query): Merging {
  const [root] = query.sources;
  // A query without a source has one result, however many partitions there are.
  if (root === undefined) return 'whole';
  const inner = root.from.kind === 'query' ? mergingOf(root.from.query) : 'none';
  if (inner !== 'none') return 'whole';
  const values = selectedValues(query);
  const aggregated = values.some(holdsAggregate);
  const grouped = query.groupBy.length > 0 || aggregated;
  const limited = query.distinct || query.top !== undefined || query.limit !== undefined;
  if (!grouped && !limited && query.orderBy.length === 0) return 'none';
  if (grouped && values.some((value) => !isAggregate(value) && holdsAggregate(value))) return 'whole';
  if (query.groupBy.length > 0 && query.orderBy.length > 0) return 'whole';
  // The nearest vectors are found in one place: here SDKs' own merging would only repeat it.
  if (query.orderBy.some((key) => isVectorDistance(key.value))) return 'whole';
  // Ordered results carry the `_rid` of their document, which only an alias of whole documents gives.
  const documents = root.kind === 'bind' && root.from.kind === 'path' && root.from.path.kind === 'identifier';
  if (query.orderBy.length > 0 && !grouped && !documents) return 'whole';
  return query.distinct && query.orderBy.length > 0 && !isOrderedDistinct(query) ? 'whole' : 'plan';
}

/** True when equal results stand side by side, because the order is by all that is selected. */
function isOrderedDistinct(query: Query): boolean {
  const keys = new Set(query.orderBy.map((key) => JSON.stringify(key.value)));
  const values = selectedValues(query);
  return values.length > 0 && values.every((value) => keys.has(JSON.stringify(value)));
}

/** The expressions of the select list. */
export function selectedValues(query: Query): readonly Expression[] {
  const { select } = query;
  if (select.kind === 'all') return [];
  return select.kind === 'value' ? [select.value] : select.items.map((item) => item.value);
}

/** True for the call of an aggregate. */
export function isAggregate(expression: Expression): boolean {
  return expression.kind === 'call' && aggregateFactory(expression.name) !== undefined;
}

function holdsAggregate(expression: Expression): boolean {
  return isAggregate(expression) || childrenOf(expression).some(holdsAggregate);
}
