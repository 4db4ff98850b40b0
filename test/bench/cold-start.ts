/**
 * Cold start of the bundle: a new process loads dist/main.cjs with a stand-in for @azure/functions-core, until its
 * functions are registered. Prints JSON. `node test/bench/cold-start.ts [runs]`; pin to one core with taskset.
 */
import { loadBundle } from '../infra/bundle-process.ts';

const runs = Number(process.argv[2] ?? 9);
const milliseconds: number[] = [];
for (let run = 0; run < runs; run++) milliseconds.push(loadBundle().milliseconds);
milliseconds.sort((a, b) => a - b);
process.stdout.write(
  `${JSON.stringify({ runs, medianMs: milliseconds[Math.floor(runs / 2)], bestMs: milliseconds[0], worstMs: milliseconds.at(-1) })}\n`,
);
