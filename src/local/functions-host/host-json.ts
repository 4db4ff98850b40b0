/** host.json: read, overridden by settings (`AzureFunctionsJobHost__a__b`), and typed with the official defaults. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SyncError } from '../../shared/errors.ts';
import { isJsonObject, parseJson } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { AppSettings } from './settings.ts';
import { parseTimeSpan } from './time-span.ts';

/** How a host treats instances of another version than its `defaultVersion`. */
export type VersionMatchStrategy = 'None' | 'Strict' | 'CurrentOrOlder';

/** The parts of host.json that this host honours; durations in milliseconds. */
export interface HostConfiguration {
  /** undefined = unbounded. */
  readonly functionTimeoutMilliseconds: number | undefined;
  readonly routePrefix: string;
  readonly durable: {
    readonly hubName: string;
    readonly defaultVersion: string | null;
    readonly versionMatchStrategy: VersionMatchStrategy;
    readonly versionFailureStrategy: 'Reject' | 'Fail';
    readonly maxConcurrentActivities: number;
    readonly maxConcurrentOrchestrators: number;
    readonly overridableExistingInstanceStates: 'NonRunningStates' | 'AnyState';
  };
  readonly queues: {
    readonly maxPollingInterval: number;
    /** How long a message stays invisible after its function failed. */
    readonly visibilityTimeout: number;
    readonly batchSize: number;
    readonly newBatchThreshold: number;
    readonly maxDequeueCount: number;
    readonly messageEncoding: 'base64' | 'none';
  };
  readonly blobs: { readonly maxDegreeOfParallelism: number; readonly poisonBlobThreshold: number };
}

const OVERRIDE = /^AzureFunctionsJobHost(?:__|:)(.+)$/i;

/** Reads the app's host.json. Throws `configNotFound`, `configMalformed` or `configInvalid`. */
export function readHostJson(appFolder: string): JsonObject {
  const file = join(appFolder, 'host.json');
  if (!existsSync(file)) throw new SyncError('configNotFound', { problem: 'There is no host.json in the app folder.' });
  const value = parseJson(readFileSync(file, 'utf8'));
  if (value === undefined) throw new SyncError('configMalformed', { problem: 'host.json is not JSON.' });
  if (!isJsonObject(value)) throw new SyncError('configInvalid', { problem: 'host.json is not a JSON object.' });
  if (value['version'] !== '2.0') {
    throw new SyncError('configInvalid', { problem: 'host.json has no "version": "2.0".' });
  }
  return value;
}

/** host.json with overrides of the caller and of the settings put over it, the settings last. */
export function overrideHostJson(hostJson: JsonObject, overrides: JsonObject, settings: AppSettings): JsonObject {
  let merged = merge(hostJson, overrides);
  for (const [name, value] of Object.entries(settings.values)) {
    const path = OVERRIDE.exec(name)?.[1];
    if (path !== undefined) merged = setPath(merged, path.split(/__|:/), value);
  }
  return merged;
}

