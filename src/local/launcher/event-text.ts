/** What a person reads of a local run: every event as lines of text, with or without colours. Pure. */
import type { Addresses, SessionEvent } from './session-event.ts';
import { statusUrl } from './table-status.ts';
import type { DocumentChange, TargetDocument } from './target-documents.ts';
import { duration, fit, paint, printable, wholeNumber } from './text-style.ts';
import type { TextStyle } from './text-style.ts';

const SIGNS = { added: '+', changed: '~', removed: '-' } as const;
const SIGN_COLORS = { added: 'green', changed: 'yellow', removed: 'red' } as const;

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
      const documents = `${wholeNumber(event.documents)} document${event.documents === 1 ? '' : 's'}`;
      const seconds = duration(event.seconds * 1000);
      const equal = paint(style, 'green', 'equal');
      return [`${printable(event.table)} is ${equal} to version ${event.version}: ${documents}, ${seconds}`];
    }
    case 'documents':
      return ['', ...documentTable(event.documents, style)];
    case 'error':
      return [`${paint(style, 'red', `error ${event.code}:`)} ${printable(event.message)}`];
  }
}

/** What a new user can do next. */
export function nextSteps(addresses: Addresses, table: string): string[] {
  const key = `x-functions-key: ${addresses.functions.masterKey}`;
  return [
    '',
    'Watching for further commits; Ctrl-C stops everything. To try next:',
    `  the status        curl -H '${key}' ${statusUrl(addresses.functions, table)}`,
    '  a table of yours  npm start -- --table FOLDER --key COLUMN',
    '  every option      npm start -- --help',
  ];
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
    .map(([name, count]) => `${wholeNumber(count)} ${name === 'deadLettered' ? 'dead-lettered' : name}`);
  const parts = [
    `${event.epochKind} ${versions}`,
    `${wholeNumber(event.rows)} rows`,
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
