/** Z85 (ZeroMQ RFC 32): five printable characters for four bytes, as the log stores deletion vectors and their UUIDs. */

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
const DIGIT = new Int8Array(128).fill(-1);
for (let value = 0; value < ALPHABET.length; value++) DIGIT[ALPHABET.charCodeAt(value)] = value;

/** Decodes Z85 text; undefined when it is not Z85 (length not a multiple of five, foreign characters, a group beyond 32 bits). */
export function decodeZ85(text: string): Uint8Array | undefined {
  if (text.length % 5 !== 0) return undefined;
  const bytes = new Uint8Array((text.length / 5) * 4);
  for (let at = 0, out = 0; at < text.length; at += 5, out += 4) {
    let group = 0;
    for (let i = at; i < at + 5; i++) {
      const digit = DIGIT[text.charCodeAt(i)] ?? -1;
      if (digit < 0) return undefined;
      group = group * 85 + digit;
    }
    if (group > 0xffffffff) return undefined;
    bytes[out] = group >>> 24;
    bytes[out + 1] = (group >>> 16) & 0xff;
    bytes[out + 2] = (group >>> 8) & 0xff;
    bytes[out + 3] = group & 0xff;
  }
  return bytes;
}

/** Encodes bytes, padded with zero bytes to a multiple of four as the protocol asks for inline deletion vectors. */
export function encodeZ85(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) {
    let group = 0;
    for (let i = at; i < at + 4; i++) group = group * 256 + (bytes[i] ?? 0);
    let five = '';
    for (let i = 0; i < 5; i++) {
      five = ALPHABET.charAt(group % 85) + five;
      group = Math.floor(group / 85);
    }
    text += five;
  }
  return text;
}
