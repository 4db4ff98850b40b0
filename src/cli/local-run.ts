/** The local Azure that `start` runs, as other commands find it: by the files in its data folder. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SyncError } from '../shared/errors.ts';

/** Where a local run is, and what it was started with. */
export interface LocalRun {
  /** Address and master key of its Functions host. */
  readonly app: string;
  readonly key: string;
  /** Path of its sync.json. */
  readonly config: string;
  /** Application settings of its function app. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Reads what the run of a data folder says of itself. Throws `appUnavailable` when there is none. */
export async function readLocalRun(folder: string): Promise<LocalRun> {
  const ready = await fields(join(folder, 'ready.json'));
  const functions = objectOf(ready?.['functions']);
  const app = functions?.['url'];
  const key = functions?.['masterKey'];
  const settings = objectOf((await fields(join(folder, 'local.settings.json')))?.['Values']);
  if (typeof app !== 'string' || typeof key !== 'string' || settings === undefined) {
    throw new SyncError('appUnavailable', {
      problem: `No local run uses the data folder ${resolve(folder)}.`,
      remedy: 'Start it, and name the folder that it prints as "data".',
    });
  }
  const texts = Object.entries(settings).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return { app, key, config: join(folder, 'sync.json'), settings: Object.fromEntries(texts) };
}

async function fields(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    return objectOf(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Absent, or not written by a run: both mean that there is none.
    return undefined;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
}
