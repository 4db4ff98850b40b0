/** A loaded app with everything that drives it: HTTP routes, timers, queues, blobs, orchestrations, and the admin API. */
import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/telemetry.ts';
import { keyMatches } from './access-keys.ts';
import type { AccessKeys } from './access-keys.ts';
import { AdminApi } from './admin-api.ts';
import { AlarmQueue } from './alarm-queue.ts';
import { BlobTriggers } from './blob-trigger.ts';
import { ActivityRunner } from './durable/activity-runner.ts';
import { InstanceStore } from './durable/instance-store.ts';
import { ManagementApi } from './durable/management-api.ts';
import { durableClientText } from './durable/management-urls.ts';
import { OrchestratorRunner } from './durable/orchestrator-runner.ts';
import { TaskHub } from './durable/task-hub.ts';
import type { FaultPlan } from './faults.ts';
import { functionsOf } from './function-definition.ts';
import type { FunctionDefinition, HostedFunction } from './function-definition.ts';
import { durableClientInputs } from './function-inputs.ts';
import type { HostConfiguration } from './host-json.ts';
import type { RequestHandler } from './host-server.ts';
import { emptyResponse } from './http-exchange.ts';
import type { HostRequest, HostResponse } from './http-exchange.ts';
import { HttpTriggers } from './http-trigger.ts';
import { Limiter } from './limiter.ts';
import { OutputWriter } from './output-bindings.ts';
import type { QueueListener } from './queue-listener.ts';
import { queueListener } from './queue-trigger.ts';
import type { QueueTriggerParts } from './queue-trigger.ts';
import type { AppSettings } from './settings.ts';
import { StorageAccounts } from './storage-accounts.ts';
import { TimerTrigger } from './timer-trigger.ts';
import type { FunctionRunner } from './worker-pool.ts';

/** What an app is driven with. */
export interface RunningAppParts {
  readonly definitions: readonly FunctionDefinition[];
  readonly configuration: HostConfiguration;
  readonly settings: AppSettings;
  readonly keys: AccessKeys;
  readonly origin: string;
  readonly hostVersion: string;
  readonly dataFolder: string;
  readonly historyFolder: string;
  readonly runner: FunctionRunner;
  readonly faults: FaultPlan;
  readonly clock: Clock;
  readonly log: Log;
}

const DURABLE_WEBHOOK = '/runtime/webhooks/durabletask';
const DURABLE_RPC = '/durabletask';
const BLOB_WEBHOOK = '/runtime/webhooks/blobs';

/** Wires the parts together and routes requests to them. */
export class RunningApp implements RequestHandler {
  readonly functions: readonly HostedFunction[];
  readonly #parts: RunningAppParts;
  readonly #stop = new AbortController();
  readonly #store: InstanceStore;
  readonly #hub: TaskHub;
  readonly #http: HttpTriggers;
  readonly #management: ManagementApi;
  readonly #admin: AdminApi;
  readonly #alarms: AlarmQueue;
  readonly #timers: readonly TimerTrigger[];
  readonly #queues: readonly QueueListener[];
  readonly #blobs: BlobTriggers | undefined;

