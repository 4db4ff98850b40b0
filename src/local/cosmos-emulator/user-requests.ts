/** Requests for users and permissions. */
import type { JsonMap } from './json.ts';
import { bodyMap, isQuery, isTrue, type Answer, type CosmosRequest } from './request.ts';
import { badRequest } from './refusal.ts';
import { feed, json, notAllowed, WRITE_CHARGE } from './resource-answers.ts';
import type { Service } from './service.ts';
import { permissionResource, userResource, userRid, type Principal, type PrincipalList } from './users.ts';

/** `…/users`, `…/users/{id}`, `…/users/{id}/permissions` and `…/permissions/{id}`. */
export function handleUsers(service: Service, request: CosmosRequest): Answer {
  const { segments } = request;
  const database = service.account.database(request.database ?? '');
  const rid = Buffer.from(database.rid.replaceAll('-', '/'), 'base64');
  const ofUser = (user: Principal): JsonMap => userResource(user, rid, database.self);
  const name = segments[3];
  if (segments.length <= 4) {
    return answer(service, request, database.users, 'user', database.rid, name, ofUser);
  }
  if (segments[4] !== 'permissions' || segments.length > 6) throw badRequest('The address is not one of a permission.');
  const user = database.users.find(name ?? '', 'user');
  const place = { user, rid, parent: database.self, key: service.key, now: service.now() };
  return answer(service, request, user.permissions, 'permission', userRid(user, rid), segments[5], (permission) =>
    permissionResource(permission, place),
  );
}

function answer(
  service: Service,
  request: CosmosRequest,
  list: PrincipalList,
  kind: 'user' | 'permission',
  owner: string,
  id: string | undefined,
  resource: (principal: Principal) => JsonMap,
): Answer {
  const { account } = service;
  const { method, headers } = request;
  const done = (status: number, principal: Principal): Answer => {
    service.journal?.structure();
    return json(status, resource(principal), WRITE_CHARGE);
  };
  if (id === undefined) {
    const name = kind === 'user' ? 'Users' : 'Permissions';
    if (method === 'GET' || (method === 'POST' && isQuery(headers))) {
      return feed(request, service, owner, name, list.all().map(resource));
    }
    if (method !== 'POST') throw notAllowed(request);
    const before = list.last;
    const upsert = isTrue(headers['x-ms-documentdb-is-upsert']);
    const principal = list.create(bodyMap(request), kind, upsert, ++account.writes, service.now());
    return done(list.last > before ? 201 : 200, principal);
  }
  switch (method) {
    case 'GET':
      return json(200, resource(list.find(id, kind)));
    case 'PUT':
      return done(200, list.replace(id, bodyMap(request), kind, ++account.writes, service.now()));
    case 'DELETE':
      list.remove(id, kind);
      service.journal?.structure();
      return { status: 204, charge: WRITE_CHARGE };
    default:
      throw notAllowed(request);
  }
}
