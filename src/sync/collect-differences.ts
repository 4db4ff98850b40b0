/** A pass over a range in which both sides are compared: rows of the table with documents of the container. */
import { documentBytes } from '../changes/document-bytes.ts';
import { inHashRange, type HashRange } from '../changes/hash-ranges.ts';
import type { Image } from '../changes/image.ts';
import type { Change } from '../changes/net-changes.ts';
import { decideOperation, type Decision } from '../changes/operation-decision.ts';
import { Reconciliation, repairDecision, type Difference, type ReconcilePolicy } from '../changes/reconcile.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import { forcedIdentities, rowsInScope, ofPass, rangeOfChunk, readChunkImages } from './chunk-images.ts';
import { isTooMuch, type CollectedPass, type PassRequest, type ReportedDifference } from './collected-pass.ts';
import type { FailedRow } from './dead-letters.ts';
import { onlyRowsTell } from './former-rows.ts';
import { judgeChange, policyOf, rejectedRow, type ChangeVerdict } from './decide-changes.ts';
import type { StoredDocument } from './document-writer.ts';
import type { SlicePlan } from './slice-plan.ts';
import { readStored, spillFolder } from './stored-spill.ts';

/** Differences that are named; the others are counted. */
const MOST_SAMPLES = 1_000;
/** A verdict about a document without a row. */
const EXTRA_BYTES = 400;
/** An entry of a set, beside its text. */
const HASH_BYTES = 60;

/** Null when the bucket holds more than a pass may. */
export async function collectDifferences(request: PassRequest, signal: AbortSignal): Promise<CollectedPass | null> {
  const { plan, plans, chunk } = request;
  const range = await rangeOfChunk(plans, plan, chunk, signal);
  const forced = ofPass(await forcedIdentities(request, signal), range, request);
  const scope = plan.header.scope === 'forced' ? forced : null;
  const policy = reconcilePolicyOf(plan);
  const comparison = new Comparison(policy, scope, await rowsInScope(request, signal));
  // They had a row, and no epoch of changes has decided what became of it.
  if (scope === null && onlyRowsTell(plan.context.table)) for (const identity of forced) comparison.addFormer(identity);
  const failed: FailedRow[] = [];
  let rows = 0;
  for await (const batch of readChunkImages(request, signal)) {
    rows += batch.rows;
    failed.push(...batch.failed);
    for (const image of batch.images) comparison.addRow(image);
    if (isTooMuch(request, comparison.held)) return null;
  }
  const wanted = scope === null ? null : [...scope, ...comparison.found];
  for await (const documents of storedDocuments(request, range, wanted, signal)) {
    for (const stored of documents) comparison.match(stored);
    if (isTooMuch(request, comparison.held)) return null;
    // Under a small budget reading a range takes longer than a slice: spilled, it is read page by page.
    if (scope === null && request.stored === null && !request.mayGoOn()) return null;
  }
  return { ...comparison.finish(), failed, touchedForced: 0, rows };
}

class Comparison {
  readonly #policy: ReconcilePolicy;
  readonly #both: Reconciliation;
  /** Hashes of the only identities that are looked at; null for all. */
  readonly #only: ReadonlySet<string> | null;
  readonly #rejected = new Map<string, Image>();
  readonly #verdicts: ChangeVerdict[] = [];
  readonly #counts = { missing: 0, different: 0, extra: 0 };
  readonly #samples: ReportedDifference[] = [];
  readonly #inScope: (identity: Identity) => boolean;
  /** Identities of rows that a dead letter names. */
  readonly #found = new Map<string, Identity>();
  /** Hashes of identities that rows had when the documents were made. */
  readonly #former = new Set<string>();
  #heldBytes = 0;
  #skipped = 0;

  constructor(policy: ReconcilePolicy, scope: readonly Identity[] | null, inScope: (identity: Identity) => boolean) {
    this.#policy = { ...policy, former: this.#former };
    this.#both = new Reconciliation(this.#policy);
    this.#only = scope === null ? null : new Set(scope.map((identity) => identityHash(identity)));
    this.#inScope = inScope;
  }

