/** Stores that lose requests and answers: what an activity meets whose worker, network or account fails in the middle. */
import { SyncError } from '../../src/shared/errors.ts';
import type { SyncDependencies } from '../../src/sync/sync-target.ts';

/** What becomes of the next change: it is not made, it is made and nobody learns of it, or all goes well. */
export type Loss = 'request' | 'answer' | null;

/** The dependencies with stores whose every change may fail as `next` says; reads never do. */
export function lossy(deps: SyncDependencies, next: () => Loss): SyncDependencies {
  const change = async <T>(make: () => Promise<T>): Promise<T> => {
    const loss = next();
    if (loss === 'request') throw lost();
    const made = await make();
    if (loss === 'answer') throw lost();
    return made;
  };
  const { plans, states, publications } = deps;
  return {
    ...deps,
    plans: {
      read: (...args) => plans.read(...args),
      list: (...args) => plans.list(...args),
      write: (...args) => change(() => plans.write(...args)),
      remove: (...args) => change(() => plans.remove(...args)),
    },
    states: {
      read: (...args) => states.read(...args),
      history: (...args) => states.history(...args),
      replace: (...args) => change(() => states.replace(...args)),
      record: (...args) => change(() => states.record(...args)),
    },
    publications:
      publications === null
        ? null
        : {
            read: (...args) => publications.read(...args),
            write: (...args) => change(() => publications.write(...args)),
            remove: (...args) => change(() => publications.remove(...args)),
          },
  };
}

/** The code that `lossy` stores fail with. */
export const LOST = 'stateUnavailable';

function lost(): SyncError {
  return new SyncError(LOST, { problem: 'The test lost a request or its answer.', retryable: true });
}
