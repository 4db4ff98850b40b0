/** Keeps the Functions host running: starts it again when it dies, waiting longer each time, at the same address. */
import type { Clock } from '../../shared/clock.ts';
import { SyncError, toSyncError } from '../../shared/errors.ts';
import type { ServiceProcess } from './service-process.ts';
import type { FunctionsAddress } from './services.ts';

const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 10_000;
/** A host that ran this long did not die of what killed the one before. */
const STABLE_MS = 30_000;
/** Starts in a row that may fail before it is given up. */
const MAX_FAILED_STARTS = 5;

/** A host that is started again whenever it dies. */
export interface SupervisedHost {
  /** Where it answered first; it stays there. */
  readonly address: FunctionsAddress;
  /** Rejects with `serviceFailed` when it cannot be kept running; resolves after `stop`. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Starts the host, and again after each death. The first start must succeed: its error is thrown. */
export async function superviseHost(
  start: (signal: AbortSignal) => Promise<ServiceProcess<FunctionsAddress>>,
  onRestart: (why: string) => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<SupervisedHost> {
  const stopping = new AbortController();
  const running = AbortSignal.any([signal, stopping.signal]);
  let host = await start(running);
  const { ready: address } = host;

  async function keepRunning(): Promise<void> {
    let wait = FIRST_WAIT_MS;
    for (;;) {
      const started = clock.monotonic();
      const how = await host.exited;
      if (running.aborted) return;
      if (clock.monotonic() - started > STABLE_MS) wait = FIRST_WAIT_MS;
      onRestart(`The Functions host ended (${how}); it is started again.`);
      for (let failures = 0; ;) {
        await clock.sleep(wait, running).catch(() => undefined);
        if (running.aborted) return;
        wait = Math.min(wait * 2, LAST_WAIT_MS);
        try {
          host = await start(running);
          if (running.aborted) {
            // `stop` saw the one before.
            await host.stop();
            return;
          }
          break;
        } catch (error) {
          if (running.aborted) return;
          failures++;
          if (failures === MAX_FAILED_STARTS) throw givenUp(error);
        }
      }
    }
  }

  const ended = keepRunning();
  // Whoever is interested awaits it; until then a rejection must not end the process.
  ended.catch(() => undefined);
  return {
    address,
    ended,
    async stop() {
      stopping.abort();
      await host.stop();
      await ended.catch(() => undefined);
    },
  };
}

function givenUp(error: unknown): SyncError {
  return new SyncError('serviceFailed', {
    problem: `The Functions host could not be started again after ${MAX_FAILED_STARTS} attempts.`,
    reason: toSyncError(error).message,
    cause: error,
  });
}
