/** Files of actions as their bytes arrive. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseActionLines } from '../../src/delta/action-lines.ts';

async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const length of [...lengths, bytes.length]) {
    yield bytes.slice(at, at + length);
    at = Math.min(bytes.length, at + length);
  }
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', '\n \n');
const add = fc.record({ path: fc.constantFrom('a.parquet', 'é/ü.parquet', '\u{1F600}.parquet'), size: fc.nat() });

describe('lines of actions', () => {
  it('are the same in whatever pieces the file arrives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(add, lineEnd), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 30 }),
        fc.boolean(),
        async (lines, lengths, endsWithLine) => {
          const text = lines.map(([file, end]) => `${JSON.stringify({ add: file })}${end}`).join('');
          const bytes = Buffer.from(endsWithLine ? text : text.trimEnd());
          const { adds } = await parseActionLines(cut(bytes, lengths), 'Commit 1');
          expect(adds.map(({ path, size }) => ({ path, size }))).toEqual(lines.map(([file]) => file));
        },
      ),
      { seed: 61, numRuns: 200 },
    );
  });

  it('name the line that is damaged, wherever the pieces end', async () => {
    const bytes = Buffer.from('{"txn":{}}\n{"add":{"path":"a"}}\n{"add":\n');
    for (let length = 1; length < bytes.length; length++) {
      await expect(parseActionLines(cut(bytes, [length]), 'Commit 7')).rejects.toMatchObject({
        code: 'logDamaged',
        problem: 'Commit 7 is not valid JSON at line 3.',
      });
    }
  });

  it('that are none are no commit', async () => {
    await expect(parseActionLines(cut(Buffer.from(' \n\n'), [1]), 'Commit 7')).rejects.toMatchObject({
      problem: 'Commit 7 is empty.',
    });
  });
});
