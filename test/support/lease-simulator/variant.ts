/** Variants of the lease's code: the real files with one cure taken out, to show that a test needs it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as RuLease from '../../../src/cosmos/ru-lease.ts';
import type * as Allocation from '../../../src/cosmos/lease/allocation.ts';
import type * as Grant from '../../../src/cosmos/lease/grant.ts';
import type * as Errors from '../../../src/shared/errors.ts';
import type { LeaseCode } from './simulation.ts';

/** One cure taken out: `find` stands exactly once in `file` (of src/cosmos/lease). */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** The parts of a variant that tests use. */
export interface Variant {
  readonly code: LeaseCode;
  readonly grant: typeof Grant;
  readonly allocation: typeof Allocation;
}

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));

/** Loads the lease with these edits from a copy in a temporary folder. Throws when an edit no longer fits. */
export async function loadVariant(edits: readonly Edit[]): Promise<Variant> {
  const folder = mkdtempSync(join(tmpdir(), 'lease-variant-'));
  try {
    const wanted = (path: string): boolean =>
      !path.endsWith('cosmos-lease-store.ts') &&
      (dirname(path) !== join(SOURCE, 'cosmos') || /^(ru-|lease$)/.test(basename(path)));
    cpSync(join(SOURCE, 'shared'), join(folder, 'shared'), { recursive: true });
    cpSync(join(SOURCE, 'cosmos'), join(folder, 'cosmos'), { recursive: true, filter: wanted });
    for (const { file, find, replace } of edits) {
      const path = join(folder, 'cosmos', 'lease', file);
      const text = readFileSync(path, 'utf8');
      if (text.split(find).length !== 2) throw new Error(`"${find}" does not stand exactly once in ${file}`);
      writeFileSync(
        path,
        text.replace(find, () => replace),
      );
    }
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const load = async <T>(path: string): Promise<T> =>
      (await import(/* @vite-ignore */ pathToFileURL(join(folder, path)).href)) as T;
    const { openRuBudget } = await load<typeof RuLease>('cosmos/ru-lease.ts');
    const { SyncError } = await load<typeof Errors>('shared/errors.ts');
    return {
      code: {
        open: openRuBudget,
        lost: () => new SyncError('leaseUnavailable', { problem: 'The simulated answer was lost.' }),
      },
      grant: await load<typeof Grant>('cosmos/lease/grant.ts'),
      allocation: await load<typeof Allocation>('cosmos/lease/allocation.ts'),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
