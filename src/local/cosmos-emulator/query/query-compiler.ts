/** Turns a parsed query into a plan that runs over documents. */
import { isJsonMap } from '../json.ts';
import { compileExpression } from './expression-compiler.ts';
import { checkGrouping } from './grouping.ts';
import { queryError } from './query-error.ts';
import { referencedProperties } from './referenced-properties.ts';
import { collectRows, type RowPlan } from './row-collector.ts';
import { Scope, type ComputedProperties, type Evaluate, type QueryContext, type Row } from './scope.ts';
import { compileSources } from './sources.ts';
import type { Expression, Query, Selection } from './syntax.ts';
import type { Value } from './values.ts';
import { isLikeness, isVectorDistance, type DistanceFunctions } from './vector-distance.ts';

/** Names of the select list in the query of an ordered plan. */
const PLANNED_NAMES = '_rid,orderByItems,payload';

/** One key of ORDER BY: the property's path, undefined when it is no path into the document. */
export interface OrderKey {
  readonly path: readonly string[] | undefined;
  readonly descending: boolean;
}

/** A query ready to run. */
export interface CompiledQuery {
  /** False when only the number of documents matters, so none has to be read. */
  readonly needsDocuments: boolean;
  /** Top-level properties the query looks at; undefined when it needs whole documents. */
  readonly properties: ReadonlySet<string> | undefined;
  readonly orderBy: readonly OrderKey[];
  /**
   * Results of one document, when each stands for itself; undefined for a query whose results depend on all documents
   * (aggregates, order, DISTINCT, TOP, OFFSET).
   */
  readonly each: ((document: Value) => readonly Value[]) | undefined;
  /** Results of all documents. */
  all(documents: Iterable<Value>): readonly Value[];
}

/** What a query has to know of the container's definition. */
export interface QueriedContainer {
  readonly distanceFunctions: DistanceFunctions;
  readonly computed: ComputedProperties;
}

const PLAIN: QueriedContainer = { distanceFunctions: new Map(), computed: new Map() };

/** Compiles for these parameters; `now` is the wall clock in milliseconds. */
export function compileQuery(
  query: Query,
  parameters: ReadonlyMap<string, Value>,
  now: number,
  container: QueriedContainer = PLAIN,
): CompiledQuery {
  const [root, ...joins] = query.sources;
  if (root?.from.kind === 'query') {
    const from = { kind: 'path', path: { kind: 'identifier', name: root.alias ?? '(results)' } } as const;
    const outer: Query = { ...query, sources: [{ kind: 'bind', from, alias: root.alias }, ...joins] };
    const inner = compileQuery(root.from.query, parameters, now, container);
    // Its results are no documents, so they have no computed properties.
    return compileOver(inner, compileQuery(outer, parameters, now, { ...container, computed: new Map() }));
  }
  const { distanceFunctions, computed } = container;
  const compiling = { parameters, compileSubquery, now, distanceFunctions, computed };
  const context: QueryContext = { ...compiling, documentSlots: new Set(), slots: 0 };
  const scope = new Scope(context);
  const rootSlot = context.slots++;
  const plan = compilePlan(query, scope, rootSlot);
  const newRow = (): Row => Array.from<Value>({ length: context.slots });
  const row = newRow();
  const simple = plan.aggregates.length === 0 && plan.groupBy.length === 0 && plan.orderBy.length === 0;
  const whole = query.distinct || query.top !== undefined || query.limit !== undefined;
  return {
    needsDocuments: needsDocuments(query),
    properties: referencedProperties(query, computed),
    orderBy: query.orderBy.map((key) => ({ path: propertyPath(key.value), descending: key.descending })),
    each:
      !simple || whole || query.sources.length === 0
        ? undefined
        : (document) => {
            const results: Value[] = [];
            row[rootSlot] = document;
            plan.forEachRow(row, () => {
              const value = plan.project(row);
              if (value !== undefined) results.push(value);
              return true;
            });
            return results;
          },
    all(documents) {
      const values: Value[] = [];
      const own = newRow();
      const sources = query.sources.length === 0 ? [{}] : documents;
      collectRows(
        plan,
        (emit) => {
          for (const document of sources) {
            own[rootSlot] = document;
            if (!plan.forEachRow(own, () => emit(own))) return;
          }
        },
        newRow,
        (value) => {
          if (value !== undefined) values.push(value);
          return true;
        },
      );
      return values;
    },
  };
}

/** A query over the results of another one, which reads the container. */
function compileOver(inner: CompiledQuery, outer: CompiledQuery): CompiledQuery {
  const { each: innerEach } = inner;
  const { each: outerEach } = outer;
  return {
    ...inner,
    each:
      innerEach === undefined || outerEach === undefined
        ? undefined
        : (document) => innerEach(document).flatMap((result) => outerEach(result)),
    all: (documents) => outer.all(inner.all(documents)),
  };
}

