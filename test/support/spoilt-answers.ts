/** Ways in which a hop between client and service can spoil an answer, or the answer be none. */
import type { Random } from './random.ts';
import { headText, type Spoiler, type WireAnswer, type WireCall } from './spoiling-proxy.ts';

/** One result of a batch. */
type Result = Readonly<Record<string, unknown>>;

function whole(status: number, subStatus = 0, headers: WireAnswer['headers'] = {}): WireAnswer {
  const body = Buffer.from(JSON.stringify({ code: 'No', message: 'row content' }));
  return { status, headers: { 'x-ms-substatus': String(subStatus), 'x-ms-request-charge': '0.38', ...headers }, body };
}

function page(status: number): WireAnswer {
  return { status, headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>row content</html>') };
}

function close({ socket, random }: WireCall): void {
  if (random.chance(0.5)) socket.resetAndDestroy();
  else socket.destroy();
}

/** Writes these bytes instead of the answer; the request is done. */
function raw(name: string, text: (answer: WireAnswer) => readonly (string | Buffer)[], end: boolean): Spoiler {
  return {
    name,
    async spoil(call) {
      const content = Buffer.concat(text(await call.forward()).map((part) => Buffer.from(part)));
      call.socket.write(content, () => {
        if (end) close(call);
      });
    },
  };
}

/** Answers so; done or not by chance. */
function instead(name: string, answer: (random: Random) => WireAnswer, done = 0.5): Spoiler {
  return {
    name,
    async spoil(call) {
      if (call.random.chance(done)) await call.forward();
      call.answer(answer(call.random));
    },
  };
}

/** Changes the JSON of a proper answer. */
function changed(name: string, change: (json: unknown, random: Random) => unknown): Spoiler {
  return {
    name,
    async spoil(call) {
      const answer = await call.forward();
      const isProper = answer.status === 200 || answer.status === 207;
      const body = isProper
        ? Buffer.from(JSON.stringify(change(JSON.parse(answer.body.toString()), call.random)))
        : answer.body;
      call.answer({ ...answer, body });
    },
  };
}

const results = (name: string, change: (list: readonly Result[], random: Random) => unknown): Spoiler =>
  changed(`results ${name}`, (json, random) => change(json as readonly Result[], random));

/** Every third result gets these properties. */
const someResults = (name: string, properties: (random: Random) => Result): Spoiler =>
  results(name, (list, random) => {
    const others = properties(random);
    return list.map((one) => (random.chance(0.3) ? { ...one, ...others } : one));
  });

function header(name: string, values: readonly (string | undefined)[]): Spoiler {
  return {
    name: `header ${name}`,
    async spoil(call) {
      const answer = await call.forward();
      call.answer({ ...answer, headers: { ...answer.headers, [name]: call.random.pick(values) } });
    },
  };
}

/** Some operations of the batch get this result without reaching the service. */
function withheld(name: string, result: (random: Random) => Result): Spoiler {
  return {
    name: `operations ${name}`,
    async spoil(call) {
      const operations = JSON.parse(call.body.toString()) as readonly unknown[];
      const sent = operations.filter(() => call.random.chance(0.8));
      if (sent.length === 0) {
        call.answer({ ...whole(207), body: Buffer.from(JSON.stringify(operations.map(() => result(call.random)))) });
        return;
      }
      const answer = await call.forward(Buffer.from(JSON.stringify(sent)));
      if (answer.status !== 200 && answer.status !== 207) {
        call.answer(answer);
        return;
      }
      const done = JSON.parse(answer.body.toString()) as Result[];
      const all = operations.map((operation) => (sent.includes(operation) ? done.shift() : result(call.random)));
      call.answer({ ...answer, status: 207, body: Buffer.from(JSON.stringify(all)) });
    },
  };
}

/** Nothing can be known from these. */
export const BROKEN_ANSWERS: readonly Spoiler[] = [
  raw('cut in the head', () => ['HTTP/1.1 200 OK\r\ncontent-le'], true),
  raw('cut after the head', (answer) => [headText(answer)], true),
  raw('cut in the body', (answer) => [headText(answer), answer.body.subarray(0, answer.body.length / 2)], true),
  raw('longer than it is', (answer) => [headText(answer, { 'content-length': '9999999' }), answer.body], true),
  {
    ...raw('shorter than it is', (answer) => [headText(answer, { 'content-length': '7' }), answer.body], false),
    spoilsNext: true,
  },
  raw('with a broken chunk', (answer) => [chunkedHead(answer), '10\r\n', 'x'.repeat(16), '\r\nzz\r\n'], false),
  raw('without a last chunk', (answer) => [chunkedHead(answer), ...chunk(answer.body)], true),
  raw('in another protocol', () => ['SSH-2.0-Open\r\n'], true),
  raw('with a head of 40 KB', (answer) => [headText(answer, { 'x-long': 'y'.repeat(40_000) }), answer.body], false),
  instead('compressed garbage', () => ({
    status: 200,
    headers: { 'content-encoding': 'gzip' },
    body: Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]),
  })),
  instead('empty', () => ({ status: 200, headers: {}, body: Buffer.alloc(0) })),
  instead('of no content', () => ({ status: 204, headers: {}, body: Buffer.alloc(0) })),
  instead('a page with 200', () => page(200)),
  instead('a page with 5xx', (random) => page(random.pick([502, 503, 504, 520, 599]))),
  { name: 'none', spoil: (call) => close(call) },
  { name: 'none though done', spoil: async (call) => (await call.forward(), close(call)) },
];

