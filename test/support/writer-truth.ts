/** Whether what a writer reported is true: each operation once, as the documents before and afterwards tell. */
import { identityHash, type Identity } from '../../src/documents/document.ts';
import type { Operation, Outcome, StoredDocument } from '../../src/sync/document-writer.ts';
import { DocumentModel } from './document-model.ts';

/** A run of the writer that is over. Documents by identity hash. */
export interface ScenarioResult {
  readonly identities: readonly Identity[];
  readonly first: ReadonlyMap<string, StoredDocument>;
  readonly stored: ReadonlyMap<string, StoredDocument>;
  readonly handed: readonly Operation[];
  readonly outcomes: readonly Outcome[];
  /** Lost requests may have landed after later ones. */
  readonly late: boolean;
  /** `done`, or how the run ended before. */
  readonly ended: string;
}

/** What is wrong, in words; empty when everything is true. */
export function untruths(run: ScenarioResult): readonly string[] {
  const { identities, first, stored, handed, outcomes, late, ended } = run;
  const problems: string[] = [];
  const byOperation = new Map<Operation, Outcome>();
  for (const outcome of outcomes) {
    if (byOperation.has(outcome.operation)) problems.push(`${outcome.operation.kind} was reported twice`);
    byOperation.set(outcome.operation, outcome);
    if (outcome.status === 'failed' && ended === 'done') problems.push(describe(outcome));
    if (outcome.attempts === 0 && !['rejected', 'failed'].includes(outcome.status)) problems.push('done but not sent');
  }
  const models = new Map<string, DocumentModel>();
  for (const identity of identities) {
    const before = first.get(identityHash(identity));
    models.set(identityHash(identity), new DocumentModel(before?.document, before?.etag ?? '', late));
  }
  for (const operation of handed) {
    const outcome = byOperation.get(operation);
    if (outcome === undefined) problems.push(`${operation.kind} was never reported`);
    else {
      const model = models.get(identityHash(operation.identity));
      const lie = model === undefined ? badRowAccepted(outcome) : model.apply(outcome);
      if (lie !== undefined) problems.push(`${operation.identity.id}: ${lie}`);
    }
  }
  if (byOperation.size > handed.length) problems.push('more operations were reported than handed in');
  for (const [hash, model] of models) {
    const wrong = model.check(stored.get(hash)?.document);
    if (wrong !== undefined) problems.push(`${hash}: ${wrong}`);
  }
  return problems;
}

function describe({ operation, status, reason, statusCode, subStatus, attempts }: Outcome): string {
  return `${operation.kind} ${status}: ${reason} (${statusCode}/${subStatus} after ${attempts} attempts)`;
}

function badRowAccepted(outcome: Outcome): string | undefined {
  return outcome.status === 'rejected' && outcome.attempts === 0 ? undefined : `a bad row ended as ${outcome.status}`;
}
