/**
 * Net changes of a version range: what each identity was before it and is after it, whatever happened in between. Images
 * are grouped by identity first and never cancelled one by one, because rows of one identity may come from several files
 * and one row may move between identities.
 */
import { type Identity, identityHash } from '../documents/document.ts';
import { documentBytes } from './document-bytes.ts';
import { compareRows, type Image } from './image.ts';

const NONE: readonly Image[] = [];

/** One identity over the whole range. */
export interface Change {
  readonly identity: Identity;
  /** The last commit that touched the identity. */
  readonly version: number;
  /**
   * The before set of the first commit that touches the identity, even when that set is empty (a new row). `known` is
   * false when the images were not read from changes, so nothing is known about the state before.
   */
  readonly before: { readonly known: boolean; readonly images: readonly Image[]; readonly count: number };
  /** The after set of the last commit; empty when the row is gone. Greatest position first. */
  readonly after: { readonly images: readonly Image[]; readonly count: number };
}

interface Entry {
  readonly identity: Identity;
  first: number;
  last: number;
  before: readonly Image[];
  beforeCount: number;
  after: readonly Image[];
  afterCount: number;
}

/**
 * Collects the images of a chunk in any order. At most two images a side are kept for each identity, so that a wrong key
 * (a column with one value, say) costs no more memory than a right one.
 */
export class NetChanges {
  readonly #entries = new Map<string, Entry>();
  readonly #beforeKnown: boolean;
  readonly #byCommit: boolean;
  #heldBytes = 0;

  /**
   * `beforeKnown`: the images hold everything that the range did to these identities, in both directions. `byCommit`
   * (default: as `beforeKnown`): a later commit replaces what an earlier one left. Without it all images stand for one
   * state each side, as the rows of a snapshot or the difference of two; `version` is then the commit of the row's file.
   */
  constructor(options: { readonly beforeKnown: boolean; readonly byCommit?: boolean }) {
    this.#beforeKnown = options.beforeKnown;
    this.#byCommit = options.byCommit ?? options.beforeKnown;
  }

  /** Identities seen. */
  get size(): number {
    return this.#entries.size;
  }

  /** Roughly the memory that identities and kept images take: what has to be bounded, however many images come by. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  add(image: Image): void {
    const entry = this.#entryOf(image);
    const { version } = image;
    if (version < entry.first) {
      entry.first = version;
      if (this.#byCommit) this.#clear(entry, 'before');
    }
    if (version > entry.last) {
      entry.last = version;
      if (this.#byCommit) this.#clear(entry, 'after');
    }
    const counts = !this.#byCommit || version === (image.side === 'before' ? entry.first : entry.last);
    const kept = counts ? keep(entry[image.side], image) : undefined;
    if (kept === undefined) return;
    this.#heldBytes += sizeOf(kept) - sizeOf(entry[image.side]);
    entry[image.side] = kept;
    if (image.side === 'before') entry.beforeCount++;
    else entry.afterCount++;
  }

  /** Every identity once, in no particular order. */
  *changes(): Generator<Change> {
    for (const entry of this.#entries.values()) {
      yield {
        identity: entry.identity,
        version: entry.last,
        before: { known: this.#beforeKnown, images: entry.before, count: entry.beforeCount },
        after: { images: entry.after, count: entry.afterCount },
      };
    }
  }

  #entryOf(image: Image): Entry {
    const key = identityHash(image.identity);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      identity: image.identity,
      first: image.version,
      last: image.version,
      before: NONE,
      beforeCount: 0,
      after: NONE,
      afterCount: 0,
    };
    this.#entries.set(key, entry);
    this.#heldBytes += ENTRY_BYTES + 2 * key.length;
    return entry;
  }

  #clear(entry: Entry, side: Image['side']): void {
    this.#heldBytes -= sizeOf(entry[side]);
    entry[side] = NONE;
    if (side === 'before') entry.beforeCount = 0;
    else entry.afterCount = 0;
  }
}

/** An entry with its identity, and an image around its document, measured on a heap of a million. */
const ENTRY_BYTES = 300;
const IMAGE_BYTES = 150;

function sizeOf(images: readonly Image[]): number {
  let size = 0;
  for (const image of images) size += IMAGE_BYTES + documentBytes(image.document);
  return size;
}

/**
 * The two images with the greatest positions, greatest first, and the new one among them; undefined when this very row is
 * kept already. Arrays are made, not grown: growing one reserves room for many more.
 */
function keep(kept: readonly Image[], image: Image): readonly Image[] | undefined {
  const [first, second] = kept;
  if (first === undefined) return [image];
  const order = compareRows(image, first);
  if (order === 0 || (second !== undefined && compareRows(image, second) === 0)) return undefined;
  if (order > 0) return [image, first];
  return second !== undefined && compareRows(image, second) < 0 ? kept : [first, image];
}
