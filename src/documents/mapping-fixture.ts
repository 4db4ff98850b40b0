/** Tests of a mapping that its author writes: rows, and what is to become of them. */
import type { StructType } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import type { JsonObject } from './document.ts';
import { differingFields } from './document-text.ts';
import type { Mapping } from './mapping.ts';
import { rowFromJson } from './row-json.ts';

/** A row with what is expected of it: exactly one of `document`, `rejected` (a rejection code) and `excluded` (by `where`). */
export interface MappingFixture {
  readonly name: string;
  readonly row: unknown;
  readonly expected:
    | { readonly kind: 'document'; readonly document: JsonObject }
    | { readonly kind: 'rejected'; readonly code: string }
    | { readonly kind: 'excluded' };
}

/** What came of one fixture. Values are shown: a fixture is the author's own. */
export interface FixtureResult {
  readonly name: string;
  readonly passed: boolean;
  /** One sentence for each difference. */
  readonly problems: readonly string[];
}

/** Reads fixtures from parsed JSON. Throws `configInvalid` for anything else than an array of them. */
export function mappingFixtures(json: unknown): readonly MappingFixture[] {
  if (!Array.isArray(json)) throw malformed('The fixtures are no array.');
  return (json as readonly unknown[]).map((item, index) => {
    const entry = (typeof item === 'object' && item !== null ? item : {}) as Readonly<Record<string, unknown>>;
    const name = typeof entry['name'] === 'string' ? entry['name'] : `fixture ${index + 1}`;
    const { row, document, rejected, excluded } = entry;
    const stated = [document, rejected, excluded].filter((value) => value !== undefined);
    if (row === undefined || stated.length !== 1) {
      throw malformed(`${name} needs a row, and one of document, rejected and excluded.`);
    }
    if (typeof rejected === 'string') return { name, row, expected: { kind: 'rejected', code: rejected } };
    if (excluded === true) return { name, row, expected: { kind: 'excluded' } };
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
      return { name, row, expected: { kind: 'document', document: document as JsonObject } };
    }
    throw malformed(`${name} expects something that is no document, no rejection code and not "excluded": true.`);
  });
}

/** Maps every fixture's row and compares. Throws only for rows that are no rows of the schema. */
export function testMapping(
  mapping: Mapping,
  schema: StructType,
  fixtures: readonly MappingFixture[],
): readonly FixtureResult[] {
  return fixtures.map(({ name, row: json, expected }) => {
    const row = rowFromJson(json, schema, name);
    const result = mapping.includes(row) ? mapping.mapRow(row) : ({ kind: 'excluded' } as const);
    const problems: string[] = [];
    if (result.kind !== expected.kind) {
      const code = result.kind === 'rejected' ? ` (${result.code})` : '';
      problems.push(`The row is ${SAYING[result.kind]}${code}, not ${SAYING[expected.kind]}.`);
    } else if (result.kind === 'rejected' && expected.kind === 'rejected' && result.code !== expected.code) {
      problems.push(`The row is rejected with ${result.code}, not with ${expected.code}.`);
    } else if (result.kind === 'document' && expected.kind === 'document') {
      for (const field of differingFields(result.document, expected.document)) {
        problems.push(`${field} is ${shown(result.document, field)}, not ${shown(expected.document, field)}.`);
      }
    }
    return { name, passed: problems.length === 0, problems };
  });
}

const SAYING = { document: 'written', rejected: 'rejected', excluded: 'excluded' };

function shown(document: JsonObject, field: string): string {
  return Object.hasOwn(document, field) ? JSON.stringify(document[field]) : 'absent';
}

function malformed(problem: string): SyncError {
  return new SyncError('configInvalid', { problem, remedy: 'Correct the fixtures.' });
}
