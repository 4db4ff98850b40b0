/**
 * Random campaigns of the batch writer: `node test/chaos/writer.ts [--seed S] [--runs N]`. A failing run prints its seed;
 * `--seed S --runs 1` repeats it.
 */
import { parseArgs } from 'node:util';
import { runCampaign } from '../support/writer-campaign.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, runs: { type: 'string' } } });
const seed = Number(values.seed ?? 1);
const runs = Number(values.runs ?? 5_000);
const print = (line: string): boolean => process.stdout.write(`${line}\n`);

const { failures, operations, ambiguous, faults, ends, spoilt, repeated } = await runCampaign(seed, runs, print);
print(`ends: ${[...ends].map(([end, count]) => `${end} ${count}`).join(', ')}`);
print(`spoilt: ${[...spoilt].map(([how, count]) => `${how} ${count}`).join(', ')}`);
print(
  `${runs} runs from seed ${seed}: ${failures.length} failed; ` +
    `${operations} operations, ${ambiguous} ambiguous, ${faults} faults; ${repeated} repeated after a stall of the machine`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
