/** Orchestrations through the real SDK in real workers: versions, retries, limits, refusals, faults, the list. */
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestHost, until } from '../test-host.ts';
import type { TestHost } from '../test-host.ts';

const SETTINGS = { TASKHUB_NAME: 'hub' };
const KILOBYTE = 1024;

async function management(host: TestHost, method: string, path: string, body?: string): Promise<Response> {
  const mark = path.includes('?') ? '&' : '?';
  const url = `${host.url}/runtime/webhooks/durabletask/${path}${mark}code=${host.systemKeys.durabletask_extension}`;
  const init = body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } };
  return fetch(url, { method, ...init });
}

async function raise(host: TestHost, instanceId: string, event: unknown): Promise<void> {
  const response = await management(host, 'POST', `instances/${instanceId}/raiseEvent/E`, JSON.stringify(event));
  expect(response.status).toBe(202);
}

describe('orchestrations', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startTestHost({ fixture: 'durable', settings: { ...SETTINGS, CUSTOM: 'set' }, workers: 2 });
  });
  afterAll(() => host.dispose());
  afterEach(() => host.setFaults([]));

  it('whose host.json names the Durable Task Scheduler run on the local store', async () => {
    await host.start('waves', 'waves', { waves: 3, width: 5 });
    expect((await host.ended('waves')).output).toBe(15);
    expect(existsSync(join(host.dataFolder, 'history', 'hub'))).toBe(true);
  });

  it('retry an activity under the policy, with growing pauses, and give its last failure', async () => {
    await host.start('retry', 'retry-ok', { key: 'a', times: 2, attempts: 3 });
    expect((await host.ended('retry-ok')).output).toBe('ok after 2');
    await host.start('retry', 'retry-no', { key: 'b', times: 9, attempts: 3 });
    const status = await host.ended('retry-no');
    expect(status.output).toEqual({ caught: "Activity function 'failTimes' failed:  failure 3" });
    const { historyEvents = [] } = await host.status('retry-no', '&showHistory=true');
    const pauses = historyEvents
      .filter((event) => event['EventType'] === 'TimerCreated')
      .map((event) => Date.parse(String(event['FireAt'])));
    const failures = historyEvents.filter((event) => event['EventType'] === 'TaskFailed');
    // Every failure is followed by a timer, the last one too, as recorded.
    expect(pauses).toHaveLength(3);
    expect(failures).toHaveLength(3);
    const created = historyEvents
      .filter((event) => event['EventType'] === 'TimerCreated')
      .map((event) => Date.parse(String(event['Timestamp'])));
    expect((pauses[1] ?? 0) - (created[1] ?? 0)).toBeGreaterThan((pauses[0] ?? 0) - (created[0] ?? 0));
  });

  it('call others and get their results and failures', async () => {
    const children = [
      { name: 'waves', input: { waves: 1, width: 2 } },
      { name: 'nobody', input: {} },
      { name: 'generations', input: { left: 2, runs: 0 } },
    ];
    await host.start('parent', 'parent', { children });
    const { output } = await host.ended('parent');
    expect(output).toMatchObject([2, { caught: expect.stringContaining('nobody') as string }, { runs: 2 }]);
  });

  it('that use entities fail and say why', async () => {
    await host.start('entity', 'entity', {});
    const { runtimeStatus, output } = await host.ended('entity');
    expect(runtimeStatus).toBe('Failed');
    expect(output).toContain('does not support action type 7 (entities)');
  });

  it('carry events of the same batch over continueAsNew, and lose them on request', async () => {
    for (const [instanceId, expected] of [
      ['collect-1', [1, 2, 3]],
      ['collect-2', [1, 4, 5]],
    ] as const) {
      if (instanceId === 'collect-2') host.setFaults([{ fault: 'eventsLostOverContinueAsNew', count: 1 }]);
      await host.start('collect', instanceId, { want: 3, seen: [] });
      await until('running', async () => (await host.status(instanceId)).runtimeStatus === 'Running' || undefined);
      await management(host, 'POST', `instances/${instanceId}/suspend?reason=gather`);
      await until('suspended', async () => (await host.status(instanceId)).runtimeStatus === 'Suspended' || undefined);
      for (const event of [1, 2, 3]) await raise(host, instanceId, event);
      expect((await host.status(instanceId)).runtimeStatus).toBe('Suspended');
      await management(host, 'POST', `instances/${instanceId}/resume?reason=go`);
      if (instanceId === 'collect-2') {
        const seen = async (): Promise<unknown> => ((await host.status(instanceId)).input as { seen: unknown }).seen;
        await until('next generation', async () => JSON.stringify(await seen()) === '[1]' || undefined);
        for (const event of [4, 5]) await raise(host, instanceId, event);
      }
      expect((await host.ended(instanceId)).output).toEqual(expected);
    }
  });

  it('that are terminated and started anew take no result of the execution before', async () => {
    await host.start('fan', 'again', { count: 2, ms: 300 });
    await until('running', async () => (await host.status('again')).runtimeStatus === 'Running' || undefined);
    await management(host, 'POST', 'instances/again/terminate?reason=enough');
    expect(await host.ended('again')).toMatchObject({ runtimeStatus: 'Terminated', output: 'enough' });
    await host.start('fan', 'again', { count: 3, ms: 10 });
    expect((await host.ended('again')).output).toEqual([0, 1, 2]);
  });

  it('get the host address and the settings in their environment', async () => {
    const answer = (await (await host.fetch('/api/whoami')).json()) as Record<string, unknown>;
    expect(answer).toMatchObject({ hostName: new URL(host.url).host, custom: 'set' });
    expect(host.workerProcessIds).toContain(answer['pid']);
  });

  describe('with messages above 1 MB', () => {
    const long = 1025 * KILOBYTE;

    it('are refused at the start and for events', async () => {
      const body = JSON.stringify('x'.repeat(long));
      expect((await management(host, 'POST', 'orchestrators/large/l0', body)).status).toBe(413);
      expect((await host.fetch('/api/begin/large/l0', { method: 'POST', body })).status).toBe(503);
      await host.start('collect', 'l1', { want: 1, seen: [] });
      expect((await management(host, 'POST', 'instances/l1/raiseEvent/E', body)).status).toBe(413);
      await raise(host, 'l1', 'x'.repeat(900 * KILOBYTE));
      expect((await host.ended('l1')).runtimeStatus).toBe('Completed');
    });

    it.each([
      ['input', "The input of 'echo' is longer than 1048576 bytes"],
      ['result', "Activity function 'long' failed: The result is longer than 1048576 bytes"],
      ['next', 'The input of continueAsNew is longer than 1048576 bytes'],
      ['output', 'The output is longer than 1048576 bytes'],
    ])('fail for the %s', async (part, reason) => {
      await host.start('large', `large-${part}`, { [part]: long });
      const { runtimeStatus, output } = await host.ended(`large-${part}`);
      expect(runtimeStatus).toBe('Failed');
      expect(output).toContain(reason);
    });
  });

  it('take the first result of an activity that runs twice, on request', async () => {
    host.setFaults([{ fault: 'activityTwice', functionName: 'echo' }]);
    await host.start('waves', 'twice', { waves: 4, width: 4 });
    expect((await host.ended('twice')).output).toBe(16);
    const struck = host.log.events.filter(({ fields }) => fields['fault'] === 'activityTwice');
    expect(struck.length).toBeGreaterThanOrEqual(16);
    const { historyEvents = [] } = await host.status('twice', '&showHistory=true');
    expect(historyEvents.filter((event) => event['EventType'] === 'TaskCompleted')).toHaveLength(16);
  });

  it('survive a worker that is killed at a certain activity, on request', async () => {
    host.setFaults([{ fault: 'workerKilledAtActivity', functionName: 'step', skip: 2, count: 1 }]);
    await host.start('fan', 'killed', { count: 8, ms: 30 });
    expect((await host.ended('killed')).output).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(host.log.events.some(({ name }) => name === 'workerExited')).toBe(true);
  });

  it('are refused by startNew with the status asked for, through the SDK', async () => {
    host.setFaults([
      { fault: 'startRefused', functionName: 'waves', count: 1, status: 500 },
      { fault: 'startRefused', functionName: 'waves', count: 1, status: 409 },
    ]);
    const begin = async (): Promise<string> =>
      (await host.fetch('/api/begin/waves/refused', { method: 'POST', body: '{"waves":1,"width":1}' })).text();
    expect(await begin()).toContain('unexpected status code: 500');
    expect(await begin()).toContain('unexpected status code: 409');
    expect(await begin()).toBe('started');
  });

  it('are listed page by page, by status and by prefix, and purged so', async () => {
    for (let n = 0; n < 7; n += 1) await host.start('version', `page-${n}`, {});
    for (let n = 0; n < 7; n += 1) await host.ended(`page-${n}`);
    const ids: string[] = [];
    let token = '';
    let pages = 0;
    do {
      const url = `${host.url}/durabletask/instances/?top=3&instanceIdPrefix=page-&runtimeStatus=Completed`;
      const response = await fetch(url, { headers: { 'x-ms-continuation-token': token } });
      const page = (await response.json()) as { instanceId: string }[];
      ids.push(...page.map(({ instanceId }) => instanceId));
      token = response.headers.get('x-ms-continuation-token') ?? '';
      pages += 1;
    } while (token !== '');
    expect(pages).toBe(3);
    expect(ids).toEqual(['page-0', 'page-1', 'page-2', 'page-3', 'page-4', 'page-5', 'page-6']);
    const known = (await (await host.fetch('/api/all')).json()) as { all: number; failed: string[] };
    expect(known.failed).toContain('entity');
    expect(known.failed).not.toContain('waves');
    const purged = await management(host, 'DELETE', 'instances?instanceIdPrefix=page-&runtimeStatus=Completed');
    expect(await purged.json()).toEqual({ instancesDeleted: 7 });
    expect((await management(host, 'DELETE', 'instances?instanceIdPrefix=page-')).status).toBe(404);
    const after = (await (await host.fetch('/api/all')).json()) as { all: number };
    expect(after.all).toBe(known.all - 7);
  });
});

