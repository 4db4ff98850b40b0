/** The command line of the emulator: the flags that both of its commands take, and what they mean. */
import { SyncError } from '../../shared/errors.ts';
import type { EmulatorOptions } from './options.ts';

/** Flags for `parseArgs` of node:util. */
export const EMULATOR_FLAGS = {
  port: { type: 'string' },
  https: { type: 'boolean' },
  partitions: { type: 'string' },
  ru: { type: 'string' },
  data: { type: 'string' },
  key: { type: 'string' },
  'any-token': { type: 'boolean' },
  serverless: { type: 'boolean' },
  'no-throttling': { type: 'boolean' },
  latency: { type: 'string' },
} as const;

/** What `parseArgs` makes of the flags. */
export type EmulatorFlagValues = {
  readonly [Name in keyof typeof EMULATOR_FLAGS]?:
    | ((typeof EMULATOR_FLAGS)[Name]['type'] extends 'string' ? string : boolean)
    | undefined;
};

const LEAST_KEY_BYTES = 16;

/** The options; `usage` for a value out of its bounds. */
export function emulatorOptions(values: EmulatorFlagValues): EmulatorOptions {
  const { https, data, key, serverless } = values;
  const port = wholeNumber('port', values.port, 0, 65_535);
  const partitions = wholeNumber('partitions', values.partitions, 1, 10_000);
  const ruPerSecond = wholeNumber('ru', values.ru, 1, 1_000_000_000);
  const latencyMs = wholeNumber('latency', values.latency, 0, 60_000);
  if (key !== undefined && Buffer.from(key, 'base64').length < LEAST_KEY_BYTES) {
    throw new SyncError('usage', {
      problem: 'The key given with --key is too short.',
      reason: `It is base64 of at least ${LEAST_KEY_BYTES} bytes.`,
    });
  }
  return {
    auth: { entra: values['any-token'] === true ? 'anyToken' : 'off' },
    throttling: values['no-throttling'] !== true,
    ...(https === undefined ? {} : { https }),
    ...(data === undefined ? {} : { dataFolder: data }),
    ...(key === undefined ? {} : { key }),
    ...(serverless === undefined ? {} : { serverless }),
    ...(port === undefined ? {} : { port }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(ruPerSecond === undefined ? {} : { ruPerSecond }),
  };
}

function wholeNumber(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < least || value > most) {
    throw new SyncError('usage', {
      problem: `--${flag} must be a whole number from ${least} to ${most}, not "${text}".`,
    });
  }
  return value;
}
