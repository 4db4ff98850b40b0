/**
 * The emulator as a process of its own: the flags of `emulator-flags.ts`, `--host H` and `--parent-pipe`.
 * Prints one JSON line `{"type":"ready","endpoint":…,"key":…}` when clients may connect.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SyncError, toSyncError } from '../../shared/errors.ts';
import { startCosmosEmulator, type EmulatorOptions } from './emulator.ts';
import { EMULATOR_FLAGS, emulatorOptions } from './emulator-flags.ts';

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
async function runEmulator(argv: readonly string[]): Promise<number> {
  try {
    const { options, parentPipe } = parseCommandLine(argv);
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
function parseCommandLine(argv: readonly string[]): Arguments {
  const options = { ...EMULATOR_FLAGS, host: { type: 'string' }, 'parent-pipe': { type: 'boolean' } } as const;
  let values;
  try {
    ({ values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }));
  } catch (thrown) {
    throw new SyncError('usage', { problem: thrown instanceof Error ? thrown.message : String(thrown), cause: thrown });
  }
  const { host, 'parent-pipe': parentPipe } = values;
  return {
    parentPipe: parentPipe === true,
    options: { ...emulatorOptions(values), ...(host === undefined ? {} : { host }) },
  };
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
