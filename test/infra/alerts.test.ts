/** Alerts and the workbook ask for what the app really logs, at levels that reach the workspace. */
import { readFileSync, readdirSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logEventInfo, type LogEvent } from '../../src/shared/telemetry.ts';
import { administer } from '../../src/sync/administration.ts';
import { hasNews } from '../../src/sync/plan-epoch.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';
import { hasBicep, infraFolder, ofType, predict, predictSet, type PredictedResource } from './bicep.ts';
import { loadBundle } from './bundle-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const ALERT_EVENTS: readonly LogEvent[] = [
  'epochAbandoned',
  'epochFailed',
  'epochHeld',
  'leaseLost',
  'rowDeadLettered',
  'sweepRestarted',
  'tableBehind',
];

/** Events that a query names: `event in ("a", "b")`, `Event == "a"`. */
function eventsIn(query: string): readonly string[] {
  return [...query.matchAll(/\b[Ee]vent\)? (?:in \(([^)]*)\)|== ("\w+"))/g)].flatMap((match) =>
    [...(match[1] ?? match[2] ?? '').matchAll(/"(\w+)"/g)].map((each) => each[1] ?? ''),
  );
}

/** Fields of an event's line that a query reads and has nothing else for. */
function fieldsIn(query: string): readonly string[] {
  const certain = query.replaceAll(/coalesce\(tostring\(Line\.\w+\), /g, '');
  return [...certain.matchAll(/\bLine\.(\w+)/g)].map((match) => match[1] ?? '').filter((name) => name !== 'event');
}

/** Sources of the product, as far as it is deployed. */
const SOURCES = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('local'))
  .map((name) => readFileSync(join(root, 'src', name), 'utf8'));

/** The calls that log an event. */
function callsOf(event: string): readonly string[] {
  return SOURCES.flatMap((text) =>
    [...text.matchAll(new RegExp(`\\.event\\('${event}'[^;]*;`, 'g'))].map(([call]) => call),
  );
}

/** What host.json lets through to the workspace, unsampled. */
const { logging } = JSON.parse(readFileSync(join(root, 'host.json'), 'utf8')) as {
  readonly logging: {
    readonly logLevel: Readonly<Record<string, string>>;
    readonly applicationInsights: { readonly samplingSettings: { readonly excludedTypes: string } };
  };
};

/** Checks of one query against the app: events that it logs, fields that those carry, functions that it has. */
function expectAnswerable(query: string): void {
  for (const name of eventsIn(query)) {
    expect(callsOf(name).length, name).toBeGreaterThan(0);
    expect(['info', 'warn', 'error'], name).toContain(logEventInfo(name as LogEvent).level);
  }
  const calls = eventsIn(query).flatMap(callsOf).join('\n');
  // Spread fields are named where they are made.
  for (const field of fieldsIn(query))
    expect(calls.includes('...') ? SOURCES.join('\n') : calls, field).toMatch(new RegExp(`\\b${field}\\b`));
}

const queryOf = ({ properties }: PredictedResource): string =>
  (properties['criteria'] as { readonly allOf: readonly { readonly query: string }[] }).allOf[0]?.query ?? '';

it('events from level info on reach the workspace, and none of them is sampled away', () => {
  expect(logging.logLevel).toEqual({ default: 'Information' });
  expect(logging.applicationInsights.samplingSettings.excludedTypes.split(';')).toEqual(
    expect.arrayContaining(['Request', 'Exception', 'Trace']),
  );
});

