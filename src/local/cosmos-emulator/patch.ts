/** Partial updates: add, set, replace, remove, incr and move, under an optional condition. */
import { isJsonMap, shown, type Json, type JsonMap } from './json.ts';
import type { PartitionKeyDefinition } from './partition-key.ts';
import { compileCondition } from './query/condition.ts';
import { badRequest } from './refusal.ts';

const MAX_STEPS = 10;
const OPERATIONS = ['add', 'set', 'replace', 'remove', 'incr', 'increment', 'move'] as const;

/** One step, its path split into names. */
export interface PatchStep {
  readonly op: (typeof OPERATIONS)[number];
  readonly path: readonly string[];
  readonly from: readonly string[] | undefined;
  readonly value: Json | undefined;
}

/** A checked patch. */
export interface Patch {
  readonly steps: readonly PatchStep[];
  /** Whether the stored document, system properties included, meets the condition. */
  readonly condition: ((document: JsonMap) => boolean) | undefined;
}

/** Reads the body of a patch, or 400. */
export function parsePatch(body: JsonMap | undefined, key: PartitionKeyDefinition): Patch {
  const operations = body?.['operations'];
  if (!Array.isArray(operations)) {
    throw badRequest('The request body does not contain a valid patch document: missing patch operations array.');
  }
  if (operations.length === 0) throw badRequest('A patch needs at least one operation.');
  if (operations.length > MAX_STEPS) {
    throw badRequest(`The number of patch operations can't exceed '${MAX_STEPS}'.`);
  }
  const condition = body?.['condition'];
  if (condition !== undefined && condition !== null && typeof condition !== 'string') {
    throw badRequest('The patch condition must be a string.');
  }
  return {
    steps: operations.map((step) => parseStep(step, key)),
    condition: typeof condition === 'string' && condition.trim() !== '' ? compileCondition(condition) : undefined,
  };
}

function parseStep(step: Json, key: PartitionKeyDefinition): PatchStep {
  if (!isJsonMap(step)) throw badRequest('A patch operation is not an object.');
  const op = OPERATIONS.find((known) => known === shown(step['op']).toLowerCase());
  if (op === undefined) throw badRequest(`The patch operation '${shown(step['op'])}' is not supported.`);
  const path = parsePath(step['path']);
  checkWritable(path, key);
  const from = op === 'move' ? parsePath(step['from']) : undefined;
  if (from !== undefined) {
    checkWritable(from, key);
    if (from.length < path.length && from.every((name, index) => name === path[index])) {
      throw badRequest("The 'from' path of a move cannot hold its 'path'.");
    }
  }
  if (op !== 'remove' && op !== 'move' && step['value'] === undefined) {
    throw badRequest(`The patch operation '${op}' needs a value.`);
  }
  return { op, path, from, value: step['value'] };
}

/** Splits a JSON pointer. */
function parsePath(path: Json | undefined): readonly string[] {
  if (typeof path !== 'string' || !path.startsWith('/') || path.length < 2) {
    throw badRequest(`The patch path '${shown(path)}' is not valid.`);
  }
  return path
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function checkWritable(path: readonly string[], key: PartitionKeyDefinition): void {
  const first = path[0] ?? '';
  if (path.length === 1 && (first === 'id' || ['_rid', '_self', '_etag', '_ts', '_attachments'].includes(first))) {
    throw badRequest(`Cannot patch the path '/${first}': it is a system property.`);
  }
  for (const keyPath of key.paths) {
    if (path.every((name, index) => index >= keyPath.length || name === keyPath[index])) {
      throw badRequest('Cannot patch the partition key of a document.');
    }
  }
}

/** Carries the steps out on a document of its own. A step that cannot be done refuses the patch. */
export function applyPatch(document: JsonMap, steps: readonly PatchStep[]): void {
  for (const step of steps) applyStep(document, step);
}

function applyStep(document: JsonMap, step: PatchStep): void {
  if (step.op === 'move') {
    const from = step.from ?? [];
    const value = valueAt(document, from);
    if (value === undefined) throw badRequest(`The 'from' path '/${from.join('/')}' of a move does not exist.`);
    write(document, { op: 'remove', path: from, from: undefined, value: undefined });
    write(document, { op: 'set', path: step.path, from: undefined, value });
    return;
  }
  write(document, step);
}

function valueAt(document: JsonMap, path: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const name of path) {
    if (Array.isArray(value)) value = value[arrayIndex(name, value.length)];
    else value = isJsonMap(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
}

function write(document: JsonMap, step: PatchStep): void {
  const name = step.path.at(-1) ?? '';
  const parent = valueAt(document, step.path.slice(0, -1));
  if (Array.isArray(parent)) writeElement(parent, name, step);
  else if (isJsonMap(parent)) writeMember(parent, name, step);
  else throw badRequest(`The path '/${step.path.join('/')}' does not exist, so '${step.op}' cannot be done.`);
}

function writeMember(parent: JsonMap, name: string, step: PatchStep): void {
  const current = Object.hasOwn(parent, name) ? parent[name] : undefined;
  switch (step.op) {
    case 'remove':
      if (current === undefined) throw absent(step);
      delete parent[name];
      return;
    case 'replace':
      if (current === undefined) throw absent(step);
      break;
    case 'incr':
    case 'increment':
      assign(parent, name, incremented(current, step));
      return;
    case 'add':
    case 'set':
    case 'move':
      break;
  }
  assign(parent, name, step.value);
}

/** Sets an own property whatever its name: `__proto__` is a name like any other in JSON. */
function assign(parent: JsonMap, name: string, value: Json | undefined): void {
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true });
}

function writeElement(parent: Json[], name: string, step: PatchStep): void {
  if (name === '-' && (step.op === 'add' || step.op === 'set')) {
    parent.push(step.value ?? null);
    return;
  }
  const index = arrayIndex(name, parent.length);
  const appends = step.op === 'add' || step.op === 'set';
  if (index < 0 || index > parent.length || (index === parent.length && !appends)) throw absent(step);
  if (step.op === 'remove') parent.splice(index, 1);
  else if (step.op === 'add') parent.splice(index, 0, step.value ?? null);
  else if (step.op === 'incr' || step.op === 'increment') parent[index] = incremented(parent[index], step);
  else parent[index] = step.value ?? null;
}

/** Position that a name stands for in an array; -1 when it stands for none. */
function arrayIndex(name: string, length: number): number {
  if (name === '-') return length;
  return /^(0|[1-9]\d*)$/.test(name) ? Number(name) : -1;
}

function incremented(current: Json | undefined, step: PatchStep): number {
  if (typeof step.value !== 'number') throw badRequest("The value of 'incr' must be a number.");
  if (current === undefined) return step.value;
  if (typeof current !== 'number') throw badRequest(`The path '/${step.path.join('/')}' does not hold a number.`);
  return current + step.value;
}

function absent(step: PatchStep): Error {
  return badRequest(`The path '/${step.path.join('/')}' to be used by '${step.op}' does not exist.`);
}
