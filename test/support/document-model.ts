/**
 * What a container may hold after operations with known outcomes. Where an answer was lost several states are possible;
 * an outcome that fits none of them is a lie of the writer.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../../src/documents/document.ts';
import type { Operation, Outcome } from '../../src/sync/document-writer.ts';

/** A document as it may be stored: its content, and whether it still is what was there at first (same ETag). */
interface State {
  readonly document: JsonObject | undefined;
  readonly untouched: boolean;
}

/** The possible states of one identity. */
export class DocumentModel {
  #states: readonly State[];
  readonly #firstEtag: string;
  readonly #late: boolean;
  /** A request that got lost may have landed at any later time, so that only the written values are known. */
  #uncertain = false;
  readonly #written: (JsonObject | undefined)[];

  /** `late`: requests that got lost may still land after later ones. */
  constructor(first: JsonObject | undefined, etag: string, late: boolean) {
    this.#states = [{ document: first, untouched: true }];
    this.#firstEtag = etag;
    this.#late = late;
    this.#written = [first];
  }

  /** Narrows and changes the states; a text when the outcome cannot be true. */
  apply(outcome: Outcome): string | undefined {
    const before = this.#states;
    const { operation, status, ambiguous } = outcome;
    if (operation.kind !== 'patch') this.#written.push(operation.kind === 'delete' ? undefined : operation.document);
    if (ambiguous && this.#late) this.#uncertain = true;
    if (this.#uncertain) return undefined;
    const after: State[] = [];
    for (const state of before) after.push(...this.#results(state, operation, outcome));
    // An attempt whose answer got lost may have done it before the one that counts.
    if (ambiguous && status !== 'applied') {
      for (const state of before) {
        const done = this.#done(state, operation);
        if (done === undefined) continue;
        if (status === 'failed' || status === 'rejected') after.push(done);
        else after.push(...this.#results(done, operation, outcome));
      }
    }
    this.#states = distinct(after);
    if (this.#states.length > 0) return undefined;
    return `${operation.kind} ended as ${status} (${outcome.statusCode}/${outcome.subStatus}, ambiguous ${ambiguous}) though the document was ${show(before)}`;
  }

  /** A text when the stored document is none of the possible ones. */
  check(stored: JsonObject | undefined): string | undefined {
    if (this.#uncertain) {
      const known = this.#written.some((written) => isDeepStrictEqual(unpatched(written), unpatched(stored)));
      return known ? undefined : `stored is what nobody wrote: ${JSON.stringify(stored)?.slice(0, 200)}`;
    }
    if (this.#states.some((state) => isDeepStrictEqual(state.document, stored))) return undefined;
    return `stored is ${JSON.stringify(stored)?.slice(0, 200)}, possible is ${show(this.#states)}`;
  }

  /** States that fit this ending when the operation met this state. */
  #results(state: State, operation: Operation, outcome: Outcome): readonly State[] {
    const done = this.#done(state, operation);
    switch (outcome.status) {
      case 'applied':
        return done === undefined ? [] : [done];
      case 'rejected':
      case 'failed':
        return [state];
      case 'exists':
        return operation.kind === 'create' && state.document !== undefined ? [state] : [];
      case 'missing':
        return (operation.kind === 'patch' || operation.kind === 'replace') && state.document === undefined
          ? [state]
          : [];
      case 'changed':
        return (operation.kind === 'replace' || operation.kind === 'delete') &&
          state.document !== undefined &&
          done === undefined
          ? [state]
          : [];
    }
  }

  /** The state after the operation; undefined when its condition does not hold. */
  #done(state: State, operation: Operation): State | undefined {
    const matches = (etag: string | undefined): boolean =>
      etag === undefined || (state.untouched && etag === this.#firstEtag);
    switch (operation.kind) {
      case 'upsert':
        return { document: operation.document, untouched: false };
      case 'create':
        return state.document === undefined ? { document: operation.document, untouched: false } : undefined;
      case 'delete':
        if (state.document === undefined) return state;
        return matches(operation.ifMatch) ? { document: undefined, untouched: false } : undefined;
      case 'replace':
        return state.document !== undefined && matches(operation.ifMatch)
          ? { document: operation.document, untouched: false }
          : undefined;
      case 'patch': {
        if (state.document === undefined) return undefined;
        const document: Record<string, JsonValue> = { ...state.document };
        for (const step of operation.steps) {
          const name = step.path.slice(1);
          if (step.op === 'set') document[name] = step.value;
          else delete document[name];
        }
        return { document, untouched: false };
      }
    }
  }
}

/** Without the property that patches set. */
function unpatched(document: JsonObject | undefined): JsonObject | undefined {
  if (document === undefined) return undefined;
  const { v: _, ...rest } = document;
  return rest;
}

function distinct(states: readonly State[]): State[] {
  const kept: State[] = [];
  for (const state of states) {
    if (
      !kept.some((other) => other.untouched === state.untouched && isDeepStrictEqual(other.document, state.document))
    ) {
      kept.push(state);
    }
  }
  return kept;
}

function show(states: readonly State[]): string {
  return states.map((state) => JSON.stringify(state.document)?.slice(0, 120) ?? 'absent').join(' or ');
}
