/** What a container must hold in each mode, as a model that knows nothing of epochs. */
import type { JsonObject } from '../../src/documents/document.ts';

export const MODES = ['mirror', 'mirror', 'mirror', 'upsert', 'softDelete', 'insertOnly', 'patch'] as const;
export type Mode = (typeof MODES)[number];

/** The fields of `document` that `model` has. */
export function only(document: JsonObject, model: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(document).filter(([name]) => Object.hasOwn(model, name)));
}

/** What a container must hold after an epoch, from what it held and the rows that live now. */
export function modelOf(
  mode: Mode,
  before: ReadonlyMap<string, JsonObject>,
  rows: ReadonlyMap<string, JsonObject>,
): Map<string, JsonObject> {
  switch (mode) {
    case 'mirror':
    case 'patch':
      return new Map(rows);
    case 'upsert':
      return new Map([...before, ...rows]);
    case 'insertOnly':
      return new Map([...rows, ...before]);
    case 'softDelete':
      return new Map([...[...before].map(([id, document]) => [id, { ...document, deleted: true }] as const), ...rows]);
  }
}
