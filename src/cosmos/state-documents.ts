/** State documents and the ledger in Cosmos: container with partition key `/target` and TTL enabled per item. */
import type { Container } from '@azure/cosmos';
import { SyncError } from '../shared/errors.ts';
import { type LedgerEntry, type StateStore, type StoredState } from '../sync/state-store.ts';
import { accountError, recoded, statusOf } from './client-error.ts';
import { STATE_FORMAT, initialState, type SyncState } from '../sync/state.ts';

/** How long a ledger line is kept, in seconds. */
const LEDGER_TTL_SECONDS = 90 * 24 * 3600;

const STATE_ID = 'state';

interface StateDocument {
  readonly id: string;
  readonly target: string;
  readonly state: SyncState;
}

interface LedgerDocument {
  readonly id: string;
  readonly target: string;
  readonly kind: 'epoch';
  readonly ttl: number;
  readonly entry: LedgerEntry;
}

/** Throws `stateUnavailable` when the container is missing or refuses the identity. */
export function cosmosStateStore(container: Container): StateStore {
  const wrap = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw stateError(error, container.id);
    }
  };
  return {
    read: (target, signal) => wrap(() => readState(container, target, signal)),
    replace: (state, etag, signal) => wrap(() => replaceState(container, state, etag, signal)),
    record: (entry, signal) =>
      wrap(async () => {
        const document: LedgerDocument = {
          id: `epoch-${String(entry.epoch).padStart(10, '0')}`,
          target: entry.target,
          kind: 'epoch',
          ttl: LEDGER_TTL_SECONDS,
          entry,
        };
        await container.items.upsert(document, options(signal));
      }),
    history: (target, limit, signal) =>
      wrap(async () => {
        const query = {
          query: 'SELECT TOP @limit * FROM c WHERE c.kind = "epoch" ORDER BY c.id DESC',
          parameters: [{ name: '@limit', value: limit }],
        };
        const { resources } = await container.items
          .query<LedgerDocument>(query, { partitionKey: target, ...options(signal) })
          .fetchAll();
        return resources.map((document) => document.entry);
      }),
  };
}

async function readState(container: Container, target: string, signal?: AbortSignal): Promise<StoredState> {
  const answer = await container.item(STATE_ID, target).read<StateDocument>(options(signal));
  if (answer.statusCode === 404 || answer.resource === undefined) {
    // A container or database that is gone must not look like a fresh target. Not every service tells by the substatus.
    if (answer.substatus !== undefined && answer.substatus !== 0) throw missing(container.id);
    await container.read(options(signal));
    return { state: initialState(target), etag: null };
  }
  const state = answer.resource.state;
  if (state.format > STATE_FORMAT) {
    throw new SyncError('stateTooNew', {
      problem: `The state document of ${target} was written by a newer version of the app.`,
      reason: `Its format is ${state.format}, this version understands ${STATE_FORMAT}.`,
    });
  }
  return { state: { ...initialState(target), ...state, format: STATE_FORMAT }, etag: answer.etag };
}

async function replaceState(
  container: Container,
  state: SyncState,
  etag: string | null,
  signal?: AbortSignal,
): Promise<boolean> {
  const document: StateDocument = { id: STATE_ID, target: state.target, state };
  try {
    if (etag === null) await container.items.create(document, options(signal));
    else {
      const accessCondition = { type: 'IfMatch', condition: etag };
      await container.item(STATE_ID, state.target).replace(document, { accessCondition, ...options(signal) });
    }
    return true;
  } catch (error) {
    const status = statusOf(error);
    if (status === 409 || status === 412) return false;
    throw error;
  }
}

function options(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function stateError(error: unknown, container: string): Error {
  if (error instanceof SyncError || (error instanceof Error && error.name === 'AbortError')) return error;
  const what = `state container "${container}"`;
  const account = accountError(error, what);
  if (account !== undefined) return recoded(account, 'stateUnavailable', error);
  const status = statusOf(error);
  if (status === 404) return missing(container, error);
  const refused = status === 401 || status === 403;
  return new SyncError('stateUnavailable', {
    problem: `The ${what} ${refused ? 'may not be used by this identity' : 'cannot be used'}.`,
    reason: `The service answered ${status}.`,
    retryable: !refused,
    cause: error,
  });
}

function missing(container: string, cause?: unknown): SyncError {
  return new SyncError('stateUnavailable', {
    problem: `The state container "${container}" does not exist.`,
    reason: 'The service answered 404.',
    remedy: 'Create its database and the container as infra/ does, or correct STATE_DATABASE and STATE_CONTAINER.',
    retryable: false,
    cause,
  });
}
