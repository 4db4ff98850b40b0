import { array, assert, constantFrom, integer, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlanSummary, SliceResult } from '../../src/sync/activity-messages.ts';
import { advance, beginRun, nextStep, type Run, type Step, type StepResult } from '../../src/sync/next-step.ts';
import { NO_COUNTS } from '../../src/sync/state-store.ts';

const ok = (cursor: string | null = null): SliceResult => ({ kind: 'ok', cursor, counts: { ...NO_COUNTS, rows: 1 } });
const plan = (stages: PlanSummary['stages'], width = 2): PlanSummary => ({
  planId: 'e1-v1-x',
  epoch: 1,
  kind: 'changes',
  to: 1,
  stages,
  width,
});

function planned(stages: PlanSummary['stages'], width?: number): Run {
  const run = beginRun('t', 'me');
  return advance(run, nextStep(run), { kind: 'epoch', plan: plan(stages, width) });
}

function slicesOf(run: Run): Extract<Step, { kind: 'slices' }> {
  const step = nextStep(run);
  if (step.kind !== 'slices') throw new Error(step.kind);
  return step;
}

describe('a run', () => {
  test('plans, applies wave by wave, completes, and plans again until nothing is new', () => {
    let run = planned([{ name: 'apply', chunks: 3 }]);
    expect(slicesOf(run).inputs.map((input) => input.chunk)).toEqual([0, 1]);
    run = advance(run, nextStep(run), [ok(), ok()]);
    expect(slicesOf(run).inputs.map((input) => input.chunk)).toEqual([2]);
    run = advance(run, nextStep(run), [ok()]);
    const complete = nextStep(run);
    expect(complete).toMatchObject({ kind: 'complete', input: { counts: { rows: 3 } } });
    run = advance(run, complete, { kind: 'ok', version: 1 });
    expect(nextStep(run).kind).toBe('plan');
    run = advance(run, nextStep(run), { kind: 'idle', version: 1 });
    expect(nextStep(run)).toEqual({ kind: 'end', outcome: { kind: 'idle', version: 1 } });
  });

  test('hands the cursor of an unfinished chunk to its next slice, under another attempt name', () => {
    let run = planned([{ name: 'apply', chunks: 1 }]);
    const first = slicesOf(run).inputs[0];
    run = advance(run, nextStep(run), [ok('here')]);
    const second = slicesOf(run).inputs[0];
    expect(second).toMatchObject({ chunk: 0, cursor: 'here' });
    expect(second?.attempt).not.toBe(first?.attempt);
  });

  test('seals a stage with the attempts that gave output only, and counts only the last stage', () => {
    let run = planned([
      { name: 'shuffle', chunks: 2 },
      { name: 'apply', chunks: 1 },
    ]);
    run = advance(run, nextStep(run), [
      { ...ok(), output: true } as SliceResult,
      { kind: 'failed', code: 'activityLost', message: '', retryable: true },
    ]);
    run = advance(run, nextStep(run), [{ ...ok(), output: true } as SliceResult]);
    const seal = nextStep(run);
    expect(seal).toMatchObject({ kind: 'seal', input: { stage: 'shuffle', outputs: ['0.0', '1.1'] } });
    run = advance(run, seal, { kind: 'ok' });
    run = advance(run, nextStep(run), [ok()]);
    expect(nextStep(run)).toMatchObject({ kind: 'complete', input: { counts: { rows: 1 } } });
  });

  test('tells the planner about a failure that trying again cannot cure', () => {
    let run = planned([{ name: 'apply', chunks: 1 }]);
    run = advance(run, nextStep(run), [{ kind: 'failed', code: 'dataFileMissing', message: 'gone', retryable: false }]);
    expect(nextStep(run)).toMatchObject({
      kind: 'plan',
      input: { failure: { planId: 'e1-v1-x', code: 'dataFileMissing' } },
    });
  });

  test('ends after five passing failures of one chunk in a row, leaving the epoch to the sweep', () => {
    let run = planned([{ name: 'apply', chunks: 1 }]);
    for (let failure = 0; failure < 5; failure++) {
      if (nextStep(run).kind === 'wait') run = advance(run, nextStep(run), null);
      run = advance(run, nextStep(run), [{ kind: 'failed', code: 'writeFailed', message: 'away', retryable: true }]);
    }
    expect(nextStep(run)).toMatchObject({ kind: 'end', outcome: { kind: 'failed', code: 'writeFailed' } });
  });

  test('waits where everything is fenced, and never for ever', () => {
    let run = planned([{ name: 'apply', chunks: 1 }]);
    for (let rounds = 0; rounds < 200 && nextStep(run).kind !== 'end'; rounds++) {
      const step = nextStep(run);
      run = advance(run, step, step.kind === 'slices' ? [{ kind: 'retryAfter', ms: 100 }] : null);
    }
    expect(nextStep(run)).toMatchObject({ kind: 'end', outcome: { kind: 'failed' } });
  });

  test('renews its history long before a thousand events, carrying everything along as JSON', () => {
    let run = planned([{ name: 'apply', chunks: 500 }], 4);
    let renewed = 0;
    let most = 0;
    let since = 0;
    for (let rounds = 0; rounds < 1_000 && nextStep(run).kind !== 'complete'; rounds++) {
      const step = nextStep(run);
      if (step.kind === 'renew') {
        renewed++;
        since = 0;
        run = JSON.parse(JSON.stringify(step.run)) as Run;
        continue;
      }
      const width = step.kind === 'slices' ? step.inputs.length : 1;
      since += width * 2 + 2;
      most = Math.max(most, since);
      run = advance(run, step, step.kind === 'slices' ? step.inputs.map(() => ok()) : null);
    }
    expect(nextStep(run)).toMatchObject({ kind: 'complete', input: { counts: { rows: 500 } } });
    expect(renewed).toBeGreaterThan(0);
    expect(most).toBeLessThan(1_000);
  });

  test('whatever slices answer, every chunk is done exactly when its last cursor is null', () => {
    const answer = constantFrom<SliceResult>(
      ok(),
      ok('more'),
      { kind: 'retryAfter', ms: 1 },
      { kind: 'failed', code: 'writeFailed', message: '', retryable: true },
    );
    assert(
      property(integer({ min: 1, max: 6 }), array(answer, { minLength: 60, maxLength: 60 }), (chunks, answers) => {
        let run = planned([{ name: 'apply', chunks }]);
        const finished = new Set<number>();
        let at = 0;
        for (let rounds = 0; rounds < 200; rounds++) {
          const step = nextStep(run);
          if (step.kind === 'end') return;
          if (step.kind === 'complete') {
            expect(finished.size).toBe(chunks);
            return;
          }
          let result: StepResult = null;
          if (step.kind === 'renew') {
            run = step.run;
            continue;
          }
          if (step.kind === 'slices') {
            const results = step.inputs.map((input) => {
              expect(finished.has(input.chunk)).toBe(false);
              const given = answers[at++ % answers.length] ?? ok();
              if (given.kind === 'ok' && given.cursor === null) finished.add(input.chunk);
              return given;
            });
            result = results;
          }
          run = advance(run, step, result);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
