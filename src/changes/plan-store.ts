/** Port to where plans and shuffle files lie. Names are `/`-separated, relative to the store; contents never change once written. */
export interface PlanStore {
  /** Writes a new blob; writing the same name again replaces it. */
  write(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Bytes [start, end), or all of it. Throws `storageNotFound`. */
  read(
    name: string,
    range?: { readonly start: number; readonly end: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
  /** Names that start with the prefix, ascending. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<string>;
  /** Removes every blob whose name starts with the prefix. */
  remove(prefix: string, signal?: AbortSignal): Promise<void>;
}
