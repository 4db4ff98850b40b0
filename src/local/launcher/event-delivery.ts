/**
 * Delivers storage events to what subscribes to them: the hint queue, and the webhook of the blob trigger. Like Event
 * Grid it repeats what is refused, waiting longer each time, and gives up in the end.
 */
import { randomUUID } from 'node:crypto';
import type { QueueClient } from '@azure/storage-queue';
import type { Clock } from '../../shared/clock.ts';
import { isCommitEvent, validationEvent } from './storage-event.ts';
import type { StorageEvent } from './storage-event.ts';

/** Deliveries of one event before it is dropped; Event Grid's `maxDeliveryAttempts`. */
const MAX_ATTEMPTS = 30;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;

/** Somebody who subscribed. */
export interface Subscriber {
  /** For messages. */
  readonly name: string;
  /** False: the subscription has no such events. */
  wants(event: StorageEvent): boolean;
  /** One attempt. Throws when the event was not taken. */
  deliver(event: StorageEvent, signal: AbortSignal): Promise<void>;
}

/** The storage queue destination: the event as JSON, in base64. */
export function queueSubscriber(queue: QueueClient): Subscriber {
  return {
    name: `queue ${queue.name}`,
    wants: isCommitEvent,
    async deliver(event, signal) {
      const message = Buffer.from(JSON.stringify(event)).toString('base64');
      await queue.sendMessage(message, { abortSignal: signal });
    },
  };
}

/** The webhook destination: handshake before the first event, then one event a request. No renames: see infra/. */
export function webhookSubscriber(url: string, account: string): Subscriber {
  let validated: Promise<void> | undefined;
  const post = async (kind: string, events: readonly unknown[], signal: AbortSignal): Promise<Response> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'aeg-event-type': kind },
      body: JSON.stringify(events),
      signal,
    });
    if (!response.ok) throw new Error(`The webhook answered ${response.status}.`);
    return response;
  };
  async function validate(signal: AbortSignal): Promise<void> {
    const code = randomUUID();
    const request = validationEvent(code, { id: randomUUID(), account, time: Date.now() });
    const response = await post('SubscriptionValidation', [request], signal);
    const answer = (await response.json()) as { readonly validationResponse?: unknown };
    if (answer.validationResponse !== code) throw new Error('The webhook did not return the validation code.');
  }
  return {
    name: 'blob trigger',
    wants: (event) => event.eventType === 'Microsoft.Storage.BlobCreated' && isCommitEvent(event),
    async deliver(event, signal) {
      validated ??= validate(signal);
      try {
        await validated;
      } catch (error) {
        validated = undefined;
        throw error;
      }
      await post('Notification', [event], signal);
    },
  };
}

/** Sends events to every subscriber that wants them. Losing one costs time, never correctness: the sweep finds it. */
export class EventDelivery {
  readonly #subscribers: readonly Subscriber[];
  readonly #clock: Clock;
  readonly #onDropped: (message: string) => void;
  readonly #signal: AbortSignal;

  constructor(
    subscribers: readonly Subscriber[],
    clock: Clock,
    onDropped: (message: string) => void,
    signal: AbortSignal,
  ) {
    this.#subscribers = subscribers;
    this.#clock = clock;
    this.#onDropped = onDropped;
    this.#signal = signal;
  }

  /** Resolves when every subscriber has taken the event or it was dropped; never rejects. */
  async send(event: StorageEvent): Promise<void> {
    const wanting = this.#subscribers.filter((subscriber) => subscriber.wants(event));
    await Promise.all(wanting.map((subscriber) => this.#deliver(subscriber, event)));
  }

  async #deliver(subscriber: Subscriber, event: StorageEvent): Promise<void> {
    let wait = FIRST_RETRY_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        await subscriber.deliver(event, this.#signal);
        return;
      } catch (error) {
        if (this.#signal.aborted) return;
        if (attempt === MAX_ATTEMPTS) {
          const why = error instanceof Error ? error.message : String(error);
          this.#onDropped(`An event for ${subscriber.name} was dropped after ${attempt} attempts: ${why}`);
          return;
        }
        await this.#clock.sleep(wait, this.#signal).catch(() => undefined);
        wait = Math.min(wait * 2, LAST_RETRY_MS);
      }
    }
  }
}
