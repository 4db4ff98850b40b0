import { describe, expect, test } from 'vitest';
import { integerFlag, listFlag, meantName, parseArguments } from '../../src/cli/arguments.ts';
import { SyncError } from '../../src/shared/errors.ts';

const flags = {
  table: { type: 'string' },
  'exit-when-synced': { type: 'boolean' },
} as const;

function problemOf(action: () => unknown): SyncError {
  try {
    action();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('command line arguments', () => {
  test('values are typed by the flags, positionals follow', () => {
    const { values, positionals } = parseArguments(['--table', 'a', 'b', '--exit-when-synced'], flags, 1);
    expect({ ...values }).toEqual({ table: 'a', 'exit-when-synced': true });
    expect(positionals).toEqual(['b']);
  });

  test('a flag that does not exist is a usage error that names the nearest one', () => {
    const error = problemOf(() => parseArguments(['--tabel', 'a'], flags, 0));
    expect(error.code).toBe('usage');
    expect(error.message).toContain('--tabel');
    expect(error.message).toContain('--table?');
  });

  test('the beginning of a flag is recognised as that flag', () => {
    expect(problemOf(() => parseArguments(['--exit'], flags, 0)).message).toContain('--exit-when-synced?');
  });

  test('a flag that is given twice is not decided by its place', () => {
    const error = problemOf(() => parseArguments(['--table', 'a', '--table=b'], flags, 0));
    expect([error.code, error.message]).toEqual(['usage', '--table is given twice. Give it once.']);
  });

  test('nothing near: the remedy is --help', () => {
    expect(problemOf(() => parseArguments(['--qqqqqq'], flags, 0)).remedy).toContain('--help');
  });

  test.each([
    ['a flag without its value', ['--table']],
    ['a value for a flag that takes none', ['--exit-when-synced=1']],
    ['more positionals than the command takes', ['x']],
  ])('%s is a usage error', (_name, argv) => {
    expect(problemOf(() => parseArguments(argv, flags, 0)).code).toBe('usage');
  });

  test.each(['0', '-1', '1.5', '1e3', '', 'abc', '99999999999999999999'])('"%s" is no whole number from 1', (text) => {
    expect(problemOf(() => integerFlag('workers', text, 1, 64)).message).toContain('--workers');
  });

  test('a list has no empty names', () => {
    expect(listFlag('key', 'a, b')).toEqual(['a', 'b']);
    expect(problemOf(() => listFlag('key', 'a,,b')).code).toBe('usage');
  });

  test('swapped neighbours are nearer than another name', () => {
    expect(meantName('satrt', ['status', 'start'])).toBe('start');
    expect(meantName('xyz', ['status', 'start'])).toBeUndefined();
  });
});
