/**
 * Effective partition key (EPK): the hash by which Cosmos DB places a document on a physical partition. Ranges of it are
 * compared as upper-case hex text, so the order here is the order of the container's partition key ranges.
 *
 * Rules (Azure Cosmos DB, as its SDKs implement them): every value is a type byte and its bytes. Version 2 is MurmurHash3
 * x64 128 of all values, big end first, its top two bits cleared. MultiHash is version 2 of each level, concatenated.
 * Version 1 is MurmurHash3 x86 32, followed by the encoded value itself.
 */
import type { PartitionKeyValue } from './document.ts';
import { SyncError } from '../shared/errors.ts';

/** How a container hashes its key: `partitionKey.kind` and `partitionKey.version` of its definition (absent version: 1). */
export interface PartitionKeyHashing {
  readonly kind: 'Hash' | 'MultiHash';
  readonly version: 1 | 2;
}

/** Version 1 hashes and encodes only this many leading characters of a string. */
const V1_STRING_CHARACTERS = 100;

const UNDEFINED = 0x00;
const NULL = 0x01;
const FALSE = 0x02;
const TRUE = 0x03;
const NUMBER = 0x05;
const STRING = 0x08;
const V1_STRING_END = 0x00;
const V2_STRING_END = 0xff;

/**
 * The effective partition key as upper-case hex. `values` holds one value for `Hash` and one per level for `MultiHash`
 * (fewer levels give the prefix that all their documents share). Numbers must be finite: JSON knows no others.
 */
export function effectivePartitionKey(values: readonly PartitionKeyValue[], hashing: PartitionKeyHashing): string {
  if (hashing.kind === 'MultiHash') {
    let epk = '';
    for (const value of values) epk += hashV2(value);
    return epk;
  }
  if (values.length !== 1) {
    throw new SyncError('internal', { problem: `A partition key of kind Hash has one value, not ${values.length}.` });
  }
  return hashing.version === 2 ? hashV2(values[0]) : hashV1(values[0]);
}

// One scratch buffer for every key: hashing runs once per row and must not allocate. No await ever happens in between.
let scratch = Buffer.alloc(4096);
let view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
const encoder = new TextEncoder();

function reserve(bytes: number): void {
  if (bytes <= scratch.byteLength) return;
  scratch = Buffer.alloc(bytes * 2);
  view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
}

/** Writes type byte, value and string terminator at the start of the scratch buffer; returns the length. */
function writeValue(value: PartitionKeyValue, stringEnd: number): number {
  if (typeof value === 'string') {
    // Worst case of UTF-8, the two bytes around it, and the zeros that fill up the last block of the hash.
    reserve(value.length * 3 + 2 + 16);
    view.setUint8(0, STRING);
    const end = 1 + writeText(value, 1);
    view.setUint8(end, stringEnd);
    return end + 1;
  }
  if (typeof value === 'number') {
    view.setUint8(0, NUMBER);
    view.setFloat64(1, jsonNumber(value), true);
    return 9;
  }
  view.setUint8(0, constantType(value));
  return 1;
}

function constantType(value: boolean | null | undefined): number {
  if (value === undefined) return UNDEFINED;
  if (value === null) return NULL;
  return value ? TRUE : FALSE;
}

/** UTF-8 bytes written. Plain ASCII, nearly every key, skips the encoder. */
function writeText(text: string, at: number): number {
  const length = text.length;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return encoder.encodeInto(text, scratch.subarray(at)).written;
    scratch[at + index] = code;
  }
  return length;
}

/** The number as JSON carries it to the service: there is no minus zero in it, and nothing that is not finite. */
function jsonNumber(value: number): number {
  if (!Number.isFinite(value)) {
    throw new SyncError('mappingInvalid', {
      problem: `A partition key cannot be ${value}.`,
      reason: 'Cosmos DB keys are JSON values.',
    });
  }
  return value === 0 ? 0 : value;
}

// ---------------------------------------------------------------------------------------------- version 2, MultiHash

function hashV2(value: PartitionKeyValue): string {
  murmur128(writeValue(value, V2_STRING_END));
  digest.setUint32(0, h2High & 0x3fffffff);
  digest.setUint32(4, h2Low);
  digest.setUint32(8, h1High);
  digest.setUint32(12, h1Low);
  return hexDigits(digestBytes, 16);
}

// 64-bit numbers are pairs of 32-bit halves; a function that makes one leaves it in `high` and `low`.
let high = 0;
let low = 0;
let h1High = 0;
let h1Low = 0;
let h2High = 0;
let h2Low = 0;

function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const p00 = a0 * b0;
  const p01 = a0 * b1;
  const p10 = a1 * b0;
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  low = (middle << 16) | (p00 & 0xffff);
  high =
    (a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
}

