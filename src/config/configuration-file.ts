/** The configuration file on disk. */
import { open } from 'node:fs/promises';
import { SyncError } from '../shared/errors.ts';
import { parseSyncConfiguration, type SyncConfiguration } from './sync-configuration.ts';

const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Reads and checks a configuration file. Throws SyncError `configNotFound`, `configMalformed` or `configInvalid`; the
 * messages name the file as it was given.
 */
export async function readConfigurationFile(path: string): Promise<SyncConfiguration> {
  return parseSyncConfiguration(await readText(path), path);
}

async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_BYTES) {
      throw new SyncError('configMalformed', {
        problem: `${path} has ${size} bytes.`,
        reason: `A configuration has at most ${MAX_BYTES}.`,
      });
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile());
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    if (cause instanceof TypeError) {
      throw new SyncError('configMalformed', {
        problem: `${path} is not UTF-8 text.`,
        remedy: 'Save it as UTF-8.',
        cause,
      });
    }
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new SyncError('configNotFound', { problem: `${path} cannot be read (${reason}).`, cause });
  }
}
