/** .NET time spans (`[-][d.]hh:mm:ss[.fffffff]`), as host.json writes durations. */

const TIME_SPAN = /^(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$/;

/** Milliseconds of a time span, or undefined when the text is none. */
export function parseTimeSpan(text: string): number | undefined {
  const match = TIME_SPAN.exec(text.trim());
  if (match === null) return undefined;
  const [, days, hours, minutes, seconds, fraction] = match;
  const [h, m, s] = [Number(hours), Number(minutes), Number(seconds ?? 0)];
  if (h > 23 || m > 59 || s > 59) return undefined;
  const milliseconds = Number(`0.${fraction ?? '0'}`) * 1000;
  return ((Number(days ?? 0) * 24 + h) * 60 + m) * 60_000 + s * 1000 + milliseconds;
}

/** A time span as .NET prints it: `00:00:06`, `3.00:00:00`, `00:00:00.2500000`. */
export function formatTimeSpan(milliseconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const seconds = Math.floor(milliseconds / 1000);
  const days = Math.floor(seconds / 86_400);
  const fraction = Math.round((milliseconds - seconds * 1000) * 10_000);
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${days > 0 ? `${days}.` : ''}${clock}${fraction > 0 ? `.${String(fraction).padStart(7, '0')}` : ''}`;
}
