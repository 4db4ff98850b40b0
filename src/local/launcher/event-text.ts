/** What a person reads of a local run: every event as lines of text, with or without colours. Pure. */
import type { SessionEvent } from './session-event.ts';
import { statusUrl } from './table-status.ts';
import type { DocumentChange, TargetDocument } from './target-documents.ts';
import { counted, duration, fit, paint, printable, wholeNumber } from './text-style.ts';
import type { TextStyle } from './text-style.ts';

const SIGNS = { added: '+', changed: '~', removed: '-' } as const;
const SIGN_COLORS = { added: 'green', changed: 'yellow', removed: 'red' } as const;

/** One of each operation; what was skipped is skipped. */
const NOUNS: Readonly<Record<string, string>> = {
  upserts: 'upsert',
  creates: 'create',
  deletes: 'delete',
  deadLettered: 'dead letter',
};

/** Lines without line ends. */
export function eventText(event: SessionEvent, style: TextStyle): string[] {
  switch (event.kind) {
    case 'note':
      return [paint(style, 'dim', event.text)];
    case 'ready':
      return readyText(event, style);
    case 'commit':
      return ['', `${paint(style, 'cyan', `v${event.version}`)}  ${event.title}`];
    case 'arrived':
      return arrivedText(event.changes, event.milliseconds, style);
    case 'epoch':
      return [epochText(event, style)];
    case 'synced': {
      const documents = counted(event.documents, 'document');
      const seconds = duration(event.seconds * 1000);
      const equal = paint(style, 'green', 'equal');
      return [`${printable(event.table)} is ${equal} to version ${event.version}: ${documents}, ${seconds}`];
    }
    case 'documents':
      return ['', ...documentTable(event.documents, style)];
    // The reporter knows the addresses that it names.
    case 'watching':
      return [];
    case 'error':
      return [`${paint(style, 'red', `error ${event.code}:`)} ${printable(event.message)}`];
  }
}

/** What a person can do while the run goes on. */
export function nextSteps(
  { addresses, table, dataFolder }: Extract<SessionEvent, { kind: 'ready' }>,
  isSample: boolean,
): string[] {
  const key = `x-functions-key: ${addresses.functions.masterKey}`;
  return [
    '',
    'Watching for further commits; Ctrl-C stops everything. To try next:',
    `  the status        curl -H '${key}' ${statusUrl(addresses.functions, table)}`,
    `  commands          npm run cli -- verify --local ${shellWord(dataFolder)}   (or status, plan, pause, …)`,
    ...(isSample ? ['  a table of yours  npm start -- --table FOLDER --key COLUMN'] : []),
    '  every option      npm start -- --help',
  ];
}

/** A path as a shell takes it. */
function shellWord(path: string): string {
  return /^[\w./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function readyText(event: Extract<SessionEvent, { kind: 'ready' }>, style: TextStyle): string[] {
  const { functions, cosmos, azurite } = event.addresses;
  const line = (name: string, value: string): string => `  ${paint(style, 'dim', name.padEnd(10))} ${value}`;
  return [
    `A local Azure is ready after ${duration(event.milliseconds)}.`,
    line('functions', functions.url),
    line('cosmos', `${cosmos.endpoint}  (container ${event.target})`),
    line('azurite', azurite.blob),
    line('data', event.dataFolder),
  ];
}

function arrivedText(changes: readonly DocumentChange[], milliseconds: number, style: TextStyle): string[] {
  if (changes.length === 0) return [`    no document changes; noticed after ${duration(milliseconds)}`];
  const lines = changes.map(({ kind, document }) => {
    const values = Object.values(document).map((value) => printable(plainText(value)));
    return `    ${paint(style, SIGN_COLORS[kind], SIGNS[kind])} ${values.join('  ')}`;
  });
  lines.push(paint(style, 'dim', `    in Cosmos ${duration(milliseconds)} after the commit`));
  return lines;
}

function epochText(event: Extract<SessionEvent, { kind: 'epoch' }>, style: TextStyle): string {
  const versions = event.from === null ? `v${event.to}` : `v${event.from} to v${event.to}`;
  const operations = Object.entries(event.operations)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => {
      const noun = NOUNS[name];
      return noun === undefined ? `${wholeNumber(count)} ${name}` : counted(count, noun);
    });
  const parts = [
    `${event.epochKind} ${versions}`,
    counted(event.rows, 'row'),
    operations.length === 0 ? 'nothing to write' : operations.join(', '),
    `${wholeNumber(event.ru)} RU`,
    duration(event.milliseconds),
  ];
  return `${paint(style, 'bold', printable(event.table))}  ${parts.join('; ')}`;
}

/** Documents with one column for each field of the first, as wide as its values, narrower when the line is. */
function documentTable(documents: readonly TargetDocument[], style: TextStyle): string[] {
  const names = Object.keys(documents[0] ?? {});
  if (names.length === 0) return ['The container is empty.'];
  const rows = documents.map((document) => names.map((name) => printable(plainText(document[name]))));
  const isNumber = names.map((name) => documents.every((document) => typeof document[name] === 'number'));
  const widths = names.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        isNumber[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const [head, line, ...body] = [lineOf(names), rule, ...rows.map(lineOf)].map((text) => fit(text, style.columns));
  return [paint(style, 'bold', head ?? ''), paint(style, 'dim', line ?? ''), ...body];
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
