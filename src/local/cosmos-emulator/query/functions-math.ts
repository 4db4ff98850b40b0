/** Mathematical functions; results that are no finite number are undefined, since JSON has no such values. */
import type { BuiltIn } from './functions.ts';
import type { Value } from './values.ts';

function finite(value: number): Value {
  return Number.isFinite(value) ? value : undefined;
}

function unary(compute: (x: number) => number): BuiltIn {
  return { least: 1, most: 1, apply: ([x]) => (typeof x === 'number' ? finite(compute(x)) : undefined) };
}

function binary(compute: (x: number, y: number) => number): BuiltIn {
  return {
    least: 2,
    most: 2,
    apply: ([x, y]) => (typeof x === 'number' && typeof y === 'number' ? finite(compute(x, y)) : undefined),
  };
}

/** 64-bit integer functions: both arguments must be whole numbers, results wrap. */
function integer(compute: (x: bigint, y: bigint) => bigint | undefined): BuiltIn {
  return {
    least: 2,
    most: 2,
    apply: ([x, y]) => {
      if (!Number.isSafeInteger(x) || !Number.isSafeInteger(y)) return undefined;
      const result = compute(BigInt(x as number), BigInt(y as number));
      return result === undefined ? undefined : Number(BigInt.asIntN(64, result));
    },
  };
}

/** Half away from zero, as .NET's rounding that the service documents. */
function round(x: number, digits = 0): number {
  const factor = 10 ** digits;
  return (Math.sign(x) * Math.round(Math.abs(x) * factor)) / factor;
}

export const mathFunctions: Readonly<Record<string, BuiltIn>> = {
  ABS: unary(Math.abs),
  ACOS: unary(Math.acos),
  ASIN: unary(Math.asin),
  ATAN: unary(Math.atan),
  ATN2: binary(Math.atan2),
  CEILING: unary(Math.ceil),
  COS: unary(Math.cos),
  COT: unary((x) => 1 / Math.tan(x)),
  DEGREES: unary((x) => (x * 180) / Math.PI),
  EXP: unary(Math.exp),
  FLOOR: unary(Math.floor),
  INTADD: integer((x, y) => x + y),
  INTBITAND: integer((x, y) => x & y),
  INTBITLEFTSHIFT: integer((x, y) => (y < 0n || y > 63n ? 0n : x << y)),
  INTBITNOT: {
    least: 1,
    most: 1,
    apply: ([x]) => (Number.isSafeInteger(x) ? Number(~BigInt(x as number)) : undefined),
  },
  INTBITOR: integer((x, y) => x | y),
  INTBITRIGHTSHIFT: integer((x, y) => (y < 0n || y > 63n ? 0n : x >> y)),
  INTBITXOR: integer((x, y) => x ^ y),
  INTDIV: integer((x, y) => (y === 0n ? undefined : x / y)),
  INTMOD: integer((x, y) => (y === 0n ? undefined : x % y)),
  INTMUL: integer((x, y) => x * y),
  INTSUB: integer((x, y) => x - y),
  LOG: {
    least: 1,
    most: 2,
    apply: ([x, base = Math.E]) =>
      typeof x === 'number' && typeof base === 'number'
        ? finite(base === Math.E ? Math.log(x) : Math.log(x) / Math.log(base))
        : undefined,
  },
  LOG10: unary(Math.log10),
  NUMBERBIN: {
    least: 1,
    most: 2,
    apply: ([x, size = 1]) =>
      typeof x === 'number' && typeof size === 'number' && size !== 0 ? finite(Math.floor(x / size) * size) : undefined,
  },
  PI: { least: 0, most: 0, apply: () => Math.PI },
  POWER: binary((x, y) => x ** y),
  RADIANS: unary((x) => (x * Math.PI) / 180),
  RAND: { least: 0, most: 0, apply: () => Math.random() },
  ROUND: {
    least: 1,
    most: 2,
    apply: ([x, digits = 0]) =>
      typeof x === 'number' && typeof digits === 'number' ? finite(round(x, digits)) : undefined,
  },
  SIGN: unary(Math.sign),
  SIN: unary(Math.sin),
  SQRT: unary(Math.sqrt),
  SQUARE: unary((x) => x * x),
  TAN: unary(Math.tan),
  TRUNC: unary(Math.trunc),
};
