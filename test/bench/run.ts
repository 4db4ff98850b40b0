/** `npm run bench -- [--only NAME]`: builds, then every bench of this folder in turn; ends with 1 when one failed. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const run = (script: string): boolean =>
  spawnSync(process.execPath, [fileURLToPath(new URL(script, import.meta.url))], { stdio: 'inherit' }).status === 0;
const benches = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => basename(file, '.ts'))
  .filter((name) => values.only === undefined || values.only === name);
if (benches.length === 0) throw new Error(`there is no bench ${values.only}`);
if (!run('../../scripts/build.ts')) throw new Error('the build failed');
for (const name of benches) {
  process.stdout.write(`\n${name}\n`);
  if (!run(`${name}.ts`)) process.exitCode = 1;
}
