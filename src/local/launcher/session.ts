/** A local run from start to end: the local Azure, one table in it, its commits as events, and what is told about it. */
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import type { Clock } from '../../shared/clock.ts';
import { SAMPLE_FOLDER } from '../sample-table/scenario.ts';
import { appEventOf } from './app-log.ts';
import { LAKE_CONTAINER, syncConfigurationOf } from './app-settings.ts';
import type { EventPath, TableSetup } from './app-settings.ts';
import { openDataFolder } from './data-folder.ts';
import { EventDelivery } from './event-delivery.ts';
import { folderEvent, subscribersOf } from './event-subscriptions.ts';
import { Lake } from './lake.ts';
import { startLocalAzure } from './local-azure.ts';
import type { PortChoice } from './local-azure.ts';
import { followLogFolder, newestCommit } from './log-folder.ts';
import type { CommitFile } from './log-folder.ts';
import { tellSampleStory } from './sample-story.ts';
import { jsonEvent } from './reporters.ts';
import type { Reporter, SessionEvent } from './session-event.ts';
import { AZURITE_ACCOUNT } from './services.ts';
import type { AzuriteAddress } from './services.ts';
import { blobCreated } from './storage-event.ts';
import { fetchTableStatus } from './table-status.ts';
import { TableWatch } from './table-watch.ts';
import { TargetDocuments } from './target-documents.ts';

/** What a run tells other programs while it lasts: its `ready` event. */
const READY_FILE = 'ready.json';

/** Where the table lies: the sample in the lake container, or a folder whose newest version is known. */
export type SessionSource =
  | { readonly kind: 'sample' }
  | { readonly kind: 'folder'; readonly path: string; readonly version: number };

export interface SessionOptions {
  readonly appFolder: string;
  readonly dataFolder: string;
  /** Empty the data folder first. */
  readonly fresh: boolean;
  readonly ports: PortChoice;
  readonly workers: number | undefined;
  readonly events: EventPath;
  readonly setup: TableSetup;
  readonly source: SessionSource;
  /** Between two commits of the sample, so that a person can follow. */
  readonly storyPauseMs: number;
  /** End when the container equals the table. */
  readonly exitWhenSynced: boolean;
}

/**
 * Runs until the signal aborts, or with `exitWhenSynced` until the container equals the table; everything it started is
 * stopped then. Resolves to false when an obstacle, which was reported, ended it. Throws SyncError when a service fails.
 */
export async function runSession(
  options: SessionOptions,
  reporter: Reporter,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const started = clock.monotonic();
  const { setup, source } = options;
  const data = await openDataFolder(options.dataFolder, options.fresh, signal);
  // Everything that waits ends with this, so that nothing is left when the services stop.
  const ending = new AbortController();
  const running = AbortSignal.any([signal, ending.signal]);
  let watch: TableWatch | undefined;
  let documents: TargetDocuments | undefined;
  let stopServices: () => Promise<void> = async () => undefined;
  const background: Promise<unknown>[] = [];
  try {
    const azure = await startLocalAzure(
      {
        appFolder: options.appFolder,
        ports: options.ports,
        workers: options.workers,
        events: options.events,
        configuration: (azurite) =>
          syncConfigurationOf(
            setup,
            source.kind === 'folder' ? source.path : `${azurite.blob}/${LAKE_CONTAINER}/${SAMPLE_FOLDER}`,
          ),
        containers: [
          {
            database: setup.database,
            container: setup.container,
            partitionKeyPath: setup.partitionKeyPath,
            ruPerSecond: setup.containerRuPerSecond,
          },
        ],
      },
      data,
      {
        hostLine(line) {
          const event = appEventOf(line);
          if (event !== undefined) watch?.appEvent(event);
        },
        note: (text) => reporter.event({ kind: 'note', text }),
      },
      clock,
      signal,
    );
    stopServices = () => azure.stop();
    const { addresses } = azure;
    const target = new TargetDocuments(addresses.cosmos, setup.database, setup.container);
    documents = target;
    const tableWatch = new TableWatch(
      setup.tableId,
      {
        status: (signal) => fetchTableStatus(addresses.functions, setup.tableId, signal),
        countDocuments: (signal) => target.count(signal),
        showsProgress: reporter.showsProgress,
        report: (event) => reporter.event(event),
        progress: (progress) => reporter.progress(progress),
      },
      clock,
    );
    watch = tableWatch;
    const ready: SessionEvent = {
      kind: 'ready',
      addresses,
      table: setup.tableId,
      target: `${setup.database}/${setup.container}`,
      dataFolder: data.path,
      milliseconds: clock.monotonic() - started,
    };
    // For the commands that are told of this run by its data folder.
    await writeFile(data.file(READY_FILE), JSON.stringify(jsonEvent(ready)), { mode: 0o600 });
    reporter.event(ready);

    const delivery = new EventDelivery(
      subscribersOf(options.events, addresses),
      clock,
      (text) => reporter.event({ kind: 'note', text }),
      running,
    );
    background.push(tableWatch.run(running));
    const done =
      source.kind === 'sample'
        ? runSample(addresses.azurite, delivery, tableWatch, target)
        : runFolder(source.path, source.version, delivery, tableWatch);
    const outcome = done.then(async () => {
      await tableWatch.synced(running);
      if (!options.exitWhenSynced) {
        reporter.event({ kind: 'watching', isSample: source.kind === 'sample' });
        await untilAborted(running);
      }
      return tableWatch.obstacle === undefined;
    });
    outcome.catch(() => undefined);
    return await Promise.race([outcome, azure.failed, ...background.map(failure)]);
  } finally {
    ending.abort();
    await Promise.allSettled(background);
    await stopServices();
    documents?.close();
    await rm(data.file(READY_FILE), { force: true });
    await data.release();
    if (signal.aborted) reporter.event({ kind: 'note', text: 'Everything is stopped.' });
  }

  async function runSample(
    azurite: AzuriteAddress,
    delivery: EventDelivery,
    watch: TableWatch,
    documents: TargetDocuments,
  ): Promise<void> {
    const container = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient(
      LAKE_CONTAINER,
    );
    const lake = new Lake(container, (blob) => {
      void delivery.send(blobCreated(blob, { id: randomUUID(), account: AZURITE_ACCOUNT, time: clock.now() }));
    });
    await lake.takeBaseline(running);
    background.push(lake.follow(clock, running));
    await tellSampleStory(lake, watch, documents, reporter, options.storyPauseMs, clock, running);
  }

  async function runFolder(folder: string, version: number, delivery: EventDelivery, watch: TableWatch): Promise<void> {
    const logFolder = join(folder, '_delta_log');
    const onCommit = (commit: CommitFile): void => {
      watch.expect(commit.version);
      void delivery.send(folderEvent(commit, clock.now()));
    };
    const { ended } = await followLogFolder(logFolder, onCommit, clock, running);
    background.push(ended);
    watch.expect(version);
    // The table was there before anybody listened: its newest commit is the first event.
    const newest = await newestCommit(logFolder);
    if (newest !== undefined) onCommit(newest);
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Rejects when the work does; never resolves. */
async function failure(work: Promise<unknown>): Promise<never> {
  await work;
  return new Promise<never>(() => undefined);
}
