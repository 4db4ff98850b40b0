/**
 * Shuffle of many rows through files: memory, bytes spilled, and time as a ratio to mapping the rows once and to
 * parsing them once from JSON lines. Usage: node test/bench/shuffle.ts [rows [rows a range]]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { splitHashRanges } from '../../src/changes/hash-ranges.ts';
import { NetChanges } from '../../src/changes/net-changes.ts';
import { readShufflePartition } from '../../src/changes/shuffle.ts';
import { ShuffleWriter } from '../../src/changes/shuffle-writer.ts';
import type { Row } from '../../src/delta/schema.ts';
import { folderPlanStore } from '../../src/storage/folder-plan-store.ts';
import { mappingOf } from '../support/mapping-builder.ts';

const rows = Number(process.argv[2] ?? 1_000_000);
const rangeRows = Number(process.argv[3] ?? 25_000);
const ranges = splitHashRanges([{ start: '', end: 'FF' }], Math.max(1, Math.ceil(rows / rangeRows)));
const mapping = mappingOf({
  id: 'string',
  name: 'string',
  category: 'string',
  price: { kind: 'decimal', precision: 10, scale: 2 },
  stock: 'long',
  weight: 'double',
  active: 'boolean',
  added: 'date',
  changed: 'timestamp',
  text: 'string',
});

let peak = 0;
const watch = setInterval(sample, 20);
function sample(): void {
  peak = Math.max(peak, process.memoryUsage.rss());
}

function rowOf(index: number): Row {
  return {
    id: `product-${index}`,
    name: `Contoso product number ${index}`,
    category: `category ${index % 97}`,
    price: '12.95',
    stock: index,
    weight: index / 7,
    active: index % 2 === 0,
    added: '2026-01-31',
    changed: '2026-01-31T10:20:30.123456Z',
    text: 'some longer text that every product has, as products do',
  };
}

/** Maps every row; hands the documents to `use`. Seconds. */
function mapAll(use: (index: number, mapped: ReturnType<typeof mapping.mapRow>) => void): number {
  const start = performance.now();
  for (let index = 0; index < rows; index++) use(index, mapping.mapRow(rowOf(index)));
  return (performance.now() - start) / 1000;
}

const folder = await mkdtemp(join(tmpdir(), 'shuffle-bench-'));
try {
  const store = folderPlanStore(folder);
  const start = performance.now();
  const names: string[] = [];
  let spilled = 0;
  let images = 0;
  const writer = new ShuffleWriter(ranges);
  const write = async (): Promise<void> => {
    const blob = await writer.write(store, `shuffle/${names.length}`);
    names.push(blob.name);
    spilled += blob.bytes;
    images += blob.images.reduce((sum, count) => sum + count, 0);
  };
  for (let index = 0; index < rows; index++) {
    const mapped = mapping.mapRow(rowOf(index));
    if (mapped.kind === 'rejected') continue;
    writer.add({
      side: 'after',
      version: 1,
      identity: mapped.identity,
      document: mapped.document,
      position: { path: `part-${Math.floor(index / 1e6)}.parquet`, row: index % 1e6 },
    });
    if (writer.full) await write();
    if (index % 10_000 === 0) sample();
  }
  await write();
  const stage1 = (performance.now() - start) / 1000;
  let identities = 0;
  for (const rangeIndex of ranges.keys()) {
    const net = new NetChanges({ beforeKnown: true });
    for await (const batch of readShufflePartition(store, {
      blobNames: names,
      rangeIndex,
      rangeCount: ranges.length,
    })) {
      for (const image of batch) net.add(image);
      sample();
    }
    identities += net.size;
  }
  const total = (performance.now() - start) / 1000;
  sample();
  clearInterval(watch);
  // Afterwards, so that their garbage does not count as memory of the shuffle.
  const once = mapAll(() => undefined);
  let text = 0;
  const json = mapAll((_index, mapped) => {
    const line = JSON.stringify(mapped);
    text += line.length;
    JSON.parse(line);
  });
  const lines = [
    `rows                ${rows}, ranges ${ranges.length}, blobs ${names.length}`,
    `arrived             ${identities} identities, ${images} images (each spilled ${(images / rows).toFixed(3)} times)`,
    `spilled             ${(spilled / rows).toFixed(0)} bytes a row (as plain JSON ${(text / rows).toFixed(0)})`,
    `peak RSS            ${Math.round(peak / 1e6)} MB`,
    `mapping once        ${once.toFixed(1)} s`,
    `mapping + JSON      ${json.toFixed(1)} s`,
    `shuffle             ${total.toFixed(1)} s (stage 1 ${stage1.toFixed(1)} s) = ${(total / json).toFixed(2)} x mapping + JSON`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
} finally {
  clearInterval(watch);
  await rm(folder, { recursive: true, force: true });
}
