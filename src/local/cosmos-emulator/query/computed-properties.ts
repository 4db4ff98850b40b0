/**
 * Computed properties: top-level properties that a container's definition works out from each document. They are used
 * by name, as if they were stored, and are no part of the document. The rules are those of the service's documentation
 * (learn.microsoft.com, "Computed properties in Azure Cosmos DB for NoSQL").
 */
import { isJsonMap, type Json } from '../json.ts';
import { badRequest } from '../refusal.ts';
import { aggregateFactory } from './aggregates.ts';
import { compileExpression } from './expression-compiler.ts';
import { parseQuery } from './query-parser.ts';
import { referencedProperties } from './referenced-properties.ts';
import { Scope, type ComputedProperties, type ComputedProperty } from './scope.ts';
import { childrenOf, type Expression, type Query } from './syntax.ts';
import type { Value } from './values.ts';

/** Of one container. */
const MOST = 20;
const SYSTEM_NAMES = new Set(['id', '_rid', '_ts', '_etag', '_self', '_attachments']);
const CHANGING = /^(RAND|GETCURRENT.*)$/;

/** Reads `computedProperties` of a container's definition, or 400. */
export function parseComputedProperties(json: Json | undefined): ComputedProperties {
  const found = new Map<string, ComputedProperty>();
  if (json === undefined || json === null) return found;
  if (!Array.isArray(json)) throw badRequest('The computed properties must be an array.');
  if (json.length > MOST) throw badRequest(`A container can have ${MOST} computed properties, not ${json.length}.`);
  for (const definition of json) {
    const name = isJsonMap(definition) ? definition['name'] : undefined;
    const text = isJsonMap(definition) ? definition['query'] : undefined;
    if (typeof name !== 'string' || name === '') throw badRequest('A computed property needs a name.');
    if (typeof text !== 'string') throw badRequest(`The computed property '${name}' needs a query.`);
    if (SYSTEM_NAMES.has(name)) throw badRequest(`'${name}' is a system property and cannot be computed.`);
    if (found.has(name)) throw badRequest(`The computed property '${name}' is defined twice.`);
    found.set(name, compile(name, parseQuery(text)));
  }
  return found;
}

function compile(name: string, query: Query): ComputedProperty {
  const refuse = (what: string): never => {
    throw badRequest(`The query of the computed property '${name}' ${what}.`);
  };
  const { select } = query;
  const [source, ...joins] = query.sources;
  if (select.kind !== 'value') return refuse('must select a VALUE');
  if (joins.length > 0) refuse('cannot have a JOIN');
  if (source === undefined || source.kind !== 'bind' || source.from.kind !== 'path') {
    return refuse('must be FROM the root of the document');
  }
  const { path } = source.from;
  if (path.kind !== 'identifier') return refuse('must be FROM the root of the document');
  const clauses: readonly (readonly [string, boolean])[] = [
    ['WHERE', query.where !== undefined],
    ['GROUP BY', query.groupBy.length > 0],
    ['ORDER BY', query.orderBy.length > 0],
    ['TOP', query.top !== undefined],
    ['DISTINCT', query.distinct],
    ['OFFSET and LIMIT', query.limit !== undefined],
  ];
  for (const [clause, present] of clauses) if (present) refuse(`cannot have ${clause}`);
  checkExpression(select.value, refuse);
  const context = {
    parameters: new Map<string, Value>(),
    // Subqueries are refused before anything is compiled.
    compileSubquery: () => refuse('cannot have a subquery'),
    now: 0,
    distanceFunctions: new Map<string, string>(),
    computed: new Map<string, ComputedProperty>(),
    documentSlots: new Set<number>(),
    slots: 0,
  };
  const scope = new Scope(context);
  const slot = scope.bind(source.alias ?? path.name);
  const evaluate = compileExpression(select.value, scope);
  const row: Value[] = [];
  return {
    properties: referencedProperties(query),
    of(document) {
      row[slot] = document;
      return evaluate(row);
    },
  };
}

function checkExpression(expression: Expression, refuse: (what: string) => never): void {
  if (expression.kind === 'subquery') refuse('cannot have a subquery');
  if (expression.kind === 'call') {
    const { name } = expression;
    if (expression.udf) refuse('cannot call functions of users');
    if (aggregateFactory(name) !== undefined) refuse(`cannot call the aggregate ${name}`);
    if (CHANGING.test(name)) refuse(`cannot call ${name}, whose result changes`);
    if (name.startsWith('ST_')) refuse(`cannot call the spatial function ${name}`);
  }
  for (const child of childrenOf(expression)) checkExpression(child, refuse);
}
