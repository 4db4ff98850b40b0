/** Faults in a query's text, answered with 400 as the service words them. */
import { Refusal } from '../refusal.ts';

/** 400 of a query that cannot be parsed (SC1001) or means nothing (SC2005 and the like). */
export function queryError(message: string, code = 'SC1001', start?: number, end?: number): Refusal {
  const location = start === undefined ? {} : { location: { start, end: end ?? start + 1 } };
  const errors = [{ severity: 'Error', ...location, code, message }];
  return new Refusal(400, `Message: ${JSON.stringify({ errors })}`);
}
