/** The requests that reach one container, over the account's sockets, each to the account's write region. */
import { SyncError } from '../shared/errors.ts';
import { isLoopback, type CosmosAccount } from './cosmos-account.ts';
import type { SignedResource } from './authorization.ts';
import { exchange, type Exchange } from './http-exchange.ts';
import {
  REGION_MOVED,
  WRITE_REGION_MOVED,
  deliveryError,
  isCertificateCause,
  isPassing,
  parseJson,
  readAnswer,
  targetError,
} from './service-answer.ts';

/** Which container, and how its requests are marked at the service. */
export interface ContainerAddress {
  readonly database: string;
  readonly container: string;
  /** `Low` is throttled first; needs priority-based execution on the account. */
  readonly priorityLevel?: 'Low' | 'High';
  /** 1 to 5: a ceiling that the service itself enforces. */
  readonly throughputBucket?: number;
}

/** A request that answers until this time or is given up. */
export const REQUEST_TIMEOUT_MS = 10_000;

const METADATA_TRIES = 10;
/** More pages of partition key ranges are not from this service. */
const MAX_RANGE_PAGES = 1_000;

/** JSON of the service, and where the next page of it is. */
interface MetadataPage {
  readonly json: unknown;
  readonly continuation: string | undefined;
}

/** What a document request needs besides the address. */
export interface DocumentRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Ends the request and its socket: the fence of a grant, a stop. */
  readonly cancel: readonly AbortSignal[];
}

/** Requests of one container. */
export class ContainerGateway {
  readonly #account: CosmosAccount;
  readonly #address: ContainerAddress;
  readonly #link: string;
  readonly #path: string;
  /** Where documents go: the first write region, pinned until the service says that it moved. */
  #region: URL | undefined;
  #multipleWriteRegions = false;

  constructor(account: CosmosAccount, address: ContainerAddress) {
    this.#account = account;
    this.#address = address;
    this.#link = `dbs/${address.database}/colls/${address.container}`;
    this.#path = `/dbs/${encodeURIComponent(address.database)}/colls/${encodeURIComponent(address.container)}`;
  }

  /** For messages: `container <database>/<container>`. */
  get name(): string {
    return `container ${this.#address.database}/${this.#address.container}`;
  }

  /** Wall clock of the account's user, milliseconds. */
  now(): number {
    return this.#account.clock.now();
  }

  /** True when the account takes writes in several regions; known once the region is. */
  get multipleWriteRegions(): boolean {
    return this.#multipleWriteRegions;
  }

