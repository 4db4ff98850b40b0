import type { ChunkBytes } from './chunk-bytes.ts';
import { isKnownCodec } from './codec.ts';
import { asFault, damaged, unsupported, type FilePlace } from './file-fault.ts';
import type { FileField } from './file-schema.ts';
import type { PageHeader } from './hyparquet-internals.ts';
import type { PageJump } from './page-jump.ts';
import { PageStream } from './page-stream.ts';
import { openDataPage, openDictionaryPage, pageCounts, type DataPage } from './page.ts';
import type { ValueConversion } from './plain-values.ts';
import { PageMemory } from './reused-memory.ts';
import type { Value } from './value-type.ts';

/** Entries of some rows of one node of the schema. The arrays are reused by the next read and may be longer. */
export interface EntryVector {
  readonly count: number;
  readonly values: readonly Value[];
  /** Definition level of every entry; undefined when every entry is a value that is not null. */
  readonly definitions: Uint8Array | undefined;
  /** Repetition level of every entry; undefined where nothing repeats. */
  readonly repetitions: Uint8Array | undefined;
}

const BOOLEANS: readonly Value[] = [false, true];
/** Entries of repeated columns are decoded in blocks of this many. */
const BLOCK = 512;
/** Rows of one batch may have this many entries in one column; more is no table anybody made. */
const MAX_ENTRIES = 1 << 24;

/** Reads one leaf column, page by page, through the row groups it is started on. */
export class ColumnReader {
  readonly leaf: FileField;
  private readonly place: FilePlace;
  /** Undefined when only levels are wanted. */
  private readonly conversion: ValueConversion | undefined;
  private pages: PageStream | undefined;
  private codec = '';
  private readonly memory = new PageMemory();
  private dictionary: readonly Value[] | undefined;
  private page: DataPage | undefined;
  private pageLeft = 0;
  /** Uncompressed bytes that a row takes on average in the current page. */
  rowBytes = 0;

  /** Entries of a row on average in the column chunk. */
  private rowEntries = 1;
  /** Taken by the first skip. */
  private jump: PageJump | undefined;

  private values: Value[] = [];
  private definitions = new Uint8Array(0);
  private repetitions = new Uint8Array(0);
  private indexes = new Int32Array(BLOCK);
  /** Entries decoded; those from `taken` on belong to the next read. */
  private decoded = 0;
  private taken = 0;
  /** Whether every entry of a flat column is a value so far. */
  private complete = true;

  constructor(place: FilePlace, leaf: FileField, conversion: ValueConversion | undefined) {
    this.place = place;
    this.leaf = leaf;
    this.conversion = conversion;
  }

  /** Begins a column chunk; the one before need not be read to its end. `rowEntries` is the average. */
  start(chunk: ChunkBytes, codec: string, rowEntries: number, jump: PageJump | undefined): void {
    if (!isKnownCodec(codec)) throw unsupported(this.place, `the codec ${codec}`);
    this.close();
    this.pages = new PageStream(this.place, chunk);
    this.codec = codec;
    this.rowEntries = Math.max(1, rowEntries);
    this.jump = jump;
    this.dictionary = this.leaf.physical === 'BOOLEAN' ? BOOLEANS : undefined;
  }

  close(): void {
    this.pages?.close();
    this.pages = undefined;
    this.page = undefined;
    this.pageLeft = 0;
    this.decoded = 0;
    this.taken = 0;
  }

  /** Rows for which `rowBytes` holds: values of any length may be longer in the next page. */
  get rowsAhead(): number {
    const isAnyLength = this.conversion?.width === 0 && this.page?.values !== undefined;
    return isAnyLength && this.pageLeft > 0 ? Math.ceil(this.pageLeft / this.rowEntries) : Number.POSITIVE_INFINITY;
  }

  /** Opens the next page if none is open, so that `rowBytes` is known. Undefined when there is nothing to wait for. */
  prepare(): Promise<unknown> | undefined {
    return this.pageLeft === 0 ? this.nextPage(0) : undefined;
  }

  /** The entries of the next `rows` rows; at once when the open page has all of them. */
  read(rows: number): EntryVector | Promise<EntryVector> {
    if (this.leaf.repetitionLevel > 0) return this.readRepeated(rows);
    return rows <= this.pageLeft ? this.readOpen(rows) : this.readFlat(rows);
  }

