/**
 * Reads one storage queue: receives in batches, keeps messages invisible while they are worked on, deletes what
 * succeeded, gives back what failed, moves what failed too often to the poison queue.
 */
import type { DequeuedMessageItem, QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/telemetry.ts';

/** What became of a message. `again`: as if it had succeeded, but deliver it once more. */
export type MessageVerdict = 'done' | 'failed' | 'poison' | 'again';

/** A queue and how to treat it; durations in milliseconds. */
export interface QueueListenerOptions {
  readonly service: QueueServiceClient;
  readonly queueName: string;
  readonly poisonQueueName: string;
  readonly batchSize: number;
  readonly newBatchThreshold: number;
  readonly maxDequeueCount: number;
  /** How long a failed message stays invisible. */
  readonly visibilityTimeout: number;
  readonly maxPollingInterval: number;
  /** Text of the poison message; the message's own text when absent. */
  readonly poisonText?: (message: DequeuedMessageItem) => string;
  readonly handle: (message: DequeuedMessageItem) => Promise<MessageVerdict>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The queue is never asked more often than this while it is empty. */
const POLLING_FLOOR_MILLISECONDS = 250;
const POLLING_BACKOFF = 1.5;
/** A killed host's messages come back after this long; renewed while the function runs. */
const INVISIBLE_SECONDS = 10;
const RENEW_MILLISECONDS = 3000;

/** Runs until stopped; a queue that is missing or unreachable is tried again. */
export class QueueListener {
  readonly #options: QueueListenerOptions;
  readonly #queue: QueueClient;
  readonly #stop = new AbortController();
  #idle = new AbortController();
  /** Set by `wake`, so that a call between two looks at the queue is not lost. */
  #woken = false;
  #inFlight = 0;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: QueueListenerOptions) {
    this.#options = options;
    this.#queue = options.service.getQueueClient(options.queueName);
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Looks at the queue now rather than at the next poll. */
  wake(): void {
    this.#woken = true;
    this.#idle.abort();
  }

  /** Stops receiving and waits for the loop, not for messages being worked on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#idle.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { batchSize, newBatchThreshold, maxPollingInterval, log, queueName } = this.#options;
    const ceiling = Math.max(maxPollingInterval, POLLING_FLOOR_MILLISECONDS);
    let pause = POLLING_FLOOR_MILLISECONDS;
    let reported = false;
    while (!this.#stop.signal.aborted) {
      let received: readonly DequeuedMessageItem[] = [];
      this.#woken = false;
      if (this.#inFlight <= newBatchThreshold) {
        try {
          received = await this.#receive(batchSize);
          reported = false;
        } catch (error) {
          if (!this.#stop.signal.aborted && !isMissingQueue(error) && !reported) {
            reported = true;
            log.event('hostProblem', { problem: 'queue cannot be read', queueName, reason: reasonOf(error) });
          }
        }
      }
      for (const message of received) void this.#work(message);
      if (received.length > 0) {
        pause = POLLING_FLOOR_MILLISECONDS;
        if (this.#inFlight <= newBatchThreshold) continue;
      }
      await this.#pause(pause);
      if (received.length === 0) pause = Math.min(ceiling, pause * POLLING_BACKOFF);
    }
  }

  async #receive(count: number): Promise<readonly DequeuedMessageItem[]> {
    const response = await this.#queue.receiveMessages({
      numberOfMessages: count,
      visibilityTimeout: INVISIBLE_SECONDS,
      abortSignal: this.#stop.signal,
    });
    return response.receivedMessageItems;
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#stop.signal.aborted || this.#woken) return;
    this.#idle = new AbortController();
    await this.#options.clock.sleep(milliseconds, this.#idle.signal).catch(() => undefined);
  }

  async #work(message: DequeuedMessageItem): Promise<void> {
    this.#inFlight += 1;
    const held = { receipt: message.popReceipt, busy: Promise.resolve() };
    const renew = async (): Promise<void> => {
      const updated = await this.#queue.updateMessage(message.messageId, held.receipt, undefined, INVISIBLE_SECONDS);
      held.receipt = updated.popReceipt ?? held.receipt;
    };
    const renewal = setInterval(() => {
      held.busy = held.busy.then(renew).catch(ignore);
    }, RENEW_MILLISECONDS);
    try {
      const { maxDequeueCount, handle } = this.#options;
      const verdict = message.dequeueCount > maxDequeueCount ? 'poison' : await handle(message);
      clearInterval(renewal);
      await held.busy;
      await this.#settle(message, held.receipt, verdict);
    } catch (error) {
      // Nothing is lost: the message becomes visible again by itself.
      const { queueName, log } = this.#options;
      if (!this.#stop.signal.aborted) {
        log.event('hostProblem', { problem: 'queue message not settled', queueName, reason: reasonOf(error) });
      }
    } finally {
      clearInterval(renewal);
      this.#inFlight -= 1;
      // Receiving stood still above the threshold.
      if (this.#inFlight === this.#options.newBatchThreshold) this.wake();
    }
  }

  async #settle(message: DequeuedMessageItem, receipt: string, verdict: MessageVerdict): Promise<void> {
    const { maxDequeueCount, visibilityTimeout } = this.#options;
    if (verdict === 'done') {
      await this.#queue.deleteMessage(message.messageId, receipt);
    } else if (verdict === 'poison' || (verdict === 'failed' && message.dequeueCount >= maxDequeueCount)) {
      await this.#poison(message, receipt);
    } else {
      const seconds = verdict === 'again' ? 0 : Math.round(visibilityTimeout / 1000);
      await this.#queue.updateMessage(message.messageId, receipt, undefined, seconds);
      if (seconds === 0) this.wake();
    }
  }

  async #poison(message: DequeuedMessageItem, receipt: string): Promise<void> {
    const { service, poisonQueueName, poisonText, queueName, log } = this.#options;
    const poison = service.getQueueClient(poisonQueueName);
    await poison.createIfNotExists();
    await poison.sendMessage(poisonText?.(message) ?? message.messageText);
    await this.#queue.deleteMessage(message.messageId, receipt);
    log.event('messagePoisoned', { queueName, poisonQueueName, messageId: message.messageId });
  }
}

function ignore(): void {
  // The message's own end reports what matters.
}

function isMissingQueue(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode === 404;
}

function reasonOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
