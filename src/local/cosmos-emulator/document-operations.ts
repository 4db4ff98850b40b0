/** The operations on one document, as point requests and batches share them. */
import type { Container } from './container.ts';
import { documentReader, storedForm, type StoredForm } from './document.ts';
import { Item } from './item.ts';
import type { JsonMap } from './json.ts';
import type { Partition } from './partition.ts';
import { checkKeySize, extractKey, keyText } from './partition-key.ts';
import { applyPatch, parsePatch } from './patch.ts';
import type { RequestUnitModel } from './request-units.ts';
import { Refusal, badRequest } from './refusal.ts';
import { parsePlainJson } from '../../shared/json.ts';

/** Writes to a partition of a container with a time to live between two searches for expired documents. */
const SWEEP_WRITES = 1024;

export const OPERATION_KINDS = ['Create', 'Upsert', 'Replace', 'Read', 'Delete', 'Patch'] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** One operation with its logical partition resolved. */
export interface DocumentOperation {
  readonly kind: OperationKind;
  /** Canonical text of the partition key. */
  readonly pk: string;
  readonly epk: string;
  /** Of the address; absent for Create and Upsert. */
  readonly id?: string | undefined;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly body?: JsonMap | undefined;
}

/** What became of it. Statuses from 400 up changed nothing. */
export interface OperationResult {
  readonly status: number;
  readonly charge: number;
  /** The version the caller may be shown. */
  readonly item?: Item;
  readonly substatus?: number;
  readonly message?: string;
  readonly retryAfterMs?: number;
}

/** What operations need from the account. */
export interface WriteContext {
  /** Wall clock in milliseconds. */
  readonly now: number;
  readonly model: RequestUnitModel;
  /** Number of a new write. */
  nextWrite(): number;
  /** Told of every change, in order, for the journal and for stale reads; `after` is absent for a delete. */
  changed(container: Container, partition: Partition, before: Item | undefined, after: Item | undefined): void;
}

/** Runs one operation in the partition that holds its key. Refusals come back as results, never thrown. */
export function performOperation(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
): OperationResult {
  try {
    switch (operation.kind) {
      case 'Create':
      case 'Upsert':
        return insert(context, container, partition, operation);
      case 'Replace':
        return replace(context, container, partition, operation);
      case 'Read':
        return read(context, container, partition, operation);
      case 'Delete':
        return remove(context, container, partition, operation);
      case 'Patch':
        return patch(context, container, partition, operation);
    }
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    return {
      status: thrown.status,
      substatus: thrown.substatus,
      message: thrown.message,
      charge: context.model.refused,
    };
  }
}

/** The stored document unless its time to live has run out; what has is removed. */
export function findLive(
  context: WriteContext,
  container: Container,
  partition: Partition,
  pk: string,
  id: string,
): Item | undefined {
  const item = partition.get(pk, id);
  if (item === undefined || container.visible(item, context.now)) return item;
  drop(context, container, partition, item);
  return undefined;
}

function insert(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
): OperationResult {
  const body = bodyOf(operation);
  const form = storedForm(container.definition, body);
  checkDocumentKey(container, operation, body);
  const existing = findLive(context, container, partition, operation.pk, form.id);
  if (existing === undefined) {
    if (operation.ifMatch !== undefined && operation.kind === 'Upsert') {
      return refused(context, 412, 'One of the specified pre-condition is not met.');
    }
    return store(context, container, partition, operation, form, body, undefined);
  }
  if (operation.kind === 'Create') {
    return refused(context, 409, 'Entity with the specified id already exists in the system.');
  }
  if (!matches(operation.ifMatch, existing)) return preconditionFailed(context);
  return store(context, container, partition, operation, form, body, existing);
}

function replace(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
): OperationResult {
  const body = bodyOf(operation);
  const form = storedForm(container.definition, body);
  checkDocumentKey(container, operation, body);
  const id = operation.id ?? form.id;
  const existing = findLive(context, container, partition, operation.pk, id);
  if (existing === undefined) return missing(context);
  if (!matches(operation.ifMatch, existing)) return preconditionFailed(context);
  if (form.id !== id) return replaceId(context, container, partition, operation, form, body, existing);
  return store(context, container, partition, operation, form, body, existing);
}

/** The service lets a replace give the document another id in the same logical partition. */
function replaceId(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
  form: StoredForm,
  body: JsonMap,
  existing: Item,
): OperationResult {
  if (findLive(context, container, partition, operation.pk, form.id) !== undefined) {
    return refused(context, 409, 'Entity with the specified id already exists in the system.');
  }
  drop(context, container, partition, existing);
  const result = store(context, container, partition, operation, form, body, undefined);
  return { ...result, status: 200, charge: result.charge * 2 };
}

function read(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
): OperationResult {
  const item = findLive(context, container, partition, operation.pk, operation.id ?? '');
  if (item === undefined) return missing(context);
  if (operation.ifNoneMatch !== undefined && (operation.ifNoneMatch === '*' || operation.ifNoneMatch === item.etag)) {
    return { status: 304, charge: context.model.read(0), item };
  }
  return { status: 200, charge: context.model.read(item.size), item };
}

