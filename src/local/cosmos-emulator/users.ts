/** Users of a database and their permissions. */
import { checkResourceId } from './container-definition.ts';
import { shown, type JsonMap } from './json.ts';
import { badRequest, conflict, notFound } from './refusal.ts';
import { encode, etagText } from './resource-id.ts';
import { resourceToken, type Grant } from './resource-tokens.ts';

/** A user, or a permission of one; without a grant it is a user. */
export interface Principal {
  readonly id: string;
  readonly number: number;
  readonly write: number;
  readonly time: number;
  readonly grant: Grant | undefined;
  /** The user's own; empty for a permission. */
  readonly permissions: PrincipalList;
}

/** Users of a database or permissions of a user, by name. */
export class PrincipalList {
  /** Number of the last one made. */
  last = 0;
  private readonly byId = new Map<string, Principal>();

  all(): readonly Principal[] {
    return [...this.byId.values()];
  }

  find(id: string, kind: string): Principal {
    const found = this.byId.get(id);
    if (found === undefined) throw notFound(`The ${kind} '${id}'`);
    return found;
  }

  /** Makes a new one, or with `upsert` replaces one of the same name. */
  create(body: JsonMap, kind: string, upsert: boolean, write: number, time: number): Principal {
    const id = checkResourceId(body['id']);
    const present = this.byId.get(id);
    if (present !== undefined && !upsert) throw conflict(`${kind} '${id}'`);
    return this.put(undefined, present, readBody(body, kind), id, write, time);
  }

  /** Replaces one, which may get another name. */
  replace(id: string, body: JsonMap, kind: string, write: number, time: number): Principal {
    const present = this.find(id, kind);
    const name = checkResourceId(body['id']);
    if (name !== id && this.byId.has(name)) throw conflict(`${kind} '${name}'`);
    return this.put(id, present, readBody(body, kind), name, write, time);
  }

  remove(id: string, kind: string): void {
    this.find(id, kind);
    this.byId.delete(id);
  }

  /** Takes over a saved one. */
  restore(principal: Principal): void {
    this.byId.set(principal.id, principal);
    this.last = Math.max(this.last, principal.number);
  }

  private put(
    former: string | undefined,
    present: Principal | undefined,
    grant: Grant | undefined,
    id: string,
    write: number,
    time: number,
  ): Principal {
    const permissions = present?.permissions ?? new PrincipalList();
    const principal: Principal = { id, number: present?.number ?? ++this.last, write, time, grant, permissions };
    if (former !== undefined) this.byId.delete(former);
    this.byId.set(id, principal);
    return principal;
  }
}

function readBody(body: JsonMap, kind: string): Grant | undefined {
  if (kind !== 'permission') return undefined;
  const { permissionMode: mode, resource, resourcePartitionKey: partitionKey } = body;
  if (mode !== 'Read' && mode !== 'All' && mode !== 'read' && mode !== 'all') {
    throw badRequest(`The permissionMode is Read or All, not ${shown(mode ?? null)}.`);
  }
  if (typeof resource !== 'string' || resource === '') throw badRequest('A permission needs a resource.');
  if (partitionKey !== undefined && !Array.isArray(partitionKey)) {
    throw badRequest('The resourcePartitionKey of a permission is an array.');
  }
  return { mode, resource, partitionKey };
}

/** A user as it is given out; `parent` is the `_self` of its database, `rid` the bytes of the database's id. */
export function userResource(user: Principal, rid: Buffer, parent: string): JsonMap {
  return { ...system(user, childRid(rid, user.number), `${parent}users/`), _permissions: 'permissions/' };
}

/** `_rid` of a user. */
export function userRid(user: Principal, rid: Buffer): string {
  return encode(childRid(rid, user.number));
}

/** Where a permission stands, and what makes its token: the key it is signed with, and the time it is good from. */
export interface PermissionPlace {
  readonly user: Principal;
  /** Bytes of the database's id, and its `_self`. */
  readonly rid: Buffer;
  readonly parent: string;
  readonly key: Buffer;
  readonly now: number;
}

/** A permission as it is given out, with a new token. */
export function permissionResource(permission: Principal, place: PermissionPlace): JsonMap {
  const { user, rid, parent, key, now } = place;
  const owner = childRid(rid, user.number);
  const common = system(
    permission,
    childRid(owner, permission.number, 8),
    `${parent}users/${encode(owner)}/permissions/`,
  );
  const { grant } = permission;
  if (grant === undefined) return common;
  const { mode, resource, partitionKey } = grant;
  return {
    ...common,
    permissionMode: mode,
    resource,
    ...(partitionKey === undefined ? {} : { resourcePartitionKey: partitionKey }),
    _token: resourceToken(grant, key, now),
  };
}

function childRid(parent: Buffer, number: number, length = 4): Buffer {
  const own = Buffer.alloc(length);
  own.writeUInt32LE(number);
  return Buffer.concat([parent, own]);
}

function system({ id, write, time }: Principal, rid: Buffer, path: string): JsonMap {
  const name = encode(rid);
  return { id, _rid: name, _self: `${path}${name}/`, _etag: etagText(write, time), _ts: Math.floor(time / 1000) };
}
