/** The steps of a run as random histories take them: slices in any order, and sizes at which a few rows are many. */
import type { Step, StepResult } from '../../src/sync/next-step.ts';
import { completeEpoch } from '../../src/sync/complete-epoch.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { runSlice } from '../../src/sync/run-slice.ts';
import { sealStage } from '../../src/sync/seal-stage.ts';
import { WORK_SIZES, type WorkSizes } from '../../src/sync/work-sizes.ts';
import type { Dice } from './random-history.ts';
import type { SyncTable } from './sync-harness.ts';

/** Carries out one step. */
export async function perform(
  deps: SyncTable['dependencies'],
  step: Step,
  signal: AbortSignal,
  table: SyncTable,
  roll: Dice,
): Promise<StepResult> {
  switch (step.kind) {
    case 'plan':
      return planEpoch(deps, step.input, signal);
    case 'slices': {
      const order = step.inputs
        .map((input, index) => ({ input, index, rank: roll(100) }))
        .toSorted((a, b) => a.rank - b.rank);
      const results: Awaited<ReturnType<typeof runSlice>>[] = [];
      for (const { input, index } of order) results[index] = await runSlice(deps, input, signal);
      return results;
    }
    case 'seal':
      return sealStage(deps, step.input, signal);
    case 'complete':
      return completeEpoch(deps, step.input, signal);
    case 'wait':
      table.skewMs += step.ms;
      return null;
    case 'renew':
    case 'end':
      return null;
  }
}

/** Sizes at which a handful of rows is a large epoch. */
export function tinySizes(roll: Dice): WorkSizes {
  return {
    ...WORK_SIZES,
    smallRows: roll(10),
    smallBytes: roll(2) === 0 ? 1 : 4_000,
    chunkBytes: 500 + roll(4_000),
    chunkSources: 1 + roll(3),
    rangeRows: 1 + roll(10),
    // From a few identities a pass on, comparisons spill what the container holds.
    passRows: 12 + roll(60),
    keysPerPass: 1 + roll(20),
    batchDecisions: 1 + roll(5),
  };
}