function remove(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
): OperationResult {
  const item = findLive(context, container, partition, operation.pk, operation.id ?? '');
  if (item === undefined) return missing(context);
  if (!matches(operation.ifMatch, item)) return preconditionFailed(context);
  drop(context, container, partition, item);
  return { status: 204, charge: context.model.write(item.size) + context.model.perInsertedTerm * item.terms };
}

function patch(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
): OperationResult {
  const parsed = parsePatch(operation.body, container.definition.partitionKey);
  const existing = findLive(context, container, partition, operation.pk, operation.id ?? '');
  if (existing === undefined) return missing(context);
  if (!matches(operation.ifMatch, existing)) return preconditionFailed(context);
  if (parsed.condition !== undefined && !parsed.condition(documentReader(container, undefined)(existing))) {
    return preconditionFailed(context);
  }
  const body = parsePlainJson(existing.text) as JsonMap;
  applyPatch(body, parsed.steps);
  const form = storedForm(container.definition, body);
  const result = store(context, container, partition, operation, form, body, existing);
  return result.status >= 400
    ? result
    : { ...result, charge: result.charge + context.model.perPatchStep * parsed.steps.length };
}

function store(
  context: WriteContext,
  container: Container,
  partition: Partition,
  operation: DocumentOperation,
  form: StoredForm,
  body: JsonMap,
  existing: Item | undefined,
): OperationResult {
  const unique = container.uniqueKeys;
  const before = existing === undefined ? undefined : existingBody(container, existing, form);
  if (unique.active) {
    const owner = unique.taken(operation.pk, form.id, body);
    if (owner !== undefined && findLive(context, container, partition, operation.pk, owner) !== undefined) {
      return refused(context, 409, 'Unique index constraint violation.');
    }
  }
  if (container.definition.defaultTtl !== undefined && partition.lsn % SWEEP_WRITES === 0) {
    sweep(context, container, partition, existing);
  }
  const item = new Item(
    form.id,
    existing?.pk ?? operation.pk,
    existing?.epk ?? operation.epk,
    form.text,
    form.size,
    form.terms,
    context.nextWrite(),
    context.now,
    existing?.number ?? ++container.documents,
    partition.lsn + 1,
    form.ttl,
  );
  if (unique.active) {
    if (before !== undefined) unique.remove(item.pk, before);
    unique.add(item.pk, item.id, body);
  }
  partition.put(item);
  context.changed(container, partition, existing, item);
  const { model } = context;
  if (existing === undefined)
    return { status: 201, charge: model.write(form.size) + model.perInsertedTerm * form.terms, item };
  const changed = before === undefined ? 0 : container.definition.terms.changes(before, body);
  return { status: 200, charge: 2 * model.write(form.size) + model.perChangedTerm * changed, item };
}

/** Removes what has expired and nobody asked for since; `spared` is about to be replaced. */
export function sweep(
  context: WriteContext,
  container: Container,
  partition: Partition,
  spared: Item | undefined,
): void {
  for (const item of partition.all()) {
    if (item !== spared && !container.visible(item, context.now)) drop(context, container, partition, item);
  }
}

/** The version to be replaced, parsed; undefined when its text is the new one's, so nothing differs. */
function existingBody(container: Container, existing: Item, form: StoredForm): JsonMap | undefined {
  if (existing.text === form.text && !container.uniqueKeys.active) return undefined;
  return parsePlainJson(existing.text) as JsonMap;
}

/** Removes a document with everything that refers to it. */
export function drop(context: WriteContext, container: Container, partition: Partition, item: Item): void {
  if (container.uniqueKeys.active) container.uniqueKeys.remove(item.pk, parsePlainJson(item.text) as JsonMap);
  partition.remove(item, context.now, !container.visible(item, context.now));
  context.changed(container, partition, item, undefined);
}

function bodyOf(operation: DocumentOperation): JsonMap {
  if (operation.body === undefined) throw badRequest('The operation has no resource body.');
  return operation.body;
}

function checkDocumentKey(container: Container, operation: DocumentOperation, body: JsonMap): void {
  const definition = container.definition.partitionKey;
  const values = extractKey(definition, body);
  if (keyText(values) !== operation.pk) {
    throw badRequest("PartitionKey extracted from document doesn't match the one specified in the header.", 1001);
  }
  checkKeySize(values);
}

function matches(ifMatch: string | undefined, item: Item): boolean {
  return ifMatch === undefined || ifMatch === '*' || ifMatch === item.etag;
}

function refused(context: WriteContext, status: number, message: string): OperationResult {
  return { status, charge: context.model.refused, message: `Message: {"Errors":[${JSON.stringify(message)}]}` };
}

function preconditionFailed(context: WriteContext): OperationResult {
  return refused(context, 412, 'One of the specified pre-condition is not met.');
}

function missing(context: WriteContext): OperationResult {
  return {
    status: 404,
    charge: context.model.missing,
    message: 'Message: {"Errors":["Resource Not Found. Entity with the specified id does not exist in the system."]}',
  };
}