describe('limits and versions by host.json', () => {
  it('run no more activities at once than maxConcurrentActivityFunctions', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'functions-notes-'));
    const notes = join(folder, 'notes');
    const host = await startTestHost({
      fixture: 'durable',
      settings: {
        ...SETTINGS,
        NOTES: notes,
        AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions: '3',
      },
    });
    try {
      await host.start('fan', 'fan', { count: 12, ms: 20 });
      await host.ended('fan');
      let open = 0;
      let most = 0;
      for (const line of readFileSync(notes, 'utf8').split('\n')) {
        if (line.startsWith('begin')) open += 1;
        if (line.startsWith('end')) open -= 1;
        most = Math.max(most, open);
      }
      expect(most).toBe(3);
    } finally {
      await host.dispose();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('start with the default version, keep it over generations, and judge others by the strategy', async () => {
    const version = (defaultVersion: string, more: Record<string, string> = {}): Record<string, string> => ({
      ...SETTINGS,
      AzureFunctionsJobHost__extensions__durableTask__defaultVersion: defaultVersion,
      ...more,
    });
    const first = await startTestHost({ fixture: 'durable', settings: version('1.0') });
    await first.start('version', 'v1', {});
    expect((await first.ended('v1')).output).toBe('1.0');
    await management(first, 'POST', 'orchestrators/version/asked?version=0.9', '{}');
    expect((await first.ended('asked')).output).toBe('0.9');
    await management(first, 'POST', 'orchestrators/version/newer?version=1.10', '{}');
    await until('rejection', () => first.log.events.find(({ fields }) => fields['problem'] === 'version rejected'));
    expect((await first.status('newer')).runtimeStatus).toBe('Pending');
    await first.start('collect', 'old', { want: 2, seen: [] });
    await first.close();

    const options = { appFolder: first.appFolder, dataFolder: first.dataFolder };
    const second = await startTestHost({ ...options, settings: version('2.0') });
    // What the first host would not touch fits this one; what it began goes on under its old version.
    expect((await second.ended('newer')).output).toBe('1.10');
    await raise(second, 'old', 1);
    await until(
      'next generation',
      async () => ((await second.status('old')).input as { seen: unknown[] }).seen.length === 1 || undefined,
    );
    await second.close();

    const strict = version('2.0', {
      AzureFunctionsJobHost__extensions__durableTask__versionMatchStrategy: 'Strict',
      AzureFunctionsJobHost__extensions__durableTask__versionFailureStrategy: 'Fail',
    });
    const third = await startTestHost({ ...options, settings: strict });
    try {
      // It may have failed already, if its next generation had not begun before the stop.
      await management(third, 'POST', 'instances/old/raiseEvent/E', '2');
      const { runtimeStatus, output } = await third.ended('old');
      expect(runtimeStatus).toBe('Failed');
      expect(output).toContain("('1.0') does not match that of the host ('2.0')");
    } finally {
      await third.dispose();
    }
  });

  it('replace a running instance when every state is overridable', async () => {
    const host = await startTestHost({
      fixture: 'durable',
      settings: SETTINGS,
      hostJsonOverrides: { extensions: { durableTask: { overridableExistingInstanceStates: 'AnyState' } } },
    });
    try {
      await host.start('collect', 'same', { want: 5, seen: [] });
      await host.start('version', 'same', {});
      expect((await host.ended('same')).name).toBe('version');
    } finally {
      await host.dispose();
    }
  });
});

