/** What a writer did so far, for logs and figures. */
export interface WriterCounters {
  /** Operations handed in. */
  operations: number;
  /** Batch requests that reached a socket. */
  requests: number;
  /** Charged by the service for batches and scans, RU. */
  requestUnits: number;
  /** Answers 429 to single operations (a refused batch counts each of its own). */
  throttled: number;
  /** Operations sent again after 408, 449, 5xx or a lost answer. */
  retried: number;
  /** Operations sent again to another partition, after 410. */
  moved: number;
  /** Batches cut in halves because the service refused them as a whole. */
  bisected: number;
  /** Requests without an answer that can be used. */
  lost: number;
  /** Outcomes that carry `ambiguous`. */
  ambiguous: number;
  /** Rows refused, by the service or before sending. */
  rejected: number;
}

/** All zero. */
export function writerCounters(): WriterCounters {
  return {
    operations: 0,
    requests: 0,
    requestUnits: 0,
    throttled: 0,
    retried: 0,
    moved: 0,
    bisected: 0,
    lost: 0,
    ambiguous: 0,
    rejected: 0,
  };
}
