/** JSON as it comes from outside: parsed values and narrow checks on them. */
import { badRequest } from './refusal.ts';
import { parsePlainJson } from '../../shared/json.ts';

/** Any parsed JSON value. */
export type Json = null | boolean | number | string | Json[] | JsonMap;
/** A parsed JSON object. */
export interface JsonMap {
  [name: string]: Json | undefined;
}

/** True for a JSON object (not null, not an array). */
export function isJsonMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a request body, or 400. */
export function parseJson(text: string): Json {
  try {
    return parsePlainJson(text) as Json;
  } catch {
    // The byte that binary JSON begins with is none of UTF-8.
    if (text.startsWith('\uFFFD')) {
      throw badRequest(
        'The request payload is binary JSON, which the emulator does not read: switch its encoding off.',
      );
    }
    throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
  }
}

/** The object of a request body, or 400. */
export function parseJsonMap(text: string): JsonMap {
  const value = parseJson(text);
  if (!isJsonMap(value)) throw badRequest('The input content is invalid because it is not a JSON object.');
  return value;
}

/** A value as it may stand in a message: short. */
export function shown(value: Json | undefined): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