  /** Passes over the next `rows` rows; pages that are skipped whole are not even decompressed. */
  async skip(rows: number): Promise<void> {
    let left = rows - (await this.takeJump(rows));
    while (left > 0) {
      if (this.pageLeft === 0 && this.decoded === this.taken) {
        const { opened, skipped } = await this.nextPage(left);
        left -= skipped;
        if (!opened && left > 0) throw damaged(this.place, 'it ends before its row group');
      }
      const step = Math.min(left, BLOCK);
      if (step > 0) await this.read(step);
      left -= step;
    }
  }

  /** Reads the dictionary, then goes straight to the page of the wanted row; returns the rows that are passed. */
  private async takeJump(rows: number): Promise<number> {
    const { jump, pages } = this;
    if (jump === undefined || pages === undefined || jump.firstRow > rows) return 0;
    while (pages.offset < jump.from) {
      const header = await pages.next();
      if (header?.type !== 'DICTIONARY_PAGE') throw damaged(this.place, 'its offset index leaves out pages');
      await this.takeDictionary(pages, header);
    }
    if (pages.offset > jump.to) throw damaged(this.place, 'its offset index points into a page');
    pages.jump(jump.to);
    this.jump = undefined;
    return jump.firstRow;
  }

  private readOpen(rows: number): EntryVector {
    this.reserve(rows);
    this.complete = true;
    this.decode(0, rows);
    return this.flatVector(rows);
  }

  private async readFlat(rows: number): Promise<EntryVector> {
    this.reserve(rows);
    this.complete = true;
    for (let at = 0; at < rows;) {
      if (this.pageLeft === 0 && !(await this.nextPage(0)).opened) {
        throw damaged(this.place, 'it ends before its row group');
      }
      const count = Math.min(rows - at, this.pageLeft);
      this.decode(at, count);
      at += count;
    }
    return this.flatVector(rows);
  }

  private flatVector(rows: number): EntryVector {
    const definitions = this.complete ? undefined : this.definitions;
    return { count: rows, values: this.values, definitions, repetitions: undefined };
  }

  private async readRepeated(rows: number): Promise<EntryVector> {
    this.dropTaken();
    // Repeated columns always have definition levels.
    this.complete = false;
    let starts = 0;
    let at = 0;
    for (;;) {
      for (; at < this.decoded; at++) {
        if (this.repetitions[at] === 0 && ++starts > rows) break;
      }
      if (starts > rows) break;
      if (this.decoded > MAX_ENTRIES) throw unsupported(this.place, `more than ${MAX_ENTRIES} entries in a few rows`);
      if (this.pageLeft === 0) {
        if (!(await this.nextPage(0)).opened) break;
        continue;
      }
      const count = Math.min(BLOCK, this.pageLeft);
      this.reserve(this.decoded + count);
      this.decode(this.decoded, count);
      this.decoded += count;
    }
    if (starts < rows || (this.decoded > 0 && this.repetitions[0] !== 0)) {
      throw damaged(this.place, 'its rows do not agree with its row group');
    }
    this.taken = at;
    return { count: at, values: this.values, definitions: this.definitions, repetitions: this.repetitions };
  }

  /** Moves what was decoded beyond the last read to the front. */
  private dropTaken(): void {
    const rest = this.decoded - this.taken;
    if (rest > 0) {
      this.repetitions.copyWithin(0, this.taken, this.decoded);
      this.definitions.copyWithin(0, this.taken, this.decoded);
      for (let i = 0; i < rest; i++) this.values[i] = this.values[this.taken + i]!;
    }
    this.decoded = rest;
    this.taken = 0;
  }

  private reserve(entries: number): void {
    if (entries <= this.definitions.length) return;
    const size = Math.max(entries, 1024, this.definitions.length * 2);
    const grow = (old: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
      const grown = new Uint8Array(size);
      grown.set(old);
      return grown;
    };
    this.definitions = grow(this.definitions);
    if (this.leaf.repetitionLevel > 0) this.repetitions = grow(this.repetitions);
    for (let i = this.values.length; i < size; i++) this.values.push(null);
  }

  private decode(at: number, count: number): void {
    try {
      this.decodeEntries(at, count);
    } catch (thrown) {
      throw asFault(this.place, thrown);
    }
  }

