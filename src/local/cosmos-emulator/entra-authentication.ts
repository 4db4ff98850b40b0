/** Entra authentication: tokens, the data actions of their roles, and what no token may do. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { isJsonMap, type JsonMap } from './json.ts';
import type { EntraRoles, RoleAssignment } from './options.ts';
import { header, isTrue, type CosmosRequest } from './request.ts';
import { Refusal } from './refusal.ts';

const ACCOUNT = 'Microsoft.DocumentDB/databaseAccounts';
const CONTAINERS = `${ACCOUNT}/sqlDatabases/containers`;
const ITEMS = `${CONTAINERS}/items`;

/** The built-in roles of the service, as their data actions. */
export const BUILT_IN_ROLES = {
  dataReader: [
    `${ACCOUNT}/readMetadata`,
    `${ITEMS}/read`,
    `${CONTAINERS}/executeQuery`,
    `${CONTAINERS}/readChangeFeed`,
  ],
  dataContributor: [`${ACCOUNT}/readMetadata`, `${CONTAINERS}/*`, `${ITEMS}/*`],
} as const;

/** Checks a request that carries a token; 401 for a bad token, 403/5300 for what no token may do, 403/5301 for a missing role. */
export function checkToken(request: CosmosRequest, token: string, rules: 'anyToken' | EntraRoles, now: number): void {
  const claims = rules === 'anyToken' ? undefined : readToken(token, rules, now);
  const actions = actionsOf(request);
  if (actions === undefined) {
    const path = `/${request.segments.join('/')}`;
    throw new Refusal(
      403,
      `Request blocked by Auth: The given request [${request.method} ${path}] cannot be authorized by AAD token in data plane.`,
      5300,
    );
  }
  if (rules === 'anyToken') return;
  const principal = typeof claims?.['oid'] === 'string' ? claims['oid'] : '';
  const assignments = Object.hasOwn(rules.roles, principal) ? (rules.roles[principal] ?? []) : [];
  const resource = resourceOf(request);
  for (const action of actions) {
    if (assignments.some((assignment) => grants(assignment, action, resource))) continue;
    throw new Refusal(
      403,
      `Request blocked by Auth: principal [${principal}] does not have required RBAC permissions to perform action ` +
        `[${action}] on resource [${resource}].`,
      5301,
    );
  }
}

/** Claims of a token, its times checked, and its signature where a key is known. */
function readToken(token: string, rules: EntraRoles, now: number): JsonMap {
  const [head = '', body = '', signature = ''] = token.split('.');
  if (rules.signingKey !== undefined) {
    const expected = createHmac('sha256', rules.signingKey).update(`${head}.${body}`).digest();
    const actual = Buffer.from(signature, 'base64url');
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected))
      throw badToken('its signature is wrong');
  }
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
  } catch {
    throw badToken('it is not a JSON web token');
  }
  if (!isJsonMap(claims)) throw badToken('it is not a JSON web token');
  const { exp, nbf } = claims;
  if (typeof exp !== 'number' || exp * 1000 <= now) throw badToken('it has expired');
  if (typeof nbf === 'number' && nbf * 1000 > now + 300_000) throw badToken('it is not valid yet');
  return claims;
}

function badToken(why: string): Refusal {
  return new Refusal(401, `Unauthorized: the AAD token is not valid: ${why}.`);
}

/** Data actions a request needs; undefined for what tokens can never do. */
function actionsOf(request: CosmosRequest): readonly string[] | undefined {
  switch (request.kind) {
    case 'account':
    case 'ranges':
      return [`${ACCOUNT}/readMetadata`];
    case 'control':
      return request.method === 'GET' ? [`${ACCOUNT}/readMetadata`] : undefined;
    case 'offer':
      return undefined;
    case 'query':
    case 'queryPlan':
      return [`${CONTAINERS}/executeQuery`];
    case 'feed':
      return [`${CONTAINERS}/executeQuery`];
    case 'changeFeed':
      return [`${CONTAINERS}/readChangeFeed`];
    case 'deleteByKey':
      return [`${ITEMS}/delete`];
    case 'point':
      return [pointAction(request)];
    case 'batch':
      return batchActions(request);
  }
}

function pointAction(request: CosmosRequest): string {
  switch (request.method) {
    case 'GET':
      return `${ITEMS}/read`;
    case 'PUT':
    case 'PATCH':
      return `${ITEMS}/replace`;
    case 'DELETE':
      return `${ITEMS}/delete`;
    default:
      return isTrue(header(request, 'x-ms-documentdb-is-upsert')) ? `${ITEMS}/upsert` : `${ITEMS}/create`;
  }
}

const BATCH_ACTIONS: Readonly<Record<string, string>> = {
  Create: 'create',
  Upsert: 'upsert',
  Replace: 'replace',
  Patch: 'replace',
  Read: 'read',
  Delete: 'delete',
};

function batchActions(request: CosmosRequest): readonly string[] {
  let operations: unknown;
  try {
    operations = JSON.parse(request.body.toString('utf8'));
  } catch {
    return [];
  }
  if (!Array.isArray(operations)) return [];
  const names = operations.map((operation: unknown) =>
    isJsonMap(operation) && typeof operation['operationType'] === 'string' ? operation['operationType'] : '',
  );
  return [...new Set(names)].flatMap((name) => {
    const action = Object.hasOwn(BATCH_ACTIONS, name) ? BATCH_ACTIONS[name] : undefined;
    return action === undefined ? [] : [`${ITEMS}/${action}`];
  });
}

/** The scope a request acts on: `/`, `/dbs/d` or `/dbs/d/colls/c`. */
function resourceOf(request: CosmosRequest): string {
  if (request.database === undefined) return '/';
  if (request.container === undefined) return `/dbs/${request.database}`;
  return `/dbs/${request.database}/colls/${request.container}`;
}

function grants(assignment: RoleAssignment, action: string, resource: string): boolean {
  const scope = assignment.scope.replace(/\/+$/, '');
  // Metadata is granted at and above the scope too: a client must find its way to its container.
  const within =
    scope === '' ||
    resource === scope ||
    resource.startsWith(`${scope}/`) ||
    (action.endsWith('/readMetadata') && (resource === '/' || scope.startsWith(`${resource}/`)));
  return within && assignment.dataActions.some((pattern) => covers(pattern, action));
}

function covers(pattern: string, action: string): boolean {
  return pattern.endsWith('*') ? action.startsWith(pattern.slice(0, -1)) : pattern === action;
}