  /** The container's definition as the service gives it. */
  async readContainer(signal: AbortSignal): Promise<unknown> {
    const resource: SignedResource = { verb: 'GET', resourceType: 'colls', resourceLink: this.#link };
    return (await this.#readMetadata(resource, this.#path, signal)).json;
  }

  /** The container's partition key ranges as the service gives them, all pages in one. */
  async readRanges(signal: AbortSignal): Promise<unknown> {
    const resource: SignedResource = { verb: 'GET', resourceType: 'pkranges', resourceLink: this.#link };
    const first = await this.#readMetadata(resource, `${this.#path}/pkranges`, signal);
    let { continuation } = first;
    if (continuation === undefined) return first.json;
    const ranges = rangesOf(first.json);
    for (let page = 1; continuation !== undefined && page < MAX_RANGE_PAGES; page++) {
      const next: MetadataPage = await this.#readMetadata(resource, `${this.#path}/pkranges`, signal, continuation);
      ranges.push(...rangesOf(next.json));
      ({ continuation } = next);
    }
    return { ...(first.json as object), PartitionKeyRanges: ranges };
  }

  /** One POST to the documents. A refused token is renewed and the request repeated once; nothing else is retried here. */
  async postDocuments(request: DocumentRequest, signal: AbortSignal): Promise<Exchange> {
    const region = this.#region ?? (await this.findRegion(signal));
    const resource: SignedResource = { verb: 'POST', resourceType: 'docs', resourceLink: this.#link };
    for (let renewed = false; ; renewed = true) {
      const result = await exchange(this.#account, {
        url: region,
        method: 'POST',
        path: `${this.#path}/docs`,
        headers: {
          ...(await this.#headers(resource, signal)),
          ...request.headers,
          'content-length': String(request.body.length),
        },
        body: request.body,
        timeoutMs: REQUEST_TIMEOUT_MS,
        cancel: request.cancel,
      });
      if (result.kind !== 'answer') return result;
      const { status, subStatus } = readAnswer(result);
      if (status === 403 && (subStatus === WRITE_REGION_MOVED || subStatus === REGION_MOVED)) this.#region = undefined;
      if (status !== 401 || renewed || !this.#account.authorization.renew()) return result;
    }
  }

  async #headers(resource: SignedResource, signal: AbortSignal): Promise<Record<string, string>> {
    const headers: Record<string, string> = {
      accept: 'application/json',
      'cache-control': 'no-cache',
      'user-agent': 'delta-cosmos-sync',
      'x-ms-version': '2020-07-15',
    };
    if (this.#address.priorityLevel !== undefined) headers['x-ms-cosmos-priority-level'] = this.#address.priorityLevel;
    if (this.#address.throughputBucket !== undefined) {
      headers['x-ms-cosmos-throughput-bucket'] = String(this.#address.throughputBucket);
    }
    return Object.assign(headers, await this.#account.authorization.headers(resource, signal));
  }

  /** Reads the account: where documents go. */
  async findRegion(signal: AbortSignal): Promise<URL> {
    const account = await this.#readMetadata({ verb: 'GET', resourceType: '', resourceLink: '' }, '/', signal);
    const { enableMultipleWriteLocations, writableLocations } = (account.json ?? {}) as Record<string, unknown>;
    this.#multipleWriteRegions = enableMultipleWriteLocations === true;
    this.#region = this.#account.endpoint;
    // An emulator on this machine may advertise an address that only it can reach.
    if (isLoopback(this.#account.endpoint)) return this.#region;
    const first: unknown = Array.isArray(writableLocations) ? writableLocations[0] : undefined;
    const advertised = (first as Record<string, unknown> | undefined)?.['databaseAccountEndpoint'];
    if (typeof advertised === 'string' && URL.canParse(advertised)) {
      const url = new URL(advertised);
      // Never follow an answer away from TLS.
      if (url.protocol === 'https:') this.#region = url;
    }
    return this.#region;
  }

  /** Reads JSON, retrying what passes by itself. Throws the coded error of the target. */
  async #readMetadata(
    resource: SignedResource,
    path: string,
    signal: AbortSignal,
    continuation?: string,
  ): Promise<MetadataPage> {
    let renewed = false;
    let last = 'no answer';
    for (let attempt = 0; attempt < METADATA_TRIES; attempt++) {
      signal.throwIfAborted();
      if (attempt > 0) await this.#account.clock.sleep(Math.min(50 * 2 ** attempt, 3_000), signal);
      const result = await exchange(this.#account, {
        url: this.#account.endpoint,
        method: 'GET',
        path,
        headers: {
          ...(await this.#headers(resource, signal)),
          ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
        },
        timeoutMs: REQUEST_TIMEOUT_MS,
        cancel: [signal],
      });
      signal.throwIfAborted();
      if (result.kind !== 'answer') {
        if (isCertificateCause(result.cause)) throw deliveryError(result.cause, this.name);
        last = result.cause;
        continue;
      }
      const answer = readAnswer(result);
      if (answer.status >= 200 && answer.status < 300) {
        const json = parseJson(answer.body);
        const next = answer.headers['x-ms-continuation'];
        if (json !== undefined)
          return { json, continuation: typeof next === 'string' && next !== '' ? next : undefined };
        last = `an unreadable answer ${answer.status}`;
      } else if (answer.status === 401 && !renewed && this.#account.authorization.renew()) {
        renewed = true;
      } else if (answer.status === 410 || isPassing(answer.status, answer.subStatus)) {
        last = `${answer.status}/${answer.subStatus}`;
        if (answer.retryAfterMs > 0) await this.#account.clock.sleep(Math.min(answer.retryAfterMs, 5_000), signal);
      } else {
        throw (
          targetError(answer, this.name, this.#account.clock.now()) ??
          new SyncError('targetRejects', {
            problem: `The ${this.name} cannot be read.`,
            reason: `Cosmos DB answered ${answer.status}/${answer.subStatus} to GET ${path}.`,
          })
        );
      }
    }
    throw deliveryError(last, this.name);
  }
}

function rangesOf(json: unknown): unknown[] {
  const { PartitionKeyRanges: ranges } = (json ?? {}) as { readonly PartitionKeyRanges?: unknown };
  return Array.isArray(ranges) ? ranges : [];
}
