/** Addresses by `_rid` instead of name: the SDKs for .NET and Java send them for what they have read before. */
import type { Account } from './account.ts';
import type { CosmosRequest } from './request.ts';

/** The four bytes of a database's `_rid`. */
const DATABASE_RID = /^[A-Za-z0-9+-]{6}==$/;

/** True when a path may name its resources by `_rid`; a database may have a name that looks like one. */
export function looksLikeRids(segments: readonly string[]): boolean {
  return segments[0] === 'dbs' && DATABASE_RID.test(segments[1] ?? '');
}

/** The request with names in place of the `_rid`s of its database and container; as it is when it has none. */
export function requestByName(account: Account, request: CosmosRequest): CosmosRequest {
  const { segments } = request;
  if (!looksLikeRids(segments) || account.databases.has(segments[1] ?? '')) return request;
  const database = [...account.databases.values()].find((one) => one.rid === segments[1]);
  const container = [...(database?.containers.values() ?? [])].find((one) => one.rid === segments[3]);
  const named = segments.map((segment, index) => {
    if (index === 1) return database?.id ?? segment;
    return index === 3 ? (container?.id ?? segment) : segment;
  });
  return {
    ...request,
    segments: named,
    database: database?.id ?? request.database,
    container: container?.id ?? request.container,
  };
}
