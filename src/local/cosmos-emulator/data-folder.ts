/** The files of a data folder: bases that hold everything at some time, journals that hold what came after. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SyncError } from '../../shared/errors.ts';

/** First line of every file. */
const FORMAT = 'delta-cosmos-emulator';
const VERSION = 1;
const HEADER = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** One file: `base-<number>` holds all that journals below `number` brought. */
export interface DataFile {
  readonly kind: 'base' | 'journal';
  readonly number: number;
  readonly path: string;
}

export class DataFolder {
  readonly path: string;

  /** Creates the folder if need be. */
  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  /** The files to read, in order: the newest base, then the journals from its number on. */
  current(): readonly DataFile[] {
    const files = this.list();
    const base = files.filter((file) => file.kind === 'base').at(-1);
    const from = base?.number ?? 0;
    const journals = files.filter((file) => file.kind === 'journal' && file.number >= from);
    return base === undefined ? journals : [base, ...journals];
  }

  /** Bytes of the base and of the journals after it, and how many journals there are. */
  sizes(): { readonly base: number; readonly journals: number; readonly files: number } {
    let base = 0;
    let journals = 0;
    const files = this.current();
    for (const file of files) {
      const { size } = statSync(file.path);
      if (file.kind === 'base') base += size;
      else journals += size;
    }
    return { base, journals, files: files.length };
  }

  /** Number above all that are in use. */
  nextNumber(): number {
    return Math.max(0, ...this.list().map((file) => file.number)) + 1;
  }

  /** Opens a new journal for appending; returns its descriptor. */
  openJournal(number: number): number {
    return openNew(join(this.path, `journal-${number}.log`));
  }

  /** Opens a base that counts only once it is complete. */
  openBase(number: number): number {
    for (const name of readdirSync(this.path)) {
      if (name.endsWith('.partial')) rmSync(join(this.path, name), { force: true });
    }
    return openNew(this.partialBase(number));
  }

  /** Makes a base count, and removes what it replaces. */
  completeBase(number: number, descriptor: number): void {
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(this.partialBase(number), join(this.path, `base-${number}.log`));
    for (const file of this.list()) if (file.number < number) rmSync(file.path, { force: true });
  }

  /** A small file of its own, such as the certificate; undefined when it is not there. */
  readText(name: string): string | undefined {
    const path = join(this.path, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  }

  /** Replaces a small file; only its owner may read it. */
  writeText(name: string, text: string): void {
    const path = join(this.path, name);
    writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }

  private list(): readonly DataFile[] {
    const files: DataFile[] = [];
    for (const name of readdirSync(this.path)) {
      const match = /^(base|journal)-(\d{1,15})\.log$/.exec(name);
      if (match === null) continue;
      const kind = match[1] === 'base' ? 'base' : 'journal';
      files.push({ kind, number: Number(match[2]), path: join(this.path, name) });
    }
    return files.toSorted((a, b) => a.number - b.number);
  }

  private partialBase(number: number): string {
    return join(this.path, `base-${number}.partial`);
  }
}

function openNew(path: string): number {
  const descriptor = openSync(path, 'ax', 0o600);
  writeFileSync(descriptor, HEADER);
  return descriptor;
}

/** The lines of a file after its header, without their ends; a last line that was cut off is left out. */
export function* readLines(file: DataFile): Generator<string> {
  const descriptor = openSync(file.path, 'r');
  try {
    let rest: Buffer = Buffer.alloc(0);
    let first = true;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      if (length === 0) break;
      let block = rest.length === 0 ? chunk.subarray(0, length) : Buffer.concat([rest, chunk.subarray(0, length)]);
      for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10)) {
        const line = block.toString('utf8', 0, end);
        block = block.subarray(end + 1);
        if (first) checkHeader(line, file);
        else yield line;
        first = false;
      }
      rest = block;
    }
    // A kill right after the file was made leaves it without a whole header, and then without anything else.
    if (first && rest.length > HEADER.length) checkHeader(rest.toString('utf8', 0, 200), file);
  } finally {
    closeSync(descriptor);
  }
}

function checkHeader(line: string, file: DataFile): void {
  let header: { readonly format?: unknown; readonly version?: unknown } | undefined;
  try {
    header = JSON.parse(line) as typeof header;
  } catch {
    header = undefined;
  }
  if (header?.format === FORMAT && header.version === VERSION) return;
  throw new SyncError('emulatorDataVersion', {
    problem: `The emulator data in ${file.path} has another format.`,
    reason:
      header?.format === FORMAT
        ? `It is version ${JSON.stringify(header.version)}, this emulator reads version ${VERSION}.`
        : 'It was not written by this emulator.',
  });
}
