/** Access keys of the host: made once, kept in the data folder, compared in constant time. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject, parseJson, stringField } from './json.ts';

/** The keys that callers of the host need. */
export interface AccessKeys {
  /** Opens everything. */
  readonly master: string;
  /** The default host key: opens functions with authLevel `function`. */
  readonly functions: string;
  readonly blobs_extension: string;
  readonly durabletask_extension: string;
}

/** Reads the keys of a data folder, making those that are missing. */
export function loadAccessKeys(dataFolder: string): AccessKeys {
  const file = join(dataFolder, 'keys.json');
  const stored = existsSync(file) ? parseJson(readFileSync(file, 'utf8')) : undefined;
  const known = isJsonObject(stored) ? stored : {};
  const key = (name: string): string => stringField(known, name) ?? randomBytes(40).toString('base64url');
  const keys: AccessKeys = {
    master: key('master'),
    functions: key('functions'),
    blobs_extension: key('blobs_extension'),
    durabletask_extension: key('durabletask_extension'),
  };
  mkdirSync(dataFolder, { recursive: true });
  writeFileSync(file, JSON.stringify(keys), { mode: 0o600 });
  return keys;
}

/** True when the key given is one of those allowed. */
export function keyMatches(given: string | undefined, ...allowed: readonly string[]): boolean {
  if (given === undefined) return false;
  const bytes = Buffer.from(given);
  return allowed.some((key) => {
    const expected = Buffer.from(key);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}
