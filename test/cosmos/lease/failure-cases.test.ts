import { describe, expect, it } from 'vitest';
import { FAILURE_CASES } from '../../support/lease-simulator/failure-cases.ts';
import { loadVariant } from '../../support/lease-simulator/variant.ts';

describe('failure cases of the RU lease: held by the code, and not held once the cure is taken out', () => {
  it.each(FAILURE_CASES)('$name', async ({ measure, without, limit }) => {
    expect(await measure(await loadVariant([]))).toBeLessThanOrEqual(limit);
    expect(await measure(await loadVariant(without))).toBeGreaterThan(limit);
  });
});
