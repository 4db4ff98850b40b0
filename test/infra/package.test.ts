import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hostFile } from '../../scripts/package.ts';
import { loadBundle } from './bundle-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'delta-cosmos-package-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Files under the root that .funcignore lets through. */
function uploaded(): readonly string[] {
  // An empty repository of its own: git's ignore rules without those of .gitignore.
  const gitFolder = join(scratch, 'git');
  spawnSync('git', ['init', '--quiet', '--bare', gitFolder]);
  const { stdout } = spawnSync(
    'git',
    [`--git-dir=${gitFolder}`, `--work-tree=${root}`, 'ls-files', '--others', '--exclude-from=.funcignore'],
    { cwd: root, encoding: 'utf8' },
  );
  // A link to another folder's packages is one file here, and a folder to the tools.
  return stdout.split('\n').filter((line) => line !== '' && line !== 'node_modules');
}

describe('package', () => {
  it('uploads the bundle with its licences, host.json, package.json and sync.json, and nothing else', () => {
    expect(uploaded().toSorted()).toEqual([
      'dist/THIRD-PARTY-LICENSES',
      'dist/main.cjs',
      'host.json',
      'package.json',
      'sync.json',
    ]);
  });

  it('is at most 5 MB, without source map', () => {
    const bytes = uploaded().reduce((sum, file) => sum + statSync(join(root, file)).size, 0);
    expect(bytes).toBeLessThanOrEqual(5_000_000);
    expect(readFileSync(join(root, 'dist/main.cjs'), 'utf8')).not.toContain('sourceMappingURL=');
  });

  it('names the licence of every bundled package', () => {
    const text = readFileSync(join(root, 'dist/THIRD-PARTY-LICENSES'), 'utf8');
    for (const name of [
      '@azure/cosmos',
      '@azure/functions',
      '@azure/identity',
      '@azure/storage-blob',
      'durable-functions',
      'hyparquet',
      'zod',
    ])
      expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(\\S+\\)$`, 'm'));
  });

  it('host.json names the scheduler for the scale controller; the variant for Azure Storage differs in that only', () => {
    const text = readFileSync(join(root, 'host.json'), 'utf8');
    const host = JSON.parse(text) as { extensions: { durableTask: { storageProvider: object } } };
    expect(host.extensions.durableTask).toMatchObject({
      hubName: '%TASKHUB_NAME%',
      storageProvider: { type: 'azureManaged', connectionStringName: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING' },
    });
    const variant = JSON.parse(hostFile(text, 'azureStorage')) as typeof host;
    expect(variant.extensions.durableTask.storageProvider).toEqual({
      type: 'azureStorage',
      connectionStringName: 'AzureWebJobsStorage',
      partitionCount: 4,
    });
    variant.extensions.durableTask.storageProvider = host.extensions.durableTask.storageProvider;
    expect(variant).toEqual(host);
    expect(JSON.parse(hostFile(text, 'durableTaskScheduler'))).toEqual(host);
  });
});

describe('the bundle in a plain process', () => {
  it('registers every function with its binding; only the health check is open', () => {
    const { functions } = loadBundle();
    const triggers = functions.map(({ name, bindings }) => {
      const trigger = Object.values(bindings).find(({ type }) => String(type).endsWith('Trigger'));
      const detail = trigger?.['authLevel'] ?? trigger?.['queueName'] ?? trigger?.['path'] ?? trigger?.['schedule'];
      return [name, trigger?.['type'], ...(detail === undefined ? [] : [detail])].join(' ');
    });
    expect(triggers.toSorted()).toEqual([
      'administer httpTrigger function',
      'completeEpoch activityTrigger',
      'deadLetters httpTrigger function',
      'health httpTrigger anonymous',
      'history httpTrigger function',
      'onCommit blobTrigger %LAKE_CONTAINER%/{name}',
      'onLogEvent queueTrigger %HINT_QUEUE%',
      'onSweep timerTrigger %SWEEP_SCHEDULE%',
      'planEpoch activityTrigger',
      'runSlice activityTrigger',
      'sealStage activityTrigger',
      'syncTable orchestrationTrigger',
      'table httpTrigger function',
      'tables httpTrigger function',
    ]);
    const commit = Object.values(functions.find(({ name }) => name === 'onCommit')?.bindings ?? {});
    expect(commit.find(({ type }) => type === 'blobTrigger')).toMatchObject({
      source: 'EventGrid',
      connection: 'DELTA_LAKE',
    });
  });

  it('leaves the blob trigger out where no lake is configured', () => {
    expect(loadBundle({}).functions.map(({ name }) => name)).not.toContain('onCommit');
  });
});
