/** What the benches of the writer write. */
import type { JsonObject } from '../../src/documents/document.ts';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';
import type { Operation } from '../../src/sync/document-writer.ts';

const KEYS = 20_000;
const FILLER = 'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor '.repeat(10);

/** 1 KB of JSON. */
export function documentOf(number: number): JsonObject & { readonly id: string; readonly pk: string } {
  return {
    id: `order-${number}`,
    pk: `customer-${number % KEYS}`,
    amount: number * 1.37,
    status: number % 3 === 0 ? 'closed' : 'open',
    active: number % 2 === 0,
    updated: '2026-05-18T01:02:03.004Z',
    tags: ['a', 'b', `c${number % 10}`],
    address: { street: `Some street ${number % 1000}`, city: 'Berlin' },
    text: FILLER.slice(number % 50, (number % 50) + 760),
  };
}

/** Upserts of `count` of them in pages of 1,000. */
export async function* operations(from: number, count: number): AsyncGenerator<readonly Operation[], void, undefined> {
  for (let at = from; at < from + count; at += 1_000) {
    const page: Operation[] = [];
    for (let number = at; number < Math.min(at + 1_000, from + count); number++) {
      const document = documentOf(number);
      const partitionKey = [document.pk];
      const epk = effectivePartitionKey(partitionKey, { kind: 'Hash', version: 2 });
      page.push({ kind: 'upsert', identity: { id: document.id, partitionKey, epk }, document });
    }
    yield page;
  }
}
