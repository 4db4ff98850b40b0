/** The built app in a plain child process, as the Node worker of the host loads it, without a host. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A function as the app announces it to the host. */
export interface RegisteredFunction {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface LoadedBundle {
  readonly functions: readonly RegisteredFunction[];
  /** From the start of loading until everything is registered. */
  readonly milliseconds: number;
  readonly stderr: string;
}

/** What the host's worker injects: announcements are collected, nothing is run. */
const LOADER = `
const Module = require('node:module');
const functions = [];
const disposable = { dispose() {} };
const core = {
  version: '0', hostVersion: '4', programmingModel: undefined,
  registerHook: () => disposable,
  setProgrammingModel(model) { core.programmingModel = model; },
  getProgrammingModel: () => core.programmingModel,
  registerFunction(metadata) { functions.push({ name: metadata.name, bindings: metadata.bindings }); return disposable; },
  log() {},
  Disposable: class { dispose() {} },
};
const load = Module._load;
Module._load = function (request, ...rest) { return request === '@azure/functions-core' ? core : load.call(this, request, ...rest); };
const started = process.hrtime.bigint();
require(process.env.BUNDLE);
const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
process.stdout.write(JSON.stringify({ functions, milliseconds }));
`;

/** Loads the bundle of a package (the project's own, unless told) with these settings and nothing else in the environment. */
export function loadBundle(settings: Readonly<Record<string, string>> = DEPLOYED, folder: string = root): LoadedBundle {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', LOADER], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...settings, BUNDLE: join(folder, 'dist', 'main.cjs') },
  });
  if (status !== 0) throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Omit<LoadedBundle, 'stderr'>), stderr };
}

/** The settings that decide what is registered. */
const DEPLOYED = { LAKE_CONTAINER: 'lake', DELTA_LAKE__blobServiceUri: 'https://lake.example/' };

if (import.meta.main) {
  const { functions, milliseconds } = loadBundle();
  process.stdout.write(`${functions.length} functions on ${process.version} after ${Math.round(milliseconds)} ms\n`);
  if (functions.length === 0) process.exit(1);
}
