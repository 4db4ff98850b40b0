/** Requests of several tables that wait for one grant, in a fair order. */

/** A table's place in the order. */
export interface QueuedTable {
  readonly priority: 'small' | 'bulk';
  /** RU served, raised to the others' level when the table starts to wait: the least served goes first. */
  served: number;
}

/** What waits. `cost` in RU. */
export interface QueuedRequest {
  readonly table: QueuedTable;
  readonly cost: number;
}

/** For each RU that small epochs are served while bulk ones wait, those save this much for their turn. */
const BULK_CREDIT = 0.25;

/** Small epochs first, but while both wait bulk ones get a fifth; inside a class tables are equal; inside a table first come first served. */
export class RequestQueue<R extends QueuedRequest> {
  readonly #waiting: R[] = [];
  #bulkCredit = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** RU of everything that waits. */
  get cost(): number {
    let cost = 0;
    for (const request of this.#waiting) cost += request.cost;
    return cost;
  }

  add(request: R): void {
    const { table } = request;
    if (!this.#waiting.some((other) => other.table === table)) {
      // A table that was away must not catch up on what it did not ask for.
      let least = Number.POSITIVE_INFINITY;
      for (const other of this.#waiting) {
        if (other.table.priority === table.priority) least = Math.min(least, other.table.served);
      }
      if (least !== Number.POSITIVE_INFINITY) table.served = Math.max(table.served, least);
    }
    this.#waiting.push(request);
  }

  /** Takes out a request that gave up. */
  remove(request: R): boolean {
    const index = this.#waiting.indexOf(request);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  /** Takes out a request that is sent, and counts it for its table. */
  serve(request: R): void {
    this.remove(request);
    request.table.served += request.cost;
    const bulkWaits = this.#waiting.some((other) => other.table.priority === 'bulk');
    if (request.table.priority === 'bulk') this.#bulkCredit = Math.max(0, this.#bulkCredit - request.cost);
    else if (bulkWaits) this.#bulkCredit += BULK_CREDIT * request.cost;
    if (!bulkWaits) this.#bulkCredit = 0;
  }

  /** Everything that waits, in the order in which it should be sent. */
  ordered(): readonly R[] {
    const [first] = this.#waiting;
    if (first === undefined || this.#waiting.every((request) => request.table === first.table)) {
      return [...this.#waiting];
    }
    const bulk = this.#waiting.find((request) => request.table.priority === 'bulk');
    const bulkFirst = bulk !== undefined && this.#bulkCredit >= bulk.cost;
    const rank = ({ table }: R): number => ((table.priority === 'bulk') === bulkFirst ? 0 : 1);
    // The sort is stable, so requests of one table stay in their order.
    return this.#waiting.toSorted((a, b) => rank(a) - rank(b) || a.table.served - b.table.served);
  }
}
