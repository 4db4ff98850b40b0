/** Planning the reads of a row group. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planWindows, type ByteSpan, type WindowPlan } from '../../src/parquet/read-windows.ts';

const MB = 1024 * 1024;

/** Column chunks one after another, each followed by a gap. */
function spansOf(chunks: readonly { readonly bytes: number; readonly gap: number }[]): ByteSpan[] {
  let at = 4;
  return chunks.map(({ bytes, gap }, column) => {
    const span = { start: at, end: at + bytes, column };
    at += bytes + gap;
    return span;
  });
}

const even = (columns: number, bytes: number): ByteSpan[] =>
  spansOf(Array.from({ length: columns }, () => ({ bytes, gap: 0 })));

const ofColumn = (windows: readonly WindowPlan[], column: number): WindowPlan[] =>
  windows.filter((window) => window.columns.includes(column)).toSorted((a, b) => a.start - b.start);

const size = (window: { readonly start: number; readonly end: number }): number => window.end - window.start;

describe('windows of a row group', () => {
  it('hold every byte of every column once, and hardly any other, in pieces that fit the budget', () => {
    const chunk = fc.record({ bytes: fc.integer({ min: 1, max: 8 * MB }), gap: fc.constantFrom(0, 0, 0, 16, 5000) });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 40 }), fc.integer({ min: 1, max: 40 * MB }), (chunks, budget) => {
        const spans = spansOf(chunks);
        const windows = planWindows(spans, budget);
        for (const span of spans) {
          const own = ofColumn(windows, span.column);
          expect(own[0]!.start).toBeLessThanOrEqual(span.start);
          expect(own.at(-1)!.end).toBeGreaterThanOrEqual(span.end);
          for (const [i, window] of own.slice(1).entries()) expect(window.start).toBe(own[i]!.end);
        }
        const read = windows.reduce((sum, window) => sum + size(window), 0);
        const needed = spans.reduce((sum, span) => sum + size(span), 0);
        expect(read).toBeLessThanOrEqual(needed + 2048 * spans.length);
        expect(windows.every((window) => size(window) <= 2 * MB)).toBe(true);
        const wanted = windows.map((window) => window.wantedAt);
        expect(wanted).toEqual(wanted.toSorted((a, b) => a - b));
        // What decoding holds at any time: one window of every column.
        const atOnce = new Set(spans.map((span) => ofColumn(windows, span.column)[0]!));
        const held = [...atOnce].reduce((sum, window) => sum + size(window), 0);
        const least = spans.length * (128 * 1024 + 2048);
        expect(held).toBeLessThanOrEqual(Math.max(needed <= budget ? read : budget / 2 + 2048 * spans.length, least));
      }),
      { seed: 51, numRuns: 300 },
    );
  });

  it('are shared by neighbours when the row group fits the budget: reads go by bytes, not by columns', () => {
    const windows = planWindows(even(60, 350_000), 24 * MB);
    expect(windows.length).toBeLessThanOrEqual(12);
    expect(windows.every((window) => window.wantedAt === 0)).toBe(true);
  });

  it('are shared by the small columns of a row group that does not fit', () => {
    const small = Array.from({ length: 50 }, () => ({ bytes: 20_000, gap: 0 }));
    const windows = planWindows(spansOf([{ bytes: 90 * MB, gap: 0 }, ...small]), 24 * MB);
    expect(ofColumn(windows, 1)).toHaveLength(1);
    expect(windows.filter((window) => !window.columns.includes(0))).toHaveLength(1);
    expect(ofColumn(windows, 0)).toHaveLength(45);
  });

  it('are not joined over bytes that nobody wants', () => {
    const windows = planWindows(
      spansOf([
        { bytes: 1000, gap: 100_000 },
        { bytes: 1000, gap: 0 },
      ]),
      24 * MB,
    );
    expect(windows.map(size)).toEqual([1000, 1000]);
  });
});
