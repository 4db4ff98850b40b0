/** Packages of the app in folders of their own: the one that is deployed, and one as a later version would make it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { writePackage, type Backend } from '../../scripts/package.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The package of the build at hand with another sync.json. */
export function packageOf(folder: string, configuration: string, backend: Backend = 'durableTaskScheduler'): string {
  writePackage(backend, folder);
  writeFileSync(join(folder, 'sync.json'), configuration);
  return folder;
}

/** The package as a later version would make it: another orchestration version, whose instances begin with a step of their own. */
export async function upgradedPackageOf(folder: string, configuration: string, version: string): Promise<string> {
  packageOf(folder, configuration);
  const host = JSON.parse(readFileSync(join(folder, 'host.json'), 'utf8')) as {
    readonly extensions: { readonly durableTask: Record<string, unknown> };
  };
  host.extensions.durableTask['defaultVersion'] = version;
  writeFileSync(join(folder, 'host.json'), JSON.stringify(host));
  mkdirSync(join(folder, 'dist'), { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outfile: join(folder, 'dist', 'main.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    external: ['@azure/functions-core'],
    logLevel: 'warning',
    plugins: [upgraded(version)],
  });
  return folder;
}

/** Puts a timer before everything else; instances of older versions have no such step in their history. */
function orchestrator(version: string, before: string): string {
  return `import { syncTable as before } from ${JSON.stringify(before)};
export function* syncTable(context) {
  if (context.df.version === ${JSON.stringify(version)})
    yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 1));
  return yield* before(context);
}`;
}

function upgraded(version: string): Plugin {
  return {
    name: 'upgrade',
    setup(bundle) {
      bundle.onLoad({ filter: /[\\/]src[\\/]index\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        const changed = text.replace(/APP_VERSION = '[^']+'/, `APP_VERSION = '${version}'`);
        if (changed === text) throw new Error('src/index.ts names no APP_VERSION.');
        return { contents: changed, loader: 'ts' };
      });
      bundle.onResolve({ filter: /\/sync-table\.ts$/ }, ({ importer, resolveDir, path }) =>
        /[\\/]index\.ts$/.test(importer) ? { path: join(resolveDir, path), namespace: 'upgraded' } : null,
      );
      bundle.onLoad({ filter: /.*/, namespace: 'upgraded' }, ({ path }) => ({
        contents: orchestrator(version, path),
        loader: 'js',
        resolveDir: join(root, 'src'),
      }));
    },
  };
}
