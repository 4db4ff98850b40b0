/** Requests for the account, databases, containers, partition key ranges and offers. */
import type { Container } from './container.ts';
import type { JsonMap } from './json.ts';
import { replacedThroughput, serverlessRefusal, throughputOf } from './offer.ts';
import { feed, json, notAllowed, READ_CHARGE, WRITE_CHARGE } from './resource-answers.ts';
import { bodyMap, header, isQuery, isTrue, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, badRequest, notFound } from './refusal.ts';
import type { Service } from './service.ts';
import { handleUsers } from './user-requests.ts';

/** `GET /`: the account with the addresses a client is to use. */
export function handleAccount(service: Service): Answer {
  const location = [{ name: 'Local', databaseAccountEndpoint: service.endpoint() }];
  return json(200, {
    _self: '',
    // The JavaScript SDK reads the account before every request when the id is "localhost".
    id: 'emulator',
    _rid: 'emulator.local',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: location,
    readableLocations: location,
    enableMultipleWriteLocations: false,
    continuousBackupEnabled: false,
    enableNRegionSynchronousCommit: false,
    enablePerPartitionFailoverBehavior: false,
    userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 4 },
    userConsistencyPolicy: { defaultConsistencyLevel: 'Session' },
    systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 4 },
    readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
    queryEngineConfiguration: JSON.stringify({ maxSqlQueryInputLength: 524_288, maxJoinsPerSqlQuery: 10 }),
  });
}

/** Databases and containers. */
export function handleControl(service: Service, request: CosmosRequest): Answer {
  const { segments } = request;
  if (segments[0] !== 'dbs') throw new Refusal(400, `The resource '${segments[0] ?? ''}' is not known.`);
  if (segments.length <= 2) return handleDatabase(service, request);
  if (segments[2] === 'colls' && segments.length <= 4) return handleContainer(service, request);
  if (segments[2] === 'users') return handleUsers(service, request);
  if (segments[2] === 'colls' && segments[4] === 'conflicts') return handleConflicts(service, request);
  throw new Refusal(400, `The emulator has no '${(segments[2] === 'colls' ? segments[4] : segments[2]) ?? ''}'.`);
}

/** The conflict feed, which is empty: an account that writes in one region has none. */
function handleConflicts(service: Service, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  if (request.segments.length > 5) throw notFound(`The conflict '${request.segments[5] ?? ''}'`);
  if (request.method !== 'GET' && !(request.method === 'POST' && isQuery(request.headers))) throw notAllowed(request);
  return feed(request, service, container.rid, 'Conflicts', []);
}

function handleDatabase(service: Service, request: CosmosRequest): Answer {
  const { account } = service;
  const id = request.segments[1];
  if (id === undefined) {
    if (request.method === 'GET') return feed(request, service, '', 'Databases', databases(service));
    if (request.method !== 'POST') throw notAllowed(request);
    if (isQuery(request.headers)) return feed(request, service, '', 'Databases', databases(service));
    const database = account.createDatabase(bodyMap(request), throughputOf(request.headers), service.now());
    service.journal?.structure();
    return json(201, database.resource(), WRITE_CHARGE);
  }
  if (request.method === 'GET') return json(200, account.database(id).resource());
  if (request.method !== 'DELETE') throw notAllowed(request);
  account.deleteDatabase(id);
  service.journal?.structure();
  return { status: 204, charge: WRITE_CHARGE };
}

function databases(service: Service): JsonMap[] {
  return [...service.account.databases.values()].map((database) => database.resource());
}

function handleContainer(service: Service, request: CosmosRequest): Answer {
  const { account } = service;
  const database = account.database(request.database ?? '');
  const id = request.container;
  if (id === undefined) {
    const all = [...database.containers.values()].map((container) => container.resource());
    if (request.method === 'GET' || (request.method === 'POST' && isQuery(request.headers))) {
      return feed(request, service, database.rid, 'DocumentCollections', all);
    }
    if (request.method !== 'POST') throw notAllowed(request);
    const throughput = throughputOf(request.headers);
    const container = account.createContainer(database.id, bodyMap(request), throughput, service.now());
    service.journal?.structure();
    return containerAnswer(201, container, request);
  }
  switch (request.method) {
    case 'GET':
      return containerAnswer(200, account.container(database.id, id), request);
    case 'PUT': {
      const container = account.replaceContainer(database.id, id, bodyMap(request), service.now());
      service.journal?.structure();
      return containerAnswer(200, container, request);
    }
    case 'DELETE':
      account.deleteContainer(database.id, id);
      service.journal?.structure();
      return { status: 204, charge: WRITE_CHARGE };
    default:
      throw notAllowed(request);
  }
}

function containerAnswer(status: number, container: Container, request: CosmosRequest): Answer {
  const answer = json(status, container.resource(), status === 200 ? READ_CHARGE : WRITE_CHARGE);
  const headers: Record<string, string> = {
    ...answer.headers,
    'x-ms-documentdb-collection-index-transformation-progress': '100',
  };
  if (isTrue(header(request, 'x-ms-documentdb-populatequotainfo'))) {
    // The figures an emulator always gave: kilobytes.
    headers['x-ms-resource-quota'] =
      'functions=25;storedProcedures=100;triggers=25;documentSize=10240;documentsSize=10485760;documentsCount=-1;collectionSize=10485760;';
    headers['x-ms-resource-usage'] =
      'functions=0;storedProcedures=0;triggers=0;documentSize=0;documentsSize=0;documentsCount=0;collectionSize=0;';
  }
  return { ...answer, headers };
}

/**
 * `GET …/pkranges`; `former` shows the ranges before the last split. As a feed of changes (`A-IM`) it is read on until
 * it has nothing new, which here is all of them or, since ids only grow, nothing.
 */
export function handleRanges(service: Service, request: CosmosRequest, former: boolean): Answer {
  if (request.method !== 'GET') throw notAllowed(request);
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const ranges = container.rangeResources(former);
  const etag = `"${Math.max(...ranges.map((range) => Number(range['id'])))}"`;
  if (header(request, 'a-im') !== undefined && header(request, 'if-none-match') === etag) {
    return { status: 304, charge: READ_CHARGE, headers: { etag, 'x-ms-item-count': '0' } };
  }
  const answer = feed(request, service, container.rid, 'PartitionKeyRanges', ranges);
  return { ...answer, headers: { ...answer.headers, etag } };
}

/** Offers: read, query, replace. */
export function handleOffer(service: Service, request: CosmosRequest): Answer {
  const { account } = service;
  if (account.settings.serverless) throw serverlessRefusal();
  const id = request.segments[1];
  if (id === undefined) {
    if (request.method !== 'GET' && request.method !== 'POST') throw notAllowed(request);
    return feed(
      request,
      service,
      '',
      'Offers',
      [...account.offers.values()].map((offer) => offer.resourceJson()),
    );
  }
  if (request.segments.length > 2) throw new Refusal(400, 'The address of the offer is not valid.');
  const offer = account.offer(id);
  if (request.method === 'GET') return json(200, offer.resourceJson());
  if (request.method !== 'PUT') throw notAllowed(request);
  const body = bodyMap(request);
  if (body['_rid'] !== undefined && body['_rid'] !== offer.rid) throw badRequest('The offer has another _rid.');
  account.replaceOffer(offer, replacedThroughput(body), service.now());
  service.journal?.structure();
  return json(200, offer.resourceJson(), WRITE_CHARGE);
}
