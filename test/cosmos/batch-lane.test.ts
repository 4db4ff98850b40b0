import { describe, expect, it } from 'vitest';
import { BatchLane } from '../../src/cosmos/batch-lane.ts';
import { unlimited, type RuLimiter } from '../../src/cosmos/ru-limiter.ts';
import type { Operation } from '../../src/sync/document-writer.ts';
import { openWriterTarget, tally, upsert, writeAll } from '../support/writer-target.ts';

describe('requests to one partition at once', () => {
  it('are two while answers come soon, up to eight while they take long, and two again', () => {
    const lane = new BatchLane<Operation>('0');
    expect(lane.requestLimit).toBe(2);
    for (let i = 0; i < 30; i++) lane.answered(10);
    expect(lane.requestLimit).toBe(2);
    for (let i = 0; i < 30; i++) lane.answered(100);
    expect(lane.requestLimit).toBe(5);
    for (let i = 0; i < 30; i++) lane.answered(2_000);
    expect(lane.requestLimit).toBe(8);
    for (let i = 0; i < 60; i++) lane.answered(10);
    expect(lane.requestLimit).toBe(2);
  });

  it('are no more than that on the wire, and become more where answers take long', async () => {
    const { emulator, writer } = await openWriterTarget({ partitions: 2 });
    emulator.faults.add({ match: { kind: 'batch' }, times: 1_000, action: { kind: 'delay', ms: 200 } });
    const open = new Map<string, number>();
    let most = 0;
    const limiter: RuLimiter = {
      ...unlimited,
      batchRu: () => 100,
      reserve: async (request, signal) => {
        const place = request.partition ?? '';
        const now = (open.get(place) ?? 0) + 1;
        open.set(place, now);
        most = Math.max(most, now);
        const reservation = await unlimited.reserve(request, signal);
        const ended = (): void => void open.set(place, (open.get(place) ?? 0) - 1);
        return {
          expired: reservation.expired,
          settle: (ru, retryAfterMs) => {
            ended();
            reservation.settle(ru, retryAfterMs);
          },
          lost: () => {
            ended();
            reservation.lost();
          },
          release: () => {
            ended();
            reservation.release();
          },
        };
      },
    };
    const page = Array.from({ length: 1_000 }, (_, n) => upsert(`p${n}`, `category ${n % 50}`));
    expect(tally(await writeAll(await writer({ limiter }), [page]))).toEqual({ applied: 1_000 });
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(8);
  });
});
