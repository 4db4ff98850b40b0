import { describe, expect, it } from 'vitest';
import { OperationCosts, learnCost, observeCost } from '../../src/cosmos/operation-cost.ts';

/** A request of this many operations that each cost this much. */
function answer(costs: OperationCosts, operations: number, ru: number): void {
  const estimate = costs.of('upsert', 1_000);
  for (let n = 0; n < operations; n++) observeCost(estimate, ru);
  learnCost(estimate);
}

describe('what an operation will cost', () => {
  it('follows a cost that jumps tenfold within twenty full requests', () => {
    const costs = new OperationCosts();
    for (let request = 0; request < 20; request++) answer(costs, 100, 100);
    expect(costs.of('upsert', 1_000).ru).toBeGreaterThan(95);
    for (let request = 0; request < 20; request++) answer(costs, 100, 10);
    expect(costs.of('upsert', 1_000).ru).toBeLessThan(12);
  });

  it('is hardly moved by a single operation', () => {
    const costs = new OperationCosts();
    answer(costs, 1, 1_000);
    expect(costs.of('upsert', 1_000).ru).toBeLessThan(35);
  });

  it('is kept apart by kind and by size', () => {
    const costs = new OperationCosts();
    for (let request = 0; request < 20; request++) answer(costs, 100, 100);
    expect(costs.of('delete', 1_000).ru).toBe(7);
    expect(costs.of('upsert', 1_025).ru).toBe(10);
    expect(costs.of('upsert', 2_000_000).ru).toBeGreaterThan(500);
  });
});
