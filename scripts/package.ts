/**
 * `npm run package -- [--backend durableTaskScheduler|azureStorage] [--out FOLDER]`: what is deployed, in `build/package/`.
 * The default backend needs no package of its own: publishing from the project's root uploads the same files.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const BACKENDS = ['durableTaskScheduler', 'azureStorage'] as const;
export type Backend = (typeof BACKENDS)[number];
const root = fileURLToPath(new URL('..', import.meta.url));

interface HostFile {
  readonly extensions: { readonly durableTask: Readonly<Record<string, unknown>> } & Readonly<Record<string, unknown>>;
}

/** host.json for a backend. The scale controller reads the file, so a setting cannot choose the backend in Azure. */
export function hostFile(text: string, backend: Backend): string {
  const host = JSON.parse(text) as HostFile;
  if (backend === 'durableTaskScheduler') return `${JSON.stringify(host, null, 2)}\n`;
  const durableTask = {
    ...host.extensions.durableTask,
    storageProvider: { type: 'azureStorage', connectionStringName: 'AzureWebJobsStorage', partitionCount: 4 },
  };
  return `${JSON.stringify({ ...host, extensions: { ...host.extensions, durableTask } }, null, 2)}\n`;
}

/** Writes the package of what is built into a folder, which is emptied first. */
export function writePackage(backend: Backend, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'dist'), { recursive: true });
  for (const file of ['dist/main.cjs', 'dist/THIRD-PARTY-LICENSES', 'package.json', 'sync.json'])
    copyFileSync(join(root, file), join(folder, file));
  writeFileSync(join(folder, 'host.json'), hostFile(readFileSync(join(root, 'host.json'), 'utf8'), backend));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      backend: { type: 'string', default: 'durableTaskScheduler' },
      out: { type: 'string', default: join(root, 'build', 'package') },
    },
  });
  const backend = BACKENDS.find((known) => known === values.backend);
  if (backend === undefined) {
    process.stderr.write(`--backend is one of ${BACKENDS.join(', ')}.\n`);
    process.exit(2);
  }
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.ts')], { cwd: root, stdio: 'inherit' });
  if (built.status !== 0) process.exit(built.status ?? 1);
  const folder = resolve(values.out);
  writePackage(backend, folder);
  process.stdout.write(`The package is in ${folder}: func azure functionapp publish NAME --no-build, from there.\n`);
}
