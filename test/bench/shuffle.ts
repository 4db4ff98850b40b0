/**
 * Shuffle of many rows by the slices of the app: Parquet files to shuffle files to net changes, three slices side by side,
 * nothing written to a container. Each case in a process of its own with the young generation of the app's workers; its
 * memory is that of reading Parquet, mapping, spilling, reading back and netting together. "Reading the rows once" is what
 * an epoch without a shuffle does with them: Parquet to documents with identities.
 * Usage: node test/bench/shuffle.ts [rows [rows of the hot cases]]. Ends with 1 when a target is missed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entryBytes, parseEntry } from '../../src/changes/shuffle-blob.ts';
import { readFileRows } from '../../src/delta/file-rows.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { folderPlanStore } from '../../src/storage/folder-plan-store.ts';
import type { PlanSummary, SliceInput } from '../../src/sync/activity-messages.ts';
import type { DocumentWriter } from '../../src/sync/document-writer.ts';
import { driveRun } from '../../src/sync/drive-run.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { planFolder, readPart, readPlan, readRanges } from '../../src/sync/plan.ts';
import { readImages } from '../../src/sync/row-images.ts';
import { runSlice } from '../../src/sync/run-slice.ts';
import { sealStage } from '../../src/sync/seal-stage.ts';
import { loadSlicePlan, type SlicePlan } from '../../src/sync/slice-plan.ts';
import type { StageName } from '../../src/sync/state.ts';
import type { SyncDependencies, SyncTarget } from '../../src/sync/sync-target.ts';
import { NO_COUNTS } from '../../src/sync/state-store.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { tableConfiguration } from '../support/mapping-builder.ts';
import { MemoryStateStore } from '../support/memory-state-store.ts';
import { ProductTable } from '../support/product-rows.ts';

const TABLE = 'table';
const MAX_RSS_MB = 512;
const MAX_TIMES_READING = 6;

/** How identities are spread: settings of the table, and the container's partition key. */
const CASES = {
  spread: { what: 'every row a document of its own', settings: { id: '${part}-${id}' }, key: '/id' },
  hotKey: {
    what: 'one partition key for all rows',
    settings: { id: '${part}-${id}', constants: { kind: 'product' } },
    key: '/kind',
  },
  twoDocuments: {
    what: 'two documents for all rows',
    settings: { id: '${active}', columns: { rename: { id: 'sku' } } },
    key: '/id',
  },
} as const;
type Case = keyof typeof CASES;

interface Figures {
  readonly rows: number;
  readonly ranges: number;
  readonly blobs: number;
  readonly spilledImages: number;
  readonly spilledBytes: number;
  readonly netted: number;
  readonly slices: number;
  readonly peakMb: number;
  readonly spreadPeakMb: number;
  readonly baseMb: number;
  readonly shuffleSeconds: number;
  readonly netSeconds: number;
  readonly readSeconds: number;
  readonly mapSeconds: number;
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'child') {
  const figures = await measure(rest[0] as Case, Number(rest[1]), rest[2] ?? '');
  process.send?.(figures);
  process.disconnect();
} else {
  const rows = Number(role ?? 1_000_000);
  report('spread', await inProcess('spread', rows));
  const hotRows = Number(rest[0] ?? Math.min(rows, 1_000_000));
  report('hotKey', await inProcess('hotKey', hotRows));
  report('twoDocuments', await inProcess('twoDocuments', hotRows));
}

async function inProcess(name: Case, rows: number): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'shuffle-bench-'));
  try {
    await new ProductTable(join(folder, 'table')).create();
    const args = ['child', name, String(rows), folder];
    return await figuresOf(fork(fileURLToPath(import.meta.url), args, { execArgv: ['--max-semi-space-size=16'] }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function figuresOf(child: ChildProcess): Promise<Figures> {
  const [figures] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`a case ended with ${String(code)}`);
    }),
  ])) as [Figures];
  return figures;
}

