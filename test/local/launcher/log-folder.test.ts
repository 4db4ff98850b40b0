import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { followLogFolder, newestCommit } from '../../../src/local/launcher/log-folder.ts';
import type { CommitFile } from '../../../src/local/launcher/log-folder.ts';
import { systemClock } from '../../../src/shared/clock.ts';

let folder: string;
let controller: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-log-'));
  controller = new AbortController();
});

afterEach(async () => {
  controller.abort();
  await rm(folder, { recursive: true, force: true });
});

const commitPath = (version: number): string => join(folder, `${String(version).padStart(20, '0')}.json`);

async function follow(): Promise<{ next(): Promise<CommitFile>; ended: Promise<void> }> {
  const seen: CommitFile[] = [];
  let wake: () => void = () => undefined;
  const { ended } = await followLogFolder(
    folder,
    (commit) => {
      seen.push(commit);
      wake();
    },
    systemClock,
    controller.signal,
  );
  return {
    ended,
    async next() {
      for (;;) {
        const commit = seen.shift();
        if (commit !== undefined) return commit;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

test('a commit that was there before is not reported, later ones are, in order of version', async () => {
  await writeFile(commitPath(0), '{}\n');
  const following = await follow();
  await writeFile(commitPath(1), '{}\n');
  expect((await following.next()).version).toBe(1);
  await writeFile(commitPath(2), '{}\n');
  await writeFile(commitPath(3), '{}\n');
  expect((await following.next()).version).toBe(2);
  expect((await following.next()).version).toBe(3);
});

test('a commit that is written on after it was seen is reported again', async () => {
  const following = await follow();
  await writeFile(commitPath(0), '');
  const first = await following.next();
  expect(first.size).toBe(0);
  await appendFile(commitPath(0), '{}\n');
  expect((await following.next()).size).toBe(3);
});

test('checkpoints, temporary files and crc files are not commits', async () => {
  const following = await follow();
  for (const name of [
    '_last_checkpoint',
    '.00000000000000000001.json.crc',
    '00000000000000000001.checkpoint.parquet',
  ]) {
    await writeFile(join(folder, name), 'x');
  }
  await writeFile(commitPath(7), '{}\n');
  expect((await following.next()).version).toBe(7);
  expect((await newestCommit(folder))?.version).toBe(7);
});

test('following ends when the signal aborts, also when the folder is gone', async () => {
  const following = await follow();
  await rm(folder, { recursive: true, force: true });
  controller.abort();
  await expect(following.ended).resolves.toBeUndefined();
});
