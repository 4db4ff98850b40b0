/** How a request says who asks: an account key (HMAC over verb, type, link and date) or a Microsoft Entra token. */
import { createHmac } from 'node:crypto';
import type { AccessToken, TokenCredential } from '@azure/identity';
import { SyncError } from '../shared/errors.ts';
import type { Clock } from '../shared/clock.ts';

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

/** Sends tokens of `credential` for the account at `endpoint`. */
export function tokenAuthorization(credential: TokenCredential, endpoint: URL, clock: Clock): Authorization {
  const scope = `${endpoint.protocol}//${endpoint.hostname}/.default`;
  let token: AccessToken | undefined;
  let pending: Promise<AccessToken> | undefined;

  const fetchToken = async (): Promise<AccessToken> => {
    try {
      const fetched = await credential.getToken(scope);
      if (fetched === null) throw new Error('the credential gave no token');
      token = fetched;
      return fetched;
    } catch (cause) {
      throw new SyncError('targetForbidden', {
        problem: 'No token for Cosmos DB could be obtained.',
        reason: cause instanceof Error ? cause.name : 'The identity gave none.',
        remedy: 'Give the app a managed identity, or sign in (az login) when it runs locally.',
        cause,
      });
    } finally {
      pending = undefined;
    }
  };

  return {
    async headers() {
      const current =
        token !== undefined && token.expiresOnTimestamp - clock.now() > TOKEN_MARGIN_MS
          ? token
          : await (pending ??= fetchToken());
      return { authorization: `type=aad&ver=1.0&sig=${current.token}` };
    },
    renew() {
      token = undefined;
      return true;
    },
  };
}
