/** A lease document in a Cosmos container, through the SDK. */
import type { Container } from '@azure/cosmos';
import { SyncError } from '../../shared/errors.ts';
import { leaseDocumentFromJson, leaseDocumentToJson } from './lease-document.ts';
import type { LeaseDocument } from './lease-document.ts';
import type { LeaseRead, LeaseStore, LeaseWrite } from './lease-store.ts';
import { accountError, recoded, statusOf, subStatusOf } from '../client-error.ts';

/** A call is given up after this long; the holder stopped waiting for it before. */
const CALL_LIMIT_MS = 10_000;

/**
 * The lease document of `budget` in `container`: any container with one partition key path, the state container or one
 * of a control account. Nothing is created but the document. Throws the lease errors of the catalogue; network faults,
 * throttling and outages are retryable.
 */
export function cosmosLeaseStore(container: Container, budget: string): LeaseStore {
  const id = `ru-lease-${encodeURIComponent(budget)}`;
  let keyPath: readonly string[] | null = null;

  const call = async <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const limit = AbortSignal.timeout(CALL_LIMIT_MS);
    try {
      return await work(AbortSignal.any([signal, limit]));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof SyncError ? error : leaseError(error, container.id);
    }
  };

  const partitionKeyPath = async (signal: AbortSignal): Promise<readonly string[]> => {
    if (keyPath !== null) return keyPath;
    const { resource } = await container.read({ abortSignal: signal });
    const paths = resource?.partitionKey?.paths ?? [];
    const [path] = paths;
    if (paths.length !== 1 || path === undefined) {
      throw new SyncError('leaseContainerUnsuitable', {
        problem: `The container "${container.id}" cannot hold the RU lease.`,
        reason: `Its partition key has ${paths.length} paths.`,
      });
    }
    keyPath = path.split('/').slice(1).map(unquote);
    return keyPath;
  };

  return {
    read: (etag, signal) =>
      call(signal, async (abortSignal): Promise<LeaseRead> => {
        await partitionKeyPath(abortSignal);
        const condition = etag === null ? {} : { accessCondition: { type: 'IfNoneMatch', condition: etag } };
        const answer = await container.item(id, id).read<Record<string, unknown>>({ ...condition, abortSignal });
        if (answer.statusCode === 304) return { kind: 'unchanged' };
        if (answer.statusCode === 404) {
          // Only substatus 0 speaks of the document; the container or database may be gone.
          if ((answer.substatus ?? 0) !== 0) throw missing(container.id);
          return { kind: 'absent' };
        }
        const document = leaseDocumentFromJson(answer.resource);
        return { kind: 'document', document, etag: answer.etag };
      }),
    replace: (document, etag, signal) =>
      call(signal, async (abortSignal): Promise<LeaseWrite> => {
        const body = leaseItem(document, id, await partitionKeyPath(abortSignal));
        try {
          const answer =
            etag === null
              ? await container.items.create(body, { abortSignal })
              : await container
                  .item(id, id)
                  .replace(body, { accessCondition: { type: 'IfMatch', condition: etag }, abortSignal });
          return { kind: 'written', etag: answer.etag };
        } catch (error) {
          const status = statusOf(error);
          const gone = status === 404 && subStatusOf(error) === 0 && etag !== null;
          if (status === 409 || status === 412 || gone) return { kind: 'conflict' };
          throw error;
        }
      }),
  };
}

/** The stored form: never expires by itself, whatever the container's TTL. */
function leaseItem(document: LeaseDocument, id: string, keyPath: readonly string[]): Record<string, unknown> {
  let value: unknown = id;
  for (const name of keyPath.slice(1).toReversed()) value = { [name]: value };
  return { ...leaseDocumentToJson(document), kind: 'ruLease', ttl: -1, [keyPath[0] ?? 'id']: value, id };
}

/** A part of a partition key path may be quoted. */
function unquote(part: string): string {
  return /^".*"$/.test(part) ? part.slice(1, -1) : part;
}

function missing(name: string, cause?: unknown): SyncError {
  return new SyncError('leaseContainerMissing', {
    problem: `The container "${name}" of the RU lease does not exist.`,
    cause,
  });
}

/** The code says what becomes of the lease; problem, reason and remedy are the account's where that is at fault. */
function leaseError(error: unknown, name: string): SyncError {
  const status = statusOf(error);
  const subStatus = subStatusOf(error);
  if (status === 404 && subStatus !== 1002) return missing(name, error);
  const account = accountError(error, `lease container "${name}"`);
  if (account !== undefined) {
    return recoded(account, account.retryable ? 'leaseUnavailable' : 'leaseForbidden', error);
  }
  const reason = `Cosmos DB answered ${status}/${subStatus}.`;
  if (status === 401 || (status === 403 && subStatus !== 3 && subStatus !== 1008)) {
    return new SyncError('leaseForbidden', {
      problem: `The container "${name}" of the RU lease may not be used by this identity.`,
      reason,
      cause: error,
    });
  }
  if (status === 400 || status === 413) {
    return new SyncError('leaseContainerUnsuitable', {
      problem: `The container "${name}" refuses the RU lease document.`,
      reason,
      cause: error,
    });
  }
  return new SyncError('leaseUnavailable', {
    problem: `The RU lease in "${name}" cannot be reached.`,
    reason,
    cause: error,
  });
}
