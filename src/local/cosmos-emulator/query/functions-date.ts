/** Date and time functions: ISO 8601 texts with seven digits, ticks of 100 ns and milliseconds since 1970, all in UTC. */
import type { BuiltIn } from './functions.ts';
import type { Value } from './values.ts';

const TICKS_PER_MS = 10_000n;
/** Ticks of the days, hours and so on that have a fixed length. */
const UNIT_TICKS: Readonly<Record<string, bigint>> = {
  day: 864_000_000_000n,
  hour: 36_000_000_000n,
  minute: 600_000_000n,
  second: 10_000_000n,
  millisecond: 10_000n,
  microsecond: 10n,
};
const UNIT_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    year: 'year yyyy yy',
    month: 'month mm m',
    day: 'day dd d',
    weekday: 'weekday dw w',
    hour: 'hour hh',
    minute: 'minute mi n',
    second: 'second ss s',
    millisecond: 'millisecond ms',
    microsecond: 'microsecond mcs',
    nanosecond: 'nanosecond ns',
  }).flatMap(([unit, names]) => names.split(' ').map((name) => [name, unit] as const)),
);

/** Ticks since 1970 of an ISO text. */
function parseTicks(text: Value): bigint | undefined {
  if (typeof text !== 'string') return undefined;
  const match =
    /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', digits = '', zone = 'Z'] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * TICKS_PER_MS + BigInt(digits.padEnd(7, '0'));
}

function formatTicks(ticks: bigint): Value {
  const fraction = ((ticks % 10_000_000n) + 10_000_000n) % 10_000_000n;
  const date = new Date(Number((ticks - fraction) / TICKS_PER_MS));
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) return undefined;
  return `${date.toISOString().slice(0, 19)}.${String(fraction).padStart(7, '0')}Z`;
}

function unitOf(value: Value): string | undefined {
  return typeof value === 'string' ? UNIT_NAMES.get(value.toLowerCase()) : undefined;
}

/** Months since year 0. */
function months(ticks: bigint): number {
  const date = new Date(Number(ticks / TICKS_PER_MS));
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

function addMonths(ticks: bigint, count: number): bigint {
  const ms = Number(ticks / TICKS_PER_MS);
  const date = new Date(ms);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + count);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return BigInt(date.getTime()) * TICKS_PER_MS + (ticks - BigInt(ms) * TICKS_PER_MS);
}

function add([part, count, text]: readonly Value[]): Value {
  const unit = unitOf(part);
  const ticks = parseTicks(text);
  if (unit === undefined || ticks === undefined || typeof count !== 'number' || !Number.isInteger(count))
    return undefined;
  if (Math.abs(count) > 1e15) return undefined;
  if (unit === 'year' || unit === 'month') {
    return Math.abs(count) > 120_000 ? undefined : formatTicks(addMonths(ticks, unit === 'year' ? count * 12 : count));
  }
  if (unit === 'nanosecond') return formatTicks(ticks + BigInt(Math.trunc(count / 100)));
  const size = UNIT_TICKS[unit];
  return size === undefined ? undefined : formatTicks(ticks + size * BigInt(count));
}

/** How many bounds of the unit lie between the two times. */
function difference([part, from, to]: readonly Value[]): Value {
  const unit = unitOf(part);
  const start = parseTicks(from);
  const end = parseTicks(to);
  if (unit === undefined || start === undefined || end === undefined) return undefined;
  if (unit === 'month') return months(end) - months(start);
  if (unit === 'year') return Math.floor(months(end) / 12) - Math.floor(months(start) / 12);
  if (unit === 'nanosecond') return Number((end - start) * 100n);
  const size = UNIT_TICKS[unit];
  return size === undefined ? undefined : Number(floorDivide(end, size) - floorDivide(start, size));
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

function part([name, text]: readonly Value[]): Value {
  const ticks = parseTicks(text);
  const unit = unitOf(name);
  if (ticks === undefined || unit === undefined) return undefined;
  const fraction = Number(((ticks % 10_000_000n) + 10_000_000n) % 10_000_000n);
  const date = new Date(Number(floorDivide(ticks, TICKS_PER_MS)));
  const parts: Readonly<Record<string, number>> = {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay() + 1,
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    millisecond: Math.floor(fraction / 10_000),
    microsecond: Math.floor(fraction / 10),
    nanosecond: fraction * 100,
  };
  return parts[unit];
}

function bin([text, name, size = 1, origin = '1970-01-01T00:00:00.0000000Z']: readonly Value[]): Value {
  const ticks = parseTicks(text);
  const start = parseTicks(origin);
  const unit = UNIT_TICKS[unitOf(name) ?? ''];
  if (ticks === undefined || start === undefined || unit === undefined) return undefined;
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1) return undefined;
  const width = unit * BigInt(size);
  return formatTicks(start + floorDivide(ticks - start, width) * width);
}

function fromParts(args: readonly Value[]): Value {
  const numbers = args.map((value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : Number.NaN,
  );
  if (numbers.some(Number.isNaN)) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0] = numbers;
  const digits = (value: number, width: number): string => String(value).padStart(width, '0');
  const date = `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
  const ticks = parseTicks(
    `${date}T${digits(hour, 2)}:${digits(minute, 2)}:${digits(second, 2)}.${digits(fraction, 7)}Z`,
  );
  return ticks === undefined ? undefined : formatTicks(ticks);
}

function current(read: (now: number) => Value): BuiltIn {
  return { least: 0, most: 0, apply: (_args, now) => read(now) };
}

const nowText = current((now) => formatTicks(BigInt(Math.floor(now)) * TICKS_PER_MS));
const nowTicks = current((now) => Math.floor(now) * 10_000);
const nowMilliseconds = current((now) => Math.floor(now));

export const dateFunctions: Readonly<Record<string, BuiltIn>> = {
  DATETIMEADD: { least: 3, most: 3, apply: add },
  DATETIMEBIN: { least: 2, most: 4, apply: bin },
  DATETIMEDIFF: { least: 3, most: 3, apply: difference },
  DATETIMEFROMPARTS: { least: 3, most: 7, apply: fromParts },
  DATETIMEPART: { least: 2, most: 2, apply: part },
  DATETIMETOTICKS: {
    least: 1,
    most: 1,
    apply: ([text]) => {
      const ticks = parseTicks(text);
      return ticks === undefined ? undefined : Number(ticks);
    },
  },
  DATETIMETOTIMESTAMP: {
    least: 1,
    most: 1,
    apply: ([text]) => {
      const ticks = parseTicks(text);
      return ticks === undefined ? undefined : Number(floorDivide(ticks, TICKS_PER_MS));
    },
  },
  GETCURRENTDATETIME: nowText,
  GETCURRENTDATETIMESTATIC: nowText,
  GETCURRENTTICKS: nowTicks,
  GETCURRENTTICKSSTATIC: nowTicks,
  GETCURRENTTIMESTAMP: nowMilliseconds,
  GETCURRENTTIMESTAMPSTATIC: nowMilliseconds,
  TICKSTODATETIME: {
    least: 1,
    most: 1,
    apply: ([ticks]) => (typeof ticks === 'number' && Number.isInteger(ticks) ? formatTicks(BigInt(ticks)) : undefined),
  },
  TIMESTAMPTODATETIME: {
    least: 1,
    most: 1,
    apply: ([ms]) =>
      typeof ms === 'number' && Number.isInteger(ms) ? formatTicks(BigInt(ms) * TICKS_PER_MS) : undefined,
  },
};
