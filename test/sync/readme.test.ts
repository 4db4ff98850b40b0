import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../src/sync/${path}`, import.meta.url)), 'utf8');

/** Members of a union of string literals in a file of the sync. */
function unionOf(name: string, file = 'state.ts'): string[] {
  const [, body = ''] = new RegExp(`export type ${name} =([^;]*);`).exec(read(file)) ?? [];
  return [...body.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '').toSorted();
}

/** First cells of the table that stands below a heading of the given cells. */
function tableOf(header: string): string[] {
  const lines = read('README.md').split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header} |`));
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines
    .slice(start + 2, end)
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ''))
    .toSorted();
}

test('the README explains every reason for a hold, every kind of epoch and every stage', () => {
  expect(tableOf('code')).toEqual(unionOf('HoldCode', 'hold.ts'));
  expect(tableOf('kind')).toEqual(unionOf('EpochKind'));
  expect(tableOf('stage')).toEqual(unionOf('StageName'));
});
