/**
 * Random faults against the RU lease in virtual time: `node test/chaos/lease.ts --seed S --runs N`. A seed that fails is
 * printed and reproduces with `--seed S --runs 1`. Ends with 1 when a promise was broken.
 */
import { parseArgs } from 'node:util';
import { randomScenario } from '../support/lease-simulator/scenario.ts';
import { simulate } from '../support/lease-simulator/simulation.ts';
import { violations } from '../support/lease-simulator/violations.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, runs: { type: 'string', default: '1000' } },
});
const first = Number(values.seed);
const runs = Number(values.runs);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

let broken = 0;
let [granted, second, minute, requests] = [0, 0, 0, 0];
for (let seed = first; seed < first + runs; seed++) {
  const scenario = randomScenario(seed);
  const outcome = await simulate(scenario);
  const found = violations(outcome);
  if (found.length > 0) broken++;
  for (const text of found) print(`seed ${seed}, ${scenario.holders.length} holders: ${text}`);
  granted = Math.max(granted, outcome.granted);
  second = Math.max(second, outcome.worstSecond);
  minute = Math.max(minute, outcome.worstMinute);
  requests += outcome.service.counts.requests;
}
const worst = `granted ${granted.toFixed(4)}, worst second ${second.toFixed(3)}, worst minute ${minute.toFixed(3)}`;
print(`${runs} runs from seed ${first}, ${broken} broken; ${requests} requests; ${worst} (all over the budget)`);
process.exit(broken === 0 ? 0 : 1);
