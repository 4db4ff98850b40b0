import { afterEach, describe, expect, it } from 'vitest';
import type { CosmosDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount, type CosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { unlimited, type RuLimiter } from '../../src/cosmos/ru-limiter.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { Operation, Outcome } from '../../src/sync/document-writer.ts';
import { Random } from '../support/random.ts';
import { scaledClock } from '../support/scaled-clock.ts';
import { startSpoilingProxy, type Spoiler, type SpoilingProxy, type SpoiltKind } from '../support/spoiling-proxy.ts';
import {
  ANSWERED_TWICE,
  BROKEN_ANSWERS,
  BROKEN_RANGES,
  ODD_RESULTS,
  STRANGE_ANSWERS,
  UNREADABLE_RESULTS,
} from '../support/spoilt-answers.ts';
import {
  CONTAINER,
  DATABASE,
  identityOf,
  openWriterTarget,
  pagesOf,
  tally,
  upsert,
  writeAll,
  type WriterTarget,
} from '../support/writer-target.ts';

const never = new AbortController().signal;
const clock = { ...scaledClock(20), now: () => systemClock.now() };

let target: WriterTarget | undefined;
let proxy: SpoilingProxy | undefined;
let account: CosmosAccount | undefined;
afterEach(async () => {
  account?.close();
  await proxy?.close();
});

/** A writer whose requests pass the proxy. */
async function open(limiter: RuLimiter = unlimited): Promise<CosmosDocumentWriter> {
  target = await openWriterTarget({ partitions: 1 });
  const { endpoint, key } = target.emulator;
  proxy = await startSpoilingProxy(new URL(endpoint), clock);
  account = await openCosmosAccount({ endpoint: proxy.endpoint, identity: { kind: 'key', key } }, clock);
  return target.writer({ account, clock, limiter });
}

function arm(spoiler: Spoiler, kind: SpoiltKind = 'batch', seed = 1, skip = 0): void {
  proxy?.arm({ container: CONTAINER, kind, spoiler, random: new Random(seed), skip });
}

/** An answer of this status to a batch that is not done. */
function answering(status: number): Spoiler {
  return { name: `${status}`, spoil: (call) => call.answer({ status, headers: {}, body: Buffer.from('{}') }) };
}

function creates(count: number): readonly Operation[] {
  return Array.from({ length: count }, (_, n) => {
    const identity = identityOf(`p${n}`, `category ${n % 5}`);
    return { kind: 'create', identity, document: { id: identity.id, category: `category ${n % 5}`, n } };
  });
}

const named = (spoilers: readonly Spoiler[]): readonly (readonly [string, Spoiler])[] =>
  spoilers.map((spoiler) => [spoiler.name, spoiler]);

/** All of them are there as they were to be created. */
async function expectStored(operations: readonly Operation[]): Promise<void> {
  const { documents } = await (
    await (target as WriterTarget).writer()
  ).read(
    operations.map(({ identity }) => identity),
    never,
  );
  expect(new Set(documents.map(({ document }) => document['n']))).toEqual(new Set(operations.keys()));
}

describe('an answer to a batch', () => {
  it.each(named([...BROKEN_ANSWERS, ...UNREADABLE_RESULTS]))(
    'that cannot be believed (%s) makes its operations ambiguous, never wrong',
    async (_, spoiler) => {
      const writer = await open();
      const operations = creates(20);
      for (const seed of [1, 2, 3]) arm(spoiler, 'batch', seed);
      const outcomes = await writeAll(writer, [operations]);
      expect(outcomes).toHaveLength(20);
      // An attempt before the one that was understood may have created them.
      for (const { status, ambiguous } of outcomes) expect([status, ambiguous]).toEqual([expect.any(String), true]);
      expect(outcomes.every(({ status }) => status === 'applied' || status === 'exists')).toBe(true);
      await expectStored(operations);
    },
  );

  it.each(named([...STRANGE_ANSWERS, ...ODD_RESULTS]))('that is merely strange (%s) is taken', async (_, spoiler) => {
    const writer = await open();
    const operations = creates(20);
    arm(spoiler);
    const outcomes = await writeAll(writer, [operations]);
    expect(tally(outcomes)).toEqual({ applied: 20 });
    expect(outcomes.some(({ ambiguous }) => ambiguous)).toBe(false);
    await expectStored(operations);
  });

  it('that comes twice is not taken for the answer to the next batch', async () => {
    const writer = await open();
    // The second batch is not done, and the connection says what became of the first one again.
    arm(ANSWERED_TWICE);
    const [first] = creates(1);
    const refused: Operation = { ...upsert('other', 'c'), kind: 'replace', ifMatch: '"none"' } as Operation;
    const outcomes: Outcome[] = [];
    for (const operation of [first as Operation, refused]) outcomes.push(...(await writeAll(writer, [[operation]])));
    expect(outcomes.map(({ status }) => status)).toEqual(['applied', 'missing']);
  });

  it.each([302, 405, 418])('of a proxy (%i) fails the call instead of rejecting rows', async (status) => {
    const writer = await open();
    await writeAll(writer, [[upsert('before', 'c')]]);
    arm(answering(status));
    const statuses: string[] = [];
    await expect(async () => {
      for await (const some of writer.write(pagesOf([creates(50)]), never)) {
        statuses.push(...some.map((outcome) => outcome.status));
      }
    }).rejects.toMatchObject({
      code: 'targetRejects',
      reason: expect.stringContaining(String(status)) as string,
      remedy: expect.stringMatching(/endpoint/) as string,
    });
    expect(statuses).toEqual(Array.from({ length: 50 }, () => 'failed'));
  });

  it('of a service that begins to refuse everything fails the call, also after it understood something', async () => {
    const writer = await open();
    for (let n = 0; n < 500; n++) arm(answering(400), 'batch', n, n === 0 ? 2 : 0);
    const statuses: string[] = [];
    await expect(async () => {
      for await (const some of writer.write(pagesOf([creates(1_500)]), never)) {
        statuses.push(...some.map((outcome) => outcome.status));
      }
    }).rejects.toMatchObject({ code: 'targetRejects' });
    expect(statuses).toHaveLength(1_500);
    expect(statuses.filter((status) => status === 'applied').length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 'rejected').length).toBeLessThan(30);
  });

  it('that asks for a wait of days is waited for as long as is sensible', async () => {
    const writer = await open();
    const spoil: Spoiler['spoil'] = (call) =>
      call.answer({ status: 429, headers: { 'x-ms-retry-after-ms': '1e15' }, body: Buffer.alloc(0) });
    arm({ name: '429', spoil });
    expect(await writeAll(writer, [[upsert('a', 'c')]])).toMatchObject([{ status: 'applied', attempts: 2 }]);
  });
});

