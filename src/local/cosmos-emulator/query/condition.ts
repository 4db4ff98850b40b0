/** The condition of a patch: `from c where …`, true or not for one document. */
import type { JsonMap } from '../json.ts';
import { compileQuery } from './query-compiler.ts';
import { parseCondition } from './query-parser.ts';

/** Compiles a condition, or 400. */
export function compileCondition(text: string): (document: JsonMap) => boolean {
  const compiled = compileQuery(parseCondition(text), new Map(), 0);
  return (document) => compiled.all([document]).length > 0;
}
