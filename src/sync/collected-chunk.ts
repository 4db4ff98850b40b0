/** A chunk whose images fit in memory: read, netted and decided before anything is written. */
import { inHashRange, type HashRange } from '../changes/hash-ranges.ts';
import type { Image } from '../changes/image.ts';
import { NetChanges, type Change } from '../changes/net-changes.ts';
import { decideOperation, type Decision } from '../changes/operation-decision.ts';
import type { PlanStore } from '../changes/plan-store.ts';
import { Reconciliation, repairDecision, type Difference, type ReconcilePolicy } from '../changes/reconcile.ts';
import { readShufflePartition } from '../changes/shuffle.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import { judgeChange, policyOf, rejectedRow, type ChangeVerdict } from './decide-changes.ts';
import type { StoredDocument } from './document-writer.ts';
import type { FailedRow } from './dead-letters.ts';
import type { OutcomeAccount } from './outcome-account.ts';
import { WHOLE } from './plan-sources.ts';
import { planFolder, readJson, readPart, readRanges, type PlanSource } from './plan.ts';
import { readImages } from './row-images.ts';
import type { SlicePlan } from './slice-plan.ts';

/** A difference that a verification reports. */
export interface ReportedDifference {
  readonly kind: 'missing' | 'different' | 'extra';
  readonly id: string;
  readonly fields?: readonly string[];
}

export interface CollectedChunk {
  /** Ordered by identity hash, so that a hash is a cursor. */
  readonly verdicts: readonly ChangeVerdict[];
  /** Rows without identity. */
  readonly failed: readonly FailedRow[];
  /** Forced identities that the changes touched: they are looked up in an epoch of their own. */
  readonly touchedForced: number;
  readonly differences: readonly ReportedDifference[];
  /** Identities that more than one row claims, whichever of them wins. */
  readonly duplicates: readonly Identity[];
}

export interface ChunkRequest {
  readonly plan: SlicePlan;
  readonly plans: PlanStore;
  readonly chunk: number;
  readonly account: OutcomeAccount;
}

/** Collects what a chunk comes to, whatever kind of epoch it belongs to. */
export function collectChunk(request: ChunkRequest, signal: AbortSignal): Promise<CollectedChunk> {
  const compare = ['reconcile', 'verify', 'cleanup'].includes(request.plan.header.kind);
  return compare ? collectDifferences(request, signal) : collectChanges(request, signal);
}

/** Documents that writing the chunk would delete. */
export function deletesOf(collected: CollectedChunk): number {
  return collected.verdicts.filter((verdict) => verdict.kind === 'write' && isDelete(verdict.placed.decision)).length;
}

function isDelete(decision: Decision): boolean {
  return decision.kind === 'operation' && decision.operation.kind === 'delete';
}

/** Collects what a chunk of kind changes, or a small snapshot, comes to. */
export async function collectChanges(request: ChunkRequest, signal: AbortSignal): Promise<CollectedChunk> {
  const { plan, account } = request;
  const net = new NetChanges({ beforeKnown: plan.header.kind === 'changes' });
  const failed = await collectImages(request, signal, (image) => net.add(image));
  const forced = await forcedHashes(request, signal);
  const policy = policyOf(plan);
  const verdicts: ChangeVerdict[] = [];
  const duplicates: Identity[] = [];
  let touchedForced = 0;
  for (const change of net.changes()) {
    if (forced.has(identityHash(change.identity))) {
      touchedForced++;
      continue;
    }
    if (change.after.count > 1) duplicates.push(change.identity);
    const verdict = judgeChange(change, policy, false);
    if (verdict.kind === 'none') account.skip(1);
    else verdicts.push(verdict);
  }
  return { verdicts: byHash(verdicts), failed, touchedForced, differences: [], duplicates };
}

/** Compares both sides of a range: rows of the table with documents of the container. */
export async function collectDifferences(request: ChunkRequest, signal: AbortSignal): Promise<CollectedChunk> {
  const { plan, account } = request;
  const range = await rangeOf(request, signal);
  const forced = plan.header.scope === 'forced' ? await forcedIdentities(request, signal) : null;
  const scope = forced === null ? null : forced.filter((identity) => inHashRange(range, identity));
  const only = scope === null ? null : new Set(scope.map((identity) => identityHash(identity)));
  const policy = reconcilePolicyOf(plan);
  const both = new Reconciliation(policy);
  const rejected = new Map<string, Image>();
  const failed = await collectImages(request, signal, (image) => {
    const hash = identityHash(image.identity);
    if (only !== null && !only.has(hash)) return;
    if (image.rejection === undefined) both.addRow(image);
    else rejected.set(hash, image);
  });
  const verdicts: ChangeVerdict[] = [...rejected].map(([hash, image]) => ({
    kind: 'failed',
    hash,
    rows: [rejectedRow(image)],
    duplicate: null,
  }));
  const differences: ReportedDifference[] = [];
  // A forced identity was a row of this table, so in every mode its document goes the way of a deleted row.
  const decide = (difference: Difference): Decision =>
    scope !== null && difference.kind === 'extra'
      ? decideOperation(goneRow(difference.stored.identity, plan.header.to), policy, true)
      : repairDecision(difference, policy);
  const judge = (difference: Difference): void => {
    const verdict = verdictOf(difference, decide(difference), plan.header.to);
    if (verdict.kind === 'none') account.skip(1);
    else verdicts.push(verdict);
    differences.push(reported(difference));
  };
  for await (const documents of storedDocuments(request, range, scope, signal)) {
    for (const stored of documents) {
      // A row that cannot be mapped says nothing about its document: what is there stays.
      if (rejected.has(identityHash(stored.identity))) continue;
      const difference = both.match(stored);
      if (difference !== undefined) judge(difference);
    }
  }
  for (const difference of both.rest()) judge(difference);
  const duplicates = [...both.duplicates()];
  if (policy.duplicates === 'error') verdicts.push(...duplicates.map((change) => judgeChange(change, policy, true)));
  account.skip(both.counts.equal);
  return {
    verdicts: byHash(verdicts),
    failed,
    touchedForced: 0,
    differences,
    duplicates: duplicates.map((change) => change.identity),
  };
}