  constructor(parts: RunningAppParts) {
    this.#parts = parts;
    const { definitions, configuration, settings, keys, runner, faults, clock, log } = parts;
    const address = {
      origin: parts.origin,
      hubName: configuration.durable.hubName,
      systemKey: keys.durabletask_extension,
    };
    const inputs = durableClientInputs(durableClientText(address));
    const accounts = new StorageAccounts(settings);
    const outputs = new OutputWriter(accounts, settings, configuration.queues.messageEncoding === 'base64', log);
    const signal = this.#stop.signal;
    const shared = { settings, accounts, runner, inputs, outputs, faults, clock, log, signal };

    this.#store = new InstanceStore(parts.historyFolder);
    const activityLimiter = new Limiter(configuration.durable.maxConcurrentActivities);
    this.#hub = new TaskHub({
      configuration: configuration.durable,
      store: this.#store,
      orchestrators: new OrchestratorRunner(runner, functionsOf(definitions, 'orchestration')),
      activities: new ActivityRunner(runner, functionsOf(definitions, 'activity'), activityLimiter, faults, log),
      clock,
      faults,
      log,
    });
    this.#management = new ManagementApi({ hub: this.#hub, address, clock, faults });

    const httpFunctions = functionsOf(definitions, 'http');
    const { routePrefix } = configuration;
    this.#http = new HttpTriggers({ functions: httpFunctions, routePrefix, keys, runner, inputs, outputs, log });
    this.#alarms = new AlarmQueue(clock);
    const timers = functionsOf(definitions, 'timer').map((definition) => {
      const trigger = new TimerTrigger(definition, { ...shared, alarms: this.#alarms, dataFolder: parts.dataFolder });
      return [definition.name, trigger] as const;
    });
    this.#timers = timers.map(([, trigger]) => trigger);
    const queueParts: QueueTriggerParts = { ...shared, configuration: configuration.queues };
    const queueFunctions = functionsOf(definitions, 'queue');
    this.#queues = queueFunctions.map((definition) => queueListener(definition, queueParts));
    const blobFunctions = functionsOf(definitions, 'blob').filter(
      (definition) => definition.trigger.source.toLowerCase() === 'eventgrid',
    );
    this.#blobs =
      blobFunctions.length === 0
        ? undefined
        : new BlobTriggers({
            ...shared,
            functions: blobFunctions,
            configuration: configuration.blobs,
            maxPollingInterval: configuration.queues.maxPollingInterval,
            hostId: 'local',
          });
    this.functions = definitions.map((definition) => {
      const http = httpFunctions.find((each) => each.name === definition.name);
      return {
        name: definition.name,
        trigger: definition.trigger.kind,
        ...(http === undefined ? {} : { url: this.#http.urlTemplate(http, parts.origin) }),
      };
    });
    this.#admin = new AdminApi({
      functions: this.functions,
      timers: new Map(timers),
      queues: new Map(queueFunctions.map((definition) => [definition.name, definition])),
      queueParts,
      faults,
      hostVersion: parts.hostVersion,
      clock,
    });
    this.#warnOfIdleFunctions(blobFunctions.map((definition) => definition.name));
  }

  /** Begins to drive triggers and takes up open orchestrations. */
  async start(): Promise<void> {
    await this.#blobs?.start();
    this.#hub.start();
    for (const listener of this.#queues) listener.start();
    for (const timer of this.#timers) timer.start();
  }

  /** Begins nothing new. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#alarms.close();
    this.#hub.stop();
    await Promise.all([...this.#queues.map((listener) => listener.stop()), this.#blobs?.stop()]);
  }

  /** Closes the files of the history; after the workers have ended. */
  release(): void {
    this.#store.close();
  }

  async handle(request: HostRequest): Promise<HostResponse> {
    const path = request.url.pathname;
    const { keys } = this.#parts;
    const given = request.headers['x-functions-key'] ?? request.url.searchParams.get('code') ?? undefined;
    const below = (base: string): string | undefined =>
      path === base || path.startsWith(`${base}/`) ? path.slice(base.length) : undefined;

    const webhook = below(DURABLE_WEBHOOK);
    if (webhook !== undefined) {
      if (!keyMatches(given, keys.durabletask_extension, keys.master)) return emptyResponse(401);
      return this.#management.handle(webhook, request);
    }
    const rpc = below(DURABLE_RPC);
    if (rpc !== undefined) {
      return this.#isFromProgram(request) ? this.#management.handle(rpc, request) : emptyResponse(403);
    }
    if (path === BLOB_WEBHOOK) {
      if (!keyMatches(given, keys.blobs_extension, keys.master)) return emptyResponse(401);
      return this.#blobs === undefined ? emptyResponse(404) : this.#blobs.webhook(request);
    }
    if (path.startsWith('/runtime/webhooks/')) return emptyResponse(403);
    if (path.startsWith('/admin/') || path.startsWith('/_host/')) {
      return keyMatches(given, keys.master) ? this.#admin.handle(request) : emptyResponse(401);
    }
    return this.#http.handle(request);
  }

  /** The SDK's own calls carry no key (as on the official host), so web pages must be kept out in another way. */
  #isFromProgram(request: HostRequest): boolean {
    return request.headers['origin'] === undefined && `http://${request.headers['host']}` === this.#parts.origin;
  }

  #warnOfIdleFunctions(drivenBlobs: readonly string[]): void {
    for (const { name, trigger } of this.#parts.definitions) {
      const idleBlob = trigger.kind === 'blob' && !drivenBlobs.includes(name);
      if (trigger.kind === 'other' || idleBlob) {
        const type = trigger.kind === 'other' ? trigger.type : 'blobTrigger without source EventGrid';
        this.#parts.log.event('triggerNotDriven', { functionName: name, type });
      }
    }
  }
}
