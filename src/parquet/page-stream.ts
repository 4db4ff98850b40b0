import type { ChunkBytes } from './chunk-bytes.ts';
import { asFault, damaged, type FilePlace } from './file-fault.ts';
import { parsePageHeader, type PageHeader } from './hyparquet-internals.ts';
import { checkPageHeader, checkPageSum } from './page.ts';

/** Headers may hold statistics with long values. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/** The pages of a column chunk, one after another: a header, then its body taken or skipped. */
export class PageStream {
  private readonly place: FilePlace;
  private readonly chunk: ChunkBytes;

  constructor(place: FilePlace, chunk: ChunkBytes) {
    this.place = place;
    this.chunk = chunk;
  }

  /** File offset of the next header. */
  get offset(): number {
    return this.chunk.offset;
  }

  /** The next page's header, its sizes checked against what is left; undefined at the end of the chunk. */
  async next(): Promise<PageHeader | undefined> {
    const { chunk } = this;
    if (chunk.left <= 0) return undefined;
    for (let wanted = 256; ; wanted *= 8) {
      await chunk.need(wanted);
      try {
        const parsed = parsePageHeader(chunk.ready, 0);
        if (parsed !== undefined) {
          chunk.skip(parsed.end);
          checkPageHeader(parsed.header, chunk.left);
          return parsed.header;
        }
      } catch (thrown) {
        throw asFault(this.place, thrown);
      }
      if (wanted >= Math.min(chunk.left, MAX_HEADER_BYTES)) throw damaged(this.place, 'a page header ends early');
    }
  }

  /** Lets `open` see the page's body, its checksum checked, and passes over it. Faults of `open` mean damage. */
  async take(header: PageHeader, open: (body: Uint8Array) => void): Promise<void> {
    const size = header.compressed_page_size;
    await this.chunk.need(size);
    if (this.chunk.ready.length < size) throw damaged(this.place, 'a page ends early');
    const body = this.chunk.ready.subarray(0, size);
    try {
      checkPageSum(header, body);
      open(body);
    } catch (thrown) {
      throw asFault(this.place, thrown);
    }
    this.chunk.skip(size);
  }

  /** Passes over the page's body without looking at it. */
  skip(header: PageHeader): void {
    this.chunk.skip(header.compressed_page_size);
  }

  /** Goes on at a file offset further on. */
  jump(offset: number): void {
    this.chunk.skip(offset - this.chunk.offset);
  }

  close(): void {
    this.chunk.close();
  }
}
