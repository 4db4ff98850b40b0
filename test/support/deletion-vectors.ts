/** Writes deletion vectors: 64-bit portable roaring bitmaps with array, bitset and run containers, and their files. */
import { crc32 } from 'node:zlib';

export type ContainerChoice = 'standard' | 'runs';

const MAGIC = 1681511377;

function u16(value: number): number[] {
  return [value & 0xff, value >>> 8];
}

function u32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function runsOf(values: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] + 1 === value) last[1]++;
    else runs.push([value, 0]);
  }
  return runs;
}

function groupBy(values: readonly number[], keyOf: (value: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value)) ?? [];
    group.push(value);
    groups.set(keyOf(value), group);
  }
  return groups;
}

function container(values: readonly number[], choice: ContainerChoice): number[] {
  if (choice === 'runs') {
    const runs = runsOf(values);
    return [...u16(runs.length), ...runs.flatMap(([start, length]) => [...u16(start), ...u16(length)])];
  }
  if (values.length <= 4096) return values.flatMap(u16);
  const bits = new Uint8Array(8192);
  for (const value of values) bits[value >> 3]! |= 1 << (value & 7);
  return [...bits];
}

function roaring32(values: readonly number[], choice: ContainerChoice): number[] {
  const byKey = groupBy(values, (value) => Math.floor(value / 65536));
  const keys = [...byKey.keys()].toSorted((a, b) => a - b);
  const bodies = keys.map((key) =>
    container(
      byKey.get(key)!.map((value) => value % 65536),
      choice,
    ),
  );
  const header = keys.flatMap((key) => [...u16(key), ...u16(byKey.get(key)!.length - 1)]);
  const start =
    choice === 'runs'
      ? [...u32((12347 | ((keys.length - 1) << 16)) >>> 0), ...runFlags(keys.length)]
      : [...u32(12346), ...u32(keys.length)];
  const offsets: number[] = [];
  if (choice !== 'runs' || keys.length >= 4) {
    let offset = start.length + header.length + keys.length * 4;
    for (const body of bodies) {
      offsets.push(...u32(offset));
      offset += body.length;
    }
  }
  return [...start, ...header, ...offsets, ...bodies.flat()];
}

function runFlags(count: number): number[] {
  return Array.from({ length: (count + 7) >> 3 }, (_none, i) =>
    count >= i * 8 + 8 ? 0xff : 0xff >> (i * 8 + 8 - count),
  );
}

/** The stored form of a set of rows, magic number included. `rows` in ascending order, without duplicates. */
export function deletionVectorBytes(rows: readonly number[], choice: ContainerChoice = 'standard'): Uint8Array {
  const byHigh = groupBy(rows, (row) => Math.floor(row / 2 ** 32));
  const highs = [...byHigh.keys()].toSorted((a, b) => a - b);
  const buckets = highs.flatMap((high) => [
    ...u32(high),
    ...roaring32(
      byHigh.get(high)!.map((row) => row % 2 ** 32),
      choice,
    ),
  ]);
  return Uint8Array.from([...u32(MAGIC), ...u32(highs.length), ...u32(0), ...buckets]);
}

/** A deletion vector file with these vectors, and the offset of each. */
export function deletionVectorFile(vectors: readonly Uint8Array[]): {
  readonly bytes: Uint8Array;
  readonly offsets: readonly number[];
} {
  const parts: Uint8Array[] = [Uint8Array.of(1)];
  const offsets: number[] = [];
  let at = 1;
  for (const vector of vectors) {
    offsets.push(at);
    const frame = new Uint8Array(vector.length + 8);
    const view = new DataView(frame.buffer);
    view.setInt32(0, vector.length, false);
    frame.set(vector, 4);
    view.setUint32(vector.length + 4, crc32(vector), false);
    parts.push(frame);
    at += frame.length;
  }
  return { bytes: Buffer.concat(parts), offsets };
}
