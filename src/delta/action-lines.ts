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

/** Lines as text, without the line ends; blank ones are left out. */
function* textLines(bytes: Uint8Array, name: string): Generator<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < buffer.length;) {
    const newline = buffer.indexOf(10, start);
    const end = newline === -1 ? buffer.length : newline;
    if (end - start > MAX_LINE_BYTES) throw logDamaged(`${name} has a line of more than 256 MB.`);
    const line = buffer.toString('utf8', start, end).trim();
    if (line !== '') yield line;
    start = end + 1;
  }
}

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
 * Parses a file of actions. Throws `logDamaged` naming `name` for an empty file and for a line that is not one JSON
 * object.
 */
export function parseActionLines(bytes: Uint8Array, name: string): LogActions {
  const actions = emptyActions();
  let number = 0;
  for (const line of textLines(bytes, name)) {
    number++;
    let record: unknown;
    try {
      record = parseJson(line);
    } catch (error) {
      throw logDamaged(
        `${name} is not valid JSON at line ${number}.`,
        'Every line must be one action; the file is cut or damaged.',
        error,
      );
    }
    if (!isRecord(record)) throw logDamaged(`${name} has no action at line ${number}.`);
    addAction(actions, record);
  }
  if (number === 0) throw logDamaged(`${name} is empty.`, 'A commit holds at least one action.');
  return actions;
}
