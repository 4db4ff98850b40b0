import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { appEventOf } from '../../../src/local/launcher/app-log.ts';
import { eventText } from '../../../src/local/launcher/event-text.ts';
import { progressLine } from '../../../src/local/launcher/progress-line.ts';
import { jsonReporter, plainReporter, terminalReporter } from '../../../src/local/launcher/reporters.ts';
import type { Progress, SessionEvent } from '../../../src/local/launcher/session-event.ts';
import { tableStatusOf } from '../../../src/local/launcher/table-status.ts';

const PROGRESS: Progress = {
  table: 'products',
  epoch: { kind: 'changes', from: 3, to: 5 },
  share: 0.62,
  rows: 12_400,
  documents: 8132,
  budget: { ruPerSecond: 1000, used: 640 },
  lagMilliseconds: 1200,
};

const EPOCH: SessionEvent = {
  kind: 'epoch',
  table: 'products',
  epochKind: 'snapshot',
  from: null,
  to: 0,
  rows: 2,
  operations: { upserts: 0, creates: 2, deletes: 0 },
  ru: 12.4,
  milliseconds: 345,
  lagMilliseconds: undefined,
};

const ADDRESSES = {
  functions: { url: 'http://127.0.0.1:7071', masterKey: 'm', systemKeys: { blobs_extension: 'b' }, functions: [] },
  cosmos: { endpoint: 'http://127.0.0.1:8081', key: 'c' },
  azurite: { connectionString: 's', account: 'a', key: 'k', blob: 'b', queue: 'q', table: 't' },
};

const READY: SessionEvent = {
  kind: 'ready',
  addresses: ADDRESSES,
  table: 'products',
  target: 'cosmicworks/products',
  dataFolder: 'data',
  milliseconds: 900,
};

