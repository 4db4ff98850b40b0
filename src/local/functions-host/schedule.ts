/** Timer schedules: NCRONTAB with six fields (second first) or a time span; everything in UTC. */
import { SyncError } from '../../shared/errors.ts';
import { parseTimeSpan } from './time-span.ts';

/** When a timer fires next. */
export interface Schedule {
  /** The first occurrence after `from`; both in milliseconds since 1970. undefined when there is none. */
  next(from: number): number | undefined;
  /** True when occurrences can be less than a minute apart: then no status is kept, as on the official host. */
  readonly subMinute: boolean;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Reads a schedule. Throws `configInvalid` naming the field. */
export function parseSchedule(text: string): Schedule {
  const span = parseTimeSpan(text);
  if (span !== undefined) {
    if (span <= 0) throw invalid(text, 'the time span is zero');
    return { next: (from) => from + span, subMinute: span < 60_000 };
  }
  const parts = text.trim().split(/\s+/);
  // Five fields are accepted as in NCRONTAB, seconds being 0.
  const fields = parts.length === 5 ? ['0', ...parts] : parts;
  if (fields.length !== 6) throw invalid(text, 'it has neither six fields nor the form of a time span');
  const [second, minute, hour, day, month, weekday] = fields as [string, string, string, string, string, string];
  const cron: Cron = {
    seconds: readField(text, second, 0, 59),
    minutes: readField(text, minute, 0, 59),
    hours: readField(text, hour, 0, 23),
    days: readField(text, day, 1, 31),
    months: readField(text, month, 1, 12, MONTHS, 1),
    weekdays: readField(text, weekday, 0, 7, DAYS, 0),
  };
  if (cron.weekdays.has(7)) cron.weekdays.add(0);
  return { next: (from) => nextOccurrence(cron, from), subMinute: cron.seconds.size > 1 };
}

interface Cron {
  readonly seconds: Set<number>;
  readonly minutes: Set<number>;
  readonly hours: Set<number>;
  readonly days: Set<number>;
  readonly months: Set<number>;
  readonly weekdays: Set<number>;
}

function readField(
  schedule: string,
  text: string,
  least: number,
  most: number,
  names: readonly string[] = [],
  firstName = 0,
): Set<number> {
  const number = (part: string): number => {
    const name = names.indexOf(part.toLowerCase().slice(0, 3));
    const value = name >= 0 && /^[a-z]+$/i.test(part) ? name + firstName : Number(part);
    if (!/^[a-z]+$|^\d{1,2}$/i.test(part) || !Number.isInteger(value) || value < least || value > most) {
      throw invalid(schedule, `"${part}" is not from ${least} to ${most}`);
    }
    return value;
  };
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const [range = '', stepText] = item.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    if (!Number.isInteger(step) || step < 1) throw invalid(schedule, `"/${stepText}" is not a step`);
    const [from, to] = range.split('-');
    let first = least;
    let last = most;
    if (range !== '*') {
      first = number(from ?? '');
      last = to === undefined ? (stepText === undefined ? first : most) : number(to);
    }
    if (last < first) throw invalid(schedule, `"${range}" runs backwards`);
    for (let value = first; value <= last; value += step) values.add(value);
  }
  return values;
}

/** Walks field by field from the largest; the horizon of nine years covers every 29 February. */
function nextOccurrence(cron: Cron, from: number): number | undefined {
  const at = new Date(Math.floor(from / 1000) * 1000 + 1000);
  const horizon = at.getUTCFullYear() + 9;
  while (at.getUTCFullYear() <= horizon) {
    if (!cron.months.has(at.getUTCMonth() + 1)) {
      at.setUTCMonth(at.getUTCMonth() + 1, 1);
      at.setUTCHours(0, 0, 0, 0);
    } else if (!cron.days.has(at.getUTCDate()) || !cron.weekdays.has(at.getUTCDay())) {
      at.setUTCDate(at.getUTCDate() + 1);
      at.setUTCHours(0, 0, 0, 0);
    } else if (!cron.hours.has(at.getUTCHours())) {
      at.setUTCHours(at.getUTCHours() + 1, 0, 0, 0);
    } else if (!cron.minutes.has(at.getUTCMinutes())) {
      at.setUTCMinutes(at.getUTCMinutes() + 1, 0, 0);
    } else if (!cron.seconds.has(at.getUTCSeconds())) {
      at.setUTCSeconds(at.getUTCSeconds() + 1, 0);
    } else {
      return at.getTime();
    }
  }
  return undefined;
}

function invalid(schedule: string, reason: string): SyncError {
  return new SyncError('configInvalid', {
    problem: `The timer schedule "${schedule}" is invalid.`,
    reason: `${reason}.`,
  });
}
