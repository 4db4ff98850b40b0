/** Turns expressions into functions over a row. Undefined runs through operators as the service defines it. */
import { aggregateFactory } from './aggregates.ts';
import { builtInFunction } from './functions.ts';
import { likePattern } from './like.ts';
import { queryError } from './query-error.ts';
import type { Evaluate, Scope } from './scope.ts';
import type { BinaryOperator, Expression } from './syntax.ts';
import { compareText, equalValues, member, type Value } from './values.ts';
import { compileVectorDistance, isVectorDistance } from './vector-distance.ts';

export function compileExpression(expression: Expression, scope: Scope): Evaluate {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'parameter': {
      const value = scope.parameter(expression.name);
      return () => value;
    }
    case 'identifier': {
      const slot = scope.resolve(expression.name);
      if (slot === undefined) {
        throw queryError(`Identifier '${expression.name}' could not be resolved.`, 'SC2001');
      }
      return (row) => row[slot];
    }
    case 'member': {
      const object = compileExpression(expression.object, scope);
      const { name } = expression;
      const computed = scope.context.computed.get(name);
      if (computed !== undefined && scope.isDocument(expression.object)) return (row) => computed.of(object(row));
      return (row) => member(object(row), name);
    }
    case 'index': {
      const object = compileExpression(expression.object, scope);
      const index = compileExpression(expression.index, scope);
      const { computed } = scope.context;
      if (computed.size === 0 || !scope.isDocument(expression.object)) return (row) => member(object(row), index(row));
      return (row) => {
        const name = index(row);
        const property = typeof name === 'string' ? computed.get(name) : undefined;
        return property === undefined ? member(object(row), name) : property.of(object(row));
      };
    }
    case 'unary':
      return compileUnary(expression.operator, compileExpression(expression.operand, scope));
    case 'binary':
      return compileBinary(
        expression.operator,
        compileExpression(expression.left, scope),
        compileExpression(expression.right, scope),
      );
    case 'ternary': {
      const test = compileExpression(expression.test, scope);
      const yes = compileExpression(expression.yes, scope);
      const no = compileExpression(expression.no, scope);
      return (row) => (test(row) === true ? yes(row) : no(row));
    }
    case 'in':
      return negated(expression.not, compileIn(expression.value, expression.among, scope));
    case 'between': {
      const value = compileExpression(expression.value, scope);
      const low = compileBinary('>=', value, compileExpression(expression.low, scope));
      const high = compileBinary('<=', value, compileExpression(expression.high, scope));
      return negated(expression.not, compileBinary('AND', low, high));
    }
    case 'like':
      return negated(expression.not, compileLike(expression, scope));
    case 'call':
      return compileCall(expression, scope);
    case 'array': {
      const elements = expression.elements.map((element) => compileExpression(element, scope));
      return (row) => elements.map((element) => element(row)).filter((value) => value !== undefined);
    }
    case 'object':
      return compileObject(expression.members, scope);
    case 'subquery':
      return compileSubquery(expression, scope);
  }
}

function negated(not: boolean, evaluate: Evaluate): Evaluate {
  return not ? compileUnary('NOT', evaluate) : evaluate;
}

function compileUnary(operator: 'NOT' | '-' | '+' | '~', operand: Evaluate): Evaluate {
  const apply = (value: Value): Value => {
    if (operator === 'NOT') return typeof value === 'boolean' ? !value : undefined;
    if (typeof value !== 'number') return undefined;
    if (operator === '~') return ~value;
    return operator === '-' ? -value : value;
  };
  return (row) => apply(operand(row));
}

/** Values of different types have no order; booleans do. */
function ordered(left: Value, right: Value): number | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  return left === null && right === null ? 0 : undefined;
}

function comparison(left: Evaluate, right: Evaluate, holds: (order: number) => boolean): Evaluate {
  return (row) => {
    const order = ordered(left(row), right(row));
    return order === undefined ? undefined : holds(order);
  };
}

function arithmetic(left: Evaluate, right: Evaluate, compute: (a: number, b: number) => number): Evaluate {
  return (row) => {
    const a = left(row);
    const b = right(row);
    if (typeof a !== 'number' || typeof b !== 'number') return undefined;
    const result = compute(a, b);
    return Number.isFinite(result) ? result : undefined;
  };
}