describe('a charge', () => {
  it.each([undefined, '-5', 'NaN', '1e308', '0'])('of %s counts as what was reserved', async (charge) => {
    const ends: (number | 'lost')[] = [];
    const limiter: RuLimiter = {
      ...unlimited,
      reserve: async (request, signal) => ({
        ...(await unlimited.reserve(request, signal)),
        settle: (chargedRu) => ends.push(chargedRu),
        lost: () => ends.push('lost'),
      }),
    };
    const writer = await open(limiter);
    arm({
      name: 'charge',
      async spoil(call) {
        const answer = await call.forward();
        const body = answer.body.toString().replaceAll(/"requestCharge":[^,}]*/g, '"requestCharge":null');
        call.answer({
          ...answer,
          headers: { ...answer.headers, 'x-ms-request-charge': charge },
          body: Buffer.from(body),
        });
      },
    });
    expect(tally(await writeAll(writer, [creates(3)]))).toEqual({ applied: 3 });
    expect(ends).toEqual(['lost']);
  });
});

describe('a read', () => {
  it('whose answer does not show the document is repeated', async () => {
    const writer = await open();
    await writeAll(writer, [[upsert('a', 'c')]]);
    arm({
      name: 'no document',
      async spoil(call) {
        const answer = await call.forward();
        call.answer({ ...answer, body: Buffer.from(JSON.stringify([{ statusCode: 200, requestCharge: 1 }])) });
      },
    });
    expect((await writer.read([identityOf('a', 'c')], never)).documents).toHaveLength(1);
  });
});

