/** Databases, containers, partitions and offers as one JSON value: what the data folder keeps beside documents. */
import { Database, type Account } from './account.ts';
import { Container } from './container.ts';
import { parseContainerDefinition } from './container-definition.ts';
import type { JsonMap } from './json.ts';
import { Offer, type Throughput } from './offer.ts';
import { Partition } from './partition.ts';
import { PrincipalList, type Principal } from './users.ts';

interface SavedPartition {
  readonly id: string;
  readonly min: string;
  readonly max: string;
  readonly parents: readonly string[];
  readonly lsn: number;
}

interface SavedContainer {
  readonly number: number;
  readonly write: number;
  readonly time: number;
  readonly documents: number;
  readonly nextRange: number;
  readonly partitions: readonly SavedPartition[];
  readonly properties: JsonMap;
}

interface SavedDatabase {
  readonly id: string;
  readonly number: number;
  readonly write: number;
  readonly time: number;
  readonly lastContainer: number;
  readonly containers: readonly SavedContainer[];
  /** Absent in folders of before there were any. */
  readonly users?: readonly SavedPrincipal[];
}

type SavedPrincipal = Omit<Principal, 'permissions'> & { readonly permissions: readonly SavedPrincipal[] };

interface SavedOffer {
  readonly number: number;
  readonly resource: string;
  readonly resourceRid: string;
  readonly throughput: Throughput;
  readonly enforced: boolean;
  readonly write: number;
  readonly time: number;
}

/** Everything of an account but its documents. */
export interface SavedStructure {
  readonly writes: number;
  readonly lastDatabase: number;
  readonly lastOffer: number;
  readonly databases: readonly SavedDatabase[];
  readonly offers: readonly SavedOffer[];
}

export function saveStructure(account: Account): SavedStructure {
  return {
    writes: account.writes,
    lastDatabase: account.lastDatabase,
    lastOffer: account.lastOffer,
    databases: [...account.databases.values()].map((database) => ({
      id: database.id,
      number: database.number,
      write: database.write,
      time: database.time,
      lastContainer: database.lastContainer,
      containers: [...database.containers.values()].map(saveContainer),
      users: savePrincipals(database.users),
    })),
    offers: [...account.offers.values()].map((offer) => ({
      number: offer.number,
      resource: offer.resource,
      resourceRid: offer.resourceRid,
      throughput: offer.throughput,
      enforced: offer.enforced,
      write: offer.write,
      time: offer.time,
    })),
  };
}

function savePrincipals(list: PrincipalList): SavedPrincipal[] {
  return list.all().map((one) => ({ ...one, permissions: savePrincipals(one.permissions) }));
}

function restorePrincipals(list: PrincipalList, saved: readonly SavedPrincipal[]): void {
  for (const one of saved) {
    const permissions = new PrincipalList();
    restorePrincipals(permissions, one.permissions);
    list.restore({ ...one, grant: one.grant, permissions });
  }
}

function saveContainer(container: Container): SavedContainer {
  return {
    number: container.place.number,
    write: container.write,
    time: container.time,
    documents: container.documents,
    nextRange: container.nextRangeId,
    partitions: container.partitions.map(({ id, min, max, parents, lsn }) => ({ id, min, max, parents, lsn })),
    properties: { ...container.definition.properties, id: container.id },
  };
}

/** Brings the account to the saved structure. Documents of containers that are still there stay in them. */
export function restoreStructure(account: Account, saved: SavedStructure): void {
  const known = new Map<string, Container>();
  for (const database of account.databases.values()) {
    for (const container of database.containers.values()) known.set(container.rid, container);
  }
  account.databases.clear();
  account.offers.clear();
  account.writes = Math.max(account.writes, saved.writes);
  account.lastDatabase = saved.lastDatabase;
  account.lastOffer = saved.lastOffer;
  for (const offer of saved.offers) {
    const { number, resource, resourceRid, throughput, enforced, write, time } = offer;
    account.offers.set(resourceRid, new Offer(number, resource, resourceRid, throughput, enforced, write, time));
  }
  for (const one of saved.databases) {
    const database = new Database(one.id, one.number, one.write, one.time);
    database.lastContainer = one.lastContainer;
    account.databases.set(one.id, database);
    restorePrincipals(database.users, one.users ?? []);
    for (const container of one.containers) {
      const restored = restoreContainer(database, container, known);
      database.containers.set(restored.id, restored);
    }
    account.applyLimits(database);
  }
}

function restoreContainer(database: Database, saved: SavedContainer, known: ReadonlyMap<string, Container>): Container {
  const definition = parseContainerDefinition(saved.properties);
  const place = {
    database: database.id,
    databaseNumber: database.number,
    databaseSelf: database.self,
    number: saved.number,
  };
  const fresh = new Container(place, definition, 1, saved.write, saved.time);
  const container = known.get(fresh.rid) ?? fresh;
  container.definition = definition;
  container.write = saved.write;
  container.time = saved.time;
  container.documents = Math.max(container.documents, saved.documents);
  const present = container.partitions.map((partition) => partition.id).join();
  if (present === saved.partitions.map((partition) => partition.id).join()) {
    container.partitions.forEach((partition, index) => {
      partition.lsn = Math.max(partition.lsn, saved.partitions[index]?.lsn ?? 0);
    });
    if (container !== fresh) return container;
  }
  const items = container.partitions.flatMap((partition) => [...partition.all()]);
  const partitions = saved.partitions.map(
    ({ id, min, max, parents, lsn }) => new Partition(id, min, max, parents, lsn),
  );
  container.restorePartitions(partitions, saved.nextRange);
  for (const partition of partitions) partition.adopt(items.filter((item) => partition.holds(item.epk)));
  return container;
}
