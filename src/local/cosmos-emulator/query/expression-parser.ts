/** Parses value expressions by operator precedence. */
import type { BinaryOperator, Expression } from './syntax.ts';
import type { TokenStream } from './token-stream.ts';

/** Words that end an expression or begin a clause, so they are no names. */
export const RESERVED: ReadonlySet<string> = new Set(
  (
    'SELECT FROM WHERE ORDER GROUP BY JOIN IN AS AND OR NOT BETWEEN LIKE ESCAPE OFFSET LIMIT ASC DESC EXISTS ARRAY ' +
    'DISTINCT TOP NULL TRUE FALSE UNDEFINED'
  ).split(' '),
);

/** Left-associative binary operators above comparison, loosest first. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  ['|'],
  ['^'],
  ['&'],
  ['||'],
  ['<<', '>>', '>>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** A whole expression. */
export function parseExpression(tokens: TokenStream): Expression {
  return tokens.nested(() => {
    const test = parseCoalesce(tokens);
    if (!tokens.symbol('?')) return test;
    const yes = parseExpression(tokens);
    tokens.expectSymbol(':');
    return { kind: 'ternary', test, yes, no: parseExpression(tokens) };
  });
}

function parseCoalesce(tokens: TokenStream): Expression {
  let left = parseOr(tokens);
  while (tokens.symbol('??')) left = { kind: 'binary', operator: '??', left, right: parseOr(tokens) };
  return left;
}

function parseOr(tokens: TokenStream): Expression {
  let left = parseAnd(tokens);
  while (tokens.word('OR')) left = { kind: 'binary', operator: 'OR', left, right: parseAnd(tokens) };
  return left;
}

function parseAnd(tokens: TokenStream): Expression {
  let left = parseNot(tokens);
  while (tokens.word('AND')) left = { kind: 'binary', operator: 'AND', left, right: parseNot(tokens) };
  return left;
}

function parseNot(tokens: TokenStream): Expression {
  if (!tokens.word('NOT')) return parseComparison(tokens);
  return tokens.nested(() => ({ kind: 'unary', operator: 'NOT', operand: parseNot(tokens) }));
}

const COMPARISONS: Readonly<Record<string, BinaryOperator>> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};

function parseComparison(tokens: TokenStream): Expression {
  let left = parseLevel(tokens, 0);
  for (;;) {
    const token = tokens.peek();
    const operator = token.kind === 'symbol' ? COMPARISONS[token.text] : undefined;
    if (operator !== undefined) {
      tokens.next();
      left = { kind: 'binary', operator, left, right: parseLevel(tokens, 0) };
      continue;
    }
    const not = tokens.isWord('NOT') && ['IN', 'BETWEEN', 'LIKE'].some((word) => tokens.isWord(word, 1));
    if (not) tokens.next();
    if (tokens.word('IN')) left = { kind: 'in', value: left, among: parseAmong(tokens), not };
    else if (tokens.word('BETWEEN')) {
      const low = parseLevel(tokens, 0);
      tokens.expectWord('AND');
      left = { kind: 'between', value: left, low, high: parseLevel(tokens, 0), not };
    } else if (tokens.word('LIKE')) {
      const pattern = parseLevel(tokens, 0);
      left = { kind: 'like', value: left, pattern, escape: parseEscape(tokens), not };
    } else return left;
  }
}

function parseAmong(tokens: TokenStream): readonly Expression[] {
  tokens.expectSymbol('(');
  const among = [parseExpression(tokens)];
  while (tokens.symbol(',')) among.push(parseExpression(tokens));
  tokens.expectSymbol(')');
  return among;
}

function parseEscape(tokens: TokenStream): string | undefined {
  if (!tokens.word('ESCAPE')) return undefined;
  const token = tokens.peek();
  if (token.kind !== 'string' || token.value.length !== 1) throw tokens.unexpected();
  tokens.next();
  return token.value;
}

function parseLevel(tokens: TokenStream, level: number): Expression {
  const operators = LEVELS[level];
  if (operators === undefined) return parseUnary(tokens);
  let left = parseLevel(tokens, level + 1);
  for (;;) {
    const token = tokens.peek();
    const operator = token.kind === 'symbol' ? operators.find((candidate) => candidate === token.text) : undefined;
    if (operator === undefined) return left;
    tokens.next();
    left = { kind: 'binary', operator, left, right: parseLevel(tokens, level + 1) };
  }
}