function report(name: Case, figures: Figures): void {
  const { rows, spilledImages, peakMb, shuffleSeconds, netSeconds, readSeconds, mapSeconds } = figures;
  const seconds = shuffleSeconds + netSeconds;
  const times = spilledImages / rows;
  const ratio = seconds / mapSeconds;
  // What must not grow with the keys is memory and what is spilled; passes over a hot key may take longer.
  const slow = name === 'spread' && ratio > MAX_TIMES_READING;
  const missed = slow || times > 1 || peakMb > MAX_RSS_MB || figures.netted !== rows;
  if (missed) process.exitCode = 1;
  const lines = [
    `${name}: ${rows} rows, ${CASES[name].what}; ${figures.ranges} ranges, ${figures.blobs} blobs, ${figures.slices} slices`,
    `  spilled      ${times.toFixed(3)} times each row (target <= 1), ${Math.round(figures.spilledBytes / rows)} bytes a row; ${figures.netted} netted`,
    `  peak RSS     ${peakMb} MB (target <= ${MAX_RSS_MB}), ${figures.spreadPeakMb} MB until all was spread, ${figures.baseMb} MB before the first row`,
    `  CPU time     ${seconds.toFixed(1)} s = ${ratio.toFixed(2)} x reading the rows once, as documents${name === 'spread' ? ` (target <= ${MAX_TIMES_READING})` : ''}`,
    `               spreading ${shuffleSeconds.toFixed(1)} s, netting ${netSeconds.toFixed(1)} s; reading ${mapSeconds.toFixed(1)} s, of which Parquet to values ${readSeconds.toFixed(1)} s`,
    missed ? '  MISSED' : '  met',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function measure(name: Case, wanted: number, folder: string): Promise<Figures> {
  const signal = new AbortController().signal;
  const deps = dependencies(folder, name);
  const first = await driveRun(deps, TABLE, 'bench', signal);
  if (first.kind !== 'idle') throw new Error(JSON.stringify(first));
  const rows = await new ProductTable(join(folder, 'table')).fill(wanted);
  const baseMb = megabytes(process.memoryUsage.rss());
  const planned = await planEpoch(deps, { tableId: TABLE, driver: 'bench', failure: null }, signal);
  if (planned.kind !== 'epoch') throw new Error(JSON.stringify(planned));
  const { plan } = planned;
  const started = cpuSeconds();
  const spread = await stage(deps, plan, 'shuffle', signal);
  const sealed = { tableId: TABLE, planId: plan.planId, stage: 'shuffle' as const, counts: NO_COUNTS };
  await sealStage(deps, { ...sealed, outputs: spread.outputs }, signal);
  const shuffled = cpuSeconds();
  const spreadPeakMb = peakOf();
  const netted = await stage(deps, plan, 'count', signal);
  const ended = cpuSeconds();
  const peakMb = peakOf();
  const slicePlan = await loadSlicePlan(deps, TABLE, plan.planId, signal);
  return {
    rows,
    baseMb,
    peakMb,
    spreadPeakMb,
    netted: netted.rows,
    slices: spread.slices + netted.slices,
    ...(await spilled(deps, slicePlan, spread.outputs, signal)),
    shuffleSeconds: shuffled - started,
    netSeconds: ended - shuffled,
    // Afterwards, so that their garbage does not count as memory of the shuffle.
    readSeconds: await secondsOf(() => readOnce(deps, slicePlan, signal)),
    mapSeconds: await secondsOf(() => mapOnce(deps, slicePlan, signal)),
  };
}

/** All slices of a stage, as many side by side as the app has. `count` nets without writing. */
async function stage(
  deps: SyncDependencies,
  plan: PlanSummary,
  name: StageName,
  signal: AbortSignal,
): Promise<{ readonly outputs: readonly string[]; readonly rows: number; readonly slices: number }> {
  const chunks = plan.stages.find((each) => each.name === (name === 'count' ? 'apply' : name))?.chunks ?? 0;
  const outputs: string[] = [];
  let [next, rows, slices] = [0, 0, 0];
  const work = async (): Promise<void> => {
    while (next < chunks) {
      const chunk = next++;
      let cursor: string | null = null;
      for (let slice = 0; slice === 0 || cursor !== null; slice++) {
        const attempt = `${chunk}.${slice}`;
        const input: SliceInput = { tableId: TABLE, planId: plan.planId, stage: name, chunk, cursor, attempt };
        const result = await runSlice(deps, input, signal);
        if (result.kind !== 'ok') throw new Error(JSON.stringify(result));
        slices++;
        if (result.output === true) outputs.push(attempt);
        rows += result.counts.rows;
        ({ cursor } = result);
      }
    }
  };
  await Promise.all(Array.from({ length: plan.width }, work));
  return { outputs, rows, slices };
}

async function spilled(
  deps: SyncDependencies,
  plan: SlicePlan,
  outputs: readonly string[],
  signal: AbortSignal,
): Promise<Pick<Figures, 'blobs' | 'ranges' | 'spilledImages' | 'spilledBytes'>> {
  const ranges = (await readRanges(deps.plans, plan.header, signal)).length;
  let [spilledImages, spilledBytes] = [0, 0];
  for (const output of outputs) {
    const name = `${planFolder(plan.header.target, plan.header.planId)}/shuffle/${output}`;
    for (let range = 0; range < ranges; range++) {
      const { images, length } = parseEntry(await deps.plans.read(name, entryBytes(range), signal), ranges, name);
      spilledImages += images;
      spilledBytes += length;
    }
  }
  return { ranges, blobs: outputs.length, spilledImages, spilledBytes };
}

/** The rows of every part, as the Parquet reader gives them. */
async function readOnce(deps: SyncDependencies, plan: SlicePlan, signal: AbortSignal): Promise<number> {
  const columns = plan.mapping.columns;
  let rows = 0;
  for (const source of await allSources(deps, plan, signal)) {
    if (source.kind !== 'change') continue;
    const selection = { file: source.source.file, select: source.source.select };
    for await (const batch of readFileRows(
      plan.target.source,
      selection,
      plan.layout,
      { columns, batchRows: 1_000 },
      signal,
    ))
      rows += batch.rows.length;
  }
  return rows;
}

async function mapOnce(deps: SyncDependencies, plan: SlicePlan, signal: AbortSignal): Promise<number> {
  let images = 0;
  const sources = await allSources(deps, plan, signal);
  for await (const batch of readImages(plan, sources, {}, signal)) images += batch.images.length;
  return images;
}

async function allSources(
  deps: SyncDependencies,
  plan: SlicePlan,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof readPart>>> {
  const header = await readPlan(deps.plans, plan.header.target, plan.header.planId, signal);
  const parts = header.stages.find((each) => each.name === 'shuffle')?.chunks ?? 0;
  const sources = await Promise.all(
    Array.from({ length: parts }, (_, part) => readPart(deps.plans, header, part, signal)),
  );
  return sources.flat();
}

async function secondsOf(work: () => Promise<number>): Promise<number> {
  const started = cpuSeconds();
  if ((await work()) === 0) throw new Error('nothing was read');
  return cpuSeconds() - started;
}

function dependencies(folder: string, name: Case): SyncDependencies {
  const { settings, key } = CASES[name];
  const configuration = tableConfiguration({ ...settings, guards: { maxDeletes: { percent: 100 } } });
  const writer = described(key);
  const target: SyncTarget = {
    tableId: TABLE,
    id: TABLE,
    configuration,
    source: new FolderLogStore(join(folder, 'table')),
    writer,
    writerOf: () => writer,
  };
  return {
    target: () => Promise.resolve(target),
    removedTables: new Map(),
    plans: folderPlanStore(join(folder, 'plans')),
    states: new MemoryStateStore(),
    publications: null,
    clock: systemClock,
    log: { event: () => undefined },
    sizes: WORK_SIZES,
    appVersion: '1.0',
  };
}

/** A container of ten physical partitions that nobody writes to. */
function described(partitionKeyPath: string): DocumentWriter {
  const bounds = Array.from({ length: 11 }, (_, index) =>
    index === 0
      ? ''
      : index === 10
        ? 'FF'
        : Math.floor((0x40_00_00_00 / 10) * index)
            .toString(16)
            .toUpperCase()
            .padStart(8, '0'),
  );
  return {
    describe: () =>
      Promise.resolve({
        rid: 'bench',
        partitionKeyPaths: [partitionKeyPath],
        partitionKeyKind: 'Hash',
        partitionKeyVersion: 2,
        defaultTtl: undefined,
        partitions: bounds.slice(0, -1).map((start, index) => ({ start, end: bounds[index + 1] ?? 'FF' })),
      }),
    async *write(operations) {
      for await (const batch of operations) {
        if (batch.length > 0) throw new Error('the bench writes nothing');
        yield [];
      }
    },
    read: () => Promise.resolve({ documents: [], requestUnits: 0 }),
    scan: () => Promise.resolve({ documents: [], cursor: null, requestUnits: 0 }),
  };
}

/** Of all threads of the process: on a busy machine the clock would measure its neighbours. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function peakOf(): number {
  return Math.round(process.resourceUsage().maxRSS / 1_024);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
