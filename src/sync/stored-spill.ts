/** What the container holds of a range, spilled to blobs by buckets of the ids: for comparisons that memory does not hold. */
import { inHashRange, type HashRange, type IdBucket } from '../changes/hash-ranges.ts';
import type { PlanStore } from '../changes/plan-store.ts';
import { readShufflePartition } from '../changes/shuffle.ts';
import { ShuffleWriter } from '../changes/shuffle-writer.ts';
import type { JsonObject } from '../documents/document.ts';
import type { SpillCursor } from './chunk-cursor.ts';
import type { DocumentWriter, StoredDocument } from './document-writer.ts';
import { WHOLE } from './plan-sources.ts';
import { planFolder, type PlanHeader } from './plan.ts';

export interface SpillRequest {
  readonly plans: PlanStore;
  readonly writer: DocumentWriter;
  readonly range: HashRange;
  readonly cursor: SpillCursor;
  /** Where the blobs lie. */
  readonly folder: string;
  /** A new name for each blob, short, as cursors list them: a late repeat of a slice must not replace what passes read. */
  newName(): string;
  /** Asked after every page; when it says no, the slice ends here. */
  mayGoOn(): boolean;
  spend(requestUnits: number): void;
}

/** Where the blobs of a plan lie. */
export function spillFolder(header: Pick<PlanHeader, 'target' | 'planId'>): string {
  return `${planFolder(header.target, header.planId)}/stored`;
}

/** From this size on a blob is cut into sections: here always. */
const SECTION_BYTES = 64 * 1024;

/** Scans on and spills; `scan` of the result is null when the range is done. */
export async function spillStored(request: SpillRequest, signal: AbortSignal): Promise<SpillCursor> {
  const { plans, writer, range, cursor } = request;
  const spill = new ShuffleWriter([WHOLE], { sectionBytes: SECTION_BYTES });
  const stored = [...cursor.stored];
  const write = async (): Promise<void> => {
    const name = request.newName();
    await spill.write(plans, `${request.folder}/${name}`, signal);
    stored.push(name);
  };
  let { scan } = cursor;
  do {
    const page = await writer.scan(range, scan, signal);
    request.spend(page.requestUnits);
    for (const { identity, etag, document } of page.documents) {
      if (!inHashRange(range, identity)) continue;
      const envelope: JsonObject = { etag, document };
      spill.add({ side: 'after', version: 0, identity, document: envelope, position: { path: '', row: 0 } });
    }
    scan = page.cursor;
    if (spill.full) await write();
  } while (scan !== null && request.mayGoOn());
  if (spill.bytes > 0) await write();
  return { kind: 'spill', scan, stored };
}

/** The spilled documents of a bucket. Throws as `readShufflePartition`. */
export async function* readStored(
  plans: PlanStore,
  folder: string,
  stored: readonly string[],
  bucket: IdBucket,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredDocument[]> {
  const blobNames = stored.map((name) => `${folder}/${name}`);
  const part = { blobNames, rangeIndex: 0, rangeCount: 1, bucket };
  for await (const images of readShufflePartition(plans, part, signal)) {
    yield images.map(({ identity, document }) => {
      const envelope = document as { readonly etag: string; readonly document: JsonObject };
      return { identity, etag: envelope.etag, document: envelope.document };
    });
  }
}
