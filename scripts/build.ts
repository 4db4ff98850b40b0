/**
 * Builds both outputs: `build/` (plain JavaScript of src, for the command line and the local Azure) and `dist/main.cjs`
 * (the function app in one file, the only code that is deployed).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

function compile(): void {
  rmSync(`${root}build`, { recursive: true, force: true });
  const tsc = spawnSync(
    process.execPath,
    [
      'node_modules/typescript/bin/tsc',
      '--noEmit',
      'false',
      '--rootDir',
      'src',
      '--outDir',
      'build',
      '-p',
      'scripts/tsconfig.build.json',
    ],
    { cwd: root, stdio: 'inherit' },
  );
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

async function bundle(): Promise<void> {
  rmSync(`${root}dist`, { recursive: true, force: true });
  if (!existsSync(`${root}src/index.ts`)) return;
  await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outfile: 'dist/main.cjs',
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    minify: true,
    keepNames: true,
    external: ['@azure/functions-core'],
    logLevel: 'warning',
  });
}

compile();
await bundle();
