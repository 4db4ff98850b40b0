/** Whether an order by several properties can be served: in a container with composite indexes, only by one of them. */
import { isJsonMap, type Json, type JsonMap } from './json.ts';
import { pathNames } from './partition-key.ts';
import type { OrderKey } from './query/query-compiler.ts';
import { Refusal } from './refusal.ts';

/**
 * Refuses an order that no composite index has, forwards or backwards. The service also refuses every order by several
 * properties where there is no composite index at all; the emulator sorts those, which suits data one only looks at.
 */
export function checkCompositeIndex(policy: Json | undefined, orderBy: readonly OrderKey[]): void {
  const indexes = isJsonMap(policy) ? policy['compositeIndexes'] : undefined;
  if (orderBy.length < 2 || !Array.isArray(indexes) || indexes.length === 0) return;
  if (indexes.some((index) => Array.isArray(index) && serves(index.filter(isJsonMap), orderBy))) return;
  throw new Refusal(
    400,
    'Message: {"Errors":["The order by query does not have a corresponding composite index that it can be served from."]}',
  );
}

function serves(index: readonly JsonMap[], orderBy: readonly OrderKey[]): boolean {
  if (index.length !== orderBy.length) return false;
  const samePaths = index.every((entry, at) => {
    const path = entry['path'];
    return typeof path === 'string' && pathNames(path).join('\n') === orderBy[at]?.path?.join('\n');
  });
  const turned = index.map((entry, at) => (entry['order'] === 'descending') !== orderBy[at]?.descending);
  return samePaths && (turned.every(Boolean) || !turned.some(Boolean));
}
