/** Parsing of a command's arguments: node:util parseArgs, with every mistake a usage error that names what was meant. */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { nearestName } from '../config/nearest-name.ts';
import { SyncError } from '../shared/errors.ts';

/** The flags of a command, by long name without dashes. */
export type Flags = NonNullable<ParseArgsConfig['options']>;

/** Values typed by the flags, as parseArgs gives them. */
type Parsed<F extends Flags> = ReturnType<
  typeof parseArgs<{ args: string[]; options: F; strict: true; allowPositionals: true }>
>;

/**
 * Flag values and positionals. Throws `usage` for a flag that does not exist (naming the nearest that does), a flag
 * without its value or given twice, a value for a flag that takes none, and more positionals than `maxPositionals`.
 */
export function parseArguments<F extends Flags>(argv: readonly string[], flags: F, maxPositionals: number): Parsed<F> {
  const { tokens } = parseArgs({
    args: [...argv],
    options: flags,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(flags, token.name)) throw unknownFlag(token.rawName, flags);
    // The last one would win without a word.
    if (given.has(token.name)) {
      throw new SyncError('usage', { problem: `${token.rawName} is given twice.`, remedy: 'Give it once.' });
    }
    given.add(token.name);
  }
  let parsed: Parsed<F>;
  try {
    parsed = parseArgs({ args: [...argv], options: flags, strict: true, allowPositionals: true });
  } catch (error) {
    // Node's sentences name the flag; the first is the problem, the rest is advice about escaping.
    const problem = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new SyncError('usage', { problem: problem.endsWith('.') ? problem : `${problem}.` });
  }
  const surplus = parsed.positionals[maxPositionals];
  if (surplus !== undefined) throw new SyncError('usage', { problem: `Unexpected argument "${surplus}".` });
  return parsed;
}

/** A whole number written in digits, within [min, max]. Throws `usage` naming the flag. */
export function integerFlag(flag: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new SyncError('usage', {
      problem: `--${flag} must be a whole number from ${min} to ${max}, not "${text}".`,
    });
  }
  return value;
}

/** A comma-separated list of non-empty names. Throws `usage` naming the flag. */
export function listFlag(flag: string, text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) {
    throw new SyncError('usage', { problem: `--${flag} must be names separated by commas, not "${text}".` });
  }
  return names;
}

/** The name that `name` begins or misspells, or undefined when none is close. */
export function meantName(name: string, names: readonly string[]): string | undefined {
  const longer = name.length > 1 ? names.filter((candidate) => candidate.startsWith(name)) : [];
  return longer.length === 1 ? longer[0] : nearestName(name, names);
}

function unknownFlag(rawName: string, flags: Flags): SyncError {
  const names = [...Object.keys(flags), 'help'];
  const meant = meantName(rawName.replace(/^-+/, ''), names);
  return new SyncError('usage', {
    problem: `There is no flag ${rawName}.`,
    remedy: meant === undefined ? 'Run the command with --help.' : `Did you mean --${meant}?`,
  });
}
