import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDataFolder } from '../../../src/local/launcher/data-folder.ts';
import { processStarted } from '../../../src/local/launcher/process-identity.ts';

let folder: string;
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-data-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a second launcher on a folder in use is refused, after the first released it it is not', async () => {
  const first = await openDataFolder(folder, false, never);
  await expect(openDataFolder(folder, false, never)).rejects.toMatchObject({ code: 'dataFolderInUse' });
  await first.release();
  await (await openDataFolder(folder, false, never)).release();
});

test('the lock of a launcher that was killed is taken over', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const pid = child.pid ?? 0;
  const started = await processStarted(pid);
  await writeFile(join(folder, 'format.json'), '{"format":1}');
  await writeFile(join(folder, 'launcher.lock'), JSON.stringify({ launcher: { pid, started }, children: [] }));
  await expect(openDataFolder(folder, false, never)).rejects.toMatchObject({ code: 'dataFolderInUse' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await openDataFolder(folder, false, never)).release();
});

test('children of a killed launcher are waited for', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const pid = child.pid ?? 0;
  const lock = { launcher: { pid: 2 ** 30, started: '1' }, children: [{ pid, started: await processStarted(pid) }] };
  await writeFile(join(folder, 'format.json'), '{"format":1}');
  await writeFile(join(folder, 'launcher.lock'), JSON.stringify(lock));
  const opening = openDataFolder(folder, false, never);
  let opened = false;
  const noted = opening.then((data) => {
    opened = true;
    return data;
  });
  // A turn in which the lock has certainly been read, and the child is still there.
  await readdir(folder);
  expect(opened).toBe(false);
  child.kill('SIGKILL');
  await (await noted).release();
});

test('a process id that was given to another process does not hold the folder', async () => {
  const lock = { launcher: { pid: process.pid, started: 'another time' }, children: [] };
  await writeFile(join(folder, 'format.json'), '{"format":1}');
  await writeFile(join(folder, 'launcher.lock'), JSON.stringify(lock));
  const opened = await openDataFolder(folder, false, never);
  expect(opened.path).toBe(folder);
  await opened.release();
});

test('a folder with files of somebody else is left untouched', async () => {
  await writeFile(join(folder, 'thesis.txt'), 'years of work');
  await expect(openDataFolder(folder, true, never)).rejects.toMatchObject({ code: 'dataFolderForeign' });
  expect(await readdir(folder)).toEqual(['thesis.txt']);
});

test.each(['{"format":2}', '{"format":"1"}', 'not JSON', '[]'])('format file %s: refused', async (text) => {
  await writeFile(join(folder, 'format.json'), text);
  await writeFile(join(folder, 'cosmos.data'), '');
  await expect(openDataFolder(folder, true, never)).rejects.toMatchObject({ code: 'dataFolderVersion' });
  expect(await readdir(folder)).toHaveLength(2);
});

test('a fresh folder begins empty, another one keeps what is there', async () => {
  const first = await openDataFolder(folder, false, never);
  await writeFile(join(await first.folder('cosmos'), 'data'), 'x');
  await first.release();
  const second = await openDataFolder(folder, false, never);
  expect(await readdir(join(folder, 'cosmos'))).toEqual(['data']);
  await second.release();
  await (await openDataFolder(folder, true, never)).release();
  expect(await readdir(folder)).toEqual(['format.json']);
});
