/**
 * Where the answer to an ordered plan's query goes on. SDKs resume such a query with a filter they did not send before,
 * so a count of results would say nothing: the place is the keys and the document of the last result, as in the service.
 */
import { encodePosition, type OrderedPosition } from './continuation.ts';
import { isJsonMap, type Json, type JsonMap } from './json.ts';
import { badRequest } from './refusal.ts';
import { compareValues } from './query/values.ts';
import { documentNumber } from './resource-id.ts';

/** Characters of a token with keys in it; a header has not room for every string. */
const MOST_CHARACTERS = 4096;

/**
 * Where a client asks an ordered plan's query to go on: at these keys or after them; at the document with this number
 * among those of equal keys, if one is given.
 */
export interface ResumePoint {
  readonly keys: readonly JsonMap[];
  readonly number: number | undefined;
  readonly after: boolean;
}

/** A result of an ordered plan's query: its keys, each as `{"item": …}`, and the number of its document. */
interface OrderedResult {
  readonly keys: readonly JsonMap[];
  readonly number: number;
}

/** Token of the place after the first `end` results; undefined when they are not those of a plan. */
export function orderedToken(
  results: readonly string[],
  end: number,
  descending: readonly boolean[],
  rid: string,
  read: number,
): string | undefined {
  const last = readResult(results[end - 1], descending);
  if (last === undefined) return undefined;
  let skip = 1;
  // A document gives several results where the query has a JOIN.
  for (let i = end - 2; i >= 0 && skip < end; i--, skip++) {
    const before = readResult(results[i], descending);
    if (before === undefined || compareResults(before, last, descending) !== 0) break;
  }
  const position: OrderedPosition = { kind: 'ordered', rid, read, keys: last.keys, number: last.number, skip };
  const token = encodePosition(position);
  return token.length > MOST_CHARACTERS ? undefined : token;
}

/** Number of results that lie before the place. */
export function resultsBefore(
  results: readonly string[],
  position: OrderedPosition,
  descending: readonly boolean[],
): number {
  let low = countWhile(results, (text) => {
    const result = readResult(text, descending);
    return result !== undefined && compareResults(result, position, descending) < 0;
  });
  for (let given = 0; given < position.skip && low < results.length; given++, low++) {
    const result = readResult(results[low], descending);
    if (result === undefined || compareResults(result, position, descending) !== 0) break;
  }
  return low;
}

/** By the keys, then by the document, backwards if any key is: in the order in which an index is read. */
function compareResults(left: OrderedResult, right: OrderedResult, descending: readonly boolean[]): number {
  for (let i = 0; i < descending.length; i++) {
    const order = compareValues(left.keys[i]?.['item'], right.keys[i]?.['item']);
    if (order !== 0) return descending[i] === true ? -order : order;
  }
  const order = left.number - right.number;
  return descending.includes(true) ? -order : order;
}

function readResult(text: string | undefined, descending: readonly boolean[]): OrderedResult | undefined {
  const result: unknown = text === undefined ? undefined : JSON.parse(text);
  if (!isJsonMap(result)) return undefined;
  const keys: Json | undefined = result['orderByItems'];
  const rid = result['_rid'];
  if (!Array.isArray(keys) || keys.length !== descending.length || typeof rid !== 'string') return undefined;
  const number = documentNumber(rid);
  return number === undefined ? undefined : { keys: keys.map((key) => (isJsonMap(key) ? key : {})), number };
}

/** Reads the `resumeFilter` that the SDK for .NET sends beside a query, or 400. */
export function resumePoint(json: Json): ResumePoint {
  const { value, rid, exclude } = isJsonMap(json) ? json : {};
  const number = typeof rid === 'string' ? documentNumber(rid) : undefined;
  if (!Array.isArray(value) || (rid !== undefined && rid !== null && number === undefined)) {
    throw badRequest('The resume filter of the query is not valid.');
  }
  return { keys: value.map(resumeKey), number, after: exclude === true };
}

function resumeKey(value: Json): JsonMap {
  // An empty array stands for undefined, an object for the hash of an array or object.
  if (Array.isArray(value) && value.length === 0) return {};
  if (typeof value === 'object' && value !== null) {
    throw badRequest('The emulator cannot go on with a query that is ordered by arrays or objects.');
  }
  return { item: value };
}

/** Number of results that lie before the point. */
export function resultsBeforePoint(
  results: readonly string[],
  point: ResumePoint,
  descending: readonly boolean[],
): number {
  return countWhile(results, (text) => {
    const result = readResult(text, descending);
    if (result === undefined) throw badRequest('A resume filter needs the query of an ordered plan.');
    // Without a document all those of equal keys stand at the point.
    const order = compareResults(result, { keys: point.keys, number: point.number ?? result.number }, descending);
    return order < 0 || (order === 0 && point.after);
  });
}

/** Number of results at the start for which `lies` is true; it is for none behind one for which it is not. */
function countWhile(results: readonly string[], lies: (text: string | undefined) => boolean): number {
  let low = 0;
  let high = results.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lies(results[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}
