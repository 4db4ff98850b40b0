/** What a whole HTTP answer of the service says, and which of them condemn the target instead of a row. */
import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from '../documents/document.ts';
import { SyncError } from '../shared/errors.ts';
import { parsePlainJson } from '../shared/json.ts';
import type { Exchange } from './http-exchange.ts';

/** An answer, its numbers taken out of the headers. */
export interface ServiceAnswer {
  readonly status: number;
  readonly subStatus: number;
  /** 0 when the service names no charge that can be. */
  readonly chargedRu: number;
  /** Milliseconds; 0 when the service names none. */
  readonly retryAfterMs: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The answer of an exchange that got one. */
export function readAnswer(exchange: Extract<Exchange, { kind: 'answer' }>): ServiceAnswer {
  return {
    status: exchange.status,
    subStatus: headerNumber(exchange.headers['x-ms-substatus']),
    chargedRu: credibleCharge(headerNumber(exchange.headers['x-ms-request-charge'])),
    retryAfterMs: credibleWait(headerNumber(exchange.headers['x-ms-retry-after-ms'])),
    headers: exchange.headers,
    body: exchange.body,
  };
}

function headerNumber(value: string | string[] | undefined): number {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : 0;
}

/** A request runs for 5 s at most on a partition of at most 10,000 RU/s. */
const MOST_RU = 100_000;
/** No answer keeps a partition from being asked again for longer. */
const MOST_WAIT_MS = 30_000;

/** RU of a request or an operation; 0 for what nobody charges, since a limiter that believes it would wait for ever. */
export function credibleCharge(ru: unknown): number {
  return typeof ru === 'number' && ru > 0 && ru <= MOST_RU ? ru : 0;
}

/** Milliseconds that an answer 429 asks for, to a limit; 0 for none. */
export function credibleWait(ms: unknown): number {
  return typeof ms === 'number' && ms > 0 ? Math.min(ms, MOST_WAIT_MS) : 0;
}

/** The body as JSON; undefined when it is none. */
export function parseJson(body: Buffer): unknown {
  try {
    return parsePlainJson(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** True for what can be a document. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for answers that pass by themselves: the same request may succeed later. */
export function isPassing(status: number, subStatus: number): boolean {
  if (status === 403) return subStatus === WRITE_REGION_MOVED || subStatus === REGION_MOVED;
  if (status === 404) return subStatus === SESSION_NOT_AVAILABLE;
  return status === 408 || status === 424 || status === 429 || status === 449 || status >= 500;
}

/** 403: this region takes no writes any more. */
export const WRITE_REGION_MOVED = 3;
/** 403: the account is not served from this region any more. */
export const REGION_MOVED = 1008;
/** 404: the replica is behind. */
const SESSION_NOT_AVAILABLE = 1002;
/** 403: a logical partition holds its 20 GB. */
export const PARTITION_KEY_FULL = 1014;

/** The service allows 15 minutes between its clock and the one that signs. */
const SKEW_MS = 14 * 60_000;

/**
 * The error for an answer that concerns the target as a whole; undefined when it does not. `what` names the target, such
 * as `container shop/products`. The service's own text is not repeated: it may quote rows.
 */
export function targetError(answer: ServiceAnswer, what: string, now: number): SyncError | undefined {
  const { status, subStatus } = answer;
  const reason = `Cosmos DB answered ${status}/${subStatus}${activity(answer)}.`;
  if (status === 404) return new SyncError('targetMissing', { problem: `The ${what} does not exist.`, reason });
  if (status !== 401 && status !== 403) return undefined;
  const served = Date.parse(answer.headers.date ?? '');
  if (Math.abs(served - now) > SKEW_MS) {
    const minutes = Math.round((now - served) / 60_000);
    return new SyncError('targetClockSkew', {
      problem: `The ${what} refused the request: this clock is ${Math.abs(minutes)} minutes ${minutes > 0 ? 'ahead' : 'behind'}.`,
      reason,
    });
  }
  if (status === 401) {
    return new SyncError('targetKeyRefused', { problem: `The ${what} refused the key or the token.`, reason });
  }
  return new SyncError('targetForbidden', {
    problem: `The ${what} may not be used by this identity.`,
    reason,
    ...(subStatus >= 5300 && subStatus < 5400
      ? {}
      : { remedy: 'Check the firewall and network rules of the account, then the role of the identity.' }),
  });
}

/** The error for a request that could not be delivered at all; `cause` is an error code of the network or of TLS. */
export function deliveryError(cause: string, what: string): SyncError {
  if (isCertificateCause(cause)) {
    const dated = /EXPIRED|NOT_YET_VALID/.test(cause);
    return new SyncError('targetCertificateRefused', {
      problem: `The certificate of the endpoint of the ${what} is not trusted.`,
      reason: `TLS: ${cause}.`,
      ...(dated ? { remedy: 'Check the clock of this machine, then how long the certificate is valid.' } : {}),
    });
  }
  const remedy = cause.startsWith('ERR_SSL') ? NO_TLS : UNREACHED[cause];
  return new SyncError('targetUnavailable', {
    problem: `The ${what} cannot be reached.`,
    reason: `The last attempt ended with ${cause}.`,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

const NO_TLS = 'Check scheme and port of the endpoint: what answers there does not speak TLS as it should.';

/** What to look at when no connection comes about. */
const UNREACHED: Readonly<Record<string, string>> = {
  ENOTFOUND: 'Check the account name in the endpoint, and the DNS zone of a private endpoint; then run it again.',
  EAI_AGAIN: 'Check the DNS server of this network, then run it again.',
  ECONNREFUSED: 'Check host and port of the endpoint, and that the account or emulator runs; then run it again.',
  EHOSTUNREACH: 'Check the network and the private endpoint of the account, then run it again.',
  EPROTO: NO_TLS,
  timeout: 'Check the firewall and the private endpoint of the account, then run it again.',
};

/** True when trying again cannot help: the certificate stays the same. */
export function isCertificateCause(cause: string): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET/.test(cause);
}

/** `, activity <id>`, by which support finds the request. */
export function activity(answer: ServiceAnswer): string {
  const id = answer.headers['x-ms-activity-id'];
  return typeof id === 'string' && /^[0-9a-fA-F-]{8,64}$/.test(id) ? `, activity ${id}` : '';
}
