/** Freshness and pointer documents in Cosmos: container with partition key `/id` or `/table`, which hold the same. */
import { type Container, ErrorResponse } from '@azure/cosmos';
import { SyncError } from '../shared/errors.ts';
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
      // Substatus 0: the document is absent. Anything else means that the container or database is.
      if (answer.substatus === undefined || answer.substatus === 0) return null;
      throw new SyncError('publicationUnavailable', {
        problem: `The freshness container "${container.id}" does not exist.`,
        retryable: false,
      });
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

function statusOf(error: unknown): number {
  return error instanceof ErrorResponse && typeof error.code === 'number' ? error.code : 0;
}

function unavailable(error: unknown, container: string): Error {
  if (error instanceof Error && error.name === 'AbortError') return error;
  const status = statusOf(error);
  const final = [400, 401, 403, 404].includes(status);
  return new SyncError('publicationUnavailable', {
    problem: `The freshness container "${container}" cannot be used.`,
    reason: status === 0 ? 'There was no answer.' : `The service answered ${status}.`,
    retryable: !final,
    cause: error,
  });
}
