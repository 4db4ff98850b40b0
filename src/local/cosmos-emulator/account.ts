/** The account: databases, their containers and the offers, kept consistent with one another. */
import { Container } from './container.ts';
import {
  checkResourceId,
  parseContainerDefinition,
  replaceContainerDefinition,
  type ContainerDefinition,
} from './container-definition.ts';
import type { JsonMap } from './json.ts';
import { Offer, type Throughput } from './offer.ts';
import { badRequest, conflict, notFound } from './refusal.ts';
import { databaseRid, etagText } from './resource-id.ts';
import { Throttle } from './throttle.ts';
import { PrincipalList } from './users.ts';

/** RU/s for which the service plans a physical partition of a new container, manual ones with room to grow. */
const RU_PER_PARTITION = { manual: 6_000, autoscale: 10_000 };
/** Physical partitions the service would never give one container here. */
const MAX_PARTITIONS = 10_000;
/** RU/s shown for a container whose creator asked for none. */
const DEFAULT_RU_PER_SECOND = 400;

export interface AccountSettings {
  /** Physical partitions of a new container; undefined goes by its RU/s. */
  readonly partitions: number | undefined;
  /** RU/s of a new container without a figure of its own; undefined is without limit. */
  readonly ruPerSecond: number | undefined;
  readonly throttling: boolean;
  readonly serverless: boolean;
}

export class Database {
  readonly id: string;
  readonly number: number;
  readonly rid: string;
  readonly self: string;
  readonly write: number;
  readonly time: number;
  readonly containers = new Map<string, Container>();
  readonly users = new PrincipalList();
  /** Budget of all its containers without an offer of their own; without limit unless it has an offer. */
  readonly throttle = new Throttle();
  /** Number of the last container made in it. */
  lastContainer = 0;

  constructor(id: string, number: number, write: number, time: number) {
    this.id = id;
    this.number = number;
    this.rid = databaseRid(number);
    this.self = `dbs/${this.rid}/`;
    this.write = write;
    this.time = time;
  }

  resource(): JsonMap {
    return {
      id: this.id,
      _rid: this.rid,
      _self: this.self,
      _etag: etagText(this.write, this.time),
      _colls: 'colls/',
      _users: 'users/',
      _ts: Math.floor(this.time / 1000),
    };
  }
}

export class Account {
  readonly settings: AccountSettings;
  readonly databases = new Map<string, Database>();
  /** By the `_rid` of what they belong to. */
  readonly offers = new Map<string, Offer>();
  /** Numbers of the last write, database and offer. */
  writes = 0;
  lastDatabase = 0;
  lastOffer = 0;

  constructor(settings: AccountSettings) {
    this.settings = settings;
  }

  database(id: string): Database {
    const database = this.databases.get(id);
    if (database === undefined) throw notFound(`The database '${id}'`);
    return database;
  }

  container(databaseId: string, id: string): Container {
    const container = this.database(databaseId).containers.get(id);
    if (container === undefined) throw notFound(`The container '${id}'`);
    return container;
  }

  createDatabase(body: JsonMap, throughput: Throughput | undefined, now: number): Database {
    const id = checkResourceId(body['id']);
    if (this.databases.has(id)) throw conflict(`database '${id}'`);
    this.refuseServerlessThroughput(throughput);
    const database = new Database(id, ++this.lastDatabase, ++this.writes, now);
    this.databases.set(id, database);
    if (throughput !== undefined) this.setOffer(database.self, database.rid, throughput, true, now);
    this.applyLimits(database);
    return database;
  }

  deleteDatabase(id: string): void {
    const database = this.database(id);
    for (const container of database.containers.values()) this.offers.delete(container.rid);
    this.offers.delete(database.rid);
    this.databases.delete(id);
  }

