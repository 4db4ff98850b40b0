/** What a dead letter says of a row that Cosmos DB refuses: the code, what is wrong, and what to do. */
import type { RowRefusal } from './batch-answer.ts';
import type { RowProblem } from './row-limits.ts';

const TEXTS: Readonly<Record<RowProblem | RowRefusal, string>> = {
  idEmpty: 'The id is empty. Give the row a value in the columns of the id.',
  idTooLong: 'The id has more than 1,023 bytes. Make it of fewer or shorter columns.',
  idForbiddenCharacter: 'The id has one of / \\ ? #. Set idEscaping to "escape" to write them as %XX.',
  idNotUnicode: 'The id is not valid Unicode. Correct it in the table.',
  idDiffers: 'The document has another id than its identity. Map the field id by the id of the table alone.',
  partitionKeyTooLong:
    'The partition key has more bytes than the container allows: 2,048, or 101 under key version 1. Choose a shorter column.',
  partitionKeyLevels:
    'The row has another number of partition key values than the container has key paths. Map a column to each path.',
  partitionKeyNotUnicode: 'A partition key value is not valid Unicode. Correct it in the table.',
  partitionKeyNotFinite: 'A partition key value is NaN or infinite. Correct it in the table.',
  documentTooLarge: 'The document has more than 2 MB of JSON. Map fewer columns, or leave such rows out by a filter.',
  nestedTooDeep: 'A value is nested deeper than 128 levels. Leave its column out.',
  tooManyPatchSteps: 'More than 10 fields change in one patch. Use mode "mirror" or "upsert".',
  badRequest:
    'Cosmos DB takes the row for malformed. Compare the document of this letter with what the container holds.',
  partitionKeyFull: 'The logical partition of the row is full at 20 GB. Choose a partition key with more values.',
  partitionKeyMismatch:
    'The document does not hold the partition key it is sent to. Check the mapping of the key columns.',
  uniqueKey: 'Another document holds a value that must be unique. Correct it in the table, or change the unique keys.',
  refused: 'Cosmos DB refused the row. Its answer stands in the code of this letter.',
};

/** The code of a refusal with its text, never with content of the row. */
export function refusalText(code: string): string {
  return code in TEXTS ? `${code}: ${TEXTS[code as keyof typeof TEXTS]}` : code;
}
