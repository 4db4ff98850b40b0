import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { differingFields, documentText, sameDocument, withoutFields } from '../../src/documents/document-text.ts';
import type { JsonObject, JsonValue } from '../../src/documents/document.ts';

const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);

/** The same value with names in reverse order at every level. */
function reversed(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => reversed(item));
  return Object.fromEntries(
    Object.entries(value as JsonObject)
      .toReversed()
      .map(([name, item]) => [name, reversed(item)]),
  );
}

test('equality and text agree, whatever the order of names', () => {
  fc.assert(
    fc.property(json, json, (a, b) => {
      expect(sameDocument(a, reversed(a))).toBe(true);
      expect(documentText(a)).toBe(documentText(reversed(a)));
      expect(sameDocument(a, b)).toBe(documentText(a) === documentText(b));
      expect(JSON.parse(documentText(a))).toEqual(a);
    }),
    { seed: 161, numRuns: 1000 },
  );
});

test.each<[string, JsonValue, JsonValue]>([
  ['null and absent', { a: null }, {}],
  ['a number and its text', { a: 1 }, { a: '1' }],
  ['neighbouring doubles', 0.1, 0.1 + Number.EPSILON / 8],
  ['an array and an object', [], {}],
  ['order in an array', [1, 2], [2, 1]],
  ['an own name and an inherited one', { toString: null }, { valueOf: null }],
])('different: %s', (_name, a, b) => {
  expect(sameDocument(a, b)).toBe(false);
  expect(sameDocument(b, a)).toBe(false);
});

test('fields that differ, and what Cosmos DB adds', () => {
  expect(differingFields({ a: 1, b: [1], c: null }, { a: 1, b: [2], d: 1 })).toEqual(['b', 'c', 'd']);
  expect(
    withoutFields({ id: 'a', v: 1, _ts: 5, _etag: 'x', _rid: '', _self: '', _attachments: '', _own: 1 }, ['v']),
  ).toEqual({ id: 'a', _own: 1 });
});
