/** Small parts without I/O: routes, blob paths, message encoding, versions, concurrency, alarms. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlarmQueue } from '../../../src/local/functions-host/alarm-queue.ts';
import { matchBlobPath, parseBlobUrl } from '../../../src/local/functions-host/blob-path.ts';
import { compareVersions } from '../../../src/local/functions-host/durable/version-match.ts';
import { compareRoutes, matchRoute, parseRoute } from '../../../src/local/functions-host/http-route.ts';
import { Limiter } from '../../../src/local/functions-host/limiter.ts';
import { decodeBase64 } from '../../../src/local/functions-host/queue-trigger.ts';
import { fakeClock } from './fake-clock.ts';

describe('routes', () => {
  it.each([
    ['api/items/{id}', 'api/items/a%2Fb', { id: 'a/b' }],
    ['api/items/{id}', 'API/Items/7/', { id: '7' }],
    ['api/items/{id}', 'api/items', undefined],
    ['api/items/{id?}', 'api/items', {}],
    ['api/items/{id:guid}', 'api/items/x', { id: 'x' }],
    ['api/{*rest}', 'api', { rest: '' }],
    ['api/{*rest}', 'api/a/b', { rest: 'a/b' }],
    ['api/a', 'api/a/b', undefined],
    ['api/%', 'api/%', {}],
  ])('%s and %s', (template, path, params) => {
    expect(matchRoute(parseRoute(template), path)).toEqual(params);
  });

  it('are tried from the specific to the general', () => {
    const templates = ['{*all}', 'a/{b}/{c}', 'a/{b}', 'a/b', 'a/{*rest}', 'a/b/c'];
    const sorted = templates.toSorted((x, y) => compareRoutes(parseRoute(x), parseRoute(y)));
    expect(sorted).toEqual(['a/b/c', 'a/b', 'a/{b}/{c}', 'a/{b}', 'a/{*rest}', '{*all}']);
  });
});

describe('blob paths', () => {
  it.each([
    ['samples/{name}', 'samples/a/b.txt', { name: 'a/b.txt' }],
    ['samples/{name}.{ext}', 'samples/p1.tar.gz', { name: 'p1.tar', ext: 'gz' }],
    ['samples/{name}.json', 'samples/x_json', undefined],
    ['samples', 'samples/any/thing', {}],
    ['samples', 'other/thing', undefined],
    ['lake/{t}/_delta_log/{v}.json', 'lake/a/_delta_log/7.json', { t: 'a', v: '7' }],
  ])('%s and %s', (pattern, path, captures) => {
    expect(matchBlobPath(pattern, path)).toEqual(captures);
  });

  it('are found in addresses of the emulator and of Azure, and nowhere else', () => {
    const emulator = 'http://127.0.0.1:10000/devstoreaccount1';
    expect(parseBlobUrl(`${emulator}/samples/two%20words/a%2fb`, emulator)).toEqual({
      container: 'samples',
      blob: 'two words/a/b',
    });
    const azure = 'https://x.blob.core.windows.net/';
    expect(parseBlobUrl(`${azure}lake/t/1.json`, azure)).toEqual({ container: 'lake', blob: 't/1.json' });
    for (const text of ['', 'x', azure, `${azure}lake`, `${azure}lake/`, `${azure}lake/%E0%A4%A`]) {
      expect(parseBlobUrl(text, azure)).toBeUndefined();
    }
  });
});

describe('queue messages', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodeBase64(Buffer.from(text).toString('base64'))).toBe(text);
      }),
      { seed: 7 },
    );
    for (const text of ['not-base64 {raw}', 'abc', 'ab=c', '====']) expect(decodeBase64(text)).toBeUndefined();
  });
});

describe('versions', () => {
  it('are ordered by number, else as text; no version is the oldest', () => {
    const sorted = ['2.0', '1.10', '', 'beta', '1.9.9', 'Alpha', '1.9'].toSorted(compareVersions);
    expect(sorted.indexOf('')).toBe(0);
    expect(['1.10', '1.9', '1.9.9', '2.0'].toSorted(compareVersions)).toEqual(['1.9', '1.9.9', '1.10', '2.0']);
    expect(compareVersions('1.0', '1.0.0')).toBe(0);
    expect(compareVersions('Beta', 'beta')).toBe(0);
  });
});

describe('a limiter', () => {
  it('never exceeds its limit, keeps the order, and survives failures', async () => {
    const limiter = new Limiter(3);
    const began: number[] = [];
    let running = 0;
    let most = 0;
    const work = Array.from({ length: 20 }, (_, n) =>
      limiter.run(async () => {
        began.push(n);
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        if (n % 5 === 0) throw new Error('refused');
      }),
    );
    const ends = await Promise.allSettled(work);
    expect(most).toBe(3);
    expect(began).toEqual(began.toSorted((a, b) => a - b));
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(4);
  });
});

describe('alarms', () => {
  it('ring once each, never early, in order of their times, whatever was set, replaced and cleared', async () => {
    const time = fc.integer({ min: 1, max: 200_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.integer({ min: 0, max: 9 }), at: time, clear: fc.boolean() }), { maxLength: 30 }),
        async (operations) => {
          const clock = fakeClock('2026-01-01T00:00:00Z');
          const begin = clock.now();
          const alarms = new AlarmQueue(clock);
          const rung: { key: string; at: number }[] = [];
          const expected = new Map<string, number>();
          for (const { key, at, clear } of operations) {
            alarms.set(String(key), begin + at, () => rung.push({ key: String(key), at: clock.now() - begin }));
            expected.set(String(key), at);
            if (clear) {
              alarms.clear(String(key));
              expected.delete(String(key));
            }
          }
          await clock.advance(300_000);
          const order = [...expected].toSorted(([, a], [, b]) => a - b);
          expect(rung.map(({ at }) => at)).toEqual(order.map(([, at]) => at));
          expect(new Set(rung.map(({ key }) => key))).toEqual(new Set(expected.keys()));
        },
      ),
      { seed: 7, numRuns: 50 },
    );
  });
});