  /** Decodes `count` entries of the current page to index `at` on, nulls in their places. */
  private decodeEntries(at: number, count: number): void {
    const page = this.page!;
    const { definitions, values } = this;
    const max = this.leaf.definitionLevel;
    page.repetitions?.read(this.repetitions, at, count);
    this.pageLeft -= count;
    const constant = page.definitions === undefined ? max : page.definitions.takeConstant(count);
    if (constant === max) {
      if (!this.complete) definitions.fill(max, at, at + count);
      this.readValues(at, count);
      return;
    }
    if (this.complete) {
      definitions.fill(max, 0, at);
      this.complete = false;
    }
    if (constant >= 0) {
      definitions.fill(constant, at, at + count);
      values.fill(null, at, at + count);
      return;
    }
    page.definitions!.read(definitions, at, count);
    const stop = at + count;
    let present = 0;
    for (let i = at; i < stop; i++) if (definitions[i] === max) present++;
    this.readValues(at, present);
    if (present === count) return;
    for (let to = stop - 1, from = at + present - 1; to >= at; to--) {
      values[to] = definitions[to] === max ? values[from--]! : null;
    }
  }

  private readValues(at: number, count: number): void {
    if (count === 0) return;
    const { values, conversion } = this;
    const page = this.page!;
    if (conversion === undefined) {
      values.fill(null, at, at + count);
      return;
    }
    if (page.indexes === undefined) {
      conversion.read(page.values!, values, at, count);
      return;
    }
    const dictionary = this.dictionary;
    if (dictionary === undefined) throw new Error('a page refers to a dictionary that is not there');
    if (this.indexes.length < count) this.indexes = new Int32Array(Math.max(count, this.indexes.length * 2));
    const indexes = this.indexes;
    page.indexes.read(indexes, 0, count);
    const size = dictionary.length;
    for (let i = 0; i < count; i++) {
      const index = indexes[i]!;
      if (index < 0 || index >= size) throw new Error('an index points beyond its dictionary');
      values[at + i] = dictionary[index]!;
    }
  }

  /**
   * Opens the next data page with entries, reading a dictionary on the way. Data pages of at most `skippable` rows in
   * sum are passed over first. `opened` is false at the end of the chunk.
   */
  private async nextPage(skippable: number): Promise<{ readonly opened: boolean; readonly skipped: number }> {
    const pages = this.pages!;
    let skipped = 0;
    for (let header = await pages.next(); header !== undefined; header = await pages.next()) {
      const { type } = header;
      if (type === 'DICTIONARY_PAGE') {
        await this.takeDictionary(pages, header);
        continue;
      }
      const rows = type === 'DATA_PAGE' || type === 'DATA_PAGE_V2' ? this.rowsOf(header) : 0;
      if (rows !== undefined && skipped + rows <= skippable) {
        skipped += rows;
        pages.skip(header);
        continue;
      }
      const page = header;
      await pages.take(page, (body) => this.openPage(page, body));
      if (this.pageLeft > 0) return { opened: true, skipped };
    }
    return { opened: false, skipped };
  }

  /** Rows of a data page where its header tells. */
  private rowsOf(header: PageHeader): number | undefined {
    try {
      const { entries, rows } = pageCounts(header);
      return this.leaf.repetitionLevel === 0 ? entries : rows;
    } catch (thrown) {
      throw asFault(this.place, thrown);
    }
  }

  private async takeDictionary(pages: PageStream, header: PageHeader): Promise<void> {
    await pages.take(header, (body) => this.openDictionary(header, body));
  }

  private openDictionary(header: PageHeader, body: Uint8Array): void {
    if (this.leaf.physical === 'BOOLEAN') throw new Error('booleans have no dictionary');
    const { conversion } = this;
    if (conversion === undefined) return;
    const { count, values } = openDictionaryPage(header, body, this.codec, conversion.width);
    const dictionary: Value[] = Array.from({ length: count }, () => null);
    conversion.read(values, dictionary, 0, count);
    this.dictionary = dictionary;
  }

  private openPage(header: PageHeader, body: Uint8Array): void {
    this.page = openDataPage(header, body, this.codec, this.memory, this.leaf);
    this.pageLeft = this.page.count;
    const rows = this.leaf.repetitionLevel === 0 ? this.pageLeft : header.data_page_header_v2?.num_rows;
    const entryBytes = header.uncompressed_page_size / Math.max(1, rows ?? this.pageLeft / this.rowEntries);
    this.rowBytes = Math.max(entryBytes, this.leaf.repetitionLevel === 0 ? 0 : 16 * this.rowEntries);
  }
}
