import type { StructField, Value } from './value-type.ts';

/** Where a field's values come from in a file. */
export type FieldSource =
  /** The file's field of this name: exact, else the only one that differs in case. Dots are part of the name. */
  | { readonly kind: 'name'; readonly name: string }
  /** The file's field with this Parquet field id. */
  | { readonly kind: 'id'; readonly id: number }
  /** Not in the file: every row has this value (partition values, columns known to be absent). */
  | { readonly kind: 'constant'; readonly value: Value };

/** Tells for a struct field, at any depth, where its values come from. */
export type SourceOf = (field: StructField) => FieldSource;

/** What to read of a file. */
export interface RowRequest {
  /** The columns of every row, in order, with the types their values shall have. */
  readonly columns: readonly StructField[];
  /** Default: by the field's own name. */
  readonly sourceOf?: SourceOf;
  /** Physical row indexes [start, end) of the file; default all. */
  readonly rowRange?: { readonly start: number; readonly end: number };
  /** Indexes of row groups to read; default all. Rows keep their physical index. */
  readonly rowGroups?: readonly number[];
  /** At most this many rows a batch; default by the number of columns, 128 to 2048. */
  readonly batchRows?: number;
  /** About this many bytes of page data a batch; default 4 MiB. A single row may exceed it. */
  readonly batchBytes?: number;
  /** Bytes of the file that are held and read ahead, all columns together. A single page may exceed it. Default 24 MiB. */
  readonly windowBytes?: number;
}

/** Consecutive rows of a file. */
export interface RowBatch<R> {
  /** Physical row index in the file of rows[0]. */
  readonly firstRow: number;
  readonly rows: readonly R[];
}
