/** The RU/s of a container as Azure Resource Manager tells it: the only way with an identity, which may not read offers. */
import type { TokenCredential } from '@azure/identity';
import { SyncError } from '../shared/errors.ts';

/** Where Resource Manager knows the account. */
export interface ResourceManagerAccount {
  /** Address of Resource Manager: each cloud has its own. */
  readonly endpoint: string;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly account: string;
  readonly credential: TokenCredential;
}

/** Sends a GET and returns status and body; the default is `fetch`. */
export type ResourceManagerGet = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly body: string }>;

const API_VERSION = '2024-11-15';
const ANSWER_MAXIMUM = 1024 * 1024;
const CALL_LIMIT_MS = 15_000;

/**
 * RU/s of the container, or of its database when the container shares that one's; the maximum under autoscale; null when
 * neither has any (serverless). Throws `ruPerSecondUnknown` when it may not be read, retryable when it cannot now.
 */
export async function resourceManagerRuPerSecond(
  account: ResourceManagerAccount,
  database: string,
  container: string,
  signal: AbortSignal,
  get: ResourceManagerGet = fetchText,
): Promise<number | null> {
  const origin = new URL(account.endpoint).origin;
  const token = await account.credential.getToken(`${origin}/.default`, { abortSignal: signal });
  if (token === null) throw unknownRu('The identity gave no token for Azure Resource Manager.', false);
  const group = ['subscriptions', account.subscriptionId, 'resourceGroups', account.resourceGroup];
  const resource = ['providers', 'Microsoft.DocumentDB', 'databaseAccounts', account.account, 'sqlDatabases', database];
  const base = [...group, ...resource];
  for (const owner of [[...base, 'containers', container], base]) {
    const path = [...owner, 'throughputSettings', 'default'].map(encodeURIComponent).join('/');
    const url = new URL(`${origin}/${path}?api-version=${API_VERSION}`);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CALL_LIMIT_MS)]);
    const { status, body } = await get(url, { authorization: `Bearer ${token.token}` }, limit).catch(
      (cause: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw unknownRu('Azure Resource Manager cannot be reached.', true, cause);
      },
    );
    if (status === 200) return throughputOf(body);
    // 404: it has no throughput of its own. Serverless accounts refuse the question with 400.
    if (status === 400) return null;
    if (status !== 404) {
      const passing = status === 408 || status === 429 || status >= 500;
      throw unknownRu(`Azure Resource Manager answered ${status}.`, passing);
    }
  }
  return null;
}

/** Autoscale is what it may grow to: a budget is a share of that. */
function throughputOf(body: string): number {
  let settings: unknown;
  try {
    settings = JSON.parse(body);
  } catch (cause) {
    throw unknownRu('Azure Resource Manager answered something that is not JSON.', false, cause);
  }
  const resource = property(property(settings, 'properties'), 'resource');
  const figure = property(property(resource, 'autoscaleSettings'), 'maxThroughput') ?? property(resource, 'throughput');
  if (typeof figure === 'number' && Number.isFinite(figure) && figure > 0) return figure;
  throw unknownRu('The answer of Azure Resource Manager names no throughput.', false);
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function unknownRu(reason: string, retryable: boolean, cause?: unknown): SyncError {
  return new SyncError('ruPerSecondUnknown', {
    problem: "The container's RU/s cannot be read.",
    reason,
    retryable,
    cause,
  });
}

const fetchText: ResourceManagerGet = async (url, headers, signal) => {
  const answer = await fetch(url, { headers, signal, redirect: 'error' });
  const body = await answer.text();
  return { status: answer.status, body: body.slice(0, ANSWER_MAXIMUM) };
};
