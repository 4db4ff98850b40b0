import { afterAll, describe, expect, it } from 'vitest';
import { CORPUS, corpusNames, expectedOf } from './corpus.ts';
import { runInProcess } from './run-command.ts';
import { checkTable } from './table-checks.ts';

const names = corpusNames();
let passed = 0;

afterAll(() => {
  const absent = names.length === 0 ? ` (absent: ${CORPUS} is not there)` : '';
  process.stdout.write(`corpus: ${passed} of ${names.length}${absent}\n`);
});

describe.skipIf(names.length === 0)('tables of other writers', () => {
  it.each(names)('%s', async (name) => {
    expect(await checkTable(runInProcess, expectedOf(name))).toBeUndefined();
    passed++;
  });
});
