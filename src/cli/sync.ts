/** `delta-cosmos sync`, `verify`, `resync` and `rollback`: run the use cases in this process, without a function app. */
import { SyncError } from '../shared/errors.ts';
import { administer, tableStatus } from '../sync/administration.ts';
import { driveRun } from '../sync/drive-run.ts';
import type { AppDependencies } from '../activities/app-dependencies.ts';
import type { LedgerEntry } from '../sync/state-store.ts';
import { parseArguments } from './arguments.ts';
import type { Command, CommandIo } from './command.ts';
import { exitCodeOf } from './exit-code.ts';
import { forEachTable, SESSION_FLAGS, SESSION_USAGE } from './sync-session.ts';

export const syncCommand: Command = {
  name: 'sync',
  summary: 'bring containers up to the heads of their tables, once',
  usage: `delta-cosmos sync (--config FILE | --local DIR) [--table ID] [--json]

${SESSION_USAGE}
A table that a function app is working on is left to it. Ends with 3 when an epoch is held, or the target is refused.
`,
  async run(argv, io) {
    const { values } = parseArguments(argv, SESSION_FLAGS, 0);
    return forEachTable(values, io, (deps, tableId) => drive(deps, tableId, values.json === true, io), true);
  },
};

export const resyncCommand: Command = {
  name: 'resync',
  summary: 'compare table and container, and write what differs',
  usage: `delta-cosmos resync (--config FILE | --local DIR) [--table ID] [--json]

${SESSION_USAGE}`,
  async run(argv, io) {
    const { values } = parseArguments(argv, SESSION_FLAGS, 0);
    return forEachTable(values, io, async (deps, tableId) => {
      await administer(deps, tableId, { kind: 'resync' }, 'command line');
      return drive(deps, tableId, values.json === true, io);
    });
  },
};

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'compare table and container; with --repair, write what differs',
  usage: `delta-cosmos verify (--config FILE | --local DIR) [--table ID] [--repair] [--json]

  --repair        writes what differs afterwards, under the budget
${SESSION_USAGE}
Ends with 1 when both sides differ and --repair was not given.
`,
  async run(argv, io) {
    const { values } = parseArguments(argv, { ...SESSION_FLAGS, repair: { type: 'boolean' } }, 0);
    return forEachTable(values, io, async (deps, tableId) => {
      await administer(deps, tableId, { kind: 'verify' }, 'command line');
      const code = await drive(deps, tableId, values.json === true, io);
      if (code !== 0) return code;
      const [report] = await deps.states.history(tableId, 1, io.signal);
      const differing = report === undefined || report.kind !== 'verify' ? null : differences(report);
      if (differing === null || differing === 0) return differing === null ? 1 : 0;
      if (values.repair !== true) return 1;
      await administer(deps, tableId, { kind: 'resync' }, 'verify --repair');
      return drive(deps, tableId, values.json === true, io);
    });
  },
};

export const rollbackCommand: Command = {
  name: 'rollback',
  summary: 'tell readers to read what was published before, and pause the table',
  usage: `delta-cosmos rollback (--config FILE | --local DIR) --table ID [--json]

${SESSION_USAGE}
Only for tables that are published as blueGreen or versionFlag, as long as what was there before is kept
(publish.graceSeconds). The table stays paused until resume.
`,
  async run(argv, io) {
    const { values } = parseArguments(argv, SESSION_FLAGS, 0);
    if (values.table === undefined) throw new SyncError('usage', { problem: 'rollback needs --table ID.' });
    return forEachTable(values, io, async (deps, tableId) => {
      await administer(deps, tableId, { kind: 'rollback' }, 'command line');
      const { publication, checkpoint } = await tableStatus(deps, tableId, io.signal);
      const line =
        values.json === true
          ? JSON.stringify({ table: tableId, publication, version: checkpoint?.version ?? null })
          : `${tableId}: readers are sent to ${String(publication?.live)} at version ${String(checkpoint?.version)}; paused`;
      await io.stdout.write(`${line}\n`);
      return 0;
    });
  },
};

function differences({ counts }: LedgerEntry): number {
  return counts.creates + counts.upserts + counts.deletes;
}

async function drive(deps: AppDependencies, tableId: string, json: boolean, io: CommandIo): Promise<number> {
  const outcome = await driveRun(deps, tableId, `command line ${process.pid}`, io.signal);
  const [last] = await deps.states.history(tableId, 1, io.signal);
  const line = json
    ? JSON.stringify({ table: tableId, outcome, lastEpoch: last ?? null })
    : `${tableId}: ${outcomeText(outcome)}${last === undefined ? '' : `; ${epochText(last)}`}`;
  await io.stdout.write(`${line}\n`);
  if (outcome.kind === 'idle') return 0;
  return outcome.kind === 'held' ? 3 : exitCodeOf(outcome.code);
}

function outcomeText(outcome: {
  readonly kind: string;
  readonly version?: number | null;
  readonly code?: string;
  readonly message?: string;
}): string {
  if (outcome.kind === 'idle')
    return outcome.version === undefined || outcome.version === null
      ? 'nothing to do'
      : `at version ${outcome.version}`;
  return `${outcome.kind}${outcome.code === undefined ? '' : ` (${outcome.code})`}${outcome.message === undefined ? '' : `: ${outcome.message}`}`;
}

function epochText({ kind, from, to, counts, report }: LedgerEntry): string {
  const versions = from === null ? `version ${to}` : `version ${from} to ${to}`;
  if (kind === 'verify') {
    const found = report ?? {
      equal: counts.skipped,
      missing: counts.creates,
      different: counts.upserts,
      extra: counts.deletes,
    };
    return `verified at version ${to}: ${found.equal} equal, ${found.missing} missing, ${found.different} different, ${found.extra} extra; ${Math.round(counts.requestUnits)} RU`;
  }
  const letters = counts.deadLettered === 0 ? '' : `, ${counts.deadLettered} dead letters`;
  return `last epoch: ${kind}, ${versions}, ${counts.upserts + counts.creates + counts.patches} writes, ${counts.deletes} deletes${letters}, ${Math.round(counts.requestUnits)} RU`;
}