/** These are proper answers, strangely delivered. */
export const STRANGE_ANSWERS: readonly Spoiler[] = [
  raw('in one chunk', (answer) => [chunkedHead(answer), ...chunk(answer.body), '0\r\nx-trailer: a\r\n\r\n'], false),
  raw(
    'after interim ones',
    (answer) => [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nx: y\r\n\r\n'.repeat(3),
      headText(answer),
      answer.body,
    ],
    false,
  ),
  {
    name: 'on a connection that ends',
    spoilsNext: true,
    async spoil(call) {
      call.answer(await call.forward());
      setImmediate(() => call.socket.end());
    },
  },
  {
    name: 'to a request delivered twice',
    async spoil(call) {
      const answer = await call.forward();
      // Only what was done can be done again without becoming something else.
      const isDone = answer.status === 200 && !answer.body.toString().includes('"statusCode":4');
      if (isDone) await call.forward();
      call.answer(answer);
    },
  },
];

/** The second copy meets the next request of the connection. */
export const ANSWERED_TWICE: Spoiler = {
  name: 'twice',
  spoilsNext: true,
  async spoil(call) {
    const answer = await call.forward();
    const text = Buffer.concat([Buffer.from(headText(answer)), answer.body]);
    call.socket.write(text);
    call.socket.once('data', () => call.socket.write(text));
  },
};

/** Answers to batches of which nothing, or not everything, can be believed. */
export const UNREADABLE_RESULTS: readonly Spoiler[] = [
  results('fewer', (list) => list.slice(1)),
  results('more', (list) => [...list, list[0]]),
  results('in an object', (list) => ({ results: list })),
  results('null', (list) => list.map(() => null)),
  results('a text', () => 'fine'),
  results('in arrays', (list) => list.map((one) => [one])),
  someResults('without status', () => ({ statusCode: undefined })),
  someResults('with a text for a status', () => ({ statusCode: '201' })),
  someResults('with a status that is none', (random) => ({ statusCode: random.pick([0, -1, 0.5, 99, 101]) })),
];

/** What is strange here does not matter. */
export const ODD_RESULTS: readonly Spoiler[] = [
  header('x-ms-request-charge', [undefined, '-5', 'NaN', 'Infinity', '1e308', '1e15', '']),
  header('x-ms-session-token', [undefined, 'x'.repeat(4_000)]),
  header('content-type', [undefined, 'text/plain; charset=utf-16']),
  results('with odd charges', (list, random) => {
    const requestCharge = random.pick([undefined, null, -4, 1e308, 1e12, 'a', {}]);
    return list.map((one) => ({ ...one, requestCharge }));
  }),
  results('with odd fields', (list) =>
    list.map((one) => ({ ...one, eTag: 7, resourceBody: 'x', retryAfterMilliseconds: 'x' })),
  ),
];

