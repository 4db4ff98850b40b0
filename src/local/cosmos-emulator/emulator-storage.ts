/** An emulator's memory on disk: the data folder with its lock, journal and certificate. */
import type { Account } from './account.ts';
import { createServerCertificate, SERVER_CERTIFICATE_MS, type ServerCertificate } from './certificate.ts';
import { DataFolder } from './data-folder.ts';
import { lockFolder } from './folder-lock.ts';
import { Journal } from './journal.ts';
import { replayFolder } from './journal-replay.ts';
import type { EmulatorOptions } from './options.ts';

/** What lies on disk, if anything does. */
export interface EmulatorStorage {
  readonly journal: Journal | undefined;
  readonly certificate: ServerCertificate | undefined;
  close(): Promise<void>;
}

/**
 * Takes the data folder and reads it into the account; `dataFolderInUse`, `emulatorDataVersion` or `emulatorDataDamaged`
 * when that cannot be.
 */
export function openStorage(options: EmulatorOptions, account: Account, names: readonly string[]): EmulatorStorage {
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
