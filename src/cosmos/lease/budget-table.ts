/** A table's use of a budget, and how its costs are known. RU. */

/** A table that uses the budget. */
export interface BudgetTable {
  readonly id: string;
  readonly priority: 'small' | 'bulk';
  /** Container that the partitions belong to; tables of one container share its ceilings. Default: the budget's own. */
  readonly container?: string;
  /**
   * Called with the holder's id before the first reservation in each term of the holder: the place to register for the
   * fence. Rejecting fails the waiting reservations with its error.
   */
  readonly register?: (holderId: string, signal: AbortSignal) => Promise<void>;
}

/** What a limiter keeps of a table. */
export interface TableUse {
  readonly table: BudgetTable;
  readonly priority: 'small' | 'bulk';
  served: number;
  /** Real over estimated cost, of late. */
  correction: number;
  /** Operations that have been answered. */
  answered: number;
  closed: boolean;
  registeredAs: string | null;
  registering: boolean;
}

const CORRECTION_MAXIMUM = 1000;
/** A whole request's worth of operations moves an estimate at most this far towards what was charged. */
const FOLLOW_MAXIMUM = 0.2;
const FOLLOW_PER_OPERATION = 0.02;
/** Before any answer the estimates count as much as this many operations. */
const PRIOR_OPERATIONS = 2;

/** A table that was just opened. */
export function tableUse(table: BudgetTable): TableUse {
  return {
    table,
    priority: table.priority,
    served: 0,
    correction: 1,
    answered: 0,
    closed: false,
    registeredAs: null,
    registering: false,
  };
}

/**
 * Moves the table's estimates towards what an answer charged, so that a row ten times as dear is not sent ten times too
 * often. Returns the cost of one operation, moved from `operation` likewise.
 */
export function follow(
  use: TableUse,
  answer: { readonly operations: number; readonly estimate: number; readonly charged: number },
  operation: number,
): number {
  const operations = Math.max(1, answer.operations);
  use.answered += operations;
  // The first answers are averaged: a small grant gets few of them, and each decides what the next requests may cost.
  const weight = Math.max(
    Math.min(FOLLOW_MAXIMUM, FOLLOW_PER_OPERATION * operations),
    operations / (PRIOR_OPERATIONS + use.answered),
  );
  const ratio = Math.min(CORRECTION_MAXIMUM, Math.max(1 / CORRECTION_MAXIMUM, answer.charged / answer.estimate));
  use.correction += weight * (ratio - use.correction);
  const each = answer.charged / operations;
  return operation === 0 ? each : operation + weight * (each - operation);
}
