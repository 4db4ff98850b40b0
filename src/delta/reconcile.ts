/**
 * Action reconciliation (PROTOCOL.md, "Action Reconciliation"): files of the log are replayed from the newest to the
 * oldest, and the newest action of a key wins. Only what the commits after the checkpoint say is held in memory; files of
 * the checkpoint stream past.
 */
import type { LogActions } from './action-lines.ts';
import type { LogRecord } from './action-record.ts';
import { fileKey, type AddFile, type DataFile, type Protocol } from './actions.ts';

const PATH_MARKS = 1 << 18;

/** A number from a few characters of a path, spread over the part where file names differ. */
function pathMark(path: string): number {
  let mark = path.length;
  for (let at = path.length - 1, taken = 0; at >= 0 && taken < 14; at -= 4, taken++) {
    mark = (Math.imul(mark, 31) + path.charCodeAt(at)) | 0;
  }
  return (mark ^ (mark >>> 15)) & (PATH_MARKS - 1);
}

/** The state of a replay in progress. */
export class Replay {
  metaData: LogRecord | null = null;
  protocol: Protocol | null = null;
  /** Live files of the replayed commits. */
  readonly adds: AddFile[] = [];
  readonly txns = new Map<string, number | bigint>();
  readonly #domains = new Map<string, string | null>();
  readonly #seen = new Set<string>();
  /** Which marks the decided paths have: most files of a checkpoint have none of them, and need no look at the set. */
  readonly #pathMarks = new Uint8Array(PATH_MARKS);

  /** Keys of files that newer commits have decided on. */
  get decided(): number {
    return this.#seen.size;
  }

  /** Configuration by domain, removed ones left out. */
  domains(): ReadonlyMap<string, string> {
    const live = new Map<string, string>();
    for (const [domain, configuration] of this.#domains) if (configuration !== null) live.set(domain, configuration);
    return live;
  }

  /**
   * Replays a file of actions that is older than all before. In one commit order means nothing: its adds are newer than
   * its removes. Of two adds of one key, which no writer should make, the last one counts, as it does for engines.
   */
  apply(actions: LogActions): void {
    this.applyState(actions);
    for (let i = actions.adds.length - 1; i >= 0; i--) {
      const add = actions.adds[i];
      if (add !== undefined && this.#decide(add)) this.adds.push(add);
    }
    for (const remove of actions.removes) this.#decide(remove);
  }

  /** Everything of a file of actions but its file actions. */
  applyState(actions: LogActions): void {
    this.metaData ??= actions.metaData;
    this.protocol ??= actions.protocol;
    for (const { appId, version } of actions.txns.toReversed()) {
      if (!this.txns.has(appId)) this.txns.set(appId, version);
    }
    for (const { domain, configuration, removed } of actions.domains.toReversed()) {
      if (!this.#domains.has(domain)) this.#domains.set(domain, removed ? null : configuration);
    }
  }

  /** True for a file of the checkpoint that no newer commit has decided on. */
  isLive(file: DataFile): boolean {
    return this.#pathMarks[pathMark(file.path)] === 0 || !this.#seen.has(fileKey(file));
  }

  #decide(file: DataFile): boolean {
    const key = fileKey(file);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    this.#pathMarks[pathMark(file.path)] = 1;
    return true;
  }
}