function reconcilePolicyOf(plan: SlicePlan): ReconcilePolicy {
  const { discriminator } = plan.context.table;
  const generation = plan.header.slot?.generation ?? null;
  return {
    ...policyOf(plan),
    version: plan.header.to,
    ...(discriminator === undefined ? {} : { discriminator }),
    ...(generation === null ? {} : { generation }),
  };
}

function verdictOf(difference: Difference, decision: Decision, version: number): ChangeVerdict {
  const identity = difference.kind === 'missing' ? difference.row.identity : difference.stored.identity;
  const hash = identityHash(identity);
  if (decision.kind === 'operation' || decision.kind === 'merge') {
    const position = difference.kind === 'extra' ? null : (difference.row.after.images[0]?.position ?? null);
    return { kind: 'write', hash, placed: { decision, row: { version, position }, fresh: false } };
  }
  return { kind: decision.kind === 'held' ? 'undecided' : 'none', hash };
}

function goneRow(identity: Identity, version: number): Change {
  const none = { images: [], count: 0 };
  return { identity, version, before: { known: false, ...none }, after: none };
}

function reported(difference: Difference): ReportedDifference {
  switch (difference.kind) {
    case 'missing':
      return { kind: 'missing', id: difference.row.identity.id };
    case 'different':
      return { kind: 'different', id: difference.stored.identity.id, fields: difference.fields };
    case 'extra':
      return { kind: 'extra', id: difference.stored.identity.id };
  }
}

/** Hands every image of the chunk over; returns rows without identity. */
async function collectImages(
  request: ChunkRequest,
  signal: AbortSignal,
  add: (image: Image) => void,
): Promise<readonly FailedRow[]> {
  const { plan, plans, chunk, account } = request;
  if (plan.header.chunking === 'ranges') {
    const blobNames = await acceptedShuffles(plans, plan, signal);
    const ranges = await readRanges(plans, plan.header, signal);
    for await (const images of readShufflePartition(
      plans,
      { blobNames, rangeIndex: chunk, rangeCount: ranges.length },
      signal,
    ))
      images.forEach(add);
    return [];
  }
  const failed: FailedRow[] = [];
  const sources = await allSources(plans, plan, signal);
  for await (const batch of readImages(plan, sources, {}, signal)) {
    account.read(batch.rows);
    batch.images.forEach(add);
    failed.push(...batch.failed);
  }
  return failed;
}

/** Part 0 is everything in a small epoch; a dry run of a larger first load takes all parts together. */
async function allSources(plans: PlanStore, plan: SlicePlan, signal: AbortSignal): Promise<readonly PlanSource[]> {
  const parts = plan.header.chunking === 'sources' ? (plan.header.stages.at(-1)?.chunks ?? 0) : 1;
  const sources: PlanSource[] = [];
  for (let part = 0; part < parts; part++) sources.push(...(await readPart(plans, plan.header, part, signal)));
  return sources;
}

async function* storedDocuments(
  request: ChunkRequest,
  range: HashRange,
  scope: readonly Identity[] | null,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredDocument[]> {
  const { plan, account } = request;
  const { writer } = plan.target;
  if (scope !== null) {
    const read = await writer.read(scope, signal);
    account.spend(read.requestUnits);
    yield read.documents;
    return;
  }
  let cursor: string | null = null;
  do {
    const page = await writer.scan(range, cursor, signal);
    account.spend(page.requestUnits);
    yield page.documents.filter((stored) => inHashRange(range, stored.identity));
    ({ cursor } = page);
  } while (cursor !== null);
}

async function rangeOf({ plan, plans, chunk }: ChunkRequest, signal: AbortSignal): Promise<HashRange> {
  if (plan.header.chunking !== 'ranges') return WHOLE;
  return (await readRanges(plans, plan.header, signal))[chunk] ?? WHOLE;
}

/** Names of the shuffle blobs that the sealed stage accepted. */
async function acceptedShuffles(plans: PlanStore, plan: SlicePlan, signal: AbortSignal): Promise<readonly string[]> {
  const folder = planFolder(plan.header.target, plan.header.planId);
  const attempts = (await readJson(plans, `${folder}/accepted.json`, signal)) as readonly string[];
  return attempts.map((attempt) => `${folder}/shuffle/${attempt}`);
}

async function forcedIdentities({ plan, plans }: ChunkRequest, signal: AbortSignal): Promise<readonly Identity[]> {
  if (plan.header.forced === null) return [];
  return (await readJson(plans, plan.header.forced, signal)) as readonly Identity[];
}

/** Identities that a change epoch leaves alone. */
async function forcedHashes(request: ChunkRequest, signal: AbortSignal): Promise<ReadonlySet<string>> {
  if (request.plan.header.kind !== 'changes') return new Set();
  return new Set((await forcedIdentities(request, signal)).map((identity) => identityHash(identity)));
}

function byHash(verdicts: readonly ChangeVerdict[]): readonly ChangeVerdict[] {
  return verdicts.toSorted((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
}
