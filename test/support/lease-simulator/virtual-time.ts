/** Virtual time: a queue of events, run one after the other with everything they set in motion. */

/** Seeded random numbers. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  between(low: number, high: number): number;
  /** 0 ≤ n < count. */
  below(count: number): number;
  /** Standard normal. */
  normal(): number;
  pick<T>(values: readonly [T, ...T[]]): T;
}

/** mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    between: (low, high) => low + (high - low) * next(),
    normal: () => Math.sqrt(-2 * Math.log(next() || 1e-9)) * Math.cos(2 * Math.PI * next()),
    pick: (values) => values[below(values.length)] ?? values[0],
  };
}

interface TimedEvent {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Events in the order of their time, then of their making. Times in milliseconds. */
export class VirtualTime {
  now = 0;
  #order = 0;
  readonly #heap: TimedEvent[] = [];

  after(ms: number, run: () => void): void {
    const event = { at: this.now + Math.max(0, ms), order: this.#order++, run };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, event)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  /** Runs everything up to `end`. Before and after each event all promises run to where they wait again. */
  async run(end: number): Promise<void> {
    await settled();
    for (let event = this.#heap[0]; event !== undefined && event.at <= end; event = this.#heap[0]) {
      this.#pop();
      this.now = event.at;
      event.run();
      await settled();
    }
    this.now = end;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const a = heap[left];
      if (a === undefined) break;
      const b = heap[left + 1];
      const [child, next] = b !== undefined && before(b, a) ? [left + 1, b] : [left, a];
      if (before(last, next)) break;
      heap[i] = next;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: TimedEvent, b: TimedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function settled(): Promise<void> {
  return new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
