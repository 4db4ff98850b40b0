/** Why a row cannot become a document. Codes appear in dead letters and are a contract; reasons never hold row content. */

const REASONS = {
  keyNull: 'A column of the id or of a composed key is null. Fill it in the table, or leave such rows out by "where".',
  idEmpty: 'The id is empty. Give the row a value in the columns of the id.',
  idTrailingSpace:
    'The id ends with a space. Set idEscaping to "escape" to write it as %20, or correct it in the table.',
  idIllegalCharacter: 'The id has one of / \\ ? #. Set idEscaping to "escape" to write them as %XX.',
  idTooLong: 'The id has more than 1,023 bytes. Make it of fewer or shorter columns.',
  partitionKeyTooLong:
    'A partition key value has more bytes than the container allows: 2,048, or 101 under key version 1. Choose a shorter column.',
  partitionKeyNotScalar: 'A partition key value is an array or an object. Choose a column of a simple type.',
  longTooLarge: 'An integer is beyond 2^53-1, which JSON numbers do not carry. Set types.long to "string".',
  decimalInexact: 'A decimal has no exact JSON number. Set types.decimal to "string".',
  notFinite: 'A number is NaN or infinite. Set types.nonFinite to "string" or "null".',
  timestampInexact:
    'A timestamp is not a whole number of the configured unit, or out of its range. Set the policy of its type to an ISO form, or correct it in the table.',
  mapKeyNull: 'A map has a null key. Correct it in the table, or exclude the column.',
  mapKeyDuplicate: 'A map has the same key twice. Set types.map to "pairs".',
  nestedTooDeep: 'A value is nested deeper than the 128 levels of Cosmos DB. Exclude its column.',
  textMalformed: 'A text is not valid Unicode. Correct it in the table.',
  valueUnexpected:
    'A value does not have the type that the schema states. Rewrite the row with the engine that wrote it.',
} as const;

/** Every reason a row can be refused for. */
export type RejectionCode = keyof typeof REASONS;

/** A row that cannot be written, told without its content. */
export interface Rejection {
  readonly kind: 'rejected';
  readonly code: RejectionCode;
  readonly reason: string;
  /** Logical name of the column at fault. */
  readonly column?: string;
}

/**
 * Collects what is wrong with the row at hand; the first fault counts. Encoders note a fault and go on, because throwing
 * would cost a stack trace for each of a million bad rows.
 */
export class RowFaults {
  #code: RejectionCode | undefined;
  #column: string | undefined;

  /** The column being encoded, for the message. */
  column: string | undefined;

  note(code: RejectionCode): void {
    if (this.#code !== undefined) return;
    this.#code = code;
    this.#column = this.column;
  }

  /** The fault of this row, or undefined; ready for the next row afterwards. */
  take(): Rejection | undefined {
    const code = this.#code;
    if (code === undefined) return undefined;
    const column = this.#column;
    this.#code = undefined;
    this.#column = undefined;
    return { kind: 'rejected', code, reason: REASONS[code], ...(column === undefined ? {} : { column }) };
  }
}
