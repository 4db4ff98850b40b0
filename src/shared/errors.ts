/**
 * The one error catalogue. Every error a user can meet has a code here, how it ends a command and whether trying the
 * same thing again can help. The message says problem, reason and remedy.
 */

/** How a command ends on an error: `failed` 1, `usage` 2, `refused` 3 (unsupported, damaged or unsafe input). */
export type ErrorClass = 'failed' | 'usage' | 'refused';

interface CatalogueEntry {
  readonly class: ErrorClass;
  /** True when the same call may succeed later without anybody acting. */
  readonly retryable: boolean;
  /** What the operator should do; used unless the place that throws knows better. */
  readonly remedy: string;
}

const CATALOGUE = {
  // general
  internal: {
    class: 'failed',
    retryable: false,
    remedy: 'This is a fault of the program: please report it with the log.',
  },
  usage: { class: 'usage', retryable: false, remedy: 'Run the command with --help.' },
  aborted: { class: 'failed', retryable: true, remedy: 'Run it again.' },
  // configuration
  configNotFound: { class: 'usage', retryable: false, remedy: 'Name the configuration file that exists.' },
  configMalformed: { class: 'usage', retryable: false, remedy: 'Correct the JSON text.' },
  configInvalid: { class: 'usage', retryable: false, remedy: 'Correct the setting.' },
  settingMissing: { class: 'usage', retryable: false, remedy: 'Set the application setting.' },
  sourceNotAllowed: {
    class: 'usage',
    retryable: false,
    remedy: 'Name a table in the storage account of the DELTA_LAKE setting, without a query.',
  },
  // storage
  storageNotFound: { class: 'failed', retryable: false, remedy: 'Check the path.' },
  storageChanged: {
    class: 'failed',
    retryable: true,
    remedy: 'Run it again: the file was replaced while it was read.',
  },
  storageForbidden: { class: 'failed', retryable: false, remedy: 'Grant the identity read access.' },
  storageUnavailable: { class: 'failed', retryable: true, remedy: 'Run it again later.' },
  // Delta
  notADeltaTable: { class: 'refused', retryable: false, remedy: 'Name the folder that holds _delta_log.' },
  logDamaged: { class: 'refused', retryable: false, remedy: 'Repair the table with the engine that writes it.' },
  commitPending: {
    class: 'failed',
    retryable: true,
    remedy: 'Run it again in a minute: a commit of the table is being written.',
  },
  versionNotFound: { class: 'refused', retryable: false, remedy: 'Choose a version that the log still holds.' },
  unsupportedFeature: {
    class: 'refused',
    retryable: false,
    remedy: 'Drop the table feature with the engine that writes it.',
  },
  catalogManaged: { class: 'refused', retryable: false, remedy: 'Read the table through its catalog.' },
  dataFileMissing: { class: 'refused', retryable: false, remedy: 'Restore the file or the table.' },
  dataFileDamaged: { class: 'refused', retryable: false, remedy: 'Restore the file or the table.' },
  deletionVectorDamaged: { class: 'refused', retryable: false, remedy: 'Restore the deletion vector or the table.' },
  changeFeedUnavailable: {
    class: 'refused',
    retryable: false,
    remedy: 'Read from a version at which the feed is on, or compare snapshots.',
  },
  unsafePath: { class: 'refused', retryable: false, remedy: 'Only files inside the table folder are read.' },
  // mapping
  columnUnknown: { class: 'refused', retryable: false, remedy: 'Name a column of the table.' },
  mappingInvalid: { class: 'refused', retryable: false, remedy: 'Correct the mapping.' },
  // Cosmos DB target
  targetMissing: {
    class: 'failed',
    retryable: false,
    remedy: 'Create the database and the container, or correct their names.',
  },
  targetReplaced: {
    class: 'refused',
    retryable: true,
    remedy: 'Run it again: the next plan starts from the new container.',
  },
  targetForbidden: {
    class: 'failed',
    retryable: false,
    remedy: 'Give the identity the data role that infra/ defines, on this container.',
  },
  targetKeyRefused: {
    class: 'failed',
    retryable: false,
    remedy: 'Set the current key of the account, or use an identity.',
  },
  targetClockSkew: { class: 'failed', retryable: false, remedy: 'Synchronise the clock of this machine.' },
  targetCertificateRefused: {
    class: 'failed',
    retryable: false,
    remedy: 'Check the endpoint; for a local emulator, name its CA certificate.',
  },
  targetUnavailable: { class: 'failed', retryable: true, remedy: 'Run it again later.' },
  targetRejects: { class: 'failed', retryable: false, remedy: 'Please report this with the log.' },
  targetKeyMismatch: {
    class: 'refused',
    retryable: false,
    remedy: "Map the document's key to the container's key path.",
  },
  targetUnsafe: { class: 'refused', retryable: false, remedy: 'Choose another container.' },
  // RU budget and lease
  budgetInvalid: {
    class: 'usage',
    retryable: false,
    remedy: 'Set share above 0 and at most 1, or ruPerSecond above 0.',
  },
  ruPerSecondUnknown: {
    class: 'failed',
    retryable: false,
    remedy: 'State the RU/s in the budget, or give the identity the action throughputSettings/read on the container.',
  },
  leaseContainerMissing: {
    class: 'failed',
    retryable: false,
    remedy: 'Create the database and the container of the RU lease, or correct their names.',
  },
  leaseContainerUnsuitable: {
    class: 'refused',
    retryable: false,
    remedy: 'Name a container with one partition key path, such as the state container.',
  },
  leaseForbidden: {
    class: 'failed',
    retryable: false,
    remedy: 'Give the identity the data role that infra/ defines, on the container of the RU lease.',
  },
  leaseDamaged: {
    class: 'refused',
    retryable: false,
    remedy: 'Delete the lease document while the app is stopped; it is made again.',
  },
  leaseUnavailable: { class: 'failed', retryable: true, remedy: 'Run it again later.' },
  leaseUnused: { class: 'failed', retryable: false, remedy: 'Correct the name of the budget, or start a sync first.' },
  leaseLost: { class: 'failed', retryable: true, remedy: 'Run it again.' },
  changeTypeUnknown: {
    class: 'refused',
    retryable: false,
    remedy: 'Ask for a resync, which compares the table itself.',
  },
  // epochs
  appUnavailable: { class: 'failed', retryable: true, remedy: 'Check the address and that the app runs.' },
  appRefused: { class: 'failed', retryable: false, remedy: 'Give a function key of the app.' },
  epochStale: { class: 'failed', retryable: false, remedy: 'Nothing is to be done: another epoch took over.' },
  stateContended: { class: 'failed', retryable: true, remedy: 'Run it again.' },
  writeFailed: {
    class: 'failed',
    retryable: true,
    remedy: 'The slice is repeated; look at the account when it goes on.',
  },
  nothingHeld: { class: 'failed', retryable: false, remedy: 'Look at the status of the table.' },
  planStale: { class: 'failed', retryable: false, remedy: 'Look at the status and approve the plan that is held now.' },
  nothingToRollBack: { class: 'failed', retryable: false, remedy: 'Look at the status of the table.' },
  pointerChanged: {
    class: 'refused',
    retryable: false,
    remedy:
      'Restore what the pointer document names; if readers were moved back to the slot before, run rollback so that the sync follows.',
  },
  removalRefused: {
    class: 'refused',
    retryable: false,
    remedy: 'Say "keep" in removedTables, or give every table of the container a discriminator.',
  },
  publicationUnavailable: {
    class: 'failed',
    retryable: true,
    remedy: 'Check that the freshness container exists, and that the identity has its role on it.',
  },
  stateUnavailable: {
    class: 'failed',
    retryable: true,
    remedy: 'Check that the state container exists and that the identity has its role on it.',
  },
  stateTooNew: {
    class: 'refused',
    retryable: false,
    remedy: 'Deploy the version of the app that wrote it, or a newer one.',
  },
  planDamaged: { class: 'failed', retryable: false, remedy: 'Ask for a resync of the table.' },
  tableUnknown: { class: 'usage', retryable: false, remedy: 'Name a table of the synchronisation configuration.' },
  // local functions host
  portTaken: { class: 'failed', retryable: false, remedy: 'Choose a free port, or 0 for any.' },
  historyDamaged: { class: 'refused', retryable: false, remedy: 'Remove the data folder, or name another one.' },
  appLoadFailed: { class: 'failed', retryable: false, remedy: 'Build the app and correct what stops it from loading.' },
  // Cosmos emulator
  emulatorDataVersion: {
    class: 'refused',
    retryable: false,
    remedy: 'Use the version of the emulator that wrote it, or another folder.',
  },
  emulatorDataDamaged: { class: 'refused', retryable: false, remedy: 'Restore the folder, or use another one.' },
  // launcher
  serviceFailed: { class: 'failed', retryable: true, remedy: 'Look at its log in the data folder.' },
  dataFolderInUse: {
    class: 'failed',
    retryable: true,
    remedy: 'Stop the other run, or name another folder with --data.',
  },
  dataFolderForeign: { class: 'refused', retryable: false, remedy: 'Name an empty folder, or one of an earlier run.' },
  dataFolderVersion: { class: 'refused', retryable: false, remedy: 'Remove the folder, or name another one.' },
  notSynced: { class: 'failed', retryable: false, remedy: 'Look at the status of the table.' },
} as const satisfies Record<string, CatalogueEntry>;

