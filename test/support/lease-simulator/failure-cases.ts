/** All failure cases of the RU lease, by the numbers of the notes that found them. */
import { DEMAND_FAILURES } from './demand-failures.ts';
import type { FailureCase } from './failure-case.ts';
import { GRANT_FAILURES } from './grant-failures.ts';
import { SPENDING_FAILURES } from './spending-failures.ts';

export const FAILURE_CASES: readonly FailureCase[] = [
  ...GRANT_FAILURES,
  ...DEMAND_FAILURES,
  ...SPENDING_FAILURES,
].toSorted((a, b) => Number.parseInt(a.name, 10) - Number.parseInt(b.name, 10));
