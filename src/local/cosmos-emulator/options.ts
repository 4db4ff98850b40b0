/** What the emulator can be told at start. */
import type { Clock } from '../../shared/clock.ts';
import type { RequestUnitModel } from './request-units.ts';

/** The key every Cosmos DB emulator is published with; not a secret. */
export const WELL_KNOWN_KEY =
  'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

/** One role assignment: which data actions a principal has, and where (`/`, `/dbs/d`, `/dbs/d/colls/c`). */
export interface RoleAssignment {
  /** E.g. `Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/*`; `*` stands for any rest of the name. */
  readonly dataActions: readonly string[];
  readonly scope: string;
}

/** Role assignments by the `oid` of the token; `signingKey` (text) demands HS256 tokens signed with it. */
export interface EntraRoles {
  readonly roles: Readonly<Record<string, readonly RoleAssignment[]>>;
  readonly signingKey?: string;
}

/** How requests prove who sends them. */
export interface AuthOptions {
  /** Accept and check account keys; false lets every request without a token through. @default true */
  readonly key?: boolean;
  /** Accept Entra tokens: not at all, any text as a token, or tokens whose principal has the roles. @default 'off' */
  readonly entra?: 'off' | 'anyToken' | EntraRoles;
}

/** Options of `startCosmosEmulator`. */
export interface EmulatorOptions {
  /** 0 takes a free one. @default 0 */
  readonly port?: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** TLS with a certificate made at start, or kept in the data folder. @default false */
  readonly https?: boolean;
  /** Physical partitions of a new container. @default ceil(RU/s / 6,000), of autoscale ceil(maximum / 10,000) */
  readonly partitions?: number;
  /** RU/s of a new container whose creator asks for none; undefined is without limit. */
  readonly ruPerSecond?: number;
  /** Account key, base64. @default WELL_KNOWN_KEY */
  readonly key?: string;
  readonly auth?: AuthOptions;
  /** Keeps everything in this folder, over restarts and kills. Without it, memory only. */
  readonly dataFolder?: string;
  readonly clock?: Clock;
  readonly ruModel?: RequestUnitModel;
  /** False answers no 429 of its own. @default true */
  readonly throttling?: boolean;
  /**
   * Milliseconds before a request is looked at. Clients written for the service count on its distance where they test
   * timeouts and aborts. @default 0
   */
  readonly latencyMs?: number;
  /** A serverless account: no offers. @default false */
  readonly serverless?: boolean;
}