/** Names on the way from an alias to a property. */
function propertyPath(expression: Expression): readonly string[] | undefined {
  if (expression.kind !== 'member') return undefined;
  if (expression.object.kind === 'identifier') return [expression.name];
  const before = propertyPath(expression.object);
  return before === undefined ? undefined : [...before, expression.name];
}

/** A subquery: its rows see the aliases of the query around it. */
function compileSubquery(query: Query, outer: Scope): (row: Row, emit: (value: Value) => boolean) => void {
  const plan = compilePlan(query, new Scope(outer.context, outer), undefined);
  return (row, emit) => {
    collectRows(
      plan,
      (each) => {
        plan.forEachRow(row, () => each(row));
      },
      () => [...row],
      emit,
    );
  };
}

function compilePlan(query: Query, scope: Scope, rootSlot: number | undefined): RowPlan {
  const { slots, iterate } = compileSources(query.sources, scope, rootSlot);
  const where = query.where === undefined ? undefined : compileExpression(query.where, scope);
  const groupBy = query.groupBy.map((key) => compileExpression(key, scope));
  scope.aggregates = [];
  const project = compileSelection(query.select, scope, slots);
  const { aggregates } = scope;
  scope.aggregates = undefined;
  checkGrouping(query, aggregates.length > 0);
  return {
    forEachRow:
      where === undefined ? iterate : (row, emit) => iterate(row, () => (where(row) === true ? emit() : true)),
    groupBy,
    aggregates,
    orderBy: query.orderBy.map((key) => compileOrder(key, scope)),
    project,
    distinct: query.distinct ? comparedPart(query.select) : undefined,
    skip: countOf(query.offset, scope, 0),
    take: countOf(query.top ?? query.limit, scope, Number.POSITIVE_INFINITY),
  };
}

/** All of a result; in the query of an ordered plan not the document, which only says where to go on. */
function comparedPart(select: Selection): (value: Value) => Value {
  const names = select.kind === 'list' ? select.items.map((item) => item.name).join() : '';
  if (names !== PLANNED_NAMES) return (value) => value;
  return (value) => (isJsonMap(value) ? { ...value, _rid: null } : value);
}

/**
 * A key of ORDER BY. VectorDistance puts the nearest first, whatever its measure. What has no distance is less than any,
 * as elsewhere: it comes last by likeness and first by distance, where the JavaScript SDK finds it with the service too.
 */
function compileOrder({ value, descending }: Query['orderBy'][number], scope: Scope): RowPlan['orderBy'][number] {
  const evaluate = compileExpression(value, scope);
  if (!isVectorDistance(value)) return { value: evaluate, descending };
  return { value: evaluate, descending: isLikeness(value, scope.context.distanceFunctions) };
}

function compileSelection(select: Selection, scope: Scope, slots: readonly number[]): Evaluate {
  switch (select.kind) {
    case 'all': {
      const [slot] = slots;
      if (slot === undefined || slots.length > 1) {
        throw queryError("'SELECT *' is only valid with a single input set.", 'SC2040');
      }
      return (row) => row[slot];
    }
    case 'value':
      return compileExpression(select.value, scope);
    case 'list':
      return compileExpression(
        { kind: 'object', members: select.items.map((item) => [item.name, item.value] as const) },
        scope,
      );
  }
}

function countOf(expression: Expression | undefined, scope: Scope, otherwise: number): number {
  if (expression === undefined) return otherwise;
  const value = compileExpression(expression, scope)([]);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw queryError('TOP, OFFSET and LIMIT need a whole number that is not negative.', 'SC2062');
  }
  return value;
}

/** Only COUNT over constants of the whole container gets by without reading documents. */
function needsDocuments(query: Query): boolean {
  const [source] = query.sources;
  if (source === undefined) return false;
  const plain =
    query.sources.length === 1 &&
    source.kind === 'bind' &&
    source.from.kind === 'path' &&
    source.from.path.kind === 'identifier' &&
    query.where === undefined &&
    query.groupBy.length === 0 &&
    query.orderBy.length === 0;
  if (!plain) return true;
  const selected =
    query.select.kind === 'value'
      ? [query.select.value]
      : query.select.kind === 'list'
        ? query.select.items.map((item) => item.value)
        : [];
  return (
    selected.length === 0 ||
    !selected.every(
      (value) =>
        value.kind === 'call' &&
        value.name === 'COUNT' &&
        value.args.every((argument) => argument.kind === 'literal' || argument.kind === 'identifier'),
    )
  );
}
