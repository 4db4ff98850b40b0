/** Rows of a plan's sources as images: read, filtered and mapped. */
import type { Image } from '../changes/image.ts';
import { readChangeRows } from '../delta/commit-changes.ts';
import { readFileRows } from '../delta/file-rows.ts';
import type { Row } from '../delta/schema.ts';
import type { Mapping } from '../documents/mapping.ts';
import { SyncError } from '../shared/errors.ts';
import type { FailedRow } from './dead-letters.ts';
import type { PlanSource } from './plan.ts';
import type { SlicePlan } from './slice-plan.ts';

/** Where reading can go on: index of the source in its part, and the physical row in that file. */
export interface RowCursor {
  readonly source: number;
  readonly row: number;
}

export interface ImageBatch {
  readonly images: readonly Image[];
  /** Rows that have no identity, of the after side: dead letters. */
  readonly failed: readonly FailedRow[];
  readonly rows: number;
  /** Goes on after this batch. */
  readonly next: RowCursor;
}

export interface ImageOptions {
  readonly start?: RowCursor;
  /** Identities only: documents stay empty, and only the key columns are read. */
  readonly keysOnly?: boolean;
}

/** Rows of a batch: what back-pressure and cursors work with. */
const BATCH_ROWS = 1_000;

const BEGINNING: RowCursor = { source: 0, row: 0 };

/** Reads the sources in order. Throws what reading data files throws, and `changeTypeUnknown`. */
export async function* readImages(
  plan: SlicePlan,
  sources: readonly PlanSource[],
  options: ImageOptions,
  signal: AbortSignal,
): AsyncGenerator<ImageBatch> {
  const start = options.start ?? BEGINNING;
  for (let index = start.source; index < sources.length; index++) {
    const source = sources[index];
    if (source === undefined) continue;
    yield* imagesOfSource(plan, source, index, index === start.source ? start.row : 0, options, signal);
  }
}

async function* imagesOfSource(
  plan: SlicePlan,
  source: PlanSource,
  index: number,
  startRow: number,
  options: ImageOptions,
  signal: AbortSignal,
): AsyncGenerator<ImageBatch> {
  const former = source.kind === 'former' ? plan.former : null;
  const { layout, mapping } = former ?? plan;
  const keysOnly = options.keysOnly === true || former !== null;
  const columns = keysOnly ? mapping.keyColumns : mapping.columns;
  const reading = { columns, batchRows: BATCH_ROWS, ...(startRow === 0 ? {} : { startRow }) };
  const store = plan.target.source;
  if (source.kind !== 'change') {
    const byteRange = source.byteRange === null ? {} : { byteRange: source.byteRange };
    const selection = { file: source.file, select: { kind: 'live' as const } };
    const side = source.kind === 'former' ? 'before' : 'after';
    for await (const batch of readFileRows(store, selection, layout, { ...reading, ...byteRange }, signal)) {
      const mapper = new BatchMapper(mapping, source.version, source.file.path, keysOnly);
      batch.rows.forEach((row, i) => mapper.add(row, batch.rowIndexes[i] ?? 0, side));
      yield mapper.batch(batch.rows.length, { source: index, row: batch.nextRow });
    }
    return;
  }
  const change = source.source;
  for await (const batch of readChangeRows(store, change, layout, reading, signal)) {
    const mapper = new BatchMapper(mapping, change.version, change.file.path, keysOnly);
    batch.rows.forEach((row, i) =>
      mapper.add(row, batch.rowIndexes[i] ?? 0, sideOf(batch.changeTypes[i], change.file.path)),
    );
    yield mapper.batch(batch.rows.length, { source: index, row: batch.nextRow });
  }
}

class BatchMapper {
  readonly #images: Image[] = [];
  readonly #failed: FailedRow[] = [];
  readonly #mapping: Mapping;
  readonly #version: number;
  readonly #path: string;
  readonly #keysOnly: boolean;

  constructor(mapping: Mapping, version: number, path: string, keysOnly: boolean) {
    this.#mapping = mapping;
    this.#version = version;
    this.#path = path;
    this.#keysOnly = keysOnly;
  }

  add(row: Row, rowIndex: number, side: Image['side']): void {
    const mapping = this.#mapping;
    if (!mapping.includes(row)) return;
    const place = { side, version: this.#version, position: { path: this.#path, row: rowIndex } };
    if (!this.#keysOnly) {
      const mapped = mapping.mapRow(row);
      if (mapped.kind === 'document') {
        this.#images.push({ ...place, identity: mapped.identity, document: mapped.document });
        return;
      }
      const known = mapping.identityOf(row);
      if (known.kind === 'identity')
        this.#images.push({ ...place, identity: known.identity, document: {}, rejection: mapped });
      else this.#fail(known, place);
      return;
    }
    const known = mapping.identityOf(row);
    if (known.kind === 'identity') this.#images.push({ ...place, identity: known.identity, document: {} });
    else this.#fail(known, place);
  }

  batch(rows: number, next: RowCursor): ImageBatch {
    return { images: this.#images, failed: this.#failed, rows, next };
  }

  /** A row without identity was never written: only its arrival is worth a dead letter. */
  #fail(
    rejection: { readonly code: string; readonly reason: string; readonly column?: string },
    place: Pick<Image, 'side' | 'version' | 'position'>,
  ): void {
    if (place.side === 'before') return;
    const { code, reason, column } = rejection;
    this.#failed.push({
      code,
      reason,
      version: place.version,
      position: place.position,
      ...(column === undefined ? {} : { column }),
    });
  }
}

function sideOf(changeType: string | undefined, path: string): Image['side'] {
  if (changeType === 'insert' || changeType === 'update_postimage') return 'after';
  if (changeType === 'delete' || changeType === 'update_preimage') return 'before';
  throw new SyncError('changeTypeUnknown', {
    problem: `The change file ${JSON.stringify(path)} has the change type ${JSON.stringify(changeType ?? null)}.`,
    reason: 'The protocol knows insert, update_preimage, update_postimage and delete.',
  });
}
