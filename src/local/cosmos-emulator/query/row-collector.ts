/** From rows to results: groups, aggregates, order, DISTINCT, OFFSET and LIMIT. */
import type { Accumulator } from './aggregates.ts';
import type { Aggregate, Evaluate, Row } from './scope.ts';
import type { Iterate } from './sources.ts';
import { canonicalText, compareValues, type Value } from './values.ts';

/** A compiled query after its FROM and WHERE. */
export interface RowPlan {
  readonly forEachRow: Iterate;
  readonly groupBy: readonly Evaluate[];
  readonly aggregates: readonly Aggregate[];
  readonly orderBy: readonly { readonly value: Evaluate; readonly descending: boolean }[];
  /** The result of a row; undefined gives none. */
  readonly project: Evaluate;
  /** What DISTINCT compares of a result; undefined without DISTINCT. */
  readonly distinct: ((value: Value) => Value) | undefined;
  readonly skip: number;
  readonly take: number;
}

type Emit = (value: Value) => boolean;

/** Runs the plan over the rows that `forEach` hands out; `emit` returning false ends it. */
export function collectRows(
  plan: RowPlan,
  forEach: (each: (row: Row) => boolean) => void,
  newRow: () => Row,
  emit: Emit,
): void {
  const limited = limit(plan, emit);
  if (plan.take === 0) return;
  const ordered = plan.orderBy.length > 0 ? sorter(plan, limited) : undefined;
  const accept = ordered?.accept ?? ((row: Row) => limited(plan.project(row)));
  if (plan.groupBy.length > 0 || plan.aggregates.length > 0) {
    for (const row of groupRows(plan, forEach, newRow)) if (!accept(row)) break;
  } else forEach(accept);
  ordered?.finish();
}

function limit(plan: RowPlan, emit: Emit): Emit {
  const { distinct } = plan;
  const seen = new Set<string>();
  let skip = plan.skip;
  let take = plan.take;
  return (value) => {
    if (value === undefined) return true;
    if (distinct !== undefined) {
      const text = canonicalText(distinct(value));
      if (seen.has(text)) return true;
      seen.add(text);
    }
    if (skip > 0) {
      skip--;
      return true;
    }
    take--;
    return emit(value) && take > 0;
  };
}

function sorter(plan: RowPlan, emit: Emit): { readonly accept: (row: Row) => boolean; readonly finish: () => void } {
  const rows: { readonly keys: readonly Value[]; readonly value: Value }[] = [];
  return {
    accept(row) {
      rows.push({ keys: plan.orderBy.map((key) => key.value(row)), value: plan.project(row) });
      return true;
    },
    finish() {
      // An index read backwards gives equal keys backwards too; SDKs count on it when they go on from a token.
      if (plan.orderBy.some((key) => key.descending)) rows.reverse();
      rows.sort((left, right) => {
        for (let i = 0; i < plan.orderBy.length; i++) {
          const order = compareValues(left.keys[i], right.keys[i]);
          if (order !== 0) return plan.orderBy[i]?.descending === true ? -order : order;
        }
        return 0;
      });
      for (const row of rows) if (!emit(row.value)) return;
    },
  };
}

/** One row a group: that of its first member, with the aggregates in their slots. */
function groupRows(plan: RowPlan, forEach: (each: (row: Row) => boolean) => void, newRow: () => Row): Row[] {
  const groups = new Map<string, { readonly row: Row; readonly accumulators: readonly Accumulator[] }>();
  const open = (row: Row): { readonly row: Row; readonly accumulators: readonly Accumulator[] } => ({
    row,
    accumulators: plan.aggregates.map((aggregate) => aggregate.create()),
  });
  // Without GROUP BY there is one group even over no rows.
  const only = plan.groupBy.length === 0 ? open(newRow()) : undefined;
  forEach((row) => {
    let group = only;
    if (group === undefined) {
      let key = '';
      for (const value of plan.groupBy) key += `${canonicalText(value(row))},`;
      group = groups.get(key);
      if (group === undefined) groups.set(key, (group = open([...row])));
    }
    for (let i = 0; i < plan.aggregates.length; i++) {
      group.accumulators[i]?.add(plan.aggregates[i]?.input(row));
    }
    return true;
  });
  return (only === undefined ? [...groups.values()] : [only]).map((group) => {
    plan.aggregates.forEach((aggregate, i) => {
      group.row[aggregate.slot] = group.accumulators[i]?.result();
    });
    return group.row;
  });
}
