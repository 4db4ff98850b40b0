/** `npm run chaos -- --seed S --runs N [--only histories|writer|lease]`: every campaign in turn; ends with 1 when one failed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string' }, only: { type: 'string' } },
});
const campaigns = ['histories', 'writer', 'lease'].filter((name) => values.only === undefined || values.only === name);
if (campaigns.length === 0) throw new Error(`there is no campaign ${values.only}`);
const extra = (['seed', 'runs'] as const).flatMap((name) =>
  values[name] === undefined ? [] : [`--${name}`, values[name]],
);
for (const name of campaigns) {
  process.stdout.write(`\n${name}\n`);
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  if (spawnSync(process.execPath, [script, ...extra], { stdio: 'inherit' }).status !== 0) process.exitCode = 1;
}
