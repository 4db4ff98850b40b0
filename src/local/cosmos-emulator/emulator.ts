/** The emulator as a library: an account of its own behind a real HTTP or HTTPS port. */
import { systemClock } from '../../shared/clock.ts';
import { Account } from './account.ts';
import { adminHandler } from './admin.ts';
import { createServerCertificate, SERVER_CERTIFICATE_MS, type ServerCertificate } from './certificate.ts';
import { emulatorControl, type EmulatorControl } from './control.ts';
import { Counters } from './counters.ts';
import { DataFolder } from './data-folder.ts';
import type { Gate } from './dispatch.ts';
import { Faults } from './faults.ts';
import { lockFolder } from './folder-lock.ts';
import { Journal } from './journal.ts';
import { replayFolder } from './journal-replay.ts';
import { WELL_KNOWN_KEY, type EmulatorOptions } from './options.ts';
import { PreviousVersions } from './previous-versions.ts';
import { QueryPages } from './query-pages.ts';
import { documentedModel } from './request-units.ts';
import { startServer } from './server.ts';
import type { Service } from './service.ts';

export type { EmulatorControl } from './control.ts';
export type { EmulatorOptions, EntraRoles, RoleAssignment } from './options.ts';
export type { FaultAction, FaultRule, FaultSubject } from './faults.ts';
export type { CounterTotals, SecondCount } from './counters.ts';
export { WELL_KNOWN_KEY } from './options.ts';

/** A running emulator. */
export interface CosmosEmulator extends EmulatorControl {
  /** What clients connect to, with a slash at its end. */
  readonly endpoint: string;
  /** Account key, base64. */
  readonly key: string;
  /** PEM of the authority that signed the server's certificate; only with https. */
  readonly caCertificate?: string;
  /** Ends every connection and, with a data folder, leaves everything saved. */
  close(): Promise<void>;
}

/**
 * Starts an emulator. Rejects with `portTaken` when the port is in use and with `emulatorDataVersion` when the data
 * folder was written by another version; with `dataFolderInUse` when another emulator has it.
 */
export async function startCosmosEmulator(options: EmulatorOptions = {}): Promise<CosmosEmulator> {
  const clock = options.clock ?? systemClock;
  const host = options.host ?? '127.0.0.1';
  const key = options.key ?? WELL_KNOWN_KEY;
  let advanced = 0;
  let endpoint = '';
  const account = new Account({
    partitions: options.partitions,
    ruPerSecond: options.ruPerSecond,
    throttling: options.throttling ?? true,
    serverless: options.serverless ?? false,
  });
  const names = [...new Set(['localhost', '127.0.0.1', '::1', host])];
  const { journal, certificate, close } = openStorage(options, account, names);
  const service: Service = {
    account,
    counters: new Counters(),
    faults: new Faults(),
    model: options.ruModel ?? documentedModel,
    previous: new PreviousVersions(),
    journal,
    endpoint: () => endpoint,
    now: () => clock.now() + advanced,
  };
  const control = emulatorControl(service, (ms) => {
    advanced += ms;
  });
  const gate: Gate = {
    key: (options.auth?.key ?? true) ? Buffer.from(key, 'base64') : undefined,
    entra: options.auth?.entra ?? 'off',
    now: () => clock.now(),
  };
  const server = await startServer(
    { host, port: options.port ?? 0, certificate, clock },
    service,
    new QueryPages(),
    gate,
    adminHandler(control),
  ).catch(async (thrown: unknown) => {
    await close();
    throw thrown;
  });
  const address = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host;
  endpoint = `${certificate === undefined ? 'http' : 'https'}://${address}:${server.port}/`;
  return {
    ...control,
    endpoint,
    key,
    ...(certificate === undefined ? {} : { caCertificate: certificate.caCertificate }),
    close: async () => {
      await server.close();
      await close();
    },
  };
}

/** What lies on disk, if anything does. */
interface Storage {
  readonly journal: Journal | undefined;
  readonly certificate: ServerCertificate | undefined;
  close(): Promise<void>;
}

/** Takes the data folder and reads it into the account. */
function openStorage(options: EmulatorOptions, account: Account, names: readonly string[]): Storage {
  const { dataFolder, https } = options;
  if (dataFolder === undefined) {
    const certificate = https === true ? createServerCertificate(names, Date.now()) : undefined;
    return { journal: undefined, certificate, close: () => Promise.resolve() };
  }
  const folder = new DataFolder(dataFolder);
  const unlock = lockFolder(folder.path);
  try {
    replayFolder(folder, account);
    const certificate = https === true ? keptCertificate(folder, names) : undefined;
    const journal = new Journal(folder, account);
    const close = async (): Promise<void> => {
      await journal.close();
      unlock();
    };
    return { journal, certificate, close };
  } catch (thrown) {
    unlock();
    throw thrown;
  }
}

const CERTIFICATE_FILE = 'certificate.json';
/** A kept certificate is used until this long before its end. */
const RENEWAL_MS = 7 * 86_400_000;

interface KeptCertificate {
  readonly names: string;
  readonly until: number;
  readonly server: ServerCertificate;
}

/** The certificate of the folder, so that clients need not learn a new one after a restart; a new one where it has none. */
function keptCertificate(folder: DataFolder, names: readonly string[]): ServerCertificate {
  const now = Date.now();
  const kept = parseKept(folder.readText(CERTIFICATE_FILE));
  if (kept !== undefined && kept.names === names.join() && kept.until > now + RENEWAL_MS) return kept.server;
  const server = createServerCertificate(names, now);
  const fresh: KeptCertificate = { names: names.join(), until: now + SERVER_CERTIFICATE_MS, server };
  folder.writeText(CERTIFICATE_FILE, JSON.stringify(fresh));
  return server;
}

function parseKept(text: string | undefined): KeptCertificate | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as KeptCertificate);
  } catch {
    return undefined;
  }
}
