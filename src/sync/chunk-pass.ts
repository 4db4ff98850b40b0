/**
 * One pass over a chunk that is decided in memory: as many ids as a pass may hold. Buckets of ids are halved until one
 * fits, so memory is bounded however the keys are distributed.
 */
import { randomUUID } from 'node:crypto';
import { halved, type ChunkCursor, type PassCursor, type SpillCursor } from './chunk-cursor.ts';
import { rangeOfChunk } from './chunk-images.ts';
import { collectChanges } from './collect-changes.ts';
import { collectDifferences } from './collect-differences.ts';
import type { CollectedPass, PassRequest } from './collected-pass.ts';
import { spillFolder, spillStored } from './stored-spill.ts';

/** A pass, without where it is. */
export type ChunkRequest = Omit<PassRequest, 'bucket' | 'stored'>;

export type PassResult =
  /** `cursor`: the pass that was collected, perhaps over fewer ids than was asked for. */
  | { readonly kind: 'collected'; readonly pass: CollectedPass; readonly cursor: PassCursor }
  /** Nothing is decided yet; another slice goes on there. */
  | { readonly kind: 'spilling'; readonly cursor: ChunkCursor };

/** Collects the pass at a cursor. Throws what reading the plan, the sources and the container throws. */
export async function collectPass(
  request: ChunkRequest,
  cursor: ChunkCursor,
  signal: AbortSignal,
): Promise<PassResult> {
  if (cursor.kind === 'spill') return { kind: 'spilling', cursor: await spill(request, cursor, signal) };
  const { header } = request.plan;
  const compares = header.kind === 'reconcile' || header.kind === 'verify' || header.kind === 'cleanup';
  for (let at = cursor; ; at = halved(at)) {
    const { bucket, stored } = at;
    const pass = await (compares ? collectDifferences : collectChanges)({ ...request, bucket, stored }, signal);
    if (pass !== null) return { kind: 'collected', pass, cursor: at };
    // Reading the container once for every pass would multiply the RU.
    if (compares && stored === null && header.scope === 'all') {
      return { kind: 'spilling', cursor: { kind: 'spill', scan: null, stored: [] } };
    }
  }
}

async function spill(request: ChunkRequest, cursor: SpillCursor, signal: AbortSignal): Promise<ChunkCursor> {
  const { plan, plans, chunk, account } = request;
  const next = await spillStored(
    {
      plans,
      writer: plan.target.writer,
      range: await rangeOfChunk(plans, plan, chunk, signal),
      cursor,
      folder: spillFolder(plan.header),
      newName: () => `${chunk}-${randomUUID().slice(0, 8)}`,
      mayGoOn: () => request.mayGoOn(),
      spend: (requestUnits) => account.spend(requestUnits),
    },
    signal,
  );
  if (next.scan !== null) return next;
  return { kind: 'pass', bucket: { index: 0, of: 1 }, after: '', stored: next.stored };
}
