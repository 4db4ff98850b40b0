/** Random access to the bytes of one file. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** Bytes [start, end). Never a suffix range. Rejects when the signal aborts. */
  read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array>;
}
