/** Newline-delimited JSON actions: commit files, compacted logs, JSON checkpoints. */
import { parseJson } from '../shared/json.ts';
import type { AddFile, CdcFile, Protocol, RemoveFile } from './actions.ts';
import {
  addFromRecord,
  cdcFromRecord,
  domainFromRecord,
  isRecord,
  logDamaged,
  protocolFromRecord,
  removeFromRecord,
  txnFromRecord,
  type DomainMetadata,
  type LogRecord,
  type Transaction,
} from './action-record.ts';

/** All actions of one file of the log. `metaData` is left raw: only the newest one of a snapshot must be readable. */
export interface LogActions {
  readonly adds: AddFile[];
  readonly removes: RemoveFile[];
  readonly cdc: CdcFile[];
  readonly txns: Transaction[];
  readonly domains: DomainMetadata[];
  /** Paths of sidecars as stored. */
  readonly sidecars: string[];
  metaData: LogRecord | null;
  protocol: Protocol | null;
  commitInfo: LogRecord | null;
}

/** No actions. */
export function emptyActions(): LogActions {
  return {
    adds: [],
    removes: [],
    cdc: [],
    txns: [],
    domains: [],
    sidecars: [],
    metaData: null,
    protocol: null,
    commitInfo: null,
  };
}

/** Files the storage of a line as JSON needs more than this for are not a log. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** Adds one action, an object with one key, to `actions`. Unknown actions are ignored. */
export function addAction(actions: LogActions, record: LogRecord): void {
  for (const [kind, value] of Object.entries(record)) {
    if (!isRecord(value)) continue;
    switch (kind) {
      case 'add':
        actions.adds.push(addFromRecord(value));
        break;
      case 'remove':
        actions.removes.push(removeFromRecord(value));
        break;
      case 'cdc':
        actions.cdc.push(cdcFromRecord(value));
        break;
      case 'metaData':
        actions.metaData = value;
        break;
      case 'protocol':
        actions.protocol = protocolFromRecord(value);
        break;
      case 'commitInfo':
        actions.commitInfo = value;
        break;
      case 'txn': {
        const txn = txnFromRecord(value);
        if (txn !== undefined) actions.txns.push(txn);
        break;
      }
      case 'domainMetadata': {
        const domain = domainFromRecord(value);
        if (domain !== undefined) actions.domains.push(domain);
        break;
      }
      case 'sidecar':
        if (typeof value['path'] !== 'string') throw logDamaged('A sidecar action has no path.');
        actions.sidecars.push(value['path']);
        break;
      default:
    }
  }
}

/**
 * Parses a file of actions as its bytes arrive: a line at a time, so that only the actions stay. Throws `logDamaged` naming
 * `name` for an empty file and for a line that is not one JSON object.
 */
export async function parseActionLines(pieces: AsyncIterable<Uint8Array>, name: string): Promise<LogActions> {
  const parser = new LineParser(name);
  for await (const piece of pieces) parser.add(piece);
  return parser.finish();
}

class LineParser {
  readonly #name: string;
  readonly #actions = emptyActions();
  /** The start of a line whose end has not arrived. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #number = 0;

  constructor(name: string) {
    this.#name = name;
  }

  add(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      this.#line(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start < bytes.length) this.#begin(bytes.subarray(start));
  }

  finish(): LogActions {
    this.#line(Buffer.alloc(0));
    if (this.#number === 0) throw logDamaged(`${this.#name} is empty.`, 'A commit holds at least one action.');
    return this.#actions;
  }

  #begin(part: Buffer): void {
    this.#begun.push(part);
    this.#begunBytes += part.length;
    if (this.#begunBytes > MAX_LINE_BYTES) throw logDamaged(`${this.#name} has a line of more than 256 MB.`);
  }

  /** Takes the rest of a line, without its end. Blank lines are left out. */
  #line(rest: Buffer): void {
    let whole = rest;
    if (this.#begun.length > 0) {
      this.#begin(rest);
      whole = Buffer.concat(this.#begun);
      this.#begun = [];
      this.#begunBytes = 0;
    }
    const line = whole.toString('utf8').trim();
    if (line === '') return;
    this.#number++;
    let record: unknown;
    try {
      record = parseJson(line);
    } catch (error) {
      throw logDamaged(
        `${this.#name} is not valid JSON at line ${this.#number}.`,
        'Every line must be one action; the file is cut or damaged.',
        error,
      );
    }
    if (!isRecord(record)) throw logDamaged(`${this.#name} has no action at line ${this.#number}.`);
    addAction(this.#actions, record);
  }
}
