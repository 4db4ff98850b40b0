/** The emulator as a library: an account of its own behind a real HTTP or HTTPS port. */
import { systemClock } from '../../shared/clock.ts';
import { Account } from './account.ts';
import { adminHandler } from './admin.ts';
import { emulatorControl, type EmulatorControl } from './control.ts';
import { Counters } from './counters.ts';
import type { Gate } from './dispatch.ts';
import { openStorage } from './emulator-storage.ts';
import { Faults } from './faults.ts';
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
  const storage = openStorage(options, account, names);
  const { journal, certificate } = storage;
  const service: Service = {
    account,
    counters: new Counters(),
    faults: new Faults(),
    model: options.ruModel ?? documentedModel,
    previous: new PreviousVersions(),
    journal,
    endpoint: () => endpoint,
    key: Buffer.from(key, 'base64'),
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
    { host, port: options.port ?? 0, certificate, clock, latencyMs: options.latencyMs ?? 0 },
    service,
    new QueryPages(),
    gate,
    adminHandler(control),
  ).catch(async (thrown: unknown) => {
    await storage.close();
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
      await storage.close();
    },
  };
}