describe('the progress line', () => {
  test('a wide terminal shows everything', () => {
    const line = progressLine(PROGRESS, { columns: 140, color: false });
    for (const part of [
      'products',
      '62 %',
      'v3 to v5',
      '8,132 documents',
      '12,400 rows',
      '640 of 1,000 RU/s',
      'lag 1.2 s',
      '█',
    ]) {
      expect(line).toContain(part);
    }
  });

  test('a narrow terminal keeps table, share and documents, and nothing wraps', () => {
    const line = progressLine(PROGRESS, { columns: 40, color: false });
    expect(line).toContain('products');
    expect(line).toContain('62 %');
    expect(line).toContain('8,132 documents');
    expect(line).not.toContain('rows');
    expect(line.length).toBeLessThanOrEqual(40);
  });

  test('a budget without a limit shows what is spent alone', () => {
    const budget = { ruPerSecond: 10_000_000, used: 640 };
    const line = progressLine({ ...PROGRESS, documents: 1, budget }, { columns: 140, color: false });
    expect(line).toContain('  1 document  ');
    expect(line).toContain('  640 RU/s');
  });

  test('no width and no content makes it longer than the terminal', () => {
    const progress = fc.record<Progress>({
      table: fc.string({ maxLength: 80 }),
      epoch: fc.constantFrom(undefined, { kind: 'snapshot', from: null, to: 7 }, { kind: 'changes', from: 1, to: 2 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      rows: fc.nat(),
      documents: fc.nat(),
      budget: fc.constantFrom(undefined, { ruPerSecond: 4000, used: 12 }),
      lagMilliseconds: fc.option(fc.nat(), { nil: undefined }),
    });
    fc.assert(
      fc.property(progress, fc.integer({ min: 1, max: 200 }), (shown, columns) => {
        expect(progressLine(shown, { columns, color: false }).length).toBeLessThanOrEqual(columns);
      }),
      { seed: 20_261_122, numRuns: 500 },
    );
  });

  test('without colours there is no escape sequence, whatever a name holds', () => {
    const line = progressLine({ ...PROGRESS, table: 'x\u001B[31my' }, { columns: 100, color: false });
    expect(line).not.toContain('\u001B');
  });
});

describe('events as text', () => {
  test('documents become a table with right-aligned numbers', () => {
    const documents = [
      { id: 'p001', name: 'Contoso Coffee Mug', category: 'drinkware', price: 12.95 },
      { id: 'p002', name: 'Contoso T-Shirt', category: 'apparel', price: 9 },
    ];
    expect(eventText({ kind: 'documents', documents }, { columns: undefined, color: false })).toEqual([
      '',
      'id    name                category   price',
      '----  ------------------  ---------  -----',
      'p001  Contoso Coffee Mug  drinkware  12.95',
      'p002  Contoso T-Shirt     apparel        9',
    ]);
  });

  test('one is one, and two are many', () => {
    const operations = { upserts: 1, creates: 2, patches: 0, deletes: 1, skipped: 3, deadLettered: 2 };
    const [text] = eventText({ ...EPOCH, rows: 1, operations }, { columns: undefined, color: false });
    expect(text).toContain('; 1 row; 1 upsert, 2 creates, 1 delete, 3 skipped, 2 dead letters; ');
  });

  test('a document from outside cannot move the cursor', () => {
    const changes = [{ kind: 'added', document: { id: '\u001B[2Jboo\r\n' } }] as const;
    const text = eventText(
      { kind: 'arrived', version: 1, changes, milliseconds: 5 },
      { columns: undefined, color: false },
    );
    for (const control of ['\u001B', '\r', '\n']) expect(text.join('')).not.toContain(control);
  });
});

describe('outputs', () => {
  test('--json: nothing but ready, epoch, synced and error, one object a line', () => {
    let out = '';
    const reporter = jsonReporter((text) => {
      out += text;
    });
    const events: SessionEvent[] = [
      { kind: 'note', text: 'x' },
      READY,
      EPOCH,
      { kind: 'synced', table: 'products', version: 0, documents: 2, seconds: 1.5 },
      { kind: 'documents', documents: [] },
      { kind: 'watching', isSample: true },
      { kind: 'error', code: 'tooManyDeletes', message: 'held' },
    ];
    for (const event of events) reporter.event(event);
    reporter.progress(PROGRESS);
    reporter.close();
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map((line) => line['event'])).toEqual(['ready', 'epoch', 'synced', 'error']);
    expect(lines[0]).toMatchObject({
      functions: { url: 'http://127.0.0.1:7071', masterKey: 'm', systemKeys: { blobs_extension: 'b' } },
      cosmos: { endpoint: 'http://127.0.0.1:8081', key: 'c' },
      azurite: { connectionString: 's', account: 'a', key: 'k' },
    });
    expect(lines[1]).toEqual({
      event: 'epoch',
      table: 'products',
      kind: 'snapshot',
      from: null,
      to: 0,
      rows: 2,
      operations: { upserts: 0, creates: 2, deletes: 0 },
      ru: 12.4,
      milliseconds: 345,
      lagMilliseconds: null,
    });
    expect(lines[2]).toEqual({ event: 'synced', table: 'products', version: 0, documents: 2, seconds: 1.5 });
    expect(lines[3]).toEqual({ event: 'error', code: 'tooManyDeletes', message: 'held' });
  });

  test('plain lines have no escape sequences and no progress', () => {
    let out = '';
    const reporter = plainReporter((text) => {
      out += text;
    });
    reporter.event(READY);
    reporter.event(EPOCH);
    reporter.progress(PROGRESS);
    reporter.close();
    expect(out).not.toContain('\u001B');
    expect(out).toContain('products  snapshot v0; 2 rows; 2 creates; 12 RU; 345 ms\n');
    expect(out).not.toContain('62 %');
  });

  test('a terminal: lines push the progress line down, closing removes it', () => {
    let out = '';
    const reporter = terminalReporter(
      (text) => {
        out += text;
      },
      () => ({ columns: 100, color: false }),
    );
    reporter.progress(PROGRESS);
    reporter.progress(PROGRESS);
    reporter.event(EPOCH);
    reporter.close();
    const clear = '\r\u001B[2K';
    const line = progressLine(PROGRESS, { columns: 99, color: false });
    const text = eventText(EPOCH, { columns: 100, color: false }).join('\n');
    expect(out).toBe(`${clear}${line}${clear}${text}\n${line}${clear}`);
  });

  test.each([true, false])(
    'what to try next has the address of the status and the data folder (sample: %s)',
    (isSample) => {
      let out = '';
      const reporter = plainReporter((text) => {
        out += text;
      });
      reporter.event(READY);
      reporter.event({ kind: 'watching', isSample });
      expect(out).toContain('npm run cli -- verify --local data ');
      expect(out.includes('--table FOLDER')).toBe(isSample);
      expect(out).toContain("curl -H 'x-functions-key: m' http://127.0.0.1:7071/api/tables/products");
    },
  );
});

describe('what the app says', () => {
  const completed = {
    event: 'epochCompleted',
    id: 202,
    table: 'products',
    kind: 'changes',
    from: 1,
    to: 2,
    rows: 3,
    upserts: 1,
    deletes: 1,
    ru: 20,
    ms: 100,
  };

  test.each([
    ['a line of its own', JSON.stringify(completed)],
    ['handed on by the host', JSON.stringify({ event: 'functionLogged', message: JSON.stringify(completed) })],
  ])('an epoch, %s', (_name, line) => {
    expect(appEventOf(line)).toMatchObject({
      kind: 'epochCompleted',
      table: 'products',
      epochKind: 'changes',
      from: 1,
      to: 2,
      operations: { upserts: 1, creates: 0, deletes: 1 },
    });
  });

  test.each(['', 'text', '{"event":"functionLogged","message":"{"}', '{"event":"epochCompleted"}', '[1]', '{'])(
    'anything else is no event: %s',
    (line) => {
      expect(appEventOf(line)).toBeUndefined();
    },
  );

  test('a status that lacks everything is a table that has not begun', () => {
    for (const body of [null, {}, [], 'x', { checkpoint: null, current: null }]) {
      expect(tableStatusOf(body)).toMatchObject({
        version: undefined,
        current: undefined,
        held: undefined,
        deadLetters: 0,
      });
    }
  });

  test('a held epoch is found where the state document has it', () => {
    const hold = { code: 'tooManyDeletes', reason: 'a', remedy: 'b' };
    expect(tableStatusOf({ current: { planId: 'e2', kind: 'changes', from: 1, to: 2, hold } }).held).toEqual({
      ...hold,
      planId: 'e2',
    });
  });
});