  createContainer(databaseId: string, body: JsonMap, throughput: Throughput | undefined, now: number): Container {
    const database = this.database(databaseId);
    const definition = parseContainerDefinition(body);
    if (database.containers.has(definition.id)) throw conflict(`container '${definition.id}'`);
    this.refuseServerlessThroughput(throughput);
    const shared = throughput === undefined && this.offers.has(database.rid);
    const container = this.placeContainer(database, definition, throughput, now);
    if (!shared && !this.settings.serverless) {
      const asked = throughput ?? { kind: 'manual', ruPerSecond: this.settings.ruPerSecond ?? DEFAULT_RU_PER_SECOND };
      const enforced = throughput !== undefined || this.settings.ruPerSecond !== undefined;
      this.setOffer(container.self, container.rid, asked, enforced, now);
    }
    this.applyLimits(database);
    return container;
  }

  private placeContainer(
    database: Database,
    definition: ContainerDefinition,
    throughput: Throughput | undefined,
    now: number,
  ): Container {
    const asked = throughput?.kind === 'autoscale' ? throughput.maximum : throughput?.ruPerSecond;
    const ruPerSecond = asked ?? this.settings.ruPerSecond ?? DEFAULT_RU_PER_SECOND;
    const partitions =
      this.settings.partitions ?? Math.ceil(ruPerSecond / RU_PER_PARTITION[throughput?.kind ?? 'manual']);
    const place = {
      database: database.id,
      databaseNumber: database.number,
      databaseSelf: database.self,
      number: ++database.lastContainer,
    };
    const container = new Container(
      place,
      definition,
      Math.min(MAX_PARTITIONS, Math.max(1, partitions)),
      ++this.writes,
      now,
    );
    container.keepHistory();
    database.containers.set(definition.id, container);
    return container;
  }

  replaceContainer(databaseId: string, id: string, body: JsonMap, now: number): Container {
    const container = this.container(databaseId, id);
    container.definition = replaceContainerDefinition(container.definition, body);
    container.keepHistory();
    container.write = ++this.writes;
    container.time = now;
    return container;
  }

  deleteContainer(databaseId: string, id: string): Container {
    const container = this.container(databaseId, id);
    this.database(databaseId).containers.delete(id);
    this.offers.delete(container.rid);
    return container;
  }

  offer(id: string): Offer {
    for (const offer of this.offers.values()) if (offer.id === id) return offer;
    throw notFound(`The offer '${id}'`);
  }

  /** Gives the resource this throughput, replacing what it had. */
  replaceOffer(offer: Offer, throughput: Throughput, now: number): void {
    if (offer.throughput.kind !== throughput.kind) {
      throw badRequest('An offer cannot change between manual and autoscale throughput by a replace.');
    }
    offer.throughput = throughput;
    offer.enforced = true;
    offer.write = ++this.writes;
    offer.time = now;
    for (const database of this.databases.values()) this.applyLimits(database);
  }

  /** Sets a container's RU/s whatever offer it has; undefined takes the limit away. */
  setThroughput(databaseId: string, id: string, ruPerSecond: number | undefined, now: number): void {
    const container = this.container(databaseId, id);
    const offer = this.offers.get(container.rid);
    if (offer === undefined) {
      if (ruPerSecond === undefined) return;
      this.setOffer(container.self, container.rid, { kind: 'manual', ruPerSecond }, true, now);
    } else {
      offer.enforced = ruPerSecond !== undefined;
      if (ruPerSecond !== undefined) {
        offer.throughput =
          offer.throughput.kind === 'manual'
            ? { kind: 'manual', ruPerSecond }
            : { kind: 'autoscale', maximum: ruPerSecond };
      }
    }
    this.applyLimits(this.database(databaseId));
  }

  setOffer(self: string, rid: string, throughput: Throughput, enforced: boolean, now: number): void {
    this.offers.set(rid, new Offer(++this.lastOffer, self, rid, throughput, enforced, ++this.writes, now));
  }

  /** Brings the throttles of a database in line with the offers. */
  applyLimits(database: Database): void {
    const { throttling } = this.settings;
    database.throttle.limit = throttling ? this.offers.get(database.rid)?.limit : undefined;
    for (const container of database.containers.values()) {
      container.limit(throttling ? this.offers.get(container.rid)?.limit : undefined);
    }
  }

  private refuseServerlessThroughput(throughput: Throughput | undefined): void {
    if (this.settings.serverless && throughput !== undefined) {
      throw badRequest('Setting offer throughput or autopilot on container is not supported for serverless accounts.');
    }
  }
}