/** Every code of the catalogue. Codes are a contract: they appear in logs, dead letters and alerts. */
export type ErrorCode = keyof typeof CATALOGUE;

/** What the place that throws knows: the problem, why it is one, and (if better than the catalogue's) the remedy. */
export interface ErrorDetail {
  readonly problem: string;
  readonly reason?: string;
  readonly remedy?: string;
  readonly cause?: unknown;
  /** Overrides the catalogue where the same code can be passing or final. */
  readonly retryable?: boolean;
}

/** The only error class thrown on purpose. `message` is problem, reason and remedy in one line. */
export class SyncError extends Error {
  readonly code: ErrorCode;
  readonly problem: string;
  readonly reason: string | undefined;
  readonly remedy: string;
  readonly retryable: boolean;
  readonly class: ErrorClass;

  constructor(code: ErrorCode, detail: ErrorDetail) {
    const entry: CatalogueEntry = CATALOGUE[code];
    const remedy = detail.remedy ?? entry.remedy;
    const sentences = [detail.problem, detail.reason, remedy].filter((text) => text !== undefined && text !== '');
    super(sentences.join(' '), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'SyncError';
    this.code = code;
    this.problem = detail.problem;
    this.reason = detail.reason;
    this.remedy = remedy;
    this.retryable = detail.retryable ?? entry.retryable;
    this.class = entry.class;
  }
}

/** Every code with its entry, for documentation and tests. */
export function errorCatalogue(): Readonly<Record<ErrorCode, CatalogueEntry>> {
  return CATALOGUE;
}

/** Turns anything thrown into a SyncError; what was not thrown on purpose becomes `internal`. */
export function toSyncError(thrown: unknown): SyncError {
  if (thrown instanceof SyncError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new SyncError('aborted', { problem: 'The work was stopped.', cause: thrown });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new SyncError('internal', { problem: `Unexpected error: ${text.replace(/\.$/, '')}.`, cause: thrown });
}
