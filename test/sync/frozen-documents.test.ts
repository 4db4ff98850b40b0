/** Documents as version 1 wrote them, frozen: every later version must read them. Never edited, only added to. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leaseDocumentFromJson } from '../../src/cosmos/lease/lease-document.ts';
import { cosmosStateStore } from '../../src/cosmos/state-documents.ts';
import { planFolder, readPlan, type PlanHeader } from '../../src/sync/plan.ts';
import { approve } from '../../src/sync/hold.ts';
import { isHeld, type SyncState } from '../../src/sync/state.ts';
import { MemoryPlanStore } from '../support/memory-plan-store.ts';
import { SyncWorld } from '../support/sync-harness.ts';

const frozen = (name: string): unknown =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/v1/${name}.json`, import.meta.url)), 'utf8'));

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(1);
});
afterAll(() => world.stop());

test('a state document of version 1 is read, and its held epoch can be approved', async () => {
  const state = frozen('state') as SyncState;
  const container = world.client.database('cosmicworks').container('state');
  await container.items.create({ id: 'state', target: state.target, state });
  const read = (await cosmosStateStore(container).read(state.target)).state;
  expect(read).toMatchObject({
    checkpoint: { version: 1, documents: 2 },
    current: { planId: state.current?.planId, kind: 'changes' },
  });
  expect(read.current !== null && isHeld(read.current)).toBe(true);
  expect(approve(read, state.current?.planId ?? '', 'ann', 1).current?.approval).toEqual({ by: 'ann', at: 1 });
});

test('a state document of a later format is refused, not misread', async () => {
  const state = { ...(frozen('state') as SyncState), target: 'later', format: 2 };
  const container = world.client.database('cosmicworks').container('state');
  await container.items.create({ id: 'state', target: 'later', state });
  await expect(cosmosStateStore(container).read('later')).rejects.toMatchObject({ code: 'stateTooNew' });
});

test('a plan header of version 1 is read', async () => {
  const header = frozen('plan-header') as PlanHeader;
  const plans = new MemoryPlanStore();
  await plans.write(
    `${planFolder(header.target, header.planId)}/header.json`,
    new TextEncoder().encode(JSON.stringify(header)),
  );
  expect(await readPlan(plans, header.target, header.planId)).toEqual(header);
});

test('a lease document of version 1 is read', () => {
  expect(leaseDocumentFromJson(frozen('lease'))).toMatchObject({ version: 12, budget: 120_000, sum: 90_000 });
});
