/** Constants of the RU lease. They were found by simulation: changing one changes the figures that test/bench/lease.ts prints. */
export const LEASE_TERMS = {
  /** A grant ends this long after the request that asked for it was sent, unless it was renewed. */
  ttlMs: 4000,
  /** How often a holder looks at the document, ± `readJitter`. */
  readPeriodMs: 1000,
  readJitter: 0.1,
  /** The same while its grant is below 0.9 of what it should be, ± `hungryJitter`. */
  hungryPeriodMs: 300,
  hungryJitter: 0.3,
  /** A holder renews its own entry when it is this old. */
  renewAfterMs: 1500,
  /** A call without an answer for this long is tried again; its answer still counts when it comes. */
  callTimeoutMs: 700,
  /** A changed demand is acted on at once, but not more often than this. */
  minimumGapMs: 250,
  /** Back-off after a conflict or a lost answer: random below base × 2^attempt, at most the maximum. */
  backoffBaseMs: 30,
  backoffMaximumMs: 600,
  /** Part of the budget that nobody is granted, so that a newcomer finds something free. */
  reserve: 0.01,
  /** A new grant is written when it differs from the old one by more than this part of the fair share. */
  grantChange: 0.05,
  /** A new demand is written when it differs from the old one by more than this part. */
  demandChange: 0.2,
  /** What monotonic clocks of two machines may differ by, as a factor on a ttl. */
  clockDrift: 1.0005,
  /** Small budgets: while more holders want RU than may be active, each is active for this long. */
  turnMs: 5000,
  /** Small budgets: an active holder gets at least this much, in RU/s. */
  activeRuPerSecond: 40,
  /** Small budgets: all active holders together may have this part of a second of budget in single operations. */
  activeOperations: 0.25,
} as const;
