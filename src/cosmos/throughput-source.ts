/** What a budget of the configuration is in RU/s, and where a container's RU/s is known from. */
import type { Container, Database, OfferResponse } from '@azure/cosmos';
import { SyncError } from '../shared/errors.ts';
import { accountError, recoded, statusOf } from './client-error.ts';
import { resourceManagerRuPerSecond } from './resource-manager.ts';
import type { ResourceManagerAccount, ResourceManagerGet } from './resource-manager.ts';

/** The figures of a budget: exactly one of `share` and `ruPerSecond`. */
export interface BudgetFigures {
  /** Share of the container's RU/s, above 0 and at most 1. */
  readonly share?: number;
  /** Absolute ceiling, RU/s. */
  readonly ruPerSecond?: number;
  /** The container's RU/s where it cannot or should not be read; under autoscale it replaces the maximum. */
  readonly containerRuPerSecond?: number;
}

/** How a container's RU/s can be read when the configuration does not state it. */
export interface ThroughputSource {
  /** RU/s; the maximum under autoscale; null when there is none (serverless). */
  read(signal: AbortSignal): Promise<number | null>;
}

/**
 * The budget in RU/s, from the first that is there: an absolute figure, a share of the stated RU/s, a share of what
 * `source` reads. Throws `budgetInvalid` for figures out of range and `ruPerSecondUnknown` for a share of nothing.
 */
export async function budgetRuPerSecond(
  figures: BudgetFigures,
  source: ThroughputSource | undefined,
  signal: AbortSignal,
): Promise<number> {
  const { share, ruPerSecond, containerRuPerSecond } = figures;
  if ((share === undefined) === (ruPerSecond === undefined)) {
    throw new SyncError('budgetInvalid', {
      problem: share === undefined ? 'The budget states no figure.' : 'The budget states both share and ruPerSecond.',
      reason: 'Exactly one of them tells what may be spent.',
    });
  }
  if (ruPerSecond !== undefined) return positive(ruPerSecond, 'ruPerSecond');
  if (share === undefined || !(share > 0 && share <= 1)) {
    throw new SyncError('budgetInvalid', {
      problem: `The share ${share} of the budget is not above 0 and at most 1.`,
      reason: "A share is a part of the container's RU/s: 0.3 is 30 %.",
    });
  }
  if (containerRuPerSecond !== undefined) return share * positive(containerRuPerSecond, 'containerRuPerSecond');
  const known = await source?.read(signal);
  if (known === undefined || known === null) {
    throw new SyncError('ruPerSecondUnknown', {
      problem: "A share of the container's RU/s is set, but that figure is not known.",
      reason:
        known === null
          ? 'The account is serverless: it has no RU/s of its own.'
          : 'Neither the configuration nor the account key nor Azure Resource Manager is there to tell it.',
      remedy: 'Set ruPerSecond in the budget, or containerRuPerSecond beside share.',
    });
  }
  return share * known;
}

/** Reads the offer of the container, or of the database that it shares throughput with. Works with the account key only. */
export function offerThroughput(database: Database, container: Container): ThroughputSource {
  return {
    async read(signal) {
      try {
        const own = offerRu(await container.readOffer({ abortSignal: signal }));
        return own ?? offerRu(await database.readOffer({ abortSignal: signal })) ?? null;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const account = accountError(error, `account of container ${container.id}`);
        if (account !== undefined) throw recoded(account, 'ruPerSecondUnknown', error);
        const status = statusOf(error);
        // Serverless accounts have no offers and refuse the question.
        if (status === 400) return null;
        const final = status === 401 || status === 403 || status === 404;
        throw new SyncError('ruPerSecondUnknown', {
          problem: "The container's offer cannot be read.",
          reason: `Cosmos DB answered ${status}.`,
          retryable: !final,
          cause: error,
        });
      }
    },
  };
}

/** Asks Azure Resource Manager, with the identity of the app. */
export function resourceManagerThroughput(
  account: ResourceManagerAccount,
  database: string,
  container: string,
  get?: ResourceManagerGet,
): ThroughputSource {
  return { read: (signal) => resourceManagerRuPerSecond(account, database, container, signal, get) };
}

function offerRu({ resource }: OfferResponse): number | undefined {
  const content = resource?.content;
  const figure = content?.offerAutopilotSettings?.maxThroughput ?? content?.offerThroughput;
  return typeof figure === 'number' && figure > 0 ? figure : undefined;
}

function positive(figure: number, name: string): number {
  if (Number.isFinite(figure) && figure > 0) return figure;
  throw new SyncError('budgetInvalid', {
    problem: `The ${name} of the budget, ${figure}, is not a positive number.`,
    reason: 'It is the number of RU that may be spent in a second.',
  });
}
