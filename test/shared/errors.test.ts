import { expect, test } from 'vitest';
import { SyncError, errorCatalogue, toSyncError } from '../../src/shared/errors.ts';

test('a message says problem, reason and remedy in one line', () => {
  const error = new SyncError('columnUnknown', {
    problem: 'The key column "sku" does not exist.',
    reason: 'The table has: id, name.',
  });
  expect(error.message).toBe(
    'The key column "sku" does not exist. The table has: id, name. Name a column of the table.',
  );
  expect(error.class).toBe('refused');
  expect(error.retryable).toBe(false);
});

test('an aborted call becomes the code aborted, anything unknown internal', () => {
  expect(toSyncError(new DOMException('stop', 'AbortError')).code).toBe('aborted');
  expect(toSyncError('boom').code).toBe('internal');
});

test('every catalogue entry names a remedy that is a sentence', () => {
  for (const [code, entry] of Object.entries(errorCatalogue())) expect(entry.remedy, code).toMatch(/^[A-Z].*\.$/s);
});
