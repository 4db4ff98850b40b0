/** The package as it is uploaded, unpacked where there is nothing else, on the Functions host: it registers and synchronises. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../local/functions-host/test-host.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { loadBundle } from './bundle-process.ts';
import { LocalCloud } from './local-cloud.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

const root = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let cloud: LocalCloud;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-package-run-'));
  cloud = await LocalCloud.start();
});
afterAll(async () => {
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As the workflow packs it and the platform unpacks it; where there is no zip, by copying. */
function unpacked(packed: string, name: string): string {
  const target = join(folder, name);
  mkdirSync(target);
  const archive = join(folder, `${name}.zip`);
  const zipped = spawnSync('zip', ['-qr', archive, '.'], { cwd: packed });
  if (zipped.status === 0 && spawnSync('unzip', ['-q', archive, '-d', target]).status === 0) return target;
  cpSync(packed, target, { recursive: true });
  return target;
}

test.each(['durableTaskScheduler', 'azureStorage'])('%s', async (backend) => {
  const packed = join(folder, `packed-${backend}`);
  const command = ['scripts/package.ts', '--backend', backend, '--out', packed];
  const made = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' });
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' });
  const app = unpacked(packed, backend);
  const files = readdirSync(app, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map(({ name }) => name).toSorted()).toEqual([
    'THIRD-PARTY-LICENSES',
    'host.json',
    'main.cjs',
    'package.json',
    'sync.json',
  ]);
  const settings = { LAKE_CONTAINER: 'lake', DELTA_LAKE__blobServiceUri: 'https://lake.example/' };
  const alone = loadBundle(settings, app);
  expect(alone.stderr).toBe('');

  await cloud.target(backend);
  writeFileSync(join(app, 'sync.json'), cloud.configuration([backend], 100_000));
  const host = await cloud.run(app, { TASKHUB_NAME: `hub${backend}` });
  try {
    expect(host.ready.functions.map(({ name }) => name).toSorted()).toEqual(
      alone.functions.map(({ name }) => name).toSorted(),
    );
    const table = join(folder, `table-${backend}`);
    const writer = await DeltaWriter.create(table, { columns: primitives({ id: 'string', n: 'integer' }) });
    await writer.insert([1, 2, 3].map((n) => ({ id: `p${n}`, n })));
    await cloud.publish(table, backend, writer.version);
    await until('the documents', async () => (await cloud.count(backend)) === 3 || undefined, 240_000);
    expect(await cloud.documents(backend)).toEqual({ p1: 1, p2: 2, p3: 3 });
  } finally {
    await host.stop('drain');
  }
});
