/** Account-key authentication: an HMAC over verb, resource type, resource link and date. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Refusal } from './refusal.ts';
import { looksLikeRids } from './rid-address.ts';

const MAX_SKEW_MS = 15 * 60 * 1000;

/** What the signature of a request covers. */
export interface SignedRequest {
  readonly method: string;
  /** Decoded path segments. */
  readonly segments: readonly string[];
  /** `x-ms-date` or `date`. */
  readonly date: string | undefined;
}

/** Refuses a request whose signature is wrong (401) or whose date is more than 15 minutes off (403). */
export function checkKey(request: SignedRequest, authorization: string, key: Buffer, now: number): void {
  const given = signatureOf(authorization);
  const { date } = request;
  if (given === undefined || date === undefined) {
    throw new Refusal(401, 'The authorization header or the date is missing or not of the required form.');
  }
  const { type, link } = resourceOf(request.segments);
  const payload = (signed: string): string =>
    `${request.method.toLowerCase()}\n${type}\n${signed}\n${date.toLowerCase()}\n\n`;
  const actual = Buffer.from(given, 'base64');
  const signs = (signed: string): boolean => {
    const expected = createHmac('sha256', key).update(payload(signed)).digest();
    return actual.length === expected.length && timingSafeEqual(actual, expected);
  };
  // Of a path of `_rid`s only the last one is signed.
  const rid = looksLikeRids(request.segments) ? link.slice(link.lastIndexOf('/') + 1).toLowerCase() : undefined;
  if (!signs(link) && (rid === undefined || !signs(rid))) {
    const text = payload(rid ?? link);
    throw new Refusal(
      401,
      "The input authorization token can't serve the request. Please check that the expected payload is built as per " +
        `the protocol, and check the key being used. Server used the following payload to sign: '${text.replaceAll('\n', String.raw`\n`)}'`,
    );
  }
  const time = Date.parse(date);
  if (Number.isNaN(time) || Math.abs(time - now) > MAX_SKEW_MS) {
    throw new Refusal(
      403,
      'The authorization token is not valid at the current time. Please create another token and retry ' +
        `(token start time: ${date}, server time: ${new Date(now).toUTCString()}).`,
    );
  }
}

/** `sig` of `type=master&ver=1.0&sig=…`, url-encoded or not; undefined when it is something else. */
function signatureOf(authorization: string): string | undefined {
  let text = authorization;
  try {
    if (!text.includes('&')) text = decodeURIComponent(text);
  } catch {
    return undefined;
  }
  const match = /^type=master&ver=1\.0&sig=(.+)$/.exec(text);
  // A plus sign that was not encoded means itself.
  return match?.[1];
}

/** Resource type and link of a path. */
export function resourceOf(segments: readonly string[]): { readonly type: string; readonly link: string } {
  const [first] = segments;
  if (first === undefined) return { type: '', link: '' };
  if (first === 'offers') return { type: 'offers', link: (segments[1] ?? '').toLowerCase() };
  if (segments.at(-2) === 'operations') return { type: 'colls', link: segments.slice(0, -2).join('/') };
  if (segments.length % 2 === 1) return { type: segments.at(-1) ?? '', link: segments.slice(0, -1).join('/') };
  return { type: segments.at(-2) ?? '', link: segments.join('/') };
}
