/** `_rid` values: databases 4 bytes, containers 8, documents 16, each beginning with its parent's; `/` written as `-`. */

/** Text of the 4-byte id of the database with this number. */
export function databaseRid(number: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return encode(bytes);
}

/** Bytes of the 8-byte id of a container: its database's four, then its own with the top bit set, as the service does. */
export function containerRidBytes(database: number, container: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(database);
  bytes.writeUInt32BE((0x80000000 | container) >>> 0, 4);
  return bytes;
}

/** Text of an id's bytes. */
export function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('/', '-');
}

/** Makes the `_rid` texts of one container's documents from their numbers (at most 2^53 - 1). */
export function documentRids(container: Buffer): (number: number) => string {
  const bytes = Buffer.alloc(16);
  container.copy(bytes);
  return (number) => {
    bytes.writeUInt32LE(number >>> 0, 8);
    bytes.writeUInt32LE(Math.floor(number / 0x1_0000_0000), 12);
    return encode(bytes);
  };
}

/** Number of the document with this `_rid`; undefined when it is none of a document. */
export function documentNumber(rid: string): number | undefined {
  const bytes = Buffer.from(rid.replaceAll('-', '/'), 'base64');
  if (bytes.length !== 16) return undefined;
  return bytes.readUInt32LE(8) + bytes.readUInt32LE(12) * 0x1_0000_0000;
}

/** `_etag` of the write with this number at this time: unique in the account and different after each write. */
export function etagText(write: number, milliseconds: number): string {
  const high = Math.floor(write / 0x1_0000_0000);
  const seconds = Math.floor(milliseconds / 1000);
  return `"${hex8(write >>> 0)}-${hex4(high)}-0700-0000-${hex8(seconds >>> 0)}0000"`;
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function hex4(value: number): string {
  return (value & 0xffff).toString(16).padStart(4, '0');
}
