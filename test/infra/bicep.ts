/** The Bicep compiler for tests: builds, lints and evaluates copies of infra/ in a temporary folder. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { bicepPath } from '../../scripts/get-bicep.ts';

export const infraFolder = fileURLToPath(new URL('../../infra', import.meta.url));

/** Whether the compiler is there; without it, tests that need it are skipped. */
export const hasBicep = existsSync(bicepPath);
if (!hasBicep)
  process.stdout.write('SKIPPED: checks of compiled infra/ need the Bicep compiler: node scripts/get-bicep.ts\n');

// A safety net only: the compiler is a process that starts anew for each question, on machines that may be busy.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

export interface BicepResult {
  readonly status: number | null;
  readonly stdout: string;
  /** Diagnostics; empty when there are none. */
  readonly stderr: string;
}

export function bicep(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): BicepResult {
  const { status, stdout, stderr } = spawnSync(bicepPath, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...environment },
  });
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

/** Parameter files that are examples as well, by name. */
export const PARAMETER_SETS = ['private', 'serverless', 'azure-storage', 'existing'] as const;

/** Everything that main.bicep would deploy with these parameters. */
export function predict(parameters: Readonly<Record<string, unknown>>): readonly PredictedResource[] {
  const all = {
    environmentName: 'test',
    location: 'westeurope',
    lakeStorageAccountId: LAKE_ID,
    lakeContainers: ['lake'],
    mirrors: [{ database: 'shop', container: 'products' }],
    ...parameters,
  };
  const lines = Object.entries(all).map(([name, value]) => `param ${name} = json('${literal(JSON.stringify(value))}')`);
  return predictText(`using 'main.bicep'\n${lines.join('\n')}\n`);
}

/** Everything that a file of infra/parameters would deploy. */
export function predictSet(name: (typeof PARAMETER_SETS)[number]): readonly PredictedResource[] {
  const text = readFileSync(join(infraFolder, 'parameters', `${name}.bicepparam`), 'utf8');
  return predictText(text.replace("using '../main.bicep'", "using 'main.bicep'"));
}

/** Answers of the compiler, shared by the test files of a run and by later runs on the same sources. */
const cacheFolder = join(bicepPath, '..', '..', '..', '..', '..', 'predicted');

function predictText(parameters: string): readonly PredictedResource[] {
  const cached = join(cacheFolder, `${sourcesHash().copy().update(parameters).digest('hex')}.json`);
  if (!existsSync(cached)) {
    const predicted = evaluate(parameters);
    mkdirSync(cacheFolder, { recursive: true });
    // Whole or not at all: another test file may be reading.
    writeFileSync(`${cached}.${process.pid}`, JSON.stringify(predicted));
    renameSync(`${cached}.${process.pid}`, cached);
  }
  return JSON.parse(readFileSync(cached, 'utf8')) as readonly PredictedResource[];
}

let sources: ReturnType<typeof createHash> | undefined;

/** A hash of the compiler and of everything that it reads. */
function sourcesHash(): ReturnType<typeof createHash> {
  if (sources !== undefined) return sources;
  const hash = createHash('sha256').update(bicepPath);
  const files = readdirSync(infraFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(bicep|json)$/.test(name),
  );
  for (const name of files.toSorted()) hash.update(`${name}\0`).update(readFileSync(join(infraFolder, name)));
  sources = hash;
  return hash;
}

function evaluate(parameters: string): readonly PredictedResource[] {
  const folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-infra-'));
  try {
    cpSync(infraFolder, folder, { recursive: true });
    const file = join(folder, 'test.bicepparam');
    writeFileSync(file, parameters);
    const where = ['--subscription-id', SUBSCRIPTION, '--location', 'westeurope'];
    const result = bicep(['snapshot', file, '--mode', 'overwrite', ...where]);
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
