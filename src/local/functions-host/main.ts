/** The Functions host as a process of its own: one JSON line when ready, one per log event after that. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SyncError, toSyncError } from '../../shared/errors.ts';
import { jsonLog } from '../../shared/telemetry.ts';
import { startFunctionsHost } from './host.ts';
import { isJsonObject, parseJson } from './json.ts';

/**
 * Runs a host until SIGINT, SIGTERM or, with `--parent-pipe`, the end of stdin. Arguments: `--app DIR --port N
 * --workers N --data DIR --settings FILE [--parent-pipe]`. Resolves with the exit code; errors are one JSON line on
 * stderr: `{"type":"error","code":…,"message":…}`.
 */
export async function runFunctionsHost(argv: readonly string[]): Promise<number> {
  const log = jsonLog((level, line) => {
    (level === 'warn' || level === 'error' ? process.stderr : process.stdout).write(`${line}\n`);
  });
  // A reader that went away must not bring the host down before it has stopped cleanly.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const options = readArguments(argv);
    const stop = stopSignal(options.parentPipe);
    const host = await startFunctionsHost({ ...options, log });
    const { url, masterKey, systemKeys, functions } = host;
    process.stdout.write(`${JSON.stringify({ type: 'ready', url, masterKey, systemKeys, functions })}\n`);
    await stop;
    await host.close();
    return 0;
  } catch (error) {
    const { code, message, class: errorClass } = toSyncError(error);
    process.stderr.write(`${JSON.stringify({ type: 'error', code, message })}\n`);
    return errorClass === 'usage' ? 2 : 1;
  } finally {
    // The parent's pipe is still open when something else ends the host: it must not keep the process.
    process.stdin.destroy();
  }
}

interface HostArguments {
  readonly appFolder: string;
  readonly port: number;
  readonly workers: number;
  readonly dataFolder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly parentPipe: boolean;
}

function readArguments(argv: readonly string[]): HostArguments {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        app: { type: 'string' },
        port: { type: 'string', default: '7071' },
        workers: { type: 'string', default: '1' },
        data: { type: 'string' },
        settings: { type: 'string' },
        'parent-pipe': { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new SyncError('usage', { problem: error instanceof Error ? error.message : String(error) });
  }
  if (values.app === undefined || values.data === undefined) {
    throw new SyncError('usage', { problem: 'The options --app and --data are required.' });
  }
  return {
    appFolder: values.app,
    port: wholeNumber('--port', values.port, 0, 65_535),
    workers: wholeNumber('--workers', values.workers, 1, 64),
    dataFolder: values.data,
    settings: values.settings === undefined ? {} : readSettings(values.settings),
    parentPipe: values['parent-pipe'],
  };
}

/** A JSON object of strings, or a local.settings.json with such an object under Values. */
function readSettings(file: string): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SyncError('configNotFound', { problem: 'The settings file cannot be read.', cause: error });
  }
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new SyncError('configMalformed', { problem: 'The settings file is no JSON object.' });
  const values = isJsonObject(value['Values']) ? value['Values'] : value;
  return Object.fromEntries(
    Object.entries(values).map(([name, setting]) => {
      if (typeof setting !== 'string') {
        throw new SyncError('configInvalid', { problem: `The setting ${name} is not a string.` });
      }
      return [name, setting];
    }),
  );
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new SyncError('usage', { problem: `${name} is not a whole number from ${least} to ${most}.` });
  }
  return value;
}

async function stopSignal(parentPipe: boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    if (parentPipe) {
      process.stdin.once('end', () => resolve());
      process.stdin.once('close', () => resolve());
      process.stdin.resume();
    }
  });
}

// import.meta.main is not there in Node 22.
const [, program] = process.argv;
if (program !== undefined && existsSync(program) && realpathSync(program) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runFunctionsHost(process.argv.slice(2));
}
