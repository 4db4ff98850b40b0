/** An operation as it stands in the body of a batch request: `{"operationType":…,"partitionKey":…,"id":…,"resourceBody":…}`. */
import type { Identity, PartitionKeyValue } from '../documents/document.ts';
import type { PartitionKeyHashing } from '../documents/effective-partition-key.ts';
import type { Operation } from '../sync/document-writer.ts';
import { MAX_DOCUMENT_BYTES, MAX_PATCH_STEPS, checkDocument, checkIdentity, type RowProblem } from './row-limits.ts';

/** What a batch can hold: the writer's operations, and reads. */
export type BatchOperation = Operation | { readonly kind: 'read'; readonly identity: Identity };

/** The text of an operation in a batch body, and its bytes in UTF-8. */
export interface EncodedOperation {
  readonly text: string;
  readonly bytes: number;
}

/** How the container keys its documents. */
export interface KeyDefinition extends PartitionKeyHashing {
  /** Number of key paths. */
  readonly levels: number;
}

/** The operation's text, or why the service would refuse it. */
export function encodeOperation(operation: BatchOperation, key: KeyDefinition): EncodedOperation | RowProblem {
  const { identity } = operation;
  const problem = checkIdentity(identity, key, key.levels);
  if (problem !== undefined) return problem;
  const partitionKey = JSON.stringify(partitionKeyText(identity.partitionKey));
  switch (operation.kind) {
    case 'upsert':
    case 'create':
    case 'replace': {
      const wrong = checkDocument(operation.document, identity);
      if (wrong !== undefined) return wrong;
      const body = JSON.stringify(operation.document);
      const bytes = Buffer.byteLength(body);
      if (bytes > MAX_DOCUMENT_BYTES) return 'documentTooLarge';
      const head =
        operation.kind === 'replace'
          ? `{"operationType":"Replace","partitionKey":${partitionKey},"id":${JSON.stringify(identity.id)},"ifMatch":${JSON.stringify(operation.ifMatch)},"resourceBody":`
          : `{"operationType":"${operation.kind === 'upsert' ? 'Upsert' : 'Create'}","partitionKey":${partitionKey},"resourceBody":`;
      return { text: `${head}${body}}`, bytes: bytes + Buffer.byteLength(head) + 1 };
    }
    case 'delete': {
      const match = operation.ifMatch === undefined ? '' : `,"ifMatch":${JSON.stringify(operation.ifMatch)}`;
      return measured(
        `{"operationType":"Delete","partitionKey":${partitionKey},"id":${JSON.stringify(identity.id)}${match}}`,
      );
    }
    case 'patch': {
      if (operation.steps.length > MAX_PATCH_STEPS) return 'tooManyPatchSteps';
      const body = JSON.stringify({ operations: operation.steps });
      if (Buffer.byteLength(body) > MAX_DOCUMENT_BYTES) return 'documentTooLarge';
      return measured(
        `{"operationType":"Patch","partitionKey":${partitionKey},"id":${JSON.stringify(identity.id)},"resourceBody":${body}}`,
      );
    }
    case 'read':
      return measured(`{"operationType":"Read","partitionKey":${partitionKey},"id":${JSON.stringify(identity.id)}}`);
  }
}

function measured(text: string): EncodedOperation {
  return { text, bytes: Buffer.byteLength(text) };
}

/** The key as the service wants it: a JSON array in which `{}` stands for "absent". */
export function partitionKeyText(values: readonly PartitionKeyValue[]): string {
  let text = '[';
  for (const [level, value] of values.entries()) {
    if (level > 0) text += ',';
    text += value === undefined ? '{}' : JSON.stringify(value);
  }
  return `${text}]`;
}
