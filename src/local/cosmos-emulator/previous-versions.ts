/** The versions before the latest writes, kept within bounds so that a stale read can be served on request. */
import type { Container } from './container.ts';
import { identityOf, type Item } from './item.ts';

/** How many, and how many bytes of them. */
const MAX_VERSIONS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;

export class PreviousVersions {
  /** By container and identity; undefined stands for "did not exist". */
  private readonly versions = new Map<string, Item | undefined>();
  private bytes = 0;

  remember(container: Container, before: Item | undefined, after: Item | undefined): void {
    const item = after ?? before;
    if (item === undefined) return;
    const key = `${container.rid}\n${identityOf(item.pk, item.id)}`;
    this.forget(key);
    this.versions.set(key, before);
    this.bytes += before?.size ?? 0;
    while (this.versions.size > MAX_VERSIONS || this.bytes > MAX_BYTES) {
      const oldest = this.versions.keys().next();
      if (oldest.done === true) return;
      this.forget(oldest.value);
    }
  }

  /** The version before the last write of this document; `known` is false when it is not kept. */
  find(container: Container, pk: string, id: string): { readonly known: boolean; readonly item: Item | undefined } {
    const key = `${container.rid}\n${identityOf(pk, id)}`;
    return { known: this.versions.has(key), item: this.versions.get(key) };
  }

  private forget(key: string): void {
    if (!this.versions.has(key)) return;
    this.bytes -= this.versions.get(key)?.size ?? 0;
    this.versions.delete(key);
  }
}
