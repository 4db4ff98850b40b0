/** One stored document. */
import { etagText } from './resource-id.ts';

/**
 * A version of a document; never changed once stored, a write makes a new one. The JSON text is kept without the
 * system properties, which are made when the document is given out, and is parsed only by queries that need it.
 */
export class Item {
  readonly id: string;
  /** Partition key as canonical JSON text of its components, e.g. `["a",5]`; `{}` stands for an absent one. */
  readonly pk: string;
  readonly epk: string;
  readonly text: string;
  /** Bytes of the UTF-8 text. */
  readonly size: number;
  /** Indexed leaf values. */
  readonly terms: number;
  /** Number of the write in the account; makes the etag. */
  readonly write: number;
  /** Wall clock of the write in milliseconds. */
  readonly time: number;
  /** Number of the document in its container, kept over its life. */
  readonly number: number;
  /** Log sequence number of the write in its partition. */
  readonly lsn: number;
  /** The document's own `ttl` in seconds. */
  readonly ttl: number | undefined;
  /** True while this is the stored version. */
  live = true;
  /** Ring of the documents of one logical partition, in order of creation. */
  next: Item = this;
  previous: Item = this;

  constructor(
    id: string,
    pk: string,
    epk: string,
    text: string,
    size: number,
    terms: number,
    write: number,
    time: number,
    number: number,
    lsn: number,
    ttl: number | undefined,
  ) {
    this.id = id;
    this.pk = pk;
    this.epk = epk;
    this.text = text;
    this.size = size;
    this.terms = terms;
    this.write = write;
    this.time = time;
    this.number = number;
    this.lsn = lsn;
    this.ttl = ttl;
  }

  get etag(): string {
    return etagText(this.write, this.time);
  }

  /** `_ts`: seconds since 1970. */
  get seconds(): number {
    return Math.floor(this.time / 1000);
  }
}

/** What makes two writes meet the same document. */
export function identityOf(pk: string, id: string): string {
  return `${pk}\n${id}`;
}
