/** Paths into documents: how configuration writes them, and how Cosmos DB writes its partition key paths. */
import { SyncError } from '../shared/errors.ts';

/** Property names from the root of the document; never empty. */
export type FieldPath = readonly string[];

/**
 * A field as configuration names it: a plain name, or a path that begins with `/` (RFC 6901: `~1` is a slash and `~0` a
 * tilde inside a name). Throws `mappingInvalid` for empty and unsafe names.
 */
export function parseFieldPath(text: string, setting: string): FieldPath {
  const path = text.startsWith('/')
    ? text
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    : [text];
  if (path.some((name) => name === '' || name === '__proto__')) {
    throw new SyncError('mappingInvalid', {
      problem: `${setting}: ${JSON.stringify(text)} is not a usable field.`,
      reason: 'Every name on the way must be present, and "__proto__" is not allowed.',
    });
  }
  return path;
}

/** A path as configuration would write it, for messages. */
export function fieldPathText(path: FieldPath): string {
  return `/${path.map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
}

/**
 * A partition key path of a container, `/category` or `/address/"zip code"`. Throws `mappingInvalid` for what cannot be
 * followed (array wildcards, for example).
 */
export function parsePartitionKeyPath(text: string): FieldPath {
  const names: string[] = [];
  const part = /\/(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^/"'*[\]]+))/y;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    const name = match?.[1] ?? match?.[2] ?? match?.[3];
    if (name === undefined) break;
    names.push(name.replaceAll(/\\(.)/g, '$1'));
    if (part.lastIndex === text.length) return names;
  }
  throw new SyncError('mappingInvalid', {
    problem: `The container has the partition key path ${JSON.stringify(text)}.`,
    reason: 'Only property names separated by / are followed.',
    remedy: 'Use a container with another partition key.',
  });
}
