/** A pass over a chunk of changes, or over a small snapshot: images netted and decided. */
import { NetChanges } from '../changes/net-changes.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import { forcedIdentities, readChunkImages } from './chunk-images.ts';
import { isTooMuch, NO_DIFFERENCES, type CollectedPass, type PassRequest } from './collected-pass.ts';
import { judgeChange, policyOf, type ChangeVerdict } from './decide-changes.ts';
import type { FailedRow } from './dead-letters.ts';

/** Null when the bucket holds more than a pass may. */
export async function collectChanges(request: PassRequest, signal: AbortSignal): Promise<CollectedPass | null> {
  const { plan } = request;
  const { kind, byEnds } = plan.header;
  const net = new NetChanges({ beforeKnown: kind === 'changes', byCommit: kind === 'changes' && byEnds !== true });
  const failed: FailedRow[] = [];
  let rows = 0;
  for await (const batch of readChunkImages(request, signal)) {
    rows += batch.rows;
    failed.push(...batch.failed);
    for (const image of batch.images) net.add(image);
    if (isTooMuch(request, { rows: net.size, bytes: net.heldBytes })) return null;
  }
  const forced = await forcedHashes(request, signal);
  const policy = policyOf(plan);
  const verdicts: ChangeVerdict[] = [];
  const duplicates: Identity[] = [];
  let touchedForced = 0;
  let skipped = 0;
  for (const change of net.changes()) {
    if (forced.size > 0 && forced.has(identityHash(change.identity))) {
      touchedForced++;
      continue;
    }
    if (change.after.count > 1) duplicates.push(change.identity);
    const verdict = judgeChange(change, policy, false);
    if (verdict.kind === 'none') skipped++;
    else verdicts.push(verdict);
  }
  const differences = NO_DIFFERENCES;
  return { verdicts, failed, touchedForced, differences, duplicates, rows, skipped };
}

/** Identities that a change epoch leaves alone. */
async function forcedHashes(request: PassRequest, signal: AbortSignal): Promise<ReadonlySet<string>> {
  if (request.plan.header.kind !== 'changes') return new Set();
  return new Set((await forcedIdentities(request, signal)).map((identity) => identityHash(identity)));
}
