/** Throughput of a container or database as the service shows and sells it. */
import type { IncomingHttpHeaders } from 'node:http';
import { isJsonMap, type JsonMap } from './json.ts';
import { Refusal, badRequest } from './refusal.ts';
import { etagText } from './resource-id.ts';

/** Fixed RU/s, or a maximum up to which the service scales. */
export type Throughput =
  | { readonly kind: 'manual'; readonly ruPerSecond: number }
  | { readonly kind: 'autoscale'; readonly maximum: number };

const MINIMUM = 400;
const AUTOSCALE_MINIMUM = 1000;

export class Offer {
  readonly number: number;
  readonly id: string;
  readonly rid: string;
  /** `_self` and `_rid` of what it belongs to. */
  readonly resource: string;
  readonly resourceRid: string;
  throughput: Throughput;
  /** False when nobody asked for this figure: it is shown, and not enforced. */
  enforced: boolean;
  write: number;
  time: number;

  constructor(
    number: number,
    resource: string,
    resourceRid: string,
    throughput: Throughput,
    enforced: boolean,
    write: number,
    time: number,
  ) {
    this.number = number;
    const bytes = Buffer.alloc(3);
    bytes.writeUIntBE(number, 0, 3);
    this.id = bytes.toString('base64').replaceAll('/', '-').replaceAll('+', '_');
    this.rid = this.id;
    this.resource = resource;
    this.resourceRid = resourceRid;
    this.throughput = throughput;
    this.enforced = enforced;
    this.write = write;
    this.time = time;
  }

  /** RU/s that are enforced; undefined is without limit. */
  get limit(): number | undefined {
    if (!this.enforced) return undefined;
    return this.throughput.kind === 'manual' ? this.throughput.ruPerSecond : this.throughput.maximum;
  }

  resourceJson(): JsonMap {
    const content: JsonMap =
      this.throughput.kind === 'manual'
        ? { offerThroughput: this.throughput.ruPerSecond, offerIsRUPerMinuteThroughputEnabled: false }
        : {
            offerThroughput: Math.max(100, this.throughput.maximum / 10),
            offerIsRUPerMinuteThroughputEnabled: false,
            offerAutopilotSettings: {
              maxThroughput: this.throughput.maximum,
              maximumTierThroughput: this.throughput.maximum,
            },
          };
    content['offerMinimumThroughputParameters'] = { maxThroughputEverProvisioned: 0, maxConsumedStorageEverInKB: 0 };
    return {
      id: this.id,
      offerVersion: 'V2',
      offerType: 'Invalid',
      resource: this.resource,
      offerResourceId: this.resourceRid,
      content,
      _rid: this.rid,
      _self: `offers/${this.id}/`,
      _etag: etagText(this.write, this.time),
      _ts: Math.floor(this.time / 1000),
    };
  }
}

/** Throughput asked for by the headers of a create; undefined when none is. */
export function throughputOf(headers: IncomingHttpHeaders): Throughput | undefined {
  const manual = headers['x-ms-offer-throughput'];
  const autoscale = headers['x-ms-cosmos-offer-autopilot-settings'];
  if (manual !== undefined && autoscale !== undefined) {
    throw badRequest('Only one of a throughput and autopilot settings can be given.');
  }
  if (typeof manual === 'string') return checkThroughput({ kind: 'manual', ruPerSecond: Number(manual) });
  if (typeof autoscale !== 'string') return undefined;
  let settings: unknown;
  try {
    settings = JSON.parse(autoscale);
  } catch {
    throw badRequest('The autopilot settings are not JSON.');
  }
  const maximum = isJsonMap(settings) ? Number(settings['maxThroughput']) : Number.NaN;
  return checkThroughput({ kind: 'autoscale', maximum });
}

/** The throughput a replace asks for. */
export function replacedThroughput(body: JsonMap): Throughput {
  const content = body['content'];
  if (!isJsonMap(content)) throw badRequest('The offer has no content.');
  const settings = content['offerAutopilotSettings'];
  if (isJsonMap(settings)) return checkThroughput({ kind: 'autoscale', maximum: Number(settings['maxThroughput']) });
  return checkThroughput({ kind: 'manual', ruPerSecond: Number(content['offerThroughput']) });
}

function checkThroughput(throughput: Throughput): Throughput {
  const [value, minimum, step] =
    throughput.kind === 'manual'
      ? [throughput.ruPerSecond, MINIMUM, 100]
      : [throughput.maximum, AUTOSCALE_MINIMUM, 1000];
  if (!Number.isInteger(value) || value < minimum || value > 1_000_000_000 || value % step !== 0) {
    throw badRequest(
      `The offer should have valid throughput values between ${minimum} and 1000000000 inclusive in increments of ${step}.`,
    );
  }
  return throughput;
}

/** The answer of a serverless account to everything about offers. */
export function serverlessRefusal(): Refusal {
  return new Refusal(400, 'Reading or replacing offers is not supported for serverless accounts.');
}
