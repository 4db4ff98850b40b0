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

/** Text of a moment given as whole days since 1970-01-01 and microseconds of that day (0 ≤ micros < 86.4e9). */
export function timestampText(days: number, micros: number, suffix: '' | 'Z'): string {
  const second = Math.floor(micros / 1_000_000);
  const fraction = String(micros - second * 1_000_000).padStart(6, '0');
  const minute = Math.floor(second / 60);
  const hour = Math.floor(minute / 60);
  return `${dateText(days)}T${pad(hour)}:${pad(minute - hour * 60)}:${pad(second - minute * 60)}.${fraction}${suffix}`;
}

/** Text of microseconds since 1970-01-01, exact over the whole 64-bit range. */
export function timestampTextOfMicros(micros: number | bigint, suffix: '' | 'Z'): string {
  if (typeof micros === 'number') {
    const days = Math.floor(micros / MICROS_PER_DAY);
    return timestampText(days, micros - days * MICROS_PER_DAY, suffix);
  }
  const perDay = BigInt(MICROS_PER_DAY);
  const rest = ((micros % perDay) + perDay) % perDay;
  return timestampText(Number((micros - rest) / perDay), Number(rest), suffix);
}

function pad(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}