describe('a history file', () => {
  it('whose last line was cut is read up to there, and goes on', async () => {
    const host = await startTestHost({ fixture: 'durable', settings: SETTINGS });
    await host.start('collect', 'cut', { want: 2, seen: [] });
    await until('running', async () => (await host.status('cut')).runtimeStatus === 'Running' || undefined);
    await host.close();
    const folder = join(host.dataFolder, 'history', 'hub');
    for (const name of readdirSync(folder)) appendFileSync(join(folder, name), '{"record":"arrived","event":{"Ev');
    const again = await startTestHost({
      appFolder: host.appFolder,
      dataFolder: host.dataFolder,
      settings: SETTINGS,
    });
    try {
      await raise(again, 'cut', 1);
      await raise(again, 'cut', 2);
      // The second event may arrive before or after continueAsNew: either way it counts, or comes again.
      await until('end', async () => {
        if ((await again.status('cut')).runtimeStatus === 'Completed') return true;
        await management(again, 'POST', 'instances/cut/raiseEvent/E', '2');
        return undefined;
      });
      expect((await again.status('cut')).output).toEqual([1, 2]);
    } finally {
      await again.dispose();
    }
  });

  it('that is damaged in the middle stops the start, by name', async () => {
    const host = await startTestHost({ fixture: 'durable', settings: SETTINGS });
    await host.start('collect', 'damaged', { want: 2, seen: [] });
    await until('running', async () => (await host.status('damaged')).runtimeStatus === 'Running' || undefined);
    await host.close();
    const folder = join(host.dataFolder, 'history', 'hub');
    for (const name of readdirSync(folder)) appendFileSync(join(folder, name), 'no record\n');
    const again = startTestHost({ appFolder: host.appFolder, dataFolder: host.dataFolder, settings: SETTINGS });
    await expect(again).rejects.toMatchObject({ code: 'historyDamaged' });
    await host.dispose();
  });
});
