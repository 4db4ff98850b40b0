/** Campaign of random histories: `--seed S --runs N`. A failure prints the seed that reproduces it and ends with 1. */
import { parseArgs } from 'node:util';
import { runHistories } from '../support/sync-history.ts';
import { SyncWorld } from '../support/sync-harness.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, runs: { type: 'string', default: '2000' } },
});
const seed = Number(values.seed);
const runs = Number(values.runs);
const CHUNK = 50;
let epochs = 0;
for (let done = 0; done < runs; done += CHUNK) {
  // A fresh emulator now and then: containers of finished histories would only fill memory.
  const world = await SyncWorld.start();
  const result = await runHistories(world, seed + done, Math.min(CHUNK, runs - done));
  await world.stop();
  epochs += result.epochs;
  for (const failure of result.failures) process.stdout.write(`${failure}\n`);
  if (result.failures.length > 0) process.exit(1);
  process.stdout.write(`${Math.min(done + CHUNK, runs)} of ${runs} histories, ${epochs} epochs: equal\n`);
}
