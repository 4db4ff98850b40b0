/** A Cosmos DB account as this program reaches it: endpoint, identity, sockets. */
import { X509Certificate } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { TokenCredential } from '@azure/identity';
import { SyncError } from '../shared/errors.ts';
import { systemClock, type Clock } from '../shared/clock.ts';
import { keyAuthorization, tokenAuthorization, type Authorization } from './authorization.ts';

/** Who asks. A managed identity is the deployed way; `default` tries what the machine offers (Azure CLI, environment). */
export type CosmosIdentity =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'managedIdentity'; readonly clientId?: string }
  | { readonly kind: 'default' }
  | { readonly kind: 'credential'; readonly credential: TokenCredential };

/** What an operator says about an account. */
export interface CosmosAccountSettings {
  /** `https://<account>.documents.azure.com:443/`; http only on this machine. */
  readonly endpoint: string;
  readonly identity: CosmosIdentity;
  /** PEM of the authority that signed the certificate of a local emulator. */
  readonly caPem?: string;
}

/** Ready to send requests; shared by every writer and client of the account in this process. */
export interface CosmosAccount {
  readonly endpoint: URL;
  readonly agent: HttpAgent | HttpsAgent;
  readonly authorization: Authorization;
  /** For clients of other libraries: the key, or the credential. */
  readonly identity: { readonly key: string } | { readonly aadCredentials: TokenCredential };
  readonly clock: Clock;
  /** Closes idle sockets. */
  close(): void;
}

/** Enough for 1 to 2 requests to each of some 25 partitions; more would queue, not fail. */
const MAX_SOCKETS = 48;

/** Checks the settings and prepares sockets and identity; no request is sent. Throws `configInvalid`. */
export async function openCosmosAccount(
  settings: CosmosAccountSettings,
  clock: Clock = systemClock,
): Promise<CosmosAccount> {
  const endpoint = parseEndpoint(settings.endpoint);
  const secure = endpoint.protocol === 'https:';
  if (settings.caPem !== undefined) checkCertificate(settings.caPem);
  // Idle sockets are closed before the service closes them under a request.
  const sockets = { keepAlive: true, maxSockets: MAX_SOCKETS, scheduling: 'lifo', timeout: 30_000 } as const;
  const agent = secure
    ? new HttpsAgent(settings.caPem === undefined ? sockets : { ...sockets, ca: settings.caPem })
    : new HttpAgent(sockets);
  const { authorization, identity } = await openIdentity(settings.identity, endpoint, clock);
  return { endpoint, agent, authorization, identity, clock, close: () => agent.destroy() };
}

/** True for addresses of this machine, where plain http and self-made certificates are in order. */
export function isLoopback(url: URL): boolean {
  return /^(localhost|.*\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new SyncError('configInvalid', {
      problem: 'The Cosmos DB endpoint is not a URL.',
      remedy: 'Set it to https://<account>.documents.azure.com:443/.',
    });
  }
  if (url.protocol === 'http:' && !isLoopback(url)) {
    throw new SyncError('configInvalid', {
      problem: `The Cosmos DB endpoint ${url.host} is reached by plain http.`,
      reason: 'Keys and tokens would cross the network unprotected.',
      remedy: 'Use https.',
    });
  }
  return url;
}

/** TLS ignores text that is none, and then trusts nobody. */
function checkCertificate(pem: string): void {
  try {
    void new X509Certificate(pem);
  } catch (cause) {
    throw new SyncError('configInvalid', {
      problem: 'The CA certificate for Cosmos DB is not a certificate in PEM form.',
      remedy: 'Name the file that the emulator wrote, which begins with -----BEGIN CERTIFICATE-----.',
      cause,
    });
  }
}

async function openIdentity(
  identity: CosmosIdentity,
  endpoint: URL,
  clock: Clock,
): Promise<Pick<CosmosAccount, 'authorization' | 'identity'>> {
  if (identity.kind === 'key') {
    return { authorization: keyAuthorization(identity.key, clock), identity: { key: identity.key } };
  }
  if (endpoint.protocol !== 'https:') {
    throw new SyncError('configInvalid', {
      problem: 'An identity needs an https endpoint.',
      reason: 'Bearer tokens are never sent over plain http.',
      remedy: 'Use https, or the key of the local emulator.',
    });
  }
  const credential = await openCredential(identity);
  return {
    authorization: tokenAuthorization(credential, endpoint, clock),
    identity: { aadCredentials: credential },
  };
}

async function openCredential(identity: Exclude<CosmosIdentity, { kind: 'key' }>): Promise<TokenCredential> {
  if (identity.kind === 'credential') return identity.credential;
  // Loaded only when needed: it is a large part of a cold start.
  const { DefaultAzureCredential, ManagedIdentityCredential } = await import('@azure/identity');
  if (identity.kind === 'default') return new DefaultAzureCredential();
  return identity.clientId === undefined
    ? new ManagedIdentityCredential()
    : new ManagedIdentityCredential({ clientId: identity.clientId });
}