function compileBinary(operator: BinaryOperator, left: Evaluate, right: Evaluate): Evaluate {
  switch (operator) {
    case 'AND':
      return (row) => {
        const a = left(row);
        if (a === false) return false;
        const b = right(row);
        if (b === false) return false;
        return a === true && b === true ? true : undefined;
      };
    case 'OR':
      return (row) => {
        const a = left(row);
        if (a === true) return true;
        const b = right(row);
        if (b === true) return true;
        return a === false && b === false ? false : undefined;
      };
    case '??':
      return (row) => {
        const value = left(row);
        return value === undefined ? right(row) : value;
      };
    case '=':
    case '!=': {
      const wanted = operator === '=';
      return (row) => {
        const a = left(row);
        const b = right(row);
        return a === undefined || b === undefined ? undefined : equalValues(a, b) === wanted;
      };
    }
    case '<':
      return comparison(left, right, (order) => order < 0);
    case '<=':
      return comparison(left, right, (order) => order <= 0);
    case '>':
      return comparison(left, right, (order) => order > 0);
    case '>=':
      return comparison(left, right, (order) => order >= 0);
    case '||':
      return (row) => {
        const a = left(row);
        const b = right(row);
        return typeof a === 'string' && typeof b === 'string' ? a + b : undefined;
      };
    case '+':
      return arithmetic(left, right, (a, b) => a + b);
    case '-':
      return arithmetic(left, right, (a, b) => a - b);
    case '*':
      return arithmetic(left, right, (a, b) => a * b);
    case '/':
      return arithmetic(left, right, (a, b) => a / b);
    case '%':
      return arithmetic(left, right, (a, b) => a % b);
    case '&':
      return arithmetic(left, right, (a, b) => a & b);
    case '|':
      return arithmetic(left, right, (a, b) => a | b);
    case '^':
      return arithmetic(left, right, (a, b) => a ^ b);
    case '<<':
      return arithmetic(left, right, (a, b) => a << b);
    case '>>':
      return arithmetic(left, right, (a, b) => a >> b);
    case '>>>':
      return arithmetic(left, right, (a, b) => a >>> b);
  }
}

function compileIn(value: Expression, among: readonly Expression[], scope: Scope): Evaluate {
  const searched = compileExpression(value, scope);
  const constants = among.map((one) => constantOf(one, scope));
  if (constants.every((constant) => typeof constant === 'string' || typeof constant === 'number')) {
    const set = new Set<Value>(constants);
    return (row) => {
      const found = searched(row);
      return found === undefined ? undefined : set.has(found);
    };
  }
  const candidates = among.map((one) => compileExpression(one, scope));
  return (row) => {
    const found = searched(row);
    if (found === undefined) return undefined;
    return candidates.some((candidate) => equalValues(found, candidate(row)));
  };
}

function constantOf(expression: Expression, scope: Scope): Value {
  if (expression.kind === 'literal') return expression.value;
  return expression.kind === 'parameter' ? scope.parameter(expression.name) : undefined;
}

function compileLike(expression: Extract<Expression, { kind: 'like' }>, scope: Scope): Evaluate {
  const value = compileExpression(expression.value, scope);
  const pattern = compileExpression(expression.pattern, scope);
  let text: string | undefined;
  let matches: (subject: string) => boolean = () => false;
  return (row) => {
    const subject = value(row);
    const wanted = pattern(row);
    if (typeof subject !== 'string' || typeof wanted !== 'string') return undefined;
    if (wanted !== text) {
      text = wanted;
      matches = likePattern(wanted, expression.escape);
    }
    return matches(subject);
  };
}

function compileCall(expression: Extract<Expression, { kind: 'call' }>, scope: Scope): Evaluate {
  const { name, udf, args } = expression;
  if (udf) throw queryError(`The user-defined function '${name}' does not exist: the emulator runs none.`, 'SC2005');
  if (aggregateFactory(name) !== undefined) {
    const [input] = args;
    if (args.length !== 1 || input === undefined) {
      throw queryError(`The ${name} function requires 1 argument(s).`, 'SC2006');
    }
    const aggregates = scope.aggregates;
    // An aggregate within an aggregate has no meaning.
    scope.aggregates = undefined;
    const evaluate = compileExpression(input, scope);
    scope.aggregates = aggregates;
    return scope.aggregate(name, evaluate);
  }
  const compiled = args.map((argument) => compileExpression(argument, scope));
  if (isVectorDistance(expression)) {
    return compileVectorDistance(expression, compiled, scope.context.distanceFunctions);
  }
  return builtInFunction(name, compiled, scope.context.now);
}

function compileObject(members: readonly (readonly [string, Expression])[], scope: Scope): Evaluate {
  const compiled = members.map(([name, value]) => [name, compileExpression(value, scope)] as const);
  return (row) => {
    const pairs: [string, Value][] = [];
    for (const [name, value] of compiled) {
      const result = value(row);
      if (result !== undefined) pairs.push([name, result]);
    }
    return Object.fromEntries(pairs);
  };
}

function compileSubquery(expression: Extract<Expression, { kind: 'subquery' }>, scope: Scope): Evaluate {
  const run = scope.context.compileSubquery(expression.query, scope);
  switch (expression.form) {
    case 'exists':
      return (row) => {
        let found = false;
        run(row, () => {
          found = true;
          return false;
        });
        return found;
      };
    case 'array':
      return (row) => {
        const values: Exclude<Value, undefined>[] = [];
        run(row, (value) => {
          if (value !== undefined) values.push(value);
          return true;
        });
        return values;
      };
    case 'scalar':
      return (row) => {
        let result: Value;
        run(row, (value) => {
          result = value;
          return false;
        });
        return result;
      };
  }
}