function add(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const sum = (aLow >>> 0) + (bLow >>> 0);
  low = sum | 0;
  high = (aHigh + bHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
}

/** Rotates `high`, `low` left by 1 to 31 bits. */
function rotate(bits: number): void {
  const rotated = (high << bits) | (low >>> (32 - bits));
  low = (low << bits) | (high >>> (32 - bits));
  high = rotated;
}

function rotate33(): void {
  const swapped = high;
  high = low;
  low = swapped;
  rotate(1);
}

const C1_HIGH = 0x87c37b91 | 0;
const C1_LOW = 0x114253d5 | 0;
const C2_HIGH = 0x4cf5ad43 | 0;
const C2_LOW = 0x2745937f | 0;

/** Mixes the first half of a block into h1. */
function mixH1(kHigh: number, kLow: number): void {
  multiply(kHigh, kLow, C1_HIGH, C1_LOW);
  rotate(31);
  multiply(high, low, C2_HIGH, C2_LOW);
  h1High ^= high;
  h1Low ^= low;
}

/** Mixes the second half of a block into h2. */
function mixH2(kHigh: number, kLow: number): void {
  multiply(kHigh, kLow, C2_HIGH, C2_LOW);
  rotate33();
  multiply(high, low, C1_HIGH, C1_LOW);
  h2High ^= high;
  h2Low ^= low;
}

/** Final mix of `high`, `low`. */
function finish(): void {
  low ^= high >>> 1;
  multiply(high, low, 0xff51afd7 | 0, 0xed558ccd | 0);
  low ^= high >>> 1;
  multiply(high, low, 0xc4ceb9fe | 0, 0x1a85ec53 | 0);
  low ^= high >>> 1;
}

/** MurmurHash3 x64 128, seed 0, of the first `length` bytes of the scratch buffer. */
function murmur128(length: number): void {
  const tail = length & 15;
  const blocksEnd = length - tail;
  h1High = h1Low = h2High = h2Low = 0;
  for (let at = 0; at < blocksEnd; at += 16) {
    mixH1(view.getInt32(at + 4, true), view.getInt32(at, true));
    high = h1High;
    low = h1Low;
    rotate(27);
    add(high, low, h2High, h2Low);
    multiply(high, low, 0, 5);
    add(high, low, 0, 0x52dce729);
    h1High = high;
    h1Low = low;
    mixH2(view.getInt32(at + 12, true), view.getInt32(at + 8, true));
    high = h2High;
    low = h2Low;
    rotate(31);
    add(high, low, h1High, h1Low);
    multiply(high, low, 0, 5);
    add(high, low, 0, 0x38495ab5);
    h2High = high;
    h2Low = low;
  }
  if (tail > 0) {
    scratch.fill(0, length, blocksEnd + 16);
    if (tail > 8) mixH2(view.getInt32(blocksEnd + 12, true), view.getInt32(blocksEnd + 8, true));
    mixH1(view.getInt32(blocksEnd + 4, true), view.getInt32(blocksEnd, true));
  }
  add(h1High, h1Low ^ length, h2High, h2Low ^ length);
  h1High = high;
  h1Low = low;
  add(h2High, h2Low ^ length, h1High, h1Low);
  h2High = high;
  h2Low = low;
  high = h1High;
  low = h1Low;
  finish();
  h1High = high;
  h1Low = low;
  high = h2High;
  low = h2Low;
  finish();
  h2High = high;
  h2Low = low;
  add(h1High, h1Low, h2High, h2Low);
  h1High = high;
  h1Low = low;
  add(h2High, h2Low, h1High, h1Low);
  h2High = high;
  h2Low = low;
}

// ------------------------------------------------------------------------------------------------------- version 1

function hashV1(value: PartitionKeyValue): string {
  const cut = typeof value === 'string' ? value.slice(0, V1_STRING_CHARACTERS) : value;
  const hash = murmur32(writeValue(cut, V1_STRING_END));
  const bytes: number[] = [];
  pushOrderedNumber(bytes, hash);
  pushOrderedValue(bytes, cut);
  return hexDigits(Uint8Array.from(bytes), bytes.length);
}

/** MurmurHash3 x86 32, seed 0, of the first `length` bytes of the scratch buffer, unsigned. */
function murmur32(length: number): number {
  const tail = length & 3;
  const blocksEnd = length - tail;
  let hash = 0;
  for (let at = 0; at < blocksEnd; at += 4) {
    hash ^= mix32(view.getInt32(at, true));
    hash = (hash << 13) | (hash >>> 19) | 0;
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (tail > 0) {
    scratch.fill(0, length, blocksEnd + 4);
    hash ^= mix32(view.getInt32(blocksEnd, true));
  }
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mix32(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** Bytes that sort as the value does. */
function pushOrderedValue(bytes: number[], value: PartitionKeyValue): void {
  if (typeof value === 'string') {
    bytes.push(STRING);
    for (const byte of encoder.encode(value)) bytes.push(byte < 0xff ? byte + 1 : byte);
    bytes.push(V1_STRING_END);
  } else if (typeof value === 'number') pushOrderedNumber(bytes, jsonNumber(value));
  else bytes.push(constantType(value));
}

const SIGN = 1n << 63n;
const MASK = (1n << 64n) - 1n;

/** The double's bits made unsigned and ordered: the top byte, then seven bits a byte, the low bit saying "more follows". */
function pushOrderedNumber(bytes: number[], value: number): void {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const ordered = bits < SIGN ? bits ^ SIGN : -bits & MASK;
  bytes.push(NUMBER, Number(ordered >> 56n));
  let rest = (ordered << 8n) & MASK;
  while (rest !== 0n) {
    const next = (rest << 7n) & MASK;
    const top = Number(rest >> 56n);
    // A last byte of zero adds nothing and is left out; one in the middle carries the flag and stays.
    const byte = next === 0n ? top & 0xfe : top | 0x01;
    if (byte !== 0) bytes.push(byte);
    rest = next;
  }
}

// ------------------------------------------------------------------------------------------------------------- hex

const digestBytes = new Uint8Array(16);
const digest = new DataView(digestBytes.buffer);
const DIGITS = Buffer.from('0123456789ABCDEF', 'latin1');
const hexText = Buffer.alloc(512);

function hexDigits(bytes: Uint8Array, length: number): string {
  const text = length * 2 <= hexText.length ? hexText : Buffer.alloc(length * 2);
  for (let index = 0; index < length; index++) {
    const byte = bytes[index] ?? 0;
    text[index * 2] = DIGITS[byte >>> 4] ?? 0;
    text[index * 2 + 1] = DIGITS[byte & 15] ?? 0;
  }
  return text.toString('latin1', 0, length * 2);
}
