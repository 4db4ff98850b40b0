/** Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar. */
const EPOCH_DAYS = 719_468;
const MICROS_PER_DAY = 86_400_000_000;

/** A date's text as ASCII: "YYYY-MM-DD", or "±YYYYYY-MM-DD" (more digits if needed) outside the years 0000 to 9999. */
export function dateText(days: number): string {
  const text = cachedDates.get(days);
  if (text !== undefined) return text;
  // A table has few distinct days; a hostile one must not fill the memory.
  if (cachedDates.size >= 20_000) cachedDates.clear();
  const made = makeDateText(days);
  cachedDates.set(days, made);
  return made;
}

const cachedDates = new Map<number, string>();

function makeDateText(days: number): string {
  const shifted = days + EPOCH_DAYS;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const yearText =
    year >= 0 && year <= 9999
      ? String(year).padStart(4, '0')
      : `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`;
  return `${yearText}-${pad(month)}-${pad(day)}`;
}

/** Most characters of a timestamp's text: a sign, a year of 9 digits (64-bit milliseconds) and the rest. */
export const LONGEST_TIMESTAMP = 40;

let lastDays = Number.NaN;
let lastDate = Buffer.alloc(0);

/**
 * Writes a moment, given as whole days since 1970-01-01 and microseconds of that day (0 ≤ micros < 86.4e9), as ASCII to
 * `text` at `to`: "YYYY-MM-DDTHH:MM:SS.ffffff", with `suffix`. Returns the end.
 */
export function writeTimestamp(days: number, micros: number, suffix: '' | 'Z', text: Uint8Array, to: number): number {
  if (days !== lastDays) {
    lastDate = Buffer.from(dateText(days), 'latin1');
    lastDays = days;
  }
  const date = lastDate;
  for (let i = 0; i < date.length; i++) text[to + i] = date[i]!;
  let at = to + date.length;
  const second = Math.floor(micros / 1_000_000);
  const fraction = micros - second * 1_000_000;
  const minute = Math.trunc(second / 60);
  const hour = Math.trunc(minute / 60);
  text[at] = 84; // T
  twoDigits(hour, text, at + 1);
  text[at + 3] = 58; // :
  twoDigits(minute - hour * 60, text, at + 4);
  text[at + 6] = 58;
  twoDigits(second - minute * 60, text, at + 7);
  text[at + 9] = 46; // .
  const high = Math.trunc(fraction / 10_000);
  const low = fraction - high * 10_000;
  const middle = Math.trunc(low / 100);
  twoDigits(high, text, at + 10);
  twoDigits(middle, text, at + 12);
  twoDigits(low - middle * 100, text, at + 14);
  at += 16;
  if (suffix === 'Z') text[at++] = 90;
  return at;
}

/** The same for microseconds since 1970-01-01, exact over the whole 64-bit range. */
export function writeTimestampOfMicros(
  micros: number | bigint,
  suffix: '' | 'Z',
  text: Uint8Array,
  to: number,
): number {
  if (typeof micros === 'number') {
    const days = Math.floor(micros / MICROS_PER_DAY);
    return writeTimestamp(days, micros - days * MICROS_PER_DAY, suffix, text, to);
  }
  const perDay = BigInt(MICROS_PER_DAY);
  const rest = ((micros % perDay) + perDay) % perDay;
  return writeTimestamp(Number((micros - rest) / perDay), Number(rest), suffix, text, to);
}

/** The same as a string. */
export function timestampTextOfMicros(micros: number | bigint, suffix: '' | 'Z'): string {
  const text = Buffer.allocUnsafe(LONGEST_TIMESTAMP);
  return text.toString('latin1', 0, writeTimestampOfMicros(micros, suffix, text, 0));
}

function twoDigits(number: number, text: Uint8Array, at: number): void {
  const tens = Math.trunc(number / 10);
  text[at] = 48 + tens;
  text[at + 1] = 48 + number - tens * 10;
}

function pad(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}
