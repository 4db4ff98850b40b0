/** The Bicep compiler for tests: builds, lints and evaluates copies of infra/ in a temporary folder. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bicepPath } from '../../scripts/get-bicep.ts';

export const infraFolder = fileURLToPath(new URL('../../infra', import.meta.url));

/** Whether the compiler is there; without it, tests that need it are skipped. */
export const hasBicep = existsSync(bicepPath);
if (!hasBicep)
  process.stdout.write('SKIPPED: checks of compiled infra/ need the Bicep compiler: node scripts/get-bicep.ts\n');

export interface BicepResult {
  readonly status: number | null;
  readonly stdout: string;
  /** Diagnostics; empty when there are none. */
  readonly stderr: string;
}

export function bicep(...args: readonly string[]): BicepResult {
  const { status, stdout, stderr } = spawnSync(bicepPath, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return { status, stdout, stderr };
}

/** A resource as the compiler predicts it; `name` and values are expressions where only Azure knows them. */
export interface PredictedResource {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

const SUBSCRIPTION = '00000000-0000-0000-0000-00000000000a';
export const LAKE_ID = `/subscriptions/${SUBSCRIPTION}/resourceGroups/lake/providers/Microsoft.Storage/storageAccounts/lakeaccount`;

/** Everything that main.bicep would deploy with these parameters. */
export function predict(parameters: Readonly<Record<string, unknown>>): readonly PredictedResource[] {
  const folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-infra-'));
  try {
    cpSync(infraFolder, folder, { recursive: true });
    const all = {
      environmentName: 'test',
      location: 'westeurope',
      lakeStorageAccountId: LAKE_ID,
      lakeContainers: ['lake'],
      mirrors: [{ database: 'shop', container: 'products' }],
      ...parameters,
    };
    const lines = Object.entries(all).map(
      ([name, value]) => `param ${name} = json('${literal(JSON.stringify(value))}')`,
    );
    const file = join(folder, 'test.bicepparam');
    writeFileSync(file, `using 'main.bicep'\n${lines.join('\n')}\n`);
    const result = bicep(
      'snapshot',
      file,
      '--mode',
      'overwrite',
      '--subscription-id',
      SUBSCRIPTION,
      '--location',
      'westeurope',
    );
    if (result.status !== 0) throw new Error(result.stderr);
    const snapshot = JSON.parse(readFileSync(join(folder, 'test.snapshot.json'), 'utf8')) as {
      readonly predictedResources: readonly PredictedResource[];
    };
    return snapshot.predictedResources;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function literal(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('${', '\\${');
}

export function ofType(resources: readonly PredictedResource[], type: string): readonly PredictedResource[] {
  return resources.filter((resource) => resource.type === type);
}
