/** FROM and JOIN: which rows a document gives. */
import { compileExpression } from './expression-compiler.ts';
import { queryError } from './query-error.ts';
import { Scope, type Evaluate, type Row } from './scope.ts';
import type { Expression, Source } from './syntax.ts';
import type { Value } from './values.ts';

/** Calls `emit` for each row; false from `emit` ends it, and is returned. */
export type Iterate = (row: Row, emit: () => boolean) => boolean;

/** Compiles the sources in order; each sees the aliases before it. `rootSlot` holds the document, outside subqueries. */
export function compileSources(
  sources: readonly Source[],
  scope: Scope,
  rootSlot: number | undefined,
): { readonly slots: readonly number[]; readonly iterate: Iterate } {
  const slots: number[] = [];
  let iterate: Iterate = (_row, emit) => emit();
  sources.forEach((source, index) => {
    const origin = compileOrigin(source, scope, index === 0 ? rootSlot : undefined);
    const whole = index === 0 && isDocument(source, scope, rootSlot);
    const slot = scope.bind(source.alias ?? (source.from.kind === 'path' ? lastName(source.from.path) : undefined));
    if (whole) scope.context.documentSlots.add(slot);
    slots.push(slot);
    iterate = nest(iterate, origin, source.kind === 'iterate', slot);
  });
  return { slots, iterate };
}

/** The values a source stands for in a row. */
type Origin = { readonly kind: 'value'; readonly value: Evaluate } | { readonly kind: 'query'; readonly run: Run };
type Run = (row: Row, emit: (value: Value) => boolean) => void;

function compileOrigin(source: Source, scope: Scope, rootSlot: number | undefined): Origin {
  if (source.from.kind === 'query') {
    return { kind: 'query', run: scope.context.compileSubquery(source.from.query, scope) };
  }
  const { path } = source.from;
  if (rootSlot === undefined) return { kind: 'value', value: compileExpression(path, scope) };
  // The name a query calls its container by is its own choice.
  const root = new Scope(scope.context);
  const name = firstName(path);
  if (name === undefined) throw queryError('FROM needs the name of the container or a path in it.', 'SC2015');
  const slot = root.bind(name);
  scope.context.documentSlots.add(slot);
  const value = compileExpression(path, root);
  return {
    kind: 'value',
    value: (row) => {
      row[slot] = row[rootSlot];
      return value(row);
    },
  };
}

/** True when the source is the document: that of the container, or in a subquery an alias of it. */
function isDocument(source: Source, scope: Scope, rootSlot: number | undefined): boolean {
  if (source.kind !== 'bind' || source.from.kind !== 'path' || source.from.path.kind !== 'identifier') return false;
  return rootSlot !== undefined || scope.isDocument(source.from.path);
}

function nest(outer: Iterate, origin: Origin, elements: boolean, slot: number): Iterate {
  const bindOne = (row: Row, value: Value, emit: () => boolean): boolean => {
    if (value === undefined) return true;
    if (!elements) {
      row[slot] = value;
      return emit();
    }
    if (!Array.isArray(value)) return true;
    for (const element of value) {
      row[slot] = element;
      if (!emit()) return false;
    }
    return true;
  };
  if (origin.kind === 'value') {
    const { value } = origin;
    return (row, emit) => outer(row, () => bindOne(row, value(row), emit));
  }
  const { run } = origin;
  return (row, emit) =>
    outer(row, () => {
      let more = true;
      // `x IN (SELECT …)` goes through the results one by one, and so does `(SELECT …) AS x`.
      run(row, (value) => {
        if (value === undefined) return true;
        row[slot] = value;
        more = emit();
        return more;
      });
      return more;
    });
}

function firstName(path: Expression): string | undefined {
  if (path.kind === 'identifier') return path.name;
  return path.kind === 'member' || path.kind === 'index' ? firstName(path.object) : undefined;
}

function lastName(path: Expression): string | undefined {
  return path.kind === 'identifier' || path.kind === 'member' ? path.name : undefined;
}
