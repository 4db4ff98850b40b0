/** What names mean while a query is compiled: aliases, parameters and, where allowed, aggregates. */
import { aggregateFactory, type Accumulator } from './aggregates.ts';
import { queryError } from './query-error.ts';
import type { Expression, Query } from './syntax.ts';
import type { Value } from './values.ts';
import type { DistanceFunctions } from './vector-distance.ts';

/** The values of all aliases of one row, by slot. */
export type Row = Value[];
/** A compiled expression. */
export type Evaluate = (row: Row) => Value;

/** One aggregate of a select list: fed with `input` of each row, its result put into the row at `slot`. */
export interface Aggregate {
  readonly create: () => Accumulator;
  readonly input: Evaluate;
  readonly slot: number;
}

/** Compiles a subquery to a function that calls `emit` for each of its results until that returns false. */
export type CompileSubquery = (query: Query, scope: Scope) => (row: Row, emit: (value: Value) => boolean) => void;

/** A property worked out from the document. */
export interface ComputedProperty {
  /** Top-level properties it looks at; undefined when it needs the whole document. */
  readonly properties: ReadonlySet<string> | undefined;
  of(document: Value): Value;
}

/** Those of a container, by name. */
export type ComputedProperties = ReadonlyMap<string, ComputedProperty>;

/** Shared by all scopes of one query. */
export interface QueryContext {
  readonly parameters: ReadonlyMap<string, Value>;
  readonly compileSubquery: CompileSubquery;
  /** Wall clock in milliseconds, the same all through a query. */
  readonly now: number;
  readonly distanceFunctions: DistanceFunctions;
  readonly computed: ComputedProperties;
  /** Slots that hold whole documents, which alone have computed properties. */
  readonly documentSlots: Set<number>;
  /** Slots given out so far. */
  slots: number;
}

export class Scope {
  readonly context: QueryContext;
  private readonly parent: Scope | undefined;
  private readonly aliases = new Map<string, number>();
  /** Where aggregates of the select list are collected; undefined where none may stand. */
  aggregates: Aggregate[] | undefined;

  constructor(context: QueryContext, parent?: Scope) {
    this.context = context;
    this.parent = parent;
  }

  /** Gives an alias a slot. */
  bind(alias: string | undefined): number {
    const slot = this.context.slots++;
    if (alias !== undefined) {
      if (this.aliases.has(alias)) throw queryError(`The input alias '${alias}' is given twice.`, 'SC2011');
      this.aliases.set(alias, slot);
    }
    return slot;
  }

  resolve(name: string): number | undefined {
    return this.aliases.get(name) ?? this.parent?.resolve(name);
  }

  /** True when the expression is an alias of the document itself. */
  isDocument(expression: Expression): boolean {
    const slot = expression.kind === 'identifier' ? this.resolve(expression.name) : undefined;
    return slot !== undefined && this.context.documentSlots.has(slot);
  }

  parameter(name: string): Value {
    if (!this.context.parameters.has(name)) {
      throw queryError(`The parameter '${name}' is not given a value.`, 'SC2103');
    }
    return this.context.parameters.get(name);
  }

  /** Collects an aggregate and gives the expression that reads its result. */
  aggregate(name: string, input: Evaluate): Evaluate {
    if (this.aggregates === undefined) {
      throw queryError(`The aggregate function '${name}' is not allowed here.`, 'SC2104');
    }
    const create = aggregateFactory(name);
    if (create === undefined) throw queryError(`'${name}' is not a recognized built-in function name.`, 'SC2005');
    const slot = this.context.slots++;
    this.aggregates.push({ create, input, slot });
    return (row) => row[slot];
  }
}