describe('a read that the service refuses', () => {
  it.each([400, 413, 403])('with %i is an error, not a document that is not there', async (status) => {
    const writer = await open();
    await writeAll(writer, [[upsert('a', 'c')]]);
    const substatus = status === 403 ? 1014 : 0;
    const match = { id: 'a', operation: 'Read' };
    target?.emulator.faults.add({ level: 'operation', match, action: { kind: 'answer', status, substatus } });
    const read = writer.read([identityOf('a', 'c')], never);
    // What is too large for one answer is asked for again.
    if (status === 413) expect((await read).documents).toHaveLength(1);
    else
      await expect(read).rejects.toMatchObject({
        code: 'targetRejects',
        reason: `Cosmos DB answered ${status}/${substatus}.`,
      });
  });
});

describe('what tells about the container', () => {
  it.each(named([...BROKEN_ANSWERS, ...STRANGE_ANSWERS]))('is read again when it comes %s', async (_, spoiler) => {
    const writer = await open();
    arm(spoiler, 'container');
    arm(spoiler, 'ranges');
    expect((await writer.describe(never)).partitions).toHaveLength(1);
  });

  it.each(named(BROKEN_RANGES))('is read again for %s', async (_, spoiler) => {
    const writer = await open();
    for (const seed of [1, 2]) arm(spoiler, 'ranges', seed);
    expect((await writer.describe(never)).partitions).toHaveLength(1);
  });

  it('comes in as many pages as the service wants', async () => {
    const writer = await open();
    for (const range of ['0', '1', '2']) target?.emulator.split(DATABASE, CONTAINER, range);
    const onePage: Spoiler = {
      name: 'page',
      async spoil(call) {
        const answer = await call.forward();
        const feed = JSON.parse(answer.body.toString()) as { readonly PartitionKeyRanges: readonly unknown[] };
        const at = Number(call.headers['x-ms-continuation'] ?? 0);
        const body = Buffer.from(JSON.stringify({ ...feed, PartitionKeyRanges: [feed.PartitionKeyRanges[at]] }));
        const more = at + 1 < feed.PartitionKeyRanges.length ? { 'x-ms-continuation': String(at + 1) } : {};
        call.answer({ ...answer, headers: { ...answer.headers, ...more }, body });
      },
    };
    for (let page = 0; page < 4; page++) arm(onePage, 'ranges');
    expect((await writer.describe(never)).partitions).toHaveLength(4);
  });
});

describe('stopping', () => {
  it('before anything was handed in sends nothing and reports nothing', async () => {
    const writer = await open();
    const stopped = AbortSignal.abort();
    expect(await writeAll(writer, [creates(5)], stopped)).toEqual([]);
    await writer.describe(never);
    target?.emulator.counters.reset();
    expect(await writeAll(writer, [creates(5)], stopped)).toEqual([]);
    expect(target?.emulator.counters.total().operations).toBe(0);
  });

  it('a value that JSON does not know fails the call, with every operation of the page reported', async () => {
    const writer = await open();
    const bad = { ...upsert('b', 'c'), document: { id: 'b', n: 1n } } as unknown as Operation;
    const outcomes: Outcome[] = [];
    await expect(async () => {
      for await (const some of writer.write(pagesOf([[upsert('a', 'c'), bad, upsert('d', 'c')]]), never)) {
        outcomes.push(...some);
      }
    }).rejects.toMatchObject({ code: 'internal' });
    expect(tally(outcomes)).toEqual({ failed: 3 });
  });
});
