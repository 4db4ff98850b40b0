/** How a request says who asks: an account key (HMAC over verb, type, link and date) or a Microsoft Entra token. */
import { createHmac } from 'node:crypto';
import type { AccessToken, TokenCredential } from '@azure/identity';
import { SyncError } from '../shared/errors.ts';
import type { Clock } from '../shared/clock.ts';
import { isHeaderText } from './http-exchange.ts';
import { untilAborted } from './shared-task.ts';

/** What the signature of a request covers. `resourceLink` is the path of the resource, not URL-encoded. */
export interface SignedResource {
  readonly verb: 'GET' | 'POST';
  readonly resourceType: '' | 'colls' | 'docs' | 'pkranges';
  readonly resourceLink: string;
}

/** Makes the authorization headers of one request. */
export interface Authorization {
  headers(resource: SignedResource, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Forgets what is cached, after the service refused it. False when there is nothing to renew. */
  renew(): boolean;
}

/** Signs with an account key (base64). */
export function keyAuthorization(key: string, clock: Clock): Authorization {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) {
    throw new SyncError('configInvalid', {
      problem: 'The Cosmos DB account key is not base64 text.',
      remedy: 'Copy the key again, or use a managed identity.',
    });
  }
  const secret = Buffer.from(key, 'base64');
  return {
    headers: ({ verb, resourceType, resourceLink }) => {
      const date = new Date(clock.now()).toUTCString();
      const text = `${verb.toLowerCase()}\n${resourceType}\n${resourceLink}\n${date.toLowerCase()}\n\n`;
      const signature = createHmac('sha256', secret).update(text).digest('base64');
      return Promise.resolve({
        authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`),
        'x-ms-date': date,
      });
    },
    renew: () => false,
  };
}

/** A token is replaced this long before it ends. */
const TOKEN_MARGIN_MS = 120_000;
/** An identity that has not answered by then does not. */
const TOKEN_LIMIT_MS = 30_000;
/** Microsoft Entra ID does not know the account as a resource; every account takes tokens for this one. */
const UNKNOWN_RESOURCE = 'AADSTS500011';
const ANY_ACCOUNT = 'https://cosmos.azure.com/.default';

/** Sends tokens of `credential` for the account at `endpoint`. */
export function tokenAuthorization(credential: TokenCredential, endpoint: URL, clock: Clock): Authorization {
  let scope = `${endpoint.protocol}//${endpoint.hostname}/.default`;
  let token: AccessToken | undefined;
  let pending: Promise<AccessToken> | undefined;

  const ask = async (limit: AbortSignal): Promise<AccessToken | null> => {
    try {
      return await untilAborted(credential.getToken(scope, { abortSignal: limit }), limit);
    } catch (error) {
      if (scope === ANY_ACCOUNT || !(error instanceof Error && error.message.includes(UNKNOWN_RESOURCE))) throw error;
      scope = ANY_ACCOUNT;
      return untilAborted(credential.getToken(scope, { abortSignal: limit }), limit);
    }
  };

  const fetchToken = async (): Promise<AccessToken> => {
    const limit = new AbortController();
    const answered = new AbortController();
    void clock.sleep(TOKEN_LIMIT_MS, answered.signal).then(
      () => limit.abort(new DOMException('The identity did not answer.', 'TimeoutError')),
      () => undefined,
    );
    try {
      token = (await ask(limit.signal)) ?? undefined;
    } catch (cause) {
      throw noToken(cause);
    } finally {
      answered.abort();
      pending = undefined;
    }
    if (token === undefined || !isHeaderText(token.token)) throw noToken(undefined);
    return token;
  };

  return {
    async headers(_resource, signal) {
      const current =
        token !== undefined && token.expiresOnTimestamp - clock.now() > TOKEN_MARGIN_MS
          ? token
          : await untilAborted((pending ??= fetchToken()), signal);
      return { authorization: `type=aad&ver=1.0&sig=${current.token}` };
    },
    renew() {
      token = undefined;
      return true;
    },
  };
}

/** An identity that is missing or refused stays so; one that did not answer, or has trouble, may answer later. */
export function noToken(cause: unknown): SyncError {
  const { name = '', code, statusCode } = (cause ?? {}) as Readonly<Record<string, unknown>>;
  const passing =
    name === 'TimeoutError' ||
    (typeof statusCode === 'number'
      ? statusCode === 429 || statusCode >= 500
      : typeof code === 'string' && /^E[A-Z_]+$/.test(code));
  return new SyncError('targetForbidden', {
    problem: 'No token for Cosmos DB could be obtained.',
    reason:
      typeof name === 'string' && /^\w+$/.test(name) ? `The identity answered ${name}.` : 'The identity gave none.',
    remedy: passing
      ? 'Run it again later: the identity could not be asked.'
      : 'Give the app a managed identity, or sign in (az login) when it runs locally.',
    retryable: passing,
    cause,
  });
}
