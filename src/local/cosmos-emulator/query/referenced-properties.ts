/** Which top-level properties of a document a query looks at, so that the others need not be parsed. */
import type { ComputedProperties } from './scope.ts';
import { childrenOf, type Expression, type Query, type Source } from './syntax.ts';

/** Their names; undefined when the query needs whole documents. */
export function referencedProperties(
  query: Query,
  computed: ComputedProperties = new Map(),
): ReadonlySet<string> | undefined {
  const names = namesIn(query);
  if (names === undefined || computed.size === 0) return names;
  const stored = new Set<string>();
  for (const name of names) {
    const property = computed.get(name);
    // A part of the document may have a property of that name.
    stored.add(name);
    if (property === undefined) continue;
    if (property.properties === undefined) return undefined;
    for (const other of property.properties) stored.add(other);
  }
  return stored;
}

function namesIn(query: Query): ReadonlySet<string> | undefined {
  const [root] = query.sources;
  if (root === undefined || root.from.kind !== 'path') return new Set();
  const names = new Set<string>();
  const rootPath = root.from.path;
  // `FROM c.children`: the alias stands for a part, and only the path to it starts at the document.
  const alias = rootPath.kind === 'identifier' ? (root.alias ?? rootPath.name) : undefined;
  if (rootPath.kind !== 'identifier' && !collect(rootPath, firstName(rootPath), names)) return undefined;
  if (rootPath.kind === 'identifier' && root.kind === 'iterate') return undefined;
  return collectQuery(query, alias, names, 1) ? names : undefined;
}

/** False when the document is used as a whole. Names in subqueries count as the document's even if they hide it. */
function collectQuery(query: Query, alias: string | undefined, names: Set<string>, firstSource: number): boolean {
  const { select } = query;
  if (select.kind === 'all' && alias !== undefined) return false;
  const selected: readonly Expression[] =
    select.kind === 'value' ? [select.value] : select.kind === 'list' ? select.items.map((item) => item.value) : [];
  const expressions = [
    ...selected,
    ...(query.where === undefined ? [] : [query.where]),
    ...query.groupBy,
    ...query.orderBy.map((key) => key.value),
  ];
  return (
    expressions.every((expression) => collect(expression, alias, names)) &&
    query.sources.slice(firstSource).every((source) => collectSource(source, alias, names))
  );
}

function collectSource(source: Source, alias: string | undefined, names: Set<string>): boolean {
  return source.from.kind === 'path'
    ? collect(source.from.path, alias, names)
    : collectQuery(source.from.query, alias, names, 0);
}

function collect(expression: Expression, alias: string | undefined, names: Set<string>): boolean {
  if (alias === undefined && expression.kind !== 'subquery') return true;
  if (expression.kind === 'identifier') return expression.name !== alias;
  if (expression.kind === 'member' && expression.object.kind === 'identifier' && expression.object.name === alias) {
    names.add(expression.name);
    return true;
  }
  if (expression.kind === 'subquery') return collectQuery(expression.query, alias, names, 0);
  return childrenOf(expression).every((child) => collect(child, alias, names));
}

function firstName(path: Expression): string | undefined {
  if (path.kind === 'identifier') return path.name;
  return path.kind === 'member' || path.kind === 'index' ? firstName(path.object) : undefined;
}
