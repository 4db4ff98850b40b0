/** kill -9 of workers and of the host, in the middle of everything: nothing is lost, nothing is counted twice. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive, spawnHost } from './host-process.ts';
import type { HostProcess, ReadyLine } from './host-process.ts';
import { copyApp, startTestHost, until } from './test-host.ts';
import type { InstanceStatus } from './test-host.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function notesIn(file: string): readonly string[] {
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}

/** A folder set for hosts that are killed and started again on the same data. */
function world(): { readonly start: () => Promise<Live>; readonly notes: () => readonly string[] } {
  const appFolder = copyApp('durable');
  const dataFolder = mkdtempSync(join(tmpdir(), 'functions-data-'));
  const notes = join(dataFolder, 'notes');
  const settings = { TASKHUB_NAME: 'crash', NOTES: notes };
  const hosts: HostProcess[] = [];
  cleanups.push(async () => {
    for (const { child, exited } of hosts) {
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(appFolder, { recursive: true, force: true });
    rmSync(dataFolder, { recursive: true, force: true });
  });
  return {
    notes: () => notesIn(notes),
    start: async () => {
      const host = spawnHost({ appFolder, dataFolder, settings });
      hosts.push(host);
      return live(host, (await host.first) as ReadyLine);
    },
  };
}

interface Live {
  begin(orchestrator: string, instanceId: string, input: unknown): Promise<void>;
  status(instanceId: string): Promise<InstanceStatus>;
  ended(instanceId: string): Promise<InstanceStatus>;
  kill(): Promise<void>;
  endPipe(): Promise<number | null>;
}

function live(host: HostProcess, ready: ReadyLine): Live {
  const base = `${ready.url}/runtime/webhooks/durabletask`;
  const code = `code=${ready.systemKeys.durabletask_extension}`;
  const status = async (instanceId: string): Promise<InstanceStatus> =>
    (await fetch(`${base}/instances/${instanceId}?${code}`)).json() as Promise<InstanceStatus>;
  return {
    status,
    begin: async (orchestrator, instanceId, input) => {
      const init = { method: 'POST', body: JSON.stringify(input), headers: { 'content-type': 'application/json' } };
      const response = await fetch(`${base}/orchestrators/${orchestrator}/${instanceId}?${code}`, init);
      expect(response.status).toBe(202);
    },
    ended: async (instanceId) =>
      until(`end of ${instanceId}`, async () => {
        const now = await status(instanceId);
        return now.runtimeStatus === 'Completed' || now.runtimeStatus === 'Failed' ? now : undefined;
      }),
    kill: async () => {
      host.child.kill('SIGKILL');
      await host.exited;
    },
    endPipe: async () => {
      host.child.stdin?.end();
      return (await host.exited).code;
    },
  };
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => n);
}

describe('a killed worker', () => {
  it('has its activities run again, and the fan-out completes with every result once', async () => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'functions-data-'));
    const notes = join(dataFolder, 'notes');
    const host = await startTestHost({
      fixture: 'durable',
      dataFolder,
      workers: 2,
      settings: { TASKHUB_NAME: 'worker', NOTES: notes },
    });
    cleanups.push(() => host.dispose());
    await host.start('fan', 'fan', { count: 60, ms: 40 });
    for (const [kill, worker] of [5, 20, 35].entries()) {
      await until(
        `${worker} ends`,
        () => notesIn(notes).filter((line) => line.startsWith('end')).length >= worker || undefined,
      );
      host.killWorker(kill % 2);
    }
    const status = await host.ended('fan');
    expect(status.output).toEqual(numbers(60));
    const begun = notesIn(notes).filter((line) => line.startsWith('begin')).length;
    expect(begun).toBeGreaterThan(60);
  });
});

describe('a killed host', () => {
  it('takes its workers with it and finishes the fan-out after a restart', async () => {
    const { start, notes } = world();
    const first = await start();
    await first.begin('fan', 'fan', { count: 60, ms: 40 });
    await until('some ends', () => notes().filter((line) => line.startsWith('end')).length >= 12 || undefined);
    await first.kill();
    const worker = Number(notes()[0]?.split(' ')[2]);
    await until('end of the worker', () => !isAlive(worker) || undefined);
    const second = await start();
    expect((await second.ended('fan')).output).toEqual(numbers(60));
    // What had been reported before the kill did not run again.
    const begun = notes().filter((line) => line.startsWith('begin')).length;
    expect(begun).toBeLessThan(60 + 16 + 1);
  });

  it('keeps timers, generations and the results so far, killed again and again', async () => {
    const { start } = world();
    let host = await start();
    await host.begin('sleep', 'sleep', { ms: 1500 });
    await host.begin('generations', 'generations', { left: 400, runs: 0 });
    await host.begin('waves', 'waves', { waves: 60, width: 8 });
    const seen: number[] = [];
    for (let kill = 0; kill < 3; kill += 1) {
      await until('progress', async () => {
        const { input, runtimeStatus } = await host.status('generations');
        const left = (input as { left: number }).left;
        return runtimeStatus === 'Completed' || left < (seen.at(-1) ?? 400) || undefined;
      });
      seen.push(((await host.status('generations')).input as { left: number }).left);
      await host.kill();
      host = await start();
    }
    expect((await host.ended('generations')).output).toMatchObject({ runs: 400 });
    expect((await host.ended('waves')).output).toBe(480);
    expect((await host.ended('sleep')).output).toBe('slept');
  });

  it('ends cleanly when the pipe of its parent closes, and its instances go on after the next start', async () => {
    const { start } = world();
    const first = await start();
    await first.begin('sleep', 'sleep', { ms: 500 });
    expect(await first.endPipe()).toBe(0);
    const second = await start();
    expect((await second.ended('sleep')).output).toBe('slept');
  });
});

describe('a host that is stopped', () => {
  it('lets running activities end and keeps their results, so that none runs again', async () => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'functions-data-'));
    const notes = join(dataFolder, 'notes');
    const settings = { TASKHUB_NAME: 'stop', NOTES: notes };
    const first = await startTestHost({ fixture: 'durable', dataFolder, settings });
    await first.start('fan', 'fan', { count: 20, ms: 150 });
    await until('first wave', () => notesIn(notes).length >= 16 || undefined);
    await first.close();
    const second = await startTestHost({ appFolder: first.appFolder, dataFolder, settings });
    cleanups.push(() => second.dispose());
    expect((await second.ended('fan')).output).toEqual(numbers(20));
    expect(notesIn(notes).filter((line) => line.startsWith('begin'))).toHaveLength(20);
  });
});
