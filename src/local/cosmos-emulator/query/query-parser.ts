/** Parses a whole query: SELECT, FROM, WHERE, GROUP BY, ORDER BY, OFFSET LIMIT. */
import { RESERVED, parseExpression, parsePath } from './expression-parser.ts';
import { queryError } from './query-error.ts';
import type { Expression, Query, Selection, Source } from './syntax.ts';
import { TokenStream } from './token-stream.ts';

/** Characters of a query at most, as in the service. */
const MAX_LENGTH = 512 * 1024;

/** The tree of a query's text, or 400. */
export function parseQuery(text: string): Query {
  if (text.length > MAX_LENGTH) throw queryError(`The query is longer than ${MAX_LENGTH} characters.`, 'SC2027');
  const tokens = new TokenStream(text, parseSubquery);
  const query = parseSubquery(tokens);
  if (tokens.peek().kind !== 'end') throw tokens.unexpected();
  return query;
}

/** The tree of the rest of a query after SELECT, as a patch condition has it: `from c where …`. */
export function parseCondition(text: string): Query {
  return parseQuery(`SELECT * ${text}`);
}

/** A query, up to where it ends. */
function parseSubquery(tokens: TokenStream): Query {
  return tokens.nested(() => {
    tokens.expectWord('SELECT');
    const distinct = tokens.word('DISTINCT');
    const top = tokens.word('TOP') ? parseCount(tokens) : undefined;
    const select = parseSelection(tokens);
    const sources = tokens.word('FROM') ? parseSources(tokens) : [];
    const where = tokens.word('WHERE') ? parseExpression(tokens) : undefined;
    const groupBy = tokens.word('GROUP') ? parseGroupBy(tokens) : [];
    const orderBy = tokens.word('ORDER') ? parseOrderBy(tokens) : [];
    let offset: Expression | undefined;
    let limit: Expression | undefined;
    if (tokens.word('OFFSET')) {
      offset = parseCount(tokens);
      tokens.expectWord('LIMIT');
      limit = parseCount(tokens);
    } else if (tokens.word('LIMIT')) limit = parseCount(tokens);
    if (top !== undefined && limit !== undefined) {
      throw queryError("'TOP' cannot be used together with 'OFFSET' or 'LIMIT'.", 'SC2202');
    }
    return { distinct, top, select, sources, where, groupBy, orderBy, offset, limit };
  });
}

/** A number or a parameter. */
function parseCount(tokens: TokenStream): Expression {
  const token = tokens.peek();
  if (token.kind !== 'number' && token.kind !== 'parameter') throw tokens.unexpected();
  tokens.next();
  return token.kind === 'number' ? { kind: 'literal', value: token.value } : { kind: 'parameter', name: token.text };
}

function parseSelection(tokens: TokenStream): Selection {
  if (tokens.symbol('*')) return { kind: 'all' };
  // VALUE is also a good name: `SELECT value.x` means the property of something called value.
  if (tokens.isWord('VALUE') && !tokens.isSymbol('.', 1) && !tokens.isSymbol(',', 1)) {
    tokens.next();
    return { kind: 'value', value: parseExpression(tokens) };
  }
  const items: { value: Expression; name: string }[] = [];
  let unnamed = 0;
  do {
    const value = parseExpression(tokens);
    const name = parseAlias(tokens) ?? impliedName(value) ?? `$${++unnamed}`;
    items.push({ value, name });
  } while (tokens.symbol(','));
  const names = new Set(items.map((item) => item.name));
  if (names.size < items.length) throw queryError('The select list names a property twice.', 'SC2101');
  return { kind: 'list', items };
}

function parseAlias(tokens: TokenStream): string | undefined {
  if (tokens.word('AS')) return tokens.name();
  const token = tokens.peek();
  if (token.kind !== 'word' || RESERVED.has(token.upper)) return undefined;
  tokens.next();
  return token.text;
}

function impliedName(value: Expression): string | undefined {
  if (value.kind === 'member') return value.name;
  return value.kind === 'identifier' ? value.name : undefined;
}

function parseSources(tokens: TokenStream): readonly Source[] {
  const sources = [parseSource(tokens)];
  while (tokens.word('JOIN')) sources.push(parseSource(tokens));
  return sources;
}

function parseSource(tokens: TokenStream): Source {
  const token = tokens.peek();
  if (token.kind === 'word' && tokens.isWord('IN', 1)) {
    const alias = tokens.name(RESERVED);
    tokens.next();
    return { kind: 'iterate', from: parseOrigin(tokens), alias };
  }
  const from = parseOrigin(tokens);
  return { kind: 'bind', from, alias: parseAlias(tokens) };
}

function parseOrigin(tokens: TokenStream): Source['from'] {
  if (tokens.isSymbol('(') && tokens.isWord('SELECT', 1)) {
    tokens.next();
    const query = parseSubquery(tokens);
    tokens.expectSymbol(')');
    return { kind: 'query', query };
  }
  return { kind: 'path', path: parsePath(tokens) };
}

function parseGroupBy(tokens: TokenStream): readonly Expression[] {
  tokens.expectWord('BY');
  const keys = [parseExpression(tokens)];
  while (tokens.symbol(',')) keys.push(parseExpression(tokens));
  return keys;
}

function parseOrderBy(tokens: TokenStream): Query['orderBy'] {
  tokens.expectWord('BY');
  const keys: { value: Expression; descending: boolean }[] = [];
  do {
    const value = parseExpression(tokens);
    const descending = tokens.word('DESC');
    if (!descending) tokens.word('ASC');
    keys.push({ value, descending });
  } while (tokens.symbol(','));
  return keys;
}
