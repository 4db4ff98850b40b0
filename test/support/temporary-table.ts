/** A table by hand for one test, in a folder that goes with it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { HandmadeTable } from './handmade-table.ts';

/** To be called in a test or in `beforeEach`. The folder above the table is empty beside it. */
export async function temporaryTable(): Promise<HandmadeTable> {
  const folder = await mkdtemp(join(tmpdir(), 'delta-handmade-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return new HandmadeTable(join(folder, 'table'));
}
