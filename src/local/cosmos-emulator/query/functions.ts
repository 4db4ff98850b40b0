/** The built-in functions by name, with how many arguments each takes. */
import { arrayFunctions } from './functions-array.ts';
import { dateFunctions } from './functions-date.ts';
import { mathFunctions } from './functions-math.ts';
import { textFunctions } from './functions-text.ts';
import { queryError } from './query-error.ts';
import type { Evaluate } from './scope.ts';
import type { Value } from './values.ts';

/** One function; what does not fit its parameters gives undefined. */
export interface BuiltIn {
  readonly least: number;
  readonly most: number;
  readonly apply: (args: readonly Value[], now: number) => Value;
}

function isFiniteNumber(value: Value): boolean {
  return typeof value === 'number' && Number.isFinite(value);
}

function test(holds: (value: Value) => boolean): BuiltIn {
  return { least: 1, most: 1, apply: ([value]) => holds(value) };
}

const typeFunctions: Readonly<Record<string, BuiltIn>> = {
  IS_ARRAY: test((value) => Array.isArray(value)),
  IS_BOOL: test((value) => typeof value === 'boolean'),
  IS_DEFINED: test((value) => value !== undefined),
  IS_FINITE_NUMBER: test(isFiniteNumber),
  IS_INTEGER: test((value) => Number.isInteger(value)),
  IS_NULL: test((value) => value === null),
  IS_NUMBER: test((value) => typeof value === 'number'),
  IS_OBJECT: test((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
  IS_PRIMITIVE: test((value) => value !== undefined && (typeof value !== 'object' || value === null)),
  IS_STRING: test((value) => typeof value === 'string'),
  IIF: { least: 3, most: 3, apply: ([condition, yes, no]) => (condition === true ? yes : no) },
};

const FUNCTIONS: ReadonlyMap<string, BuiltIn> = new Map(
  Object.entries({ ...typeFunctions, ...mathFunctions, ...textFunctions, ...arrayFunctions, ...dateFunctions }),
);

/** Compiles a call; 400 for a name that is no function or a wrong number of arguments. */
export function builtInFunction(name: string, args: readonly Evaluate[], now: number): Evaluate {
  const built = FUNCTIONS.get(name);
  if (built === undefined) throw queryError(`'${name}' is not a recognized built-in function name.`, 'SC2005');
  if (args.length < built.least || args.length > built.most) {
    throw queryError(`The ${name} function requires ${built.least} argument(s).`, 'SC2006');
  }
  const { apply } = built;
  const [first, second] = args;
  if (args.length === 1 && first !== undefined) return (row) => apply([first(row)], now);
  if (args.length === 2 && first !== undefined && second !== undefined) {
    return (row) => apply([first(row), second(row)], now);
  }
  return (row) =>
    apply(
      args.map((argument) => argument(row)),
      now,
    );
}
