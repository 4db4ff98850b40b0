/** Resource tokens: what a permission lets its holder do for a time, signed with the account's key. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Account } from './account.ts';
import { isJsonMap, type Json } from './json.ts';
import { keyText, parseKey } from './partition-key.ts';
import { header, isQuery, isTrue, type CosmosRequest } from './request.ts';
import { Refusal } from './refusal.ts';
import { documentNumber } from './resource-id.ts';

/** Milliseconds a token is good for, as long as the service's when nothing is asked. */
const LIFE_MS = 3_600_000;

/** What a permission grants; `partitionKey` restricts it to one logical partition. */
export interface Grant {
  /** As it was given: `Read` or `All`, in small letters by some SDKs. */
  readonly mode: 'Read' | 'All' | 'read' | 'all';
  /** Address of the resource, by names or by `_rid`s. */
  readonly resource: string;
  readonly partitionKey: Json | undefined;
}

/** `_token` of a permission that is read now. */
export function resourceToken(grant: Grant, key: Buffer, now: number): string {
  const payload = Buffer.from(JSON.stringify({ ...grant, until: now + LIFE_MS })).toString('base64');
  return `type=resource&ver=1&sig=${sign(payload, key).toString('base64')};${payload};`;
}

/** The token in an `authorization` header, url-encoded or not; undefined when it is something else. */
export function tokenOf(authorization: string): string | undefined {
  let text = authorization;
  try {
    if (!text.includes('&')) text = decodeURIComponent(text);
  } catch {
    return undefined;
  }
  return text.startsWith('type=resource&') ? text : undefined;
}

/** Refuses a request that the token is not for: 401 when it is not genuine, 403 when it says something else. */
export function checkResourceToken(
  account: Account,
  request: CosmosRequest,
  token: string,
  key: Buffer,
  now: number,
): void {
  const [, signature = '', payload = ''] = /^type=resource&ver=1&sig=([^;]*);([^;]*);?$/.exec(token) ?? [];
  const given = Buffer.from(signature, 'base64');
  const expected = sign(payload, key);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Refusal(401, 'The resource token is not one of this account.');
  }
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64').toString('utf8'));
  if (!isJsonMap(claims)) throw new Refusal(401, 'The resource token is not one of this account.');
  if (Number(claims['until']) < now) throw forbidden('has expired');
  // Clients read the account with any token they have.
  if (request.kind === 'account') return;
  if (claims['mode'] !== 'All' && claims['mode'] !== 'all' && !isRead(request)) throw forbidden('is for reading only');
  if (!covers(account, typeof claims['resource'] === 'string' ? claims['resource'] : '', request)) {
    throw forbidden('is for another resource');
  }
  const values = claims['partitionKey'];
  if (Array.isArray(values) && request.segments[4] === 'docs') checkPartition(account, request, values);
}

function sign(payload: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(`resource token\n${payload}`).digest();
}

function forbidden(why: string): Refusal {
  return new Refusal(403, `The resource token ${why}.`);
}

function isRead(request: CosmosRequest): boolean {
  if (request.method === 'GET') return true;
  return (
    request.method === 'POST' &&
    (isQuery(request.headers) || isTrue(request.headers['x-ms-cosmos-is-query-plan-request']))
  );
}

/** True when the request is for the resource or something in it. */
function covers(account: Account, resource: string, request: CosmosRequest): boolean {
  const [, database, , container, kind, document] = resource.split('/').filter((part) => part !== '');
  const holder = [...account.databases.values()].find((one) => one.id === database || one.rid === database);
  if (holder === undefined || request.database !== holder.id) return false;
  if (container === undefined) return false;
  const inside = [...holder.containers.values()].find((one) => one.id === container || one.rid === container);
  if (inside === undefined || request.container !== inside.id) return false;
  if (kind === undefined) return true;
  const id = request.segments[5];
  if (kind !== 'docs' || request.segments[4] !== 'docs' || id === undefined || document === undefined) return false;
  if (id === document) return true;
  const number = documentNumber(document);
  return inside.partitions.some((partition) =>
    [...partition.all()].some((item) => item.number === number && item.id === id),
  );
}

function checkPartition(account: Account, request: CosmosRequest, values: readonly Json[]): void {
  const definition = account.container(request.database ?? '', request.container ?? '').definition.partitionKey;
  const asked = header(request, 'x-ms-documentdb-partitionkey');
  const allowed = keyText(parseKey(definition, JSON.stringify(values)));
  if (asked === undefined || keyText(parseKey(definition, asked)) !== allowed) {
    throw forbidden('is for another partition key');
  }
}
