/** The lake container: writing a table into it, and noticing every blob that anybody writes. */
import type { ContainerClient } from '@azure/storage-blob';
import { RestError } from '@azure/storage-blob';
import type { Clock } from '../../shared/clock.ts';
import type { TableFiles } from '../sample-table/table-writer.ts';
import type { WrittenBlob } from './storage-event.ts';

/** Between two listings at least. */
const POLL_MS = 1000;
/** A listing may take at most this share of the time, however many blobs there are. */
const LISTING_SHARE = 0.1;

/** One container of Azurite, which reports no events of its own. */
export class Lake {
  readonly #container: ContainerClient;
  readonly #onBlob: (blob: WrittenBlob) => void;
  /** ETag by name, of everything that was reported or there before. */
  readonly #known = new Map<string, string>();

  constructor(container: ContainerClient, onBlob: (blob: WrittenBlob) => void) {
    this.#container = container;
    this.#onBlob = onBlob;
  }

  /** Address of a folder in the container. */
  urlOf(folder: string): string {
    return `${this.#container.url}/${folder}`;
  }

  /** A table in `folder`; its blobs are reported as soon as they are written. */
  tableFiles(folder: string, signal: AbortSignal): TableFiles {
    return {
      write: async (path, bytes) => {
        const name = `${folder}/${path}`;
        const { etag } = await this.#container
          .getBlockBlobClient(name)
          .upload(bytes, bytes.length, { abortSignal: signal });
        this.#report(name, etag ?? '', bytes.length);
      },
      commit: async (path, bytes) => {
        const name = `${folder}/${path}`;
        try {
          const { etag } = await this.#container
            .getBlockBlobClient(name)
            .upload(bytes, bytes.length, { abortSignal: signal, conditions: { ifNoneMatch: '*' } });
          this.#report(name, etag ?? '', bytes.length);
          return true;
        } catch (error) {
          if (!(error instanceof RestError && error.statusCode === 409)) throw error;
          // Whoever wrote it may have been stopped before it was reported.
          this.#known.delete(name);
          this.#report(name, '', bytes.length);
          return false;
        }
      },
    };
  }

  /** Takes note of what is there without reporting it. */
  async takeBaseline(signal: AbortSignal): Promise<void> {
    for await (const item of this.#container.listBlobsFlat({ abortSignal: signal })) {
      this.#known.set(item.name, quoted(item.properties.etag));
    }
  }

  /** Reports blobs that others write, until the signal aborts. Never rejects. */
  async follow(clock: Clock, signal: AbortSignal): Promise<void> {
    let pause = POLL_MS;
    while (!signal.aborted) {
      await clock.sleep(pause, signal).catch(() => undefined);
      const started = clock.monotonic();
      try {
        for await (const item of this.#container.listBlobsFlat({ abortSignal: signal })) {
          this.#report(item.name, item.properties.etag, item.properties.contentLength ?? 0);
        }
      } catch {
        // Azurite is busy or gone; whoever watches its process says so.
      }
      pause = Math.max(POLL_MS, (clock.monotonic() - started) / LISTING_SHARE);
    }
  }

  #report(name: string, etag: string, contentLength: number): void {
    const eTag = quoted(etag);
    if (this.#known.get(name) === eTag) return;
    this.#known.set(name, eTag);
    const url = `${this.#container.url}/${name.split('/').map(encodeURIComponent).join('/')}`;
    this.#onBlob({ container: this.#container.containerName, path: name, url, eTag, contentLength });
  }
}

/** Azurite gives ETags with quotes in headers and without in listings. */
function quoted(etag: string): string {
  return `"${etag.replaceAll('"', '')}"`;
}
