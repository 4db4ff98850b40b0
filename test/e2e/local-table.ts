/** One table of a local Azure as its tests see it: the folder they write, the container, the app's answers and events. */
import { isDeepStrictEqual } from 'node:util';
import type { Container } from '@azure/cosmos';
import { expect } from 'vitest';
import type { FunctionsAddress } from '../../src/local/launcher/services.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { TableStatus } from '../../src/sync/administration.ts';
import type { TableLag } from '../../src/sync/lag.ts';
import type { LedgerEntry } from '../../src/sync/state-store.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';

/** Generous: machines may be busy. */
const LIMIT_MS = 100_000;
const POLL_MS = 100;
/** Without news for so long the app is asked to look, as the sweep would. */
const NUDGE_MS = 15_000;

export type Document = Readonly<Record<string, unknown>>;

/** An event of the app's log. */
export interface LogEvent {
  readonly event: string;
  readonly table: string;
  readonly [field: string]: unknown;
}

export interface LocalTablePorts {
  readonly functions: FunctionsAddress;
  readonly container: Container;
  readonly events: () => readonly LogEvent[];
  /** Sends the event of the newest commit. */
  readonly announce: () => Promise<void>;
}

/** Of the status, with what the app adds: the number of dead letters, and how far behind the table is. */
export type Status = TableStatus & { readonly deadLetters: number; readonly behind: TableLag | null };

export class LocalTable {
  readonly id: string;
  readonly folder: string;
  readonly #ports: LocalTablePorts;
  #writer: DeltaWriter | undefined;

  constructor(id: string, folder: string, ports: LocalTablePorts) {
    this.id = id;
    this.folder = folder;
    this.#ports = ports;
  }

  get container(): Container {
    return this.#ports.container;
  }

