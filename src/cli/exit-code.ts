/** How a command ends. */
import { errorCatalogue, type ErrorClass } from '../shared/errors.ts';

/** Exit codes by error class. */
export const EXIT_CODES: Readonly<Record<ErrorClass, number>> = { failed: 1, usage: 2, refused: 3 };

/** The exit code for an error that came as a code; `failed` for codes that are not in the catalogue. */
export function exitCodeOf(code: string | undefined): number {
  const catalogue: Readonly<Record<string, { readonly class: ErrorClass }>> = errorCatalogue();
  const entry = code !== undefined && Object.hasOwn(catalogue, code) ? catalogue[code] : undefined;
  return EXIT_CODES[entry?.class ?? 'failed'];
}
