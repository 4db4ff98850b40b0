/** Random rows of a scenario: identities, documents and operations on them, from one sequence of random numbers. */
import { identityHash, type Identity, type JsonObject, type PartitionKeyValue } from '../../src/documents/document.ts';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';
import type { Operation, StoredDocument } from '../../src/sync/document-writer.ts';
import type { Random } from './random.ts';

/** How the container is partitioned. */
export interface KeyShape {
  readonly paths: string[];
  readonly kind: 'Hash' | 'MultiHash';
  readonly version: 1 | 2;
}

export class ScenarioRows {
  readonly #random: Random;
  readonly #key: KeyShape;

  constructor(random: Random, key: KeyShape) {
    this.#random = random;
    this.#key = key;
  }

  identity(number: number): Identity {
    const random = this.#random;
    const value = (): PartitionKeyValue =>
      random.pick<PartitionKeyValue>([
        `key ${random.int(0, 40)}`,
        random.int(-3, 3),
        1.5,
        true,
        null,
        undefined,
        'é\u2028"\\',
      ]);
    const partitionKey = this.#key.paths.map(() => value());
    return { id: `id ${number}`, partitionKey, epk: effectivePartitionKey(partitionKey, this.#key) };
  }

  /** A document with this identity. */
  document(identity: Identity): JsonObject {
    const random = this.#random;
    const document: Record<string, JsonObject[string]> = { id: identity.id };
    for (const [level, path] of this.#key.paths.entries()) {
      const value = identity.partitionKey[level];
      if (value !== undefined) document[path.slice(1)] = value;
    }
    document['v'] = random.int(0, 1_000_000_000);
    document['u'] = random.int(0, 200);
    if (random.chance(0.02)) document['text'] = 'x'.repeat(random.int(1, 60_000));
    return document;
  }

  /** One of these identities' next operation; `first` tells the ETags that were there before. */
  operation(identities: readonly Identity[], first: ReadonlyMap<string, StoredDocument>): Operation {
    const random = this.#random;
    const identity = random.pick(identities);
    const etag = first.get(identityHash(identity))?.etag ?? '"00000000-0000-0000-0000-000000000000"';
    switch (
      random.pick(['upsert', 'upsert', 'upsert', 'create', 'delete', 'delete', 'replace', 'patch', 'bad'] as const)
    ) {
      case 'upsert':
        return { kind: 'upsert', identity, document: this.document(identity) };
      case 'create':
        return { kind: 'create', identity, document: this.document(identity) };
      case 'delete':
        return random.chance(0.3) ? { kind: 'delete', identity, ifMatch: etag } : { kind: 'delete', identity };
      case 'replace':
        return { kind: 'replace', identity, document: this.document(identity), ifMatch: etag };
      case 'patch':
        return { kind: 'patch', identity, steps: [{ op: 'set', path: '/v', value: random.int(0, 1_000_000_000) }] };
      case 'bad':
        return this.#badRow(identity);
    }
  }

  /** A row that the service would refuse. */
  #badRow(identity: Identity): Operation {
    const random = this.#random;
    const id = random.pick(['', 'a/b', 'a?b', 'a#b', 'a\\b', 'x'.repeat(1_024), '\ud800']);
    if (random.chance(0.7)) return { kind: 'upsert', identity: { ...identity, id }, document: { id } };
    const partitionKey = this.#key.paths.map(() => 'k'.repeat(2_050));
    const epk = effectivePartitionKey(partitionKey, this.#key);
    return { kind: 'delete', identity: { id: 'long key', partitionKey, epk } };
  }
}
