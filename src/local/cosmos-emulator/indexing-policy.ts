/** Which values of a document are indexed: index terms cost RU on every write. */
import { isJsonMap, shown, type Json, type JsonMap } from './json.ts';
import { badRequest } from './refusal.ts';

/** Levels of nesting the service stores. */
const MAX_DEPTH = 128;

/** Decisions below one property: for the value itself (`/?`) and for everything under it (`/*`). */
interface PathNode {
  readonly children: Map<string, PathNode>;
  exact?: boolean;
  below?: boolean;
}

/** Counts the indexed leaf values of a document. */
export interface TermCounter {
  /** Also refuses documents that are nested too deeply. */
  count(document: JsonMap): number;
  /** Indexed leaves that differ between two versions, by path. */
  changes(before: JsonMap, after: JsonMap): number;
}

/** The policy as the service stores it: defaults filled in, `_etag` always excluded. */
export function completeIndexingPolicy(value: Json | undefined): JsonMap {
  const given = isJsonMap(value) ? value : {};
  const mode = shown(given['indexingMode'] ?? 'consistent').toLowerCase();
  if (mode !== 'consistent' && mode !== 'none' && mode !== 'lazy') {
    throw badRequest(`The indexing mode '${mode}' is not valid.`);
  }
  const { indexingMode: _, automatic, includedPaths, excludedPaths, ...rest } = given;
  if (mode === 'none') return { indexingMode: 'none', automatic: false, includedPaths: [], excludedPaths: [], ...rest };
  const excluded = pathList(excludedPaths, []);
  if (!excluded.some((path) => path['path'] === '/"_etag"/?')) excluded.push({ path: '/"_etag"/?' });
  return {
    indexingMode: mode,
    automatic: automatic ?? true,
    includedPaths: pathList(includedPaths, [{ path: '/*' }]),
    excludedPaths: excluded,
    ...rest,
  };
}

function pathList(value: Json | undefined, otherwise: JsonMap[]): JsonMap[] {
  if (!Array.isArray(value) || value.length === 0) return otherwise;
  return value.map((entry) => {
    if (!isJsonMap(entry) || typeof entry['path'] !== 'string') throw badRequest('An indexing path is not valid.');
    return entry;
  });
}

/** Compiles a completed policy. */
export function termCounter(policy: JsonMap): TermCounter {
  const root: PathNode = { children: new Map() };
  if (policy['indexingMode'] !== 'none') {
    for (const entry of pathList(policy['includedPaths'], [])) addPath(root, shown(entry['path']), true);
    for (const entry of pathList(policy['excludedPaths'], [])) addPath(root, shown(entry['path']), false);
  }
  const below = root.below ?? false;
  return {
    count: (document) => countTerms(document, root, below, 1),
    changes: (before, after) => countChanges(before, after, root, below, 1),
  };
}

function addPath(root: PathNode, path: string, included: boolean): void {
  let node = root;
  for (const match of path.matchAll(/\/(?:"((?:[^"\\]|\\.)*)"|([^/]*))/g)) {
    const name = match[1] ?? match[2] ?? '';
    if (name === '*' && match[1] === undefined) {
      node.below = included;
      return;
    }
    if (name === '?' && match[1] === undefined) {
      node.exact = included;
      return;
    }
    let child = node.children.get(name);
    if (child === undefined) node.children.set(name, (child = { children: new Map() }));
    node = child;
  }
  if (node !== root) node.exact = included;
}

function step(node: PathNode | undefined, name: string): PathNode | undefined {
  return node === undefined || node.children.size === 0 ? undefined : node.children.get(name);
}

function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw badRequest(`The document is nested more than ${MAX_DEPTH} levels deep.`);
}

function countTerms(value: Json, node: PathNode | undefined, below: boolean, depth: number): number {
  if (typeof value !== 'object' || value === null) return (node?.exact ?? below) ? 1 : 0;
  checkDepth(depth);
  const inherited = node?.below ?? below;
  let terms = 0;
  if (Array.isArray(value)) {
    const child = step(node, '[]');
    for (const element of value) terms += countTerms(element, child, inherited, depth + 1);
    return terms;
  }
  for (const name in value) {
    const member = value[name];
    if (member !== undefined) terms += countTerms(member, step(node, name), inherited, depth + 1);
  }
  return terms;
}

function countChanges(
  before: Json | undefined,
  after: Json | undefined,
  node: PathNode | undefined,
  below: boolean,
  depth: number,
): number {
  if (before === after) return 0;
  const inherited = node?.below ?? below;
  if (isJsonMap(before) && isJsonMap(after)) {
    let terms = 0;
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      terms += countChanges(before[name], after[name], step(node, name), inherited, depth + 1);
    }
    return terms;
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const child = step(node, '[]');
    let terms = 0;
    for (let i = 0; i < Math.max(before.length, after.length); i++) {
      terms += countChanges(before[i], after[i], child, inherited, depth + 1);
    }
    return terms;
  }
  const removed = before === undefined ? 0 : countTerms(before, node, below, depth);
  const added = after === undefined ? 0 : countTerms(after, node, below, depth);
  return Math.max(removed, added);
}
