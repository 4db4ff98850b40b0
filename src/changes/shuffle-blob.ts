/**
 * How a shuffle blob is laid out: magic, format, number of ranges; then an index entry for each range (offset, length,
 * images, CRC, sections, CRC of the header and these); then the part of each range: lines of images. A reader needs its
 * own entry and its own part, however many ranges there are.
 *
 * A part that is much larger than its share comes from a partition key with very many documents. It is cut into sections
 * by a hash of the id, so that one of several passes over the range reads little more than its own: first a table
 * (length, images and CRC of the path lines, then of every section; the entry's CRC is that of the table), then the path
 * lines, then the sections. All numbers are unsigned 32 bit, little-endian; CRCs are CRC-32.
 */
import { crc32 } from 'node:zlib';
import { SyncError } from '../shared/errors.ts';
import { bucketIndexOf } from './hash-ranges.ts';
import { idHashOf, isPathLine, linesOf } from './image-line.ts';

/** Bumped when older code could misread a blob. */
const FORMAT = 2;
const MAGIC = 0x46_53_43_44;
const HEADER_BYTES = 12;
const ENTRY_BYTES = 24;
/** Sections of a part that has any. */
export const SECTIONS = 256;
const SECTION_ENTRY_BYTES = 12;
/** Length of a part's section table. */
export const SECTION_TABLE_BYTES = (SECTIONS + 1) * SECTION_ENTRY_BYTES;
/** Nothing that a writer makes comes near it. */
const MAX_PART_BYTES = 256 * 1024 * 1024;

const NEWLINE = Buffer.from('\n');

/** Where the part of a range lies in a blob. */
export interface PartEntry {
  readonly offset: number;
  readonly length: number;
  readonly images: number;
  readonly crc: number;
  readonly sectioned: boolean;
}

/** A stretch of a part, relative to it. */
export interface SectionEntry {
  readonly offset: number;
  readonly length: number;
  readonly images: number;
  readonly crc: number;
}

/** The lines of one range, to be laid out. */
export interface PartContent {
  readonly chunks: readonly Buffer[];
  readonly bytes: number;
  readonly images: number;
}

/** Where the entry of a range lies in a blob. */
export function entryBytes(rangeIndex: number): { readonly start: number; readonly end: number } {
  const start = HEADER_BYTES + rangeIndex * ENTRY_BYTES;
  return { start, end: start + ENTRY_BYTES };
}

/** One blob in pieces. Parts of at least `sectionBytes` are cut into sections. */
export function layOut(parts: readonly PartContent[], sectionBytes: number): readonly Buffer[] {
  const header = headerOf(parts.length);
  const headerCrc = crc32(header);
  const index = Buffer.alloc(parts.length * ENTRY_BYTES);
  const body: Buffer[] = [];
  let offset = header.length + index.length;
  for (const [range, part] of parts.entries()) {
    const sectioned = part.bytes >= sectionBytes;
    const pieces = sectioned ? sections(part) : part.chunks;
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const at = range * ENTRY_BYTES;
    index.writeUInt32LE(offset, at);
    index.writeUInt32LE(length, at + 4);
    index.writeUInt32LE(part.images, at + 8);
    index.writeUInt32LE(checksum(sectioned ? pieces.slice(0, 1) : pieces), at + 12);
    index.writeUInt32LE(sectioned ? SECTIONS : 0, at + 16);
    index.writeUInt32LE(crc32(index.subarray(at, at + 20), headerCrc), at + 20);
    offset += length;
    body.push(...pieces);
  }
  return [header, index, ...body];
}

function headerOf(rangeCount: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(FORMAT, 4);
  header.writeUInt32LE(rangeCount, 8);
  return header;
}

/** Table, path lines and sections of a part. Paths keep their numbers, so lines need not be parsed. */
function sections(part: PartContent): Buffer[] {
  const name = 'in memory';
  const pieces: Buffer[][] = Array.from({ length: SECTIONS + 1 }, () => []);
  for (const chunk of part.chunks) {
    for (const line of linesOf(chunk, name)) {
      const section = isPathLine(line) ? 0 : 1 + bucketIndexOf(idHashOf(line, name), SECTIONS);
      pieces[section]?.push(line, NEWLINE);
    }
  }
  const table = Buffer.alloc(SECTION_TABLE_BYTES);
  const body = pieces.map((lines, section) => {
    const bytes = Buffer.concat(lines);
    const at = section * SECTION_ENTRY_BYTES;
    table.writeUInt32LE(bytes.length, at);
    table.writeUInt32LE(lines.length / 2, at + 4);
    table.writeUInt32LE(crc32(bytes), at + 8);
    return bytes;
  });
  return [table, ...body];
}

/** An entry from its bytes. Throws `planDamaged` unless it belongs to a blob of this format with so many ranges. */
export function parseEntry(bytes: Uint8Array, rangeCount: number, name: string): PartEntry {
  const entry = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const own = entry.subarray(0, ENTRY_BYTES - 4);
  if (entry.length !== ENTRY_BYTES || crc32(own, crc32(headerOf(rangeCount))) !== entry.readUInt32LE(own.length)) {
    throw damagedBlob(name, `it is no shuffle file of format ${FORMAT} with ${rangeCount} ranges`);
  }
  const found = {
    offset: entry.readUInt32LE(0),
    length: entry.readUInt32LE(4),
    images: entry.readUInt32LE(8),
    crc: entry.readUInt32LE(12),
    sectioned: entry.readUInt32LE(16) === SECTIONS,
  };
  if (found.length > MAX_PART_BYTES) throw damagedBlob(name, 'a part is too large');
  if (found.sectioned && found.length < SECTION_TABLE_BYTES) throw damagedBlob(name, 'a part is too small');
  return found;
}

/** The path lines and the sections of a part, from its table. Throws `planDamaged`. */
export function sectionsOf(table: Uint8Array, entry: PartEntry, name: string): readonly SectionEntry[] {
  checkBytes(table, SECTION_TABLE_BYTES, entry.crc, name);
  const bytes = Buffer.from(table.buffer, table.byteOffset, table.byteLength);
  let offset = SECTION_TABLE_BYTES;
  const found: SectionEntry[] = [];
  for (let at = 0; at < bytes.length; at += SECTION_ENTRY_BYTES) {
    const length = bytes.readUInt32LE(at);
    found.push({ offset, length, images: bytes.readUInt32LE(at + 4), crc: bytes.readUInt32LE(at + 8) });
    offset += length;
  }
  if (offset !== entry.length) throw damagedBlob(name, 'its sections have another length');
  return found;
}

/** Throws `planDamaged` when bytes are not those that were written. */
export function checkBytes(bytes: Uint8Array, length: number, crc: number, name: string): void {
  if (bytes.length !== length || crc32(bytes) !== crc) throw damagedBlob(name, 'a part has another checksum');
}

export function damagedBlob(name: string, reason: string): SyncError {
  return new SyncError('planDamaged', { problem: `The shuffle file ${name} cannot be used: ${reason}.` });
}

function checksum(pieces: readonly Buffer[]): number {
  let crc = 0;
  for (const piece of pieces) crc = crc32(piece, crc);
  return crc;
}
