import type { ByteSource } from '../../src/parquet/byte-source.ts';
import { openParquet, type ParquetFile } from '../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../src/parquet/row-reader.ts';
import type { RowRequest } from '../../src/parquet/row-request.ts';
import type { Row } from '../../src/parquet/value-type.ts';

/** A file in memory that counts what is read of it. */
export interface MemorySource extends ByteSource {
  readonly reads: { readonly start: number; readonly end: number }[];
}

export function memorySource(bytes: Uint8Array, name = 'part-0.parquet'): MemorySource {
  const reads: { start: number; end: number }[] = [];
  return {
    name,
    size: bytes.length,
    reads,
    read(start, end, signal) {
      if (!(start >= 0 && start < end && end <= bytes.length)) {
        return Promise.reject(new Error(`read of [${start}, ${end}) in ${bytes.length} bytes`));
      }
      reads.push({ start, end });
      if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
      return Promise.resolve(bytes.slice(start, end));
    },
  };
}

export async function openBytes(bytes: Uint8Array): Promise<ParquetFile> {
  return await openParquet(memorySource(bytes));
}

/** All rows of a request, whose physical indexes must follow each other without a gap. */
export async function collect(file: ParquetFile, request: RowRequest): Promise<Row[]> {
  const rows: Row[] = [];
  let next: number | undefined;
  for await (const batch of readRowBatches(file, request)) {
    if (batch.rows.length === 0) throw new Error('an empty batch');
    if (next !== undefined && batch.firstRow !== next) throw new Error(`row ${batch.firstRow} follows ${next}`);
    next = batch.firstRow + batch.rows.length;
    rows.push(...batch.rows);
  }
  return rows;
}

export async function readBytes(bytes: Uint8Array, request: RowRequest): Promise<Row[]> {
  return await collect(await openBytes(bytes), request);
}