/** Refusals of single operations and of whole batches that pass, or that blame the row. */
export const REFUSALS: readonly Spoiler[] = [
  withheld('429', (random) => ({
    statusCode: 429,
    subStatusCode: random.pick([3200, 3201, 3206, 3212, 9999, undefined]),
    retryAfterMilliseconds: random.pick([undefined, 0, 12, -7, 1e15, 'x', null]),
  })),
  withheld('449, 424, 408', (random) => ({ statusCode: random.pick([449, 424, 408]) })),
  withheld('410', (random) => ({ statusCode: 410, subStatusCode: random.pick([1000, 1002, 1007, 1008]) })),
  withheld('5xx', (random) => ({ statusCode: random.pick([500, 503, 599, 600, 999]) })),
  withheld('403/3', (random) => ({ statusCode: 403, subStatusCode: random.pick([3, 1008]) })),
  withheld('404/1002', () => ({ statusCode: 404, subStatusCode: 1002 })),
  withheld('400, 413, 403/1014', (random) =>
    random.pick<Result>([{ statusCode: 400 }, { statusCode: 413 }, { statusCode: 403, subStatusCode: 1014 }]),
  ),
  instead(
    '429',
    (random) => {
      const wait = random.pick([undefined, '20', '90000', '1e15', '-5', 'NaN']);
      return whole(429, random.pick([3200, 3201, 3206, 3212, 77]), { 'x-ms-retry-after-ms': wait });
    },
    0,
  ),
  instead('410', (random) => whole(410, random.pick([0, 1000, 1002, 1007, 1008])), 0),
  instead('449 or 424', (random) => whole(random.pick([449, 424])), 0),
  instead('5xx or 408', (random) => whole(random.pick([408, 500, 503, 600, 999]), random.pick([0, 21008]))),
  instead('404/1002', () => whole(404, 1002), 0),
  instead('403/3', (random) => whole(403, random.pick([3, 1008])), 0),
  instead('400 or 413', (random) => whole(random.pick([400, 413])), 0),
];

const ranges = (name: string, change: (list: readonly Result[], random: Random) => readonly unknown[]): Spoiler =>
  changed(`ranges ${name}`, (json, random) => {
    const feed = json as { readonly PartitionKeyRanges: readonly Result[] };
    return { ...feed, PartitionKeyRanges: change(feed.PartitionKeyRanges, random) };
  });

/** Partition key ranges that are none. */
export const BROKEN_RANGES: readonly Spoiler[] = [
  ranges('with a gap', (list) => list.slice(1)),
  ranges('that overlap', (list) => [...list, { ...list[0], id: 'twin' }]),
  ranges('with null', (list) => [null, ...list]),
  ranges('of numbers', () => [1, 2]),
  ranges('none', () => []),
  ranges('that are their own parents', (list) => list.map((one) => ({ ...one, parents: [one['id']] }))),
  ranges('with an id of two lines', (list) => list.map((one) => ({ ...one, id: '0\r\nx: y' }))),
  changed('ranges null', () => null),
  instead('ranges gone', (random) => whole(410, random.pick([1000, 1008]))),
];

/** Partition key ranges with fractions that are none. */
export const ODD_FRACTIONS: Spoiler = ranges('with odd fractions', (list, random) => {
  const throughputFraction = random.pick([undefined, null, 0, -1, 7, '0.5', 1e308]);
  return list.map((one, at) => (at === 0 ? { ...one, throughputFraction } : one));
});

function chunkedHead(answer: WireAnswer): string {
  return headText(answer, { 'content-length': undefined, 'transfer-encoding': 'chunked' });
}

function chunk(body: Buffer): readonly (string | Buffer)[] {
  return [`${body.length.toString(16)}\r\n`, body, '\r\n'];
}
