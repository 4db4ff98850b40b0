/** Reads a data folder back into an account. */
import { SyncError } from '../../shared/errors.ts';
import type { Account } from './account.ts';
import type { Container } from './container.ts';
import { readLines, type DataFile, type DataFolder } from './data-folder.ts';
import { Item } from './item.ts';
import { COMMIT } from './journal.ts';
import type { JsonMap } from './json.ts';
import type { Partition } from './partition.ts';
import { restoreStructure, type SavedStructure } from './saved-structure.ts';
import { parsePlainJson } from '../../shared/json.ts';

/** Replays every committed line. `emulatorDataVersion` for files of another version, `emulatorDataDamaged` for lines that mean nothing. */
export function replayFolder(folder: DataFolder, account: Account): void {
  for (const file of folder.current()) {
    const replay = new Replay(account);
    let lines: string[] = [];
    let row = 1;
    for (const line of readLines(file)) {
      row++;
      // A base is one piece however long it is: its name says that it is complete.
      if (file.kind === 'base') applyLine(replay, line, file, row, true);
      else if (line === COMMIT) {
        for (const one of lines) applyLine(replay, one, file, row, false);
        lines = [];
      } else lines.push(line);
    }
    replay.finishBase();
  }
  for (const database of account.databases.values()) {
    for (const container of database.containers.values()) {
      addUniqueKeys(container);
      container.keepHistory();
    }
  }
}

function applyLine(replay: Replay, line: string, file: DataFile, row: number, base: boolean): void {
  if (line === COMMIT) return;
  try {
    replay.apply(line, base);
  } catch (cause) {
    throw new SyncError('emulatorDataDamaged', {
      problem: `Line ${row} of ${file.path} cannot be read.`,
      reason: 'It was changed after the emulator wrote it.',
      cause,
    });
  }
}

class Replay {
  private readonly account: Account;
  private containers = new Map<string, Container>();
  /** Documents of a base, in order of creation and not of their writes. */
  private readonly based = new Map<Partition, Item[]>();

  constructor(account: Account) {
    this.account = account;
    this.index();
  }

  apply(line: string, base: boolean): void {
    const kind = line.slice(0, 2);
    if (kind === 'S\t') {
      restoreStructure(this.account, JSON.parse(line.slice(2)) as SavedStructure);
      this.index();
    } else if (kind === 'P\t') this.put(line, base);
    else if (kind === 'D\t') this.remove(line);
    else throw new Error('unknown kind of line');
  }

  finishBase(): void {
    for (const [partition, items] of this.based) partition.adopt(items);
  }

  private put(line: string, base: boolean): void {
    const ridEnd = line.indexOf('\t', 2);
    const metaEnd = line.indexOf('\t', ridEnd + 1);
    const container = this.containers.get(line.slice(2, ridEnd));
    if (container === undefined || metaEnd < 0) throw new Error('unknown container');
    const meta = JSON.parse(line.slice(ridEnd + 1, metaEnd)) as readonly [
      ...[id: string, pk: string, epk: string, size: number, terms: number, write: number, time: number],
      ...[number: number, lsn: number, ttl: number | null],
    ];
    const [id, pk, epk, size, terms, write, time, number, lsn, ttl] = meta;
    // A copy of its own: a slice would keep the whole line, and with it the chunk it was cut from, alive.
    const text = Buffer.from(line.slice(metaEnd + 1), 'utf8').toString('utf8');
    const item = new Item(id, pk, epk, text, size, terms, write, time, number, lsn, ttl ?? undefined);
    const partition = container.route(epk);
    if (!base) partition.put(item);
    else {
      const items = this.based.get(partition);
      if (items === undefined) this.based.set(partition, [item]);
      else items.push(item);
    }
    container.documents = Math.max(container.documents, number);
    this.account.writes = Math.max(this.account.writes, write);
  }

  private remove(line: string): void {
    const [, rid = '', pk = '', id = ''] = line.split('\t');
    const container = this.containers.get(rid);
    if (container === undefined) throw new Error('unknown container');
    const name = JSON.parse(id) as string;
    for (const partition of container.partitions) {
      const item = partition.get(pk, name);
      if (item !== undefined) partition.remove(item, item.time, false);
    }
  }

  private index(): void {
    this.containers = new Map();
    for (const database of this.account.databases.values()) {
      for (const container of database.containers.values()) this.containers.set(container.rid, container);
    }
  }
}

function addUniqueKeys(container: Container): void {
  if (!container.uniqueKeys.active) return;
  for (const partition of container.partitions) {
    for (const item of partition.all()) {
      container.uniqueKeys.add(item.pk, item.id, parsePlainJson(item.text) as JsonMap);
    }
  }
}
