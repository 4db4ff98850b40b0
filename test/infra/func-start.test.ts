/**
 * The steps of infra/README.md for Core Tools: `func start` itself where `func` is there, and otherwise everything but that
 * last step, whose part the local Functions host takes.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../local/functions-host/test-host.ts';
import { packageOf } from './app-package.ts';
import { LocalCloud } from './local-cloud.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

const root = fileURLToPath(new URL('../..', import.meta.url));
const hasFunc = spawnSync('func', ['--version'], { stdio: 'ignore' }).status === 0;
if (!hasFunc)
  process.stdout.write('SKIPPED: func start itself: Azure Functions Core Tools (func) are not on the PATH\n');

const sample = JSON.parse(readFileSync(join(root, 'local.settings.sample.json'), 'utf8')) as {
  readonly IsEncrypted: boolean;
  readonly Values: Readonly<Record<string, string>>;
};
const readme = readFileSync(join(root, 'infra', 'README.md'), 'utf8');
const steps = /## On one machine[\s\S]*?```\n([\s\S]*?)```/.exec(readme)?.[1]?.trim().split('\n') ?? [];

let folder: string;
let cloud: LocalCloud;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-func-'));
  cloud = await LocalCloud.start();
});
afterAll(async () => {
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the steps name what is there, and ports that the settings name too', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  expect(steps).toEqual([
    'npm ci && npm run build && cp local.settings.sample.json local.settings.json',
    'npx azurite --location .delta-cosmos/azurite --skipApiVersionCheck',
    'npm run cli -- emulator --port 8081',
    'node scripts/local-resources.ts',
    'func start',
  ]);
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['build', 'cli']));
  expect(sample.Values['COSMOS_ENDPOINT']).toBe('http://127.0.0.1:8081/');
  // Azurite's own ports, which its options leave as they are.
  expect(sample.Values['AzureWebJobsStorage']).toBe('UseDevelopmentStorage=true');
  expect(sample.Values['DELTA_LAKE']).toBe('UseDevelopmentStorage=true');
  const program = join(root, 'node_modules', 'azurite', 'dist', 'src', 'azurite.js');
  const help = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' });
  for (const option of ['--location', '--skipApiVersionCheck']) expect(help.stdout).toContain(option);
});

/** The sample with the ports of this test: others may use the usual ones. */
function settingsFile(name: string): string {
  const { AzureWebJobsStorage = '', DELTA_LAKE = '', COSMOS_ENDPOINT = '', COSMOS_KEY = '' } = cloud.settings;
  const Values = { ...sample.Values, AzureWebJobsStorage, DELTA_LAKE, COSMOS_ENDPOINT, COSMOS_KEY };
  mkdirSync(join(folder, name), { recursive: true });
  const file = join(folder, name, 'local.settings.json');
  writeFileSync(file, JSON.stringify({ ...sample, Values }));
  return file;
}

/** Not at once: the emulator answers from this process. */
async function makeResources(file: string): Promise<void> {
  const child = spawn(process.execPath, [join(root, 'scripts', 'local-resources.ts'), file]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
  const status = await new Promise((resolve) => {
    child.once('close', resolve);
  });
  expect({ status, text }).toEqual({
    status: 0,
    text: 'Ready for func start: 6 commits of products_delta in the lake.\n',
  });
}

/** Ids of the target once the sample's last commit is there. */
async function syncedIds(): Promise<readonly string[]> {
  await until(
    'the sample in its container',
    async () => (await cloud.state('products'))?.checkpoint?.version === 5 || undefined,
    240_000,
  );
  return Object.keys(await cloud.documents('products'));
}

test('the settings sample with its resources synchronises the sample table', async () => {
  const file = settingsFile('app');
  await makeResources(file);
  const app = join(folder, 'app');
  const settings = (JSON.parse(readFileSync(file, 'utf8')) as typeof sample).Values;
  const configuration = readFileSync(join(app, '.delta-cosmos', 'sync.json'), 'utf8');
  packageOf(join(folder, 'package'), configuration);
  cpSync(join(app, '.delta-cosmos'), join(folder, 'package', '.delta-cosmos'), { recursive: true });
  const host = await cloud.run(join(folder, 'package'), settings);
  expect(await syncedIds()).toEqual(['p001', 'p003']);
  // A second time changes nothing.
  await makeResources(file);
  await host.stop('drain');
});

test.skipIf(!hasFunc)('func start, with the official host', async () => {
  const app = join(folder, 'official');
  const file = settingsFile('official');
  await makeResources(file);
  const saved = readFileSync(file);
  const configuration = readFileSync(join(app, '.delta-cosmos', 'sync.json'));
  packageOf(app, configuration.toString());
  writeFileSync(file, saved);
  mkdirSync(join(app, '.delta-cosmos'), { recursive: true });
  writeFileSync(join(app, '.delta-cosmos', 'sync.json'), configuration);
  // What the other test reached is forgotten: this host begins anew.
  await cloud.stateContainer
    .item('state', 'products')
    .delete()
    .catch(() => undefined);
  const func: ChildProcess = spawn('func', ['start', '--port', '7271'], { cwd: app, stdio: 'ignore' });
  try {
    expect(await syncedIds()).toEqual(['p001', 'p003']);
  } finally {
    func.kill('SIGINT');
  }
});
