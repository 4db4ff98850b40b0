/**
 * Instances on disk: one append-only journal of JSON lines per instance. A record is written before its effects start,
 * so a host killed at any moment finds everything it owed. A cut last line (the host died while writing it) is dropped:
 * nothing had been done for it yet. A new generation replaces the file by rename.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SyncError } from '../../../shared/errors.ts';
import { isJsonObject, parseJson } from '../json.ts';
import { applyRecord } from './instance.ts';
import type { Instance, InstanceRecord } from './instance.ts';

/** Loads, appends to and removes instances of one task hub. Writes are synchronous, so their order is that of the calls. */
export class InstanceStore {
  readonly #folder: string;
  readonly #instances = new Map<string, Instance>();
  readonly #open = new Map<string, number>();

  /** Reads every journal of `folder`, which is made when missing. Throws `historyDamaged`. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.jsonl')) continue;
      const instance = readJournal(join(folder, name));
      if (instance !== undefined) this.#instances.set(instance.started.OrchestrationInstance.InstanceId, instance);
    }
  }

  get(instanceId: string): Instance | undefined {
    return this.#instances.get(instanceId);
  }

  /** All instances, ordered by id. */
  list(): readonly (readonly [string, Instance])[] {
    return [...this.#instances].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Writes a record, then applies it. */
  append(instanceId: string, record: InstanceRecord): Instance {
    if (record.record === 'generation') this.#replace(instanceId, record);
    else writeAll(this.#descriptor(instanceId), line(record));
    const instance = applyRecord(this.#instances.get(instanceId), record);
    if (instance === undefined) throw new Error(`Instance ${instanceId} has no generation.`);
    this.#instances.set(instanceId, instance);
    if (record.record === 'episode' && record.status !== 'Running') this.#release(instanceId);
    return instance;
  }

  /** Forgets an instance and its journal. */
  remove(instanceId: string): void {
    this.#release(instanceId);
    rmSync(this.#file(instanceId), { force: true });
    this.#instances.delete(instanceId);
  }

  close(): void {
    for (const instanceId of this.#open.keys()) this.#release(instanceId);
  }

  #replace(instanceId: string, record: InstanceRecord): void {
    this.#release(instanceId);
    const file = this.#file(instanceId);
    const descriptor = openSync(`${file}.new`, 'w');
    writeAll(descriptor, line(record));
    closeSync(descriptor);
    renameSync(`${file}.new`, file);
  }

  #descriptor(instanceId: string): number {
    const known = this.#open.get(instanceId);
    if (known !== undefined) return known;
    const descriptor = openSync(this.#file(instanceId), 'a');
    this.#open.set(instanceId, descriptor);
    return descriptor;
  }

  #release(instanceId: string): void {
    const descriptor = this.#open.get(instanceId);
    if (descriptor !== undefined) closeSync(descriptor);
    this.#open.delete(instanceId);
  }

  /** Ids are free text: their hash makes a safe file name. */
  #file(instanceId: string): string {
    return join(this.#folder, `${createHash('sha256').update(instanceId).digest('hex').slice(0, 40)}.jsonl`);
  }
}

function line(record: InstanceRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}

function writeAll(descriptor: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}

function readJournal(file: string): Instance | undefined {
  let instance: Instance | undefined;
  const text = readFileSync(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) {
    // Appending after half a line would spoil the next record too.
    const descriptor = openSync(`${file}.new`, 'w');
    writeAll(descriptor, Buffer.from(whole));
    closeSync(descriptor);
    renameSync(`${file}.new`, file);
  }
  for (const each of whole.split('\n')) {
    if (each === '') continue;
    const record = parseJson(each);
    if (!isJsonObject(record) || (instance === undefined && record['record'] !== 'generation')) {
      throw new SyncError('historyDamaged', {
        problem: `The orchestration history ${basename(file)} is damaged.`,
        reason: 'A line is not a record.',
      });
    }
    instance = applyRecord(instance, record as unknown as InstanceRecord);
  }
  return instance;
}