/** The typed configuration. Throws `configInvalid` naming the setting, `settingMissing` for a missing %NAME%. */
export function hostConfiguration(hostJson: JsonObject, settings: AppSettings): HostConfiguration {
  const reader = new Reader(hostJson, settings);
  const cores = availableParallelism();
  const durable = ['extensions', 'durableTask'];
  const queues = ['extensions', 'queues'];
  const blobs = ['extensions', 'blobs'];
  const batchSize = reader.integer([...queues, 'batchSize'], 16, 1, 32);
  const timeout = reader.text(['functionTimeout'], '00:30:00');
  return {
    functionTimeoutMilliseconds: timeout === '-1' ? undefined : reader.duration(['functionTimeout'], 1_800_000),
    routePrefix: reader.text(['extensions', 'http', 'routePrefix'], 'api'),
    durable: {
      hubName: reader.text([...durable, 'hubName'], 'TestHubName'),
      defaultVersion: reader.optionalText([...durable, 'defaultVersion']) ?? null,
      versionMatchStrategy: reader.oneOf([...durable, 'versionMatchStrategy'], [
        'CurrentOrOlder',
        'Strict',
        'None',
      ] as const),
      versionFailureStrategy: reader.oneOf([...durable, 'versionFailureStrategy'], ['Reject', 'Fail'] as const),
      maxConcurrentActivities: reader.integer([...durable, 'maxConcurrentActivityFunctions'], 10 * cores, 1, 10_000),
      maxConcurrentOrchestrators: reader.integer(
        [...durable, 'maxConcurrentOrchestratorFunctions'],
        10 * cores,
        1,
        10_000,
      ),
      overridableExistingInstanceStates: reader.oneOf([...durable, 'overridableExistingInstanceStates'], [
        'NonRunningStates',
        'AnyState',
      ] as const),
    },
    queues: {
      maxPollingInterval: reader.duration([...queues, 'maxPollingInterval'], 60_000),
      visibilityTimeout: reader.duration([...queues, 'visibilityTimeout'], 0),
      batchSize,
      newBatchThreshold: reader.integer([...queues, 'newBatchThreshold'], Math.floor(batchSize / 2), 0, 1000),
      maxDequeueCount: reader.integer([...queues, 'maxDequeueCount'], 5, 1, 1000),
      messageEncoding: reader.oneOf([...queues, 'messageEncoding'], ['base64', 'none'] as const),
    },
    blobs: {
      maxDegreeOfParallelism: reader.integer([...blobs, 'maxDegreeOfParallelism'], 8 * cores, 1, 1000),
      poisonBlobThreshold: reader.integer([...blobs, 'poisonBlobThreshold'], 5, 1, 1000),
    },
  };
}

/** Looks values up without regard to the case of names, as the .NET configuration does. */
class Reader {
  readonly #root: JsonObject;
  readonly #settings: AppSettings;

  constructor(root: JsonObject, settings: AppSettings) {
    this.#root = root;
    this.#settings = settings;
  }

  optionalText(path: readonly string[]): string | undefined {
    let value: Json | undefined = this.#root;
    for (const name of path) {
      if (!isJsonObject(value)) return undefined;
      value = value[findKey(value, name)];
    }
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'object') throw invalid(path, 'is not a plain value');
    return this.#settings.resolve(String(value));
  }

  text(path: readonly string[], fallback: string): string {
    return this.optionalText(path) ?? fallback;
  }

  integer(path: readonly string[], fallback: number, least: number, most: number): number {
    const text = this.optionalText(path);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw invalid(path, `"${text}" is not a whole number from ${least} to ${most}`);
    }
    return value;
  }

  duration(path: readonly string[], fallback: number): number {
    const text = this.optionalText(path);
    if (text === undefined) return fallback;
    const value = parseTimeSpan(text);
    if (value === undefined) throw invalid(path, `"${text}" is not a time span such as 00:00:02`);
    return value;
  }

  /** The first choice is the default. */
  oneOf<const T extends readonly [string, ...string[]]>(path: readonly string[], choices: T): T[number] {
    const text = this.optionalText(path);
    if (text === undefined) return choices[0];
    const choice = choices.find((name) => name.toLowerCase() === text.toLowerCase());
    if (choice === undefined) throw invalid(path, `"${text}" is none of ${choices.join(', ')}`);
    return choice;
  }
}

function invalid(path: readonly string[], reason: string): SyncError {
  return new SyncError('configInvalid', { problem: `host.json: ${path.join('.')}: ${reason}.` });
}

function findKey(object: JsonObject, name: string): string {
  return Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase()) ?? name;
}

function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, Json | undefined> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const key = findKey(base, name);
    const existing = base[key];
    merged[key] = isJsonObject(existing) && isJsonObject(value) ? merge(existing, value) : value;
  }
  return merged;
}

function setPath(object: JsonObject, path: readonly string[], value: string): JsonObject {
  const [name, ...rest] = path;
  if (name === undefined || name === '') return object;
  const key = findKey(object, name);
  const existing = object[key];
  return {
    ...object,
    [key]: rest.length === 0 ? value : setPath(isJsonObject(existing) ? existing : {}, rest, value),
  };
}
