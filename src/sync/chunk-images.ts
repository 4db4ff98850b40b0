/** The images of one bucket of a chunk, from shuffle blobs or from the files themselves. */
import { inHashRange, inIdBucket, type HashRange } from '../changes/hash-ranges.ts';
import type { Image } from '../changes/image.ts';
import type { PlanStore } from '../changes/plan-store.ts';
import { readShufflePartition } from '../changes/shuffle.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import type { PassRequest } from './collected-pass.ts';
import { letterKey, type FailedRow } from './dead-letters.ts';
import { WHOLE } from './plan-sources.ts';
import { planFolder, readJson, readPart, readRanges } from './plan.ts';
import { replayedLetters } from './replay.ts';
import { readImages } from './row-images.ts';
import type { SlicePlan } from './slice-plan.ts';

export interface ChunkBatch {
  readonly images: readonly Image[];
  /** Rows without identity, of the first pass only. */
  readonly failed: readonly FailedRow[];
  readonly rows: number;
}

/** Throws what reading the plan and the sources throws. */
export async function* readChunkImages(request: PassRequest, signal: AbortSignal): AsyncGenerator<ChunkBatch> {
  const { plan, plans, chunk, bucket } = request;
  if (plan.header.chunking === 'ranges') {
    const blobNames = await acceptedShuffles(plans, plan, signal);
    const rangeCount = (await readRanges(plans, plan.header, signal)).length;
    const part = { blobNames, rangeIndex: chunk, rangeCount, bucket };
    for await (const images of readShufflePartition(plans, part, signal)) {
      yield { images, failed: [], rows: images.length };
    }
    return;
  }
  const first = bucket.index === 0;
  for await (const batch of readImages(plan, await readPart(plans, plan.header, 0, signal), {}, signal)) {
    yield {
      images: batch.images.filter((image) => inIdBucket(bucket, image.identity)),
      failed: first ? batch.failed : [],
      rows: first ? batch.rows : 0,
    };
  }
}

/** The range of identity hashes that a chunk covers. */
export async function rangeOfChunk(
  plans: PlanStore,
  plan: SlicePlan,
  chunk: number,
  signal: AbortSignal,
): Promise<HashRange> {
  if (plan.header.chunking !== 'ranges') return WHOLE;
  return (await readRanges(plans, plan.header, signal))[chunk] ?? WHOLE;
}

/** The forced identities of a plan. */
export async function forcedIdentities(
  { plan, plans }: Pick<PassRequest, 'plan' | 'plans'>,
  signal: AbortSignal,
): Promise<readonly Identity[]> {
  if (plan.header.forced === null) return [];
  return (await readJson(plans, plan.header.forced, signal)) as readonly Identity[];
}

/** Which rows an epoch looks at: all of them, or those of forced identities and of dead letters that are tried again. */
export async function rowsInScope(
  { plan, plans }: Pick<PassRequest, 'plan' | 'plans'>,
  signal: AbortSignal,
): Promise<(identity: Identity) => boolean> {
  if (plan.header.scope === 'all') return () => true;
  const forced = new Set((await forcedIdentities({ plan, plans }, signal)).map((identity) => identityHash(identity)));
  const keys = new Set((await replayedLetters(plans, plan.header, signal))?.keys);
  return (identity) => forced.has(identityHash(identity)) || (keys.size > 0 && keys.has(letterKey(identity)));
}

/** Those that lie in the range and the bucket of a pass. */
export function ofPass(
  identities: readonly Identity[],
  range: HashRange,
  { bucket }: Pick<PassRequest, 'bucket'>,
): readonly Identity[] {
  return identities.filter((identity) => inHashRange(range, identity) && inIdBucket(bucket, identity));
}

/** Names of the shuffle blobs that the sealed stage accepted. */
async function acceptedShuffles(plans: PlanStore, plan: SlicePlan, signal: AbortSignal): Promise<readonly string[]> {
  const folder = planFolder(plan.header.target, plan.header.planId);
  const attempts = (await readJson(plans, `${folder}/accepted.json`, signal)) as readonly string[];
  return attempts.map((attempt) => `${folder}/shuffle/${attempt}`);
}