  /** Identities of rows that a letter names and nobody asked for otherwise. */
  get found(): readonly Identity[] {
    return [...this.#found.values()];
  }

  get held(): { readonly rows: number; readonly bytes: number } {
    const { rows, bytes } = this.#both.held;
    const hashes = this.#rejected.size + this.#former.size;
    return { rows: rows + hashes + this.#verdicts.length, bytes: bytes + this.#heldBytes };
  }

  /** A row had this identity once: its document is the table's. */
  addFormer(identity: Identity): void {
    const hash = identityHash(identity);
    this.#former.add(hash);
    this.#heldBytes += HASH_BYTES + 2 * hash.length;
  }

  addRow(image: Image): void {
    if (image.side === 'before') {
      this.addFormer(image.identity);
      return;
    }
    const hash = identityHash(image.identity);
    if (!this.#inScope(image.identity)) return;
    if (this.#only !== null && !this.#only.has(hash)) this.#found.set(hash, image.identity);
    if (image.rejection === undefined) this.#both.addRow(image);
    else this.#rejected.set(hash, image);
  }

  match(stored: StoredDocument): void {
    // A row that cannot be mapped says nothing about its document: what is there stays.
    if (this.#rejected.has(identityHash(stored.identity))) return;
    const difference = this.#both.match(stored);
    if (difference !== undefined) this.#judge(difference);
  }

  finish(): Pick<CollectedPass, 'verdicts' | 'differences' | 'duplicates' | 'skipped'> {
    for (const difference of this.#both.rest()) this.#judge(difference);
    const duplicates = [...this.#both.duplicates()];
    const verdicts = [...this.#verdicts];
    for (const [hash, image] of this.#rejected) {
      verdicts.push({ kind: 'failed', hash, rows: [rejectedRow(image)], duplicate: null });
    }
    if (this.#policy.duplicates === 'error') {
      verdicts.push(...duplicates.map((change) => judgeChange(change, this.#policy, true)));
    }
    return {
      verdicts,
      differences: { ...this.#counts, samples: this.#samples },
      duplicates: duplicates.map((change) => change.identity),
      skipped: this.#skipped + this.#both.counts.equal,
    };
  }

  #judge(difference: Difference): void {
    const verdict = verdictOf(difference, this.#decide(difference), this.#policy.version);
    this.#counts[difference.kind]++;
    if (this.#samples.length < MOST_SAMPLES) this.#samples.push(reported(difference));
    if (verdict.kind === 'none') {
      this.#skipped++;
      return;
    }
    this.#verdicts.push(verdict);
    // The row is counted already; a merge keeps what else the document holds.
    if (difference.kind === 'extra') this.#heldBytes += EXTRA_BYTES;
    if (difference.kind === 'different') this.#heldBytes += documentBytes(difference.stored.document);
  }

  /** A forced identity was a row of this table, so in every mode its document goes the way of a deleted row. */
  #decide(difference: Difference): Decision {
    return this.#only !== null && difference.kind === 'extra'
      ? decideOperation(goneRow(difference.stored.identity, this.#policy.version), this.#policy, true)
      : repairDecision(difference, this.#policy);
  }
}

async function* storedDocuments(
  request: PassRequest,
  range: HashRange,
  scope: readonly Identity[] | null,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredDocument[]> {
  const { plan, plans, account, stored, bucket } = request;
  const { writer } = plan.target;
  if (scope !== null) {
    const read = await writer.read(scope, signal);
    account.spend(read.requestUnits);
    yield read.documents;
    return;
  }
  if (stored !== null) {
    yield* readStored(plans, spillFolder(plan.header), stored, bucket, signal);
    return;
  }
  let cursor: string | null = null;
  do {
    const page = await writer.scan(range, cursor, signal);
    account.spend(page.requestUnits);
    yield page.documents.filter((document) => inHashRange(range, document.identity));
    ({ cursor } = page);
  } while (cursor !== null);
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
