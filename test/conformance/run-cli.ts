/** `npm run conformance [NAME…]`: every corpus table through the compiled command line. */
import { availableParallelism } from 'node:os';
import { CORPUS, corpusNames, expectedOf } from './corpus.ts';
import { isBuilt, runProcess } from './run-command.ts';
import { checkTable } from './table-checks.ts';

const asked = process.argv.slice(2);
const names = corpusNames().filter((name) => asked.length === 0 || asked.includes(name));
if (!isBuilt()) {
  process.stderr.write('build/cli/main.js is missing: run npm run build\n');
  process.exit(1);
}
if (names.length === 0) {
  process.stderr.write(`corpus absent: ${CORPUS} is not there\n`);
  process.exit(1);
}

let passed = 0;
const waiting = [...names];

async function work(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const problem = await checkTable(runProcess, expectedOf(name));
    if (problem === undefined) passed++;
    else process.stdout.write(`${name}: ${problem}\n`);
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
process.stdout.write(`corpus through the command line: ${passed} of ${names.length}\n`);
process.exit(passed === names.length ? 0 : 1);
