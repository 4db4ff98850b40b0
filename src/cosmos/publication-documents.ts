/** Freshness and pointer documents in Cosmos: container with partition key `/id` or `/table`, which hold the same. */
import type { Container } from '@azure/cosmos';
import { SyncError } from '../shared/errors.ts';
import { accountError, recoded, statusOf } from './client-error.ts';
import type { PublicationDocument, PublicationStore, StoredPublication } from '../sync/publication.ts';

/** Throws `publicationUnavailable` when the container is missing or refuses the identity. */
export function cosmosPublicationStore(container: Container): PublicationStore {
  return {
    async read(tableId, signal) {
      const answer = await container
        .item(tableId, tableId)
        .read<PublicationDocument>(options(signal))
        .catch((error: unknown) => {
          throw unavailable(error, container.id);
        });
      const { resource: document } = answer;
      if (document !== undefined) return { document, etag: answer.etag } satisfies StoredPublication;
      // The document is absent, unless the container or database is; not every service tells that by the substatus.
      if (answer.substatus !== undefined && answer.substatus !== 0) throw missing(container.id);
      await container.read(options(signal)).catch((error: unknown) => {
        throw unavailable(error, container.id);
      });
      return null;
    },
    async write(document, etag, signal) {
      try {
        if (etag === null) await container.items.create(document, options(signal));
        else {
          const accessCondition = { type: 'IfMatch', condition: etag };
          await container.item(document.id, document.id).replace(document, { accessCondition, ...options(signal) });
        }
        return true;
      } catch (error) {
        // Taken, changed or removed since it was read.
        if ([404, 409, 412].includes(statusOf(error))) return false;
        throw unavailable(error, container.id);
      }
    },
    async remove(tableId, etag, signal) {
      try {
        const accessCondition = { type: 'IfMatch', condition: etag };
        await container.item(tableId, tableId).delete({ accessCondition, ...options(signal) });
        return true;
      } catch (error) {
        if ([404, 412].includes(statusOf(error))) return false;
        throw unavailable(error, container.id);
      }
    },
  };
}

function options(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function unavailable(error: unknown, container: string): Error {
  if (error instanceof Error && error.name === 'AbortError') return error;
  const account = accountError(error, `freshness container "${container}"`);
  if (account !== undefined) return recoded(account, 'publicationUnavailable', error);
  const status = statusOf(error);
  if (status === 404) return missing(container, error);
  const final = [400, 401, 403, 404].includes(status);
  return new SyncError('publicationUnavailable', {
    problem: `The freshness container "${container}" cannot be used.`,
    reason: `The service answered ${status}.`,
    retryable: !final,
    cause: error,
  });
}

function missing(container: string, cause?: unknown): SyncError {
  return new SyncError('publicationUnavailable', {
    problem: `The freshness container "${container}" does not exist.`,
    reason: 'The service answered 404.',
    remedy: 'Create its database and the container, or correct "freshness" in the configuration.',
    retryable: false,
    cause,
  });
}
