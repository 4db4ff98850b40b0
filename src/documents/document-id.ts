/** Ids as Cosmos DB accepts them. */
import { isUnicode } from './encoding.ts';
import { percentEncode } from './key-template.ts';
import type { RowFaults } from './rejection.ts';

/** Limit of the service, in UTF-8 bytes. */
const MAX_ID_BYTES = 1023;

/** Characters that ids cannot hold, for a character class; `%` is the escape itself. */
export const ILLEGAL_ID_CHARACTERS = '/\\?#';
const ILLEGAL = /[/\\?#]/;

/** Checks an id; with `escape` a trailing space is written as %20 (other characters were escaped part by part). */
export function documentId(text: string, escape: boolean, faults: RowFaults): string {
  const id = escape && text.endsWith(' ') ? `${text.slice(0, -1)}${percentEncode(' ')}` : text;
  if (id === '') faults.note('idEmpty');
  else if (id.endsWith(' ')) faults.note('idTrailingSpace');
  else if (ILLEGAL.test(id)) faults.note('idIllegalCharacter');
  // A UTF-16 unit is at most three bytes, so short ids need no count.
  else if (id.length > MAX_ID_BYTES / 3 && Buffer.byteLength(id) > MAX_ID_BYTES) faults.note('idTooLong');
  else if (!isUnicode(id)) faults.note('textMalformed');
  return id;
}