  /** The writer of the table; `create` first. */
  get writer(): DeltaWriter {
    if (this.#writer === undefined) throw new Error(`${this.id} was not created`);
    return this.#writer;
  }

  /** Makes the table without telling the app. Columns in short form: `{ id: 'string' }`. */
  async create(
    columns: Readonly<Record<string, string>> | DeltaWriterOptions['columns'],
    rows: readonly Parameters<DeltaWriter['insert']>[0][number][],
    options: Omit<DeltaWriterOptions, 'columns'> = {},
  ): Promise<DeltaWriter> {
    const list = Array.isArray(columns) ? columns : primitives(columns as Readonly<Record<string, string>>);
    const writer = await DeltaWriter.create(this.folder, { columns: list, ...options });
    this.#writer = writer;
    if (rows.length > 0) await writer.insert(rows);
    return writer;
  }

  /** Tells the app about the newest commit. */
  async announce(): Promise<void> {
    await this.#ports.announce();
  }

  /** Tells the app about the newest commit, and waits until the container has it. */
  async arrives(): Promise<Status> {
    await this.#ports.announce();
    return this.reached();
  }

  /** Waits until the container has the newest commit and the run has ended. */
  async reached(version = this.writer.version): Promise<Status> {
    return this.settled(
      `version ${version}`,
      ({ checkpoint, phase, request }) => checkpoint?.version === version && phase === 'idle' && request === null,
    );
  }

  /**
   * Tells the app about the newest commit, and waits until the epoch to it is held with this code and the run has ended:
   * while it lasts it may plan again.
   */
  async isHeld(code: string): Promise<NonNullable<Status['held']>> {
    await this.#ports.announce();
    const { held } = await this.settled(
      `held ${code}`,
      ({ held, current }) => held?.code === code && current?.to === this.writer.version,
    );
    expect(held?.reason).not.toBe('');
    expect(held?.remedy).not.toBe('');
    await this.logged('epochHeld', { code });
    if (held === null) throw new Error('not held');
    return held;
  }

  /** Waits for an event with these fields. */
  async logged(event: string, fields: Readonly<Record<string, unknown>> = {}): Promise<LogEvent> {
    const found = (): LogEvent | undefined =>
      this.#ports
        .events()
        .find((each) => each.event === event && Object.entries(fields).every(([name, value]) => each[name] === value));
    await this.#poll(`${event} ${JSON.stringify(fields)}`, async () => found() !== undefined);
    return found() as LogEvent;
  }

  /** Waits until this is so while no run is under way. */
  async settled(what: string, test: (status: Status) => boolean): Promise<Status> {
    let status = await this.status();
    await this.#poll(
      what,
      async () => {
        if (!test(await this.status()) || (await this.#isRunning())) return false;
        status = await this.status();
        return test(status);
      },
      () => status,
    );
    return status;
  }

  async until(what: string, test: (status: Status) => boolean): Promise<Status> {
    let status = await this.status();
    await this.#poll(
      what,
      async () => {
        status = await this.status();
        return test(status);
      },
      () => status,
    );
    return status;
  }

  async status(): Promise<Status> {
    return this.#call<Status>('GET', '');
  }

  async history(): Promise<readonly LedgerEntry[]> {
    return this.#call<readonly LedgerEntry[]>('GET', '/history');
  }

  async deadLetters(): Promise<readonly Document[]> {
    return this.#call<readonly Document[]>('GET', '/dead-letters');
  }

  /** An action over HTTP; throws what the app answers when it refuses. */
  async act(action: string, planId?: string): Promise<Status> {
    return this.#call<Status>('POST', `/${action}`, planId === undefined ? undefined : { planId });
  }

  /** The whole container without Cosmos' own fields, ordered by id. */
  async documents(): Promise<Document[]> {
    return this.documentsOf(this.container);
  }

  /** The same of another container. */
  async documentsOf(container: Container): Promise<Document[]> {
    const { resources } = await container.items.readAll<Record<string, unknown>>().fetchAll();
    return byId(
      resources.map((item) =>
        Object.fromEntries(Object.entries(item).filter(([name]) => !/^_(rid|self|etag|ts|attachments)$/.test(name))),
      ),
    );
  }

  /** Whether the orchestration of the table is under way, by the Durable HTTP API. */
  async #isRunning(): Promise<boolean> {
    const { url, systemKeys } = this.#ports.functions;
    const code = systemKeys['durabletask_extension'] ?? '';
    const response = await fetch(`${url}/runtime/webhooks/durabletask/instances/sync-${this.id}?code=${code}`);
    if (response.status === 404) return false;
    const { runtimeStatus } = (await response.json()) as { readonly runtimeStatus: string };
    return !['Completed', 'Failed', 'Terminated'].includes(runtimeStatus);
  }

  async #call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const { url, masterKey } = this.#ports.functions;
    const response = await fetch(`${url}/api/tables/${this.id}${path}`, {
      method,
      headers: { 'x-functions-key': masterKey },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${this.id}${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  async #poll(what: string, test: () => Promise<boolean>, seen: () => unknown = () => null): Promise<void> {
    const started = systemClock.monotonic();
    let [news, newsAt] = [-1, started];
    while (!(await test())) {
      const now = systemClock.monotonic();
      const events = this.#ports.events();
      if (events.length !== news) [news, newsAt] = [events.length, now];
      if (now - started > LIMIT_MS) {
        const told = [seen(), ...events.slice(-8)].map((each) => JSON.stringify(each)).join('\n');
        throw new Error(`${this.id} did not get to: ${what}\n${told}`);
      }
      if (now - newsAt > NUDGE_MS) {
        newsAt = now;
        await this.act('sync');
      }
      await systemClock.sleep(POLL_MS);
    }
  }
}

/** Waits until what is read equals this; says how it differs when it does not get there. */
export async function becomes(read: () => Promise<unknown>, expected: unknown): Promise<void> {
  const started = systemClock.monotonic();
  // Not expect.poll: it loses its test among concurrent ones.
  let found = await read();
  while (!isDeepStrictEqual(found, expected) && systemClock.monotonic() - started < LIMIT_MS) {
    await systemClock.sleep(POLL_MS);
    found = await read();
  }
  expect(found).toEqual(expected);
}

/** Documents in the order in which `documents` gives those of the container. */
export function byId(documents: readonly Document[]): Document[] {
  return documents.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
}
