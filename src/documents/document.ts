/** Documents as they are written, and which of them are "the same document". */

/** JSON that a document may hold. Integers beyond 2^53 never appear: the mapping turns them into text or refuses the row. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** One level of a partition key as Cosmos sees it: absent is undefined, not null. */
export type PartitionKeyValue = string | number | boolean | null | undefined;

/** Partition key values and id: what makes two rows the same document. */
export interface Identity {
  readonly id: string;
  readonly partitionKey: readonly PartitionKeyValue[];
  /** Effective partition key, upper-case hex: Cosmos' own hash, so ranges of it are ranges of the container. */
  readonly epk: string;
}

/** Orders identities by effective partition key, then id; equal text means the same document. */
export function identityHash(identity: Identity): string {
  return `${identity.epk}|${identity.id}`;
}
