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
