/**
 * Builds both outputs: `build/` (plain JavaScript of src, for the command line and the local Azure) and `dist/main.cjs`
 * (the function app in one file, the only code that is deployed; its source map stays in build/).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundledLicenses } from './licenses.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What the outputs were made of. */
const STAMP = `${root}build/.sources`;

/** A hash of everything that the outputs depend on. */
function sourcesHash(): string {
  const hash = createHash('sha256');
  const files = readdirSync(`${root}src`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const others = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'scripts/build.ts',
    'scripts/licenses.ts',
    'scripts/tsconfig.build.json',
  ];
  for (const file of [...others.map((name) => join(root, name)), ...files]) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

/** Outputs that are right are left alone: a local run may be using them. */
function isCurrent(hash: string): boolean {
  return existsSync(STAMP) && existsSync(`${root}dist/main.cjs`) && readFileSync(STAMP, 'utf8') === hash;
}

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
  const { metafile } = await build({
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
    sourcemap: 'external',
    metafile: true,
    legalComments: 'none',
  });
  renameSync(`${root}dist/main.cjs.map`, `${root}build/main.cjs.map`);
  writeFileSync(`${root}dist/THIRD-PARTY-LICENSES`, bundledLicenses(root, Object.keys(metafile.inputs)));
}

const hash = sourcesHash();
if (!isCurrent(hash)) {
  compile();
  await bundle();
  writeFileSync(STAMP, hash);
}
