/** VectorDistance: how near two vectors are to one another, by the measure the query or the container names. */
import { queryError } from './query-error.ts';
import type { Evaluate } from './scope.ts';
import type { Expression } from './syntax.ts';
import type { Value } from './values.ts';

/** Measures of a container's embeddings, by path. */
export type DistanceFunctions = ReadonlyMap<string, string>;

type Measure = (left: readonly number[], right: readonly number[]) => number;

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, i) => sum + value * (right[i] ?? 0), 0);
}

const MEASURES: ReadonlyMap<string, Measure> = new Map([
  ['cosine', (left, right) => dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right))],
  ['dotproduct', dot],
  ['euclidean', (left, right) => Math.hypot(...left.map((value, i) => value - (right[i] ?? 0)))],
]);

/** True for a call of VectorDistance. */
export function isVectorDistance(expression: Expression): boolean {
  return expression.kind === 'call' && !expression.udf && expression.name === 'VECTORDISTANCE';
}

/** True when an order by this call has the greatest value first: it begins with the nearest, and likeness grows. */
export function isLikeness(call: Expression, functions: DistanceFunctions): boolean {
  return isVectorDistance(call) && measureName(call, functions) !== 'euclidean';
}

/** Compiles a call whose arguments are compiled: two vectors, whether to look at all, and options. */
export function compileVectorDistance(
  call: Expression,
  args: readonly Evaluate[],
  functions: DistanceFunctions,
): Evaluate {
  const [left, right] = args;
  if (left === undefined || right === undefined || args.length > 4) {
    throw queryError('The VECTORDISTANCE function requires 2 to 4 argument(s).', 'SC2006');
  }
  const name = measureName(call, functions);
  const measure = MEASURES.get(name);
  if (measure === undefined) throw queryError(`'${name}' is not a distance function.`, 'SC2005');
  return (row) => {
    const a = numbers(left(row));
    const b = numbers(right(row));
    if (a === undefined || b === undefined || a.length !== b.length) return undefined;
    const value = measure(a, b);
    return Number.isFinite(value) ? value : undefined;
  };
}

function numbers(value: Value): readonly number[] | undefined {
  return Array.isArray(value) && value.every((element) => typeof element === 'number') ? value : undefined;
}

/** The measure the options name, else that of the embedding, else cosine. */
function measureName(call: Expression, functions: DistanceFunctions): string {
  if (call.kind !== 'call') return '';
  const options = call.args[3];
  const given = options?.kind === 'object' ? options.members.find(([name]) => name === 'distanceFunction') : undefined;
  if (given !== undefined) return given[1].kind === 'literal' ? String(given[1].value).toLowerCase() : '';
  for (const argument of call.args.slice(0, 2)) {
    const found = functions.get(pathOf(argument) ?? '');
    if (found !== undefined) return found.toLowerCase();
  }
  return 'cosine';
}

/** `/a/b` of `c.a.b`. */
function pathOf(expression: Expression): string | undefined {
  if (expression.kind !== 'member') return undefined;
  const before = expression.object.kind === 'identifier' ? '' : pathOf(expression.object);
  return before === undefined ? undefined : `${before}/${expression.name}`;
}
