/**
 * The emulator as a process: `--port N --https --partitions N --ru N --data DIR --key K --any-token --serverless
 * --no-throttling --host H --parent-pipe`.
 * Prints one JSON line `{"type":"ready","endpoint":…,"key":…}` when clients may connect.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SyncError, toSyncError } from '../../shared/errors.ts';
import { startCosmosEmulator, type EmulatorOptions } from './emulator.ts';

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  https: { type: 'boolean' },
  partitions: { type: 'string' },
  ru: { type: 'string' },
  data: { type: 'string' },
  key: { type: 'string' },
  'any-token': { type: 'boolean' },
  serverless: { type: 'boolean' },
  'no-throttling': { type: 'boolean' },
  'parent-pipe': { type: 'boolean' },
} as const;

/** Exit codes of commands: by the class of the error. */
const EXIT_CODES = { failed: 1, usage: 2, refused: 3 } as const;

interface Arguments {
  readonly options: EmulatorOptions;
  readonly parentPipe: boolean;
}

/**
 * Runs until SIGINT or SIGTERM, or until stdin ends with `--parent-pipe`; resolves with the exit code. Errors go to
 * stderr as one JSON line `{"type":"error","code":…,"message":…}`.
 */
export async function runEmulator(argv: readonly string[]): Promise<number> {
  try {
    const { options, parentPipe } = parseEmulatorArguments(argv);
    const emulator = await startCosmosEmulator(options);
    const stopped = stopRequested(parentPipe);
    const { endpoint, key, caCertificate } = emulator;
    process.stdout.write(`${JSON.stringify({ type: 'ready', endpoint, key, caCertificate })}\n`);
    await stopped;
    // An open pipe would keep the process alive.
    if (parentPipe) process.stdin.destroy();
    await emulator.close();
    return 0;
  } catch (thrown) {
    const error = toSyncError(thrown);
    process.stderr.write(`${JSON.stringify({ type: 'error', code: error.code, message: error.message })}\n`);
    return EXIT_CODES[error.class];
  }
}

/** Reads the command line; `usage` for what it does not know. */
export function parseEmulatorArguments(argv: readonly string[]): Arguments {
  let values;
  try {
    ({ values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }));
  } catch (thrown) {
    throw new SyncError('usage', { problem: thrown instanceof Error ? thrown.message : String(thrown), cause: thrown });
  }
  const { host, https, data, key, serverless } = values;
  const port = wholeNumber('--port', values.port, 0, 65_535);
  const partitions = wholeNumber('--partitions', values.partitions, 1, 10_000);
  const ruPerSecond = wholeNumber('--ru', values.ru, 1, 1_000_000_000);
  if (key !== undefined && Buffer.from(key, 'base64').length < 16) {
    throw new SyncError('usage', {
      problem: 'The key given with --key is too short.',
      reason: 'It is base64 of at least 16 bytes.',
    });
  }
  return {
    parentPipe: values['parent-pipe'] === true,
    options: {
      ...(host === undefined ? {} : { host }),
      ...(https === undefined ? {} : { https }),
      ...(data === undefined ? {} : { dataFolder: data }),
      ...(key === undefined ? {} : { key }),
      ...(serverless === undefined ? {} : { serverless }),
      ...(values['no-throttling'] === true ? { throttling: false } : {}),
      ...(port === undefined ? {} : { port }),
      ...(partitions === undefined ? {} : { partitions }),
      ...(ruPerSecond === undefined ? {} : { ruPerSecond }),
      auth: { entra: values['any-token'] === true ? 'anyToken' : 'off' },
    },
  };
}

function wholeNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new SyncError('usage', { problem: `${name} needs a whole number from ${least} to ${most}.` });
  }
  return value;
}

function stopRequested(parentPipe: boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      resolve();
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    if (!parentPipe) return;
    // The pipe carries nothing: its end says that the parent is gone.
    process.stdin.once('end', stop).once('close', stop).once('error', stop).resume();
  });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runEmulator(process.argv.slice(2));
}