describe.skipIf(!hasBicep)('alerts', () => {
  let rules: readonly PredictedResource[] = [];
  beforeAll(() => {
    rules = ofType(predict({}), 'Microsoft.Insights/scheduledQueryRules');
  });

  it('ask for these events, which the app logs with the fields that are read', () => {
    expect(rules.flatMap((rule) => eventsIn(queryOf(rule))).toSorted()).toEqual(ALERT_EVENTS);
    for (const rule of rules) expectAnswerable(queryOf(rule));
  });

  it('ask for requests of functions that exist', () => {
    const asked = rules
      .map(queryOf)
      .filter((query) => query.startsWith('AppRequests'))
      .flatMap((query) => [...query.matchAll(/"(\w+)"/g)].map((match) => match[1] ?? ''));
    expect(asked.toSorted()).toEqual(['onCommit', 'onLogEvent', 'onSweep']);
    const functions = loadBundle().functions.map(({ name }) => name);
    for (const name of asked) expect(functions).toContain(name);
  });

  it('a message is given up after as many failures as the alert of poison waits for', () => {
    const host = JSON.parse(readFileSync(join(root, 'host.json'), 'utf8')) as {
      readonly extensions: { readonly queues: { readonly maxDequeueCount: number } };
    };
    const poison = rules.find(({ name }) => name.endsWith('-poison'));
    expect(poison?.properties['criteria']).toMatchObject({
      allOf: [{ operator: 'GreaterThan', threshold: host.extensions.queues.maxDequeueCount - 1 }],
    });
  });

  it('a table is late after the minutes that a parameter states', () => {
    const late = ofType(predict({ lagAlertMinutes: 60 }), 'Microsoft.Insights/scheduledQueryRules').find(({ name }) =>
      name.endsWith('-late'),
    );
    expect(late?.properties['criteria']).toMatchObject({
      allOf: [{ metricMeasureColumn: 'Seconds', timeAggregation: 'Maximum', threshold: 3600 }],
    });
  });

  it('these metrics are watched', () => {
    const watched = ofType(predict({}), 'Microsoft.Insights/metricAlerts').map(({ properties }) => {
      const { allOf } = properties['criteria'] as {
        readonly allOf: readonly { readonly metricName: string }[];
      };
      return allOf[0]?.metricName ?? '';
    });
    expect(watched.toSorted()).toEqual([
      'Availability',
      'DeadLetteredCount',
      'DroppedEventCount',
      'NormalizedRUConsumption',
    ]);
  });

  it('go to the given address, or nowhere', () => {
    const resources = predictSet('existing');
    const receivers = (of: readonly PredictedResource[]): unknown[] =>
      ofType(of, 'Microsoft.Insights/actionGroups').map(({ properties }) => properties['emailReceivers']);
    expect(receivers(predict({}))).toEqual([]);
    expect(receivers(resources)).toMatchObject([[{ emailAddress: 'operators@example.com' }]]);
    const silent = [
      ...ofType(resources, 'Microsoft.Insights/scheduledQueryRules').map(
        ({ properties }) => (properties['actions'] as { readonly actionGroups: readonly unknown[] }).actionGroups,
      ),
      ...ofType(resources, 'Microsoft.Insights/metricAlerts').map(({ properties }) => properties['actions']),
    ].filter((actions) => (actions as readonly unknown[]).length !== 1);
    expect(silent).toEqual([]);
  });
});

describe('workbook', () => {
  const workbook = JSON.parse(readFileSync(join(infraFolder, 'sync.workbook.json'), 'utf8')) as {
    readonly items: readonly { readonly name: string; readonly content: { readonly query?: string } }[];
  };

  it.each(workbook.items.flatMap(({ name, content }) => (content.query === undefined ? [] : [[name, content.query]])))(
    '%s: asks for what the app logs',
    (_, query) => {
      expect(eventsIn(query ?? '').length).toBeGreaterThan(0);
      expectAnswerable(query ?? '');
    },
  );
});

describe('a commit that waits', () => {
  let world: SyncWorld;
  beforeAll(async () => {
    world = await SyncWorld.start(1);
  });
  afterAll(() => world.stop());

  it('is told by the sweep with its age, unless the table is paused or at its head', async () => {
    const table = await world.table();
    const columns = primitives({ id: 'string' });
    const writer = await DeltaWriter.create(table.folder, { columns });
    await writer.insert([{ id: 'a' }]);
    await table.sync();
    const told = (): readonly unknown[] =>
      table.events.filter(({ name }) => name === 'tableBehind').map(({ fields }) => fields);
    expect(await hasNews(table.dependencies, table.id)).toBe(false);
    const version = writer.version;
    await writer.insert([{ id: 'b' }]);
    const commit = join(table.folder, '_delta_log', `${String(version + 1).padStart(20, '0')}.json`);
    const age = async (minutes: number): Promise<void> => {
      const at = Date.now() / 1000 - minutes * 60;
      await utimes(commit, at, at);
    };
    await age(1);
    expect(await hasNews(table.dependencies, table.id)).toBe(true);
    expect(told()).toEqual([]);
    await age(20);
    expect(await hasNews(table.dependencies, table.id)).toBe(true);
    expect(told()).toEqual([{ table: table.id, version, head: version + 1, seconds: expect.any(Number) }]);
    expect((told()[0] as { readonly seconds: number }).seconds).toBeGreaterThanOrEqual(20 * 60);
    await administer(table.dependencies, table.id, { kind: 'pause' }, 'ann');
    expect(await hasNews(table.dependencies, table.id)).toBe(false);
    expect(told()).toHaveLength(1);
  });
});
