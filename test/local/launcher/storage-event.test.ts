import { describe, expect, test } from 'vitest';
import { EventDelivery } from '../../../src/local/launcher/event-delivery.ts';
import type { Subscriber } from '../../../src/local/launcher/event-delivery.ts';
import { blobCreated, blobRenamed, isCommitEvent } from '../../../src/local/launcher/storage-event.ts';
import type { WrittenBlob } from '../../../src/local/launcher/storage-event.ts';
import type { Clock } from '../../../src/shared/clock.ts';

const origin = { id: '9f9c6a2e-5d7e-4b39-8f0e-3c1d2b4a5f60', account: 'devstoreaccount1', time: 1_800_000_000_000 };

function blob(path: string): WrittenBlob {
  return {
    container: 'lake',
    path,
    url: `http://127.0.0.1:10000/devstoreaccount1/lake/${path}`,
    eTag: '"0x1"',
    contentLength: 3,
  };
}

describe('which events the subscription lets through', () => {
  test.each([
    ['products/_delta_log/00000000000000000001.json', true],
    ['deep/er/products/_DELTA_LOG/00000000000000000001.JSON', true],
    ['products/part-00000.snappy.parquet', false],
    ['products/_delta_log/_last_checkpoint', false],
    ['products/_delta_log/_staged_commits/00000000000000000001.a.json', false],
    ['products/_delta_log/__tmp_path_dir/.00000000000000000001.json', false],
    ['products/_delta_log/00000000000000000010.checkpoint.7d17ac10-5cc3-401b-bd1a-9c82dd2ea032.json', false],
    ['products/_delta_log/00000000000000000001.00000000000000000004.compacted.json', false],
  ])('%s: %s', (path, passes) => {
    expect(isCommitEvent(blobCreated(blob(path), origin))).toBe(passes);
  });

  test('a rename is an event under its new name', () => {
    const event = blobRenamed(blob('t/_delta_log/00000000000000000001.json'), 'http://127.0.0.1/x/.tmp', origin);
    expect(event.eventType).toBe('Microsoft.Storage.BlobRenamed');
    expect(event.subject).toBe('/blobServices/default/containers/lake/blobs/t/_delta_log/00000000000000000001.json');
    expect(isCommitEvent(event)).toBe(true);
  });

  test('the eTag of an event has no quotes, as in the service', () => {
    expect(blobCreated(blob('a'), origin).data['eTag']).toBe('0x1');
  });
});

describe('delivery', () => {
  const instantClock: Clock = { now: () => 0, monotonic: () => 0, sleep: async () => undefined };
  const event = blobCreated(blob('t/_delta_log/00000000000000000001.json'), origin);

  function refusing(times: number): Subscriber & { readonly attempts: () => number } {
    let attempts = 0;
    return {
      name: 'test',
      wants: () => true,
      attempts: () => attempts,
      async deliver() {
        attempts++;
        if (attempts <= times) throw new Error('busy');
      },
    };
  }

  test('an event that is refused is delivered again until it is taken', async () => {
    const subscriber = refusing(4);
    const dropped: string[] = [];
    const delivery = new EventDelivery(
      [subscriber],
      instantClock,
      (m) => dropped.push(m),
      new AbortController().signal,
    );
    await delivery.send(event);
    expect(subscriber.attempts()).toBe(5);
    expect(dropped).toEqual([]);
  });

  test('an event that nobody takes is dropped in the end, and that is said', async () => {
    const subscriber = refusing(Number.POSITIVE_INFINITY);
    const dropped: string[] = [];
    const delivery = new EventDelivery(
      [subscriber],
      instantClock,
      (m) => dropped.push(m),
      new AbortController().signal,
    );
    await delivery.send(event);
    expect(subscriber.attempts()).toBe(30);
    expect(dropped).toHaveLength(1);
  });
});