function parseUnary(tokens: TokenStream): Expression {
  for (const operator of ['-', '+', '~'] as const) {
    if (tokens.symbol(operator)) {
      return tokens.nested(() => ({ kind: 'unary', operator, operand: parseUnary(tokens) }));
    }
  }
  return parsePath(tokens);
}

/** A primary expression followed by `.name` and `[index]`. */
export function parsePath(tokens: TokenStream): Expression {
  let object = parsePrimary(tokens);
  for (;;) {
    if (tokens.symbol('.')) object = { kind: 'member', object, name: tokens.name() };
    else if (tokens.symbol('[')) {
      const index = parseExpression(tokens);
      tokens.expectSymbol(']');
      object =
        index.kind === 'literal' && typeof index.value === 'string'
          ? { kind: 'member', object, name: index.value }
          : { kind: 'index', object, index };
    } else return object;
  }
}

function parsePrimary(tokens: TokenStream): Expression {
  const token = tokens.peek();
  switch (token.kind) {
    case 'number':
    case 'string':
      tokens.next();
      return { kind: 'literal', value: token.value };
    case 'parameter':
      tokens.next();
      return { kind: 'parameter', name: token.text };
    case 'symbol':
      if (token.text === '(') return parseParenthesis(tokens);
      if (token.text === '[') return parseArray(tokens);
      if (token.text === '{') return parseObject(tokens);
      throw tokens.unexpected();
    case 'word':
      return parseWord(tokens, token.upper);
    case 'end':
      throw tokens.unexpected();
  }
}

function parseParenthesis(tokens: TokenStream): Expression {
  tokens.expectSymbol('(');
  const inner: Expression = tokens.isWord('SELECT')
    ? { kind: 'subquery', form: 'scalar', query: tokens.subquery(tokens) }
    : parseExpression(tokens);
  tokens.expectSymbol(')');
  return inner;
}

function parseArray(tokens: TokenStream): Expression {
  tokens.expectSymbol('[');
  const elements: Expression[] = [];
  while (!tokens.isSymbol(']')) {
    elements.push(parseExpression(tokens));
    if (!tokens.symbol(',')) break;
  }
  tokens.expectSymbol(']');
  return { kind: 'array', elements };
}

function parseObject(tokens: TokenStream): Expression {
  tokens.expectSymbol('{');
  const members: [string, Expression][] = [];
  while (!tokens.isSymbol('}')) {
    const token = tokens.next();
    if (token.kind !== 'string' && token.kind !== 'word') throw tokens.unexpected();
    tokens.expectSymbol(':');
    members.push([token.kind === 'string' ? token.value : token.text, parseExpression(tokens)]);
    if (!tokens.symbol(',')) break;
  }
  tokens.expectSymbol('}');
  return { kind: 'object', members };
}

const CONSTANTS = new Map<string, null | boolean | undefined>([
  ['NULL', null],
  ['TRUE', true],
  ['FALSE', false],
  ['UNDEFINED', undefined],
]);

function parseWord(tokens: TokenStream, upper: string): Expression {
  if (CONSTANTS.has(upper)) {
    tokens.next();
    return { kind: 'literal', value: CONSTANTS.get(upper) };
  }
  if ((upper === 'EXISTS' || upper === 'ARRAY') && tokens.isSymbol('(', 1)) {
    tokens.next();
    tokens.expectSymbol('(');
    const query = tokens.subquery(tokens);
    tokens.expectSymbol(')');
    return { kind: 'subquery', form: upper === 'EXISTS' ? 'exists' : 'array', query };
  }
  if (upper === 'UDF' && tokens.isSymbol('.', 1)) {
    tokens.next();
    tokens.expectSymbol('.');
    return { kind: 'call', name: tokens.name(), udf: true, args: parseArguments(tokens) };
  }
  // LEFT, RIGHT and the like are functions only when a parenthesis follows.
  if (tokens.isSymbol('(', 1) && !RESERVED.has(upper)) {
    return { kind: 'call', name: tokens.name().toUpperCase(), udf: false, args: parseArguments(tokens) };
  }
  return { kind: 'identifier', name: tokens.name(RESERVED) };
}

function parseArguments(tokens: TokenStream): readonly Expression[] {
  tokens.expectSymbol('(');
  const args: Expression[] = [];
  while (!tokens.isSymbol(')')) {
    args.push(parseExpression(tokens));
    if (!tokens.symbol(',')) break;
  }
  tokens.expectSymbol(')');
  return args;
}
