/**
 * Text of a decimal with all digits of its scale: unscaled -50 at scale 2 is "-0.50". `zeros` more zeros are appended
 * when the value is wanted at a larger scale than it is stored in.
 */
export function decimalText(unscaled: number | bigint, scale: number, zeros = 0): string {
  const negative = unscaled < 0;
  let digits = String(negative ? -unscaled : unscaled);
  // Zero stays "0", also when only zeros are appended.
  if (scale + zeros === 0) return negative ? `-${digits}` : digits;
  if (digits.length <= scale) digits = digits.padStart(scale + 1, '0');
  const point = digits.length - scale;
  const text = `${digits.slice(0, point)}.${digits.slice(point)}${'0'.repeat(zeros)}`;
  return negative ? `-${text}` : text;
}

/** Most characters of a decimal's text: 39 digits of 128 bits, a scale's zeros, sign and point. */
export const LONGEST_DECIMAL = 96;

/** Writes decimalText as ASCII to `text` at `to`; returns the end. */
export function writeDecimal(
  unscaled: number | bigint,
  scale: number,
  zeros: number,
  text: Buffer,
  to: number,
): number {
  if (typeof unscaled === 'bigint' || unscaled > 0x7fffffff || unscaled < -0x7fffffff) {
    return to + text.write(decimalText(unscaled, scale, zeros), to, 'latin1');
  }
  let rest = Math.abs(unscaled);
  let at = to;
  if (unscaled < 0) text[at++] = 45; // -
  let length = 1;
  for (let power = 10; rest >= power; power *= 10) length++;
  const whole = Math.max(1, length - scale);
  const point = at + whole;
  const end = scale + zeros === 0 ? point : point + 1 + scale + zeros;
  at = end;
  for (let i = 0; i < zeros; i++) text[--at] = 48;
  for (let i = 0; i < scale; i++) {
    const next = Math.trunc(rest / 10);
    text[--at] = 48 + rest - next * 10;
    rest = next;
  }
  if (end > point) text[--at] = 46; // .
  for (let i = 0; i < whole; i++) {
    const next = Math.trunc(rest / 10);
    text[--at] = 48 + rest - next * 10;
    rest = next;
  }
  return end;
}

/** A big-endian two's complement number of any length, as fixed-length and variable decimals are stored. */
export function signedBigEndian(view: DataView, start: number, length: number): number | bigint {
  if (length === 0) return 0;
  if (length <= 6) {
    let value = view.getInt8(start);
    for (let i = 1; i < length; i++) value = value * 256 + view.getUint8(start + i);
    return value;
  }
  let value = BigInt(view.getInt8(start));
  let at = start + 1;
  const end = start + length;
  for (; at + 8 <= end; at += 8) value = (value << 64n) | view.getBigUint64(at, false);
  for (; at < end; at++) value = (value << 8n) | BigInt(view.getUint8(at));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
