import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSchedule } from '../../../src/local/functions-host/schedule.ts';
import { formatTimeSpan, parseTimeSpan } from '../../../src/local/functions-host/time-span.ts';
import { SyncError } from '../../../src/shared/errors.ts';

function occurrences(schedule: string, from: string, count: number): readonly string[] {
  const parsed = parseSchedule(schedule);
  const found: string[] = [];
  let at: number | undefined = Date.parse(from);
  while (found.length < count) {
    at = parsed.next(at);
    if (at === undefined) break;
    found.push(new Date(at).toISOString().replace('.000Z', ''));
  }
  return found;
}

describe('NCRONTAB schedules', () => {
  it.each([
    ['*/20 * * * * *', '2026-11-22T10:00:05Z', ['2026-11-22T10:00:20', '2026-11-22T10:00:40', '2026-11-22T10:01:00']],
    ['0 */5 * * * *', '2026-11-22T23:58:00Z', ['2026-11-23T00:00:00', '2026-11-23T00:05:00']],
    ['0 30 9-17/4 * * Mon-Fri', '2026-11-20T16:00:00Z', ['2026-11-20T17:30:00', '2026-11-23T09:30:00']],
    ['0 0 0 29 Feb *', '2026-01-01T00:00:00Z', ['2028-02-29T00:00:00', '2032-02-29T00:00:00']],
    ['0 0 12 * * 7', '2026-11-20T00:00:00Z', ['2026-11-22T12:00:00']],
    ['0 0 0 31 12 *', '2026-12-31T00:00:00Z', ['2027-12-31T00:00:00']],
    ['15,45 10 * * * *', '2026-11-22T10:10:15Z', ['2026-11-22T10:10:45', '2026-11-22T11:10:15']],
    ['30 4 * * *', '2026-11-22T05:00:00Z', ['2026-11-23T04:30:00']],
    ['00:00:05', '2026-11-22T10:00:00Z', ['2026-11-22T10:00:05', '2026-11-22T10:00:10']],
    ['1.00:00:00', '2026-11-22T10:00:00Z', ['2026-11-23T10:00:00']],
  ] as const)('%s after %s', (schedule, from, expected) => {
    expect(occurrences(schedule, from, expected.length)).toEqual(expected);
  });

  it('that never occur have no next time', () => {
    expect(occurrences('0 0 0 30 2 *', '2026-01-01T00:00:00Z', 1)).toEqual([]);
  });

  it.each([
    '',
    '* * *',
    '60 * * * * *',
    '* * 24 * * *',
    '0 0 0 0 * *',
    '*/0 * * * * *',
    '5-1 * * * * *',
    'x * * * * *',
    '00:00:00',
  ])('refuses %j by name', (schedule) => {
    expect(() => parseSchedule(schedule)).toThrow(SyncError);
  });

  it('give times that are later, whole seconds, and match a minute-by-minute search', () => {
    const minute = fc.integer({ min: 0, max: 59 });
    const hour = fc.integer({ min: 0, max: 23 });
    const from = fc.integer({ min: Date.parse('2020-01-01'), max: Date.parse('2035-01-01') });
    fc.assert(
      fc.property(minute, hour, fc.integer({ min: 0, max: 6 }), from, (m, h, weekday, start) => {
        const next = parseSchedule(`0 ${m} ${h} * * ${weekday}`).next(start) ?? 0;
        let slow = Math.floor(start / 60_000) * 60_000 + 60_000;
        for (;;) {
          const date = new Date(slow);
          if (date.getUTCMinutes() === m && date.getUTCHours() === h && date.getUTCDay() === weekday) break;
          slow += 60_000;
        }
        expect(next).toBe(slow);
      }),
      { seed: 7, numRuns: 50 },
    );
  });
});

describe('time spans', () => {
  it('print as they were read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 * 86_400_000 }), (milliseconds) => {
        expect(parseTimeSpan(formatTimeSpan(milliseconds))).toBeCloseTo(milliseconds, 3);
      }),
      { seed: 7 },
    );
    expect(formatTimeSpan(6000)).toBe('00:00:06');
    expect(parseTimeSpan('00:00:00.250')).toBe(250);
    expect(parseTimeSpan('25:00:00')).toBeUndefined();
    expect(parseTimeSpan('-00:00:01')).toBeUndefined();
  });
});
