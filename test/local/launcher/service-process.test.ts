import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { superviseHost } from '../../../src/local/launcher/host-supervisor.ts';
import { processStarted } from '../../../src/local/launcher/process-identity.ts';
import { startService } from '../../../src/local/launcher/service-process.ts';
import type { ServiceProcess } from '../../../src/local/launcher/service-process.ts';
import type { FunctionsAddress } from '../../../src/local/launcher/services.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { SyncError } from '../../../src/shared/errors.ts';

const PARENT_PIPE = new URL('../../../src/local/launcher/parent-pipe.ts', import.meta.url).href;
const SERVICE_PROCESS = new URL('../../../src/local/launcher/service-process.ts', import.meta.url).href;
const never = new AbortController().signal;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-service-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function script(text: string): Promise<string> {
  const file = join(folder, 'service.mjs');
  await writeFile(file, text);
  return file;
}

function spec(argv: readonly string[]) {
  return { name: 'The test service', argv, onLine: () => undefined };
}

const readyPid = (line: string): number | undefined =>
  line.startsWith('ready ') ? Number(line.slice('ready '.length)) : undefined;

async function untilGone(pid: number): Promise<void> {
  while ((await processStarted(pid)) !== '') {
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

describe('starting', () => {
  test('resolves with what the ready line says; stopping ends the process', async () => {
    const file = await script(
      `console.log('hello'); console.log('ready ' + process.pid); setInterval(() => {}, 1000);`,
    );
    const service = await startService(spec(['--import', PARENT_PIPE, file]), readyPid, never);
    expect(service.ready).toBe(service.pid);
    await service.stop();
    expect(await processStarted(service.pid)).toBe('');
  });

  test('a service that ends before it is ready: an error with the end of its output', async () => {
    const file = await script(`console.error('no such disk'); process.exit(7);`);
    const starting = startService(spec([file]), readyPid, never);
    await expect(starting).rejects.toMatchObject({ code: 'serviceFailed' });
    await expect(starting).rejects.toThrow(/exit code 7.*no such disk/s);
  });

  test('an error that a service of this project states is that error', async () => {
    const file = await script(
      `console.error(JSON.stringify({ type: 'error', code: 'portTaken', message: 'Port 1 is in use.' })); process.exit(1);`,
    );
    await expect(startService(spec([file]), readyPid, never)).rejects.toMatchObject({
      code: 'portTaken',
      message: 'Port 1 is in use.',
    });
  });

  test('aborting while a service starts leaves no process', async () => {
    const controller = new AbortController();
    const file = await script(`setInterval(() => {}, 1000);`);
    let pid = 0;
    const starting = startService(
      {
        ...spec(['--import', PARENT_PIPE, file]),
        onStart: (started) => {
          pid = started;
        },
      },
      readyPid,
      controller.signal,
    );
    controller.abort(new SyncError('aborted', { problem: 'Enough.' }));
    await expect(starting).rejects.toMatchObject({ code: 'aborted' });
    expect(await processStarted(pid)).toBe('');
  });
});

describe('ending', () => {
  test('a grandchild does not outlive a service that was killed', async () => {
    const file = await script(`
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      console.log('ready ' + child.pid);
    `);
    const service = await startService(spec([file]), readyPid, never);
    process.kill(service.pid, 'SIGKILL');
    expect(await service.exited).toBe('signal SIGKILL');
    await untilGone(service.ready);
  });

  test('a service that ignores its pipe and SIGTERM is killed', async () => {
    const file = await script(
      `process.on('SIGTERM', () => {}); console.log('ready ' + process.pid); setInterval(() => {}, 1000);`,
    );
    const service = await startService(spec([file]), readyPid, never);
    await service.stop();
    expect(await service.exited).toBe('signal SIGKILL');
  });

  test('a launcher that is killed leaves nothing behind', async () => {
    const service = await script(`console.log('ready ' + process.pid); setInterval(() => {}, 1000);`);
    const launcher = join(folder, 'launcher.ts');
    const argv = ['--import', PARENT_PIPE, service];
    await writeFile(
      launcher,
      `import { startService } from ${JSON.stringify(SERVICE_PROCESS)};
       const spec = { name: 'x', argv: ${JSON.stringify(argv)}, onLine() {} };
       const ready = (line) => (line.startsWith('ready ') ? Number(line.slice(6)) : undefined);
       const service = await startService(spec, ready, new AbortController().signal);
       console.log('ready ' + service.pid);
       setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [launcher], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = readyPid(line.toString().trim()) ?? 0;
    expect(await processStarted(pid)).not.toBe('');
    child.kill('SIGKILL');
    await untilGone(pid);
  });
});

describe('the supervised host', () => {
  const address: FunctionsAddress = { url: 'http://127.0.0.1:1', masterKey: '', systemKeys: {}, functions: [] };
  const instant = { ...systemClock, sleep: async () => undefined };

  async function host(file: string): Promise<ServiceProcess<FunctionsAddress>> {
    return startService(
      spec(['--import', PARENT_PIPE, file]),
      (line) => (readyPid(line) === undefined ? undefined : address),
      never,
    );
  }

  test('a host that dies is started again', async () => {
    const file = await script(`console.log('ready ' + process.pid); setInterval(() => {}, 1000);`);
    const pids: number[] = [];
    let restarted: () => void = () => undefined;
    const twice = new Promise<void>((resolve) => {
      restarted = resolve;
    });
    const supervised = await superviseHost(
      async () => {
        const service = await host(file);
        pids.push(service.pid);
        if (pids.length === 2) restarted();
        return service;
      },
      () => undefined,
      instant,
      never,
    );
    process.kill(pids[0] ?? 0, 'SIGKILL');
    await twice;
    await supervised.stop();
    await supervised.ended;
    for (const pid of pids) expect(await processStarted(pid)).toBe('');
  });

  test('a host that cannot be started again is given up with its reason', async () => {
    const file = await script(`console.log('ready ' + process.pid);`);
    let starts = 0;
    const supervised = await superviseHost(
      async () => {
        starts++;
        if (starts > 1) throw new SyncError('appLoadFailed', { problem: 'The app is broken.' });
        return host(file);
      },
      () => undefined,
      instant,
      never,
    );
    await expect(supervised.ended).rejects.toThrow(/app is broken/);
    expect(starts).toBe(6);
  });
});
