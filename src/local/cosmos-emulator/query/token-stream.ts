/** Tokens as a parser reads them: one after the other, with a look ahead. */
import { tokenize, type Token } from './lexer.ts';
import { queryError } from './query-error.ts';
import type { Query } from './syntax.ts';

/** Nesting of expressions and subqueries at most; deeper ones are refused before they exhaust the stack. */
const MAX_NESTING = 100;

const END: Token = { kind: 'end', start: 0, end: 0 };

export class TokenStream {
  /** Parses a query inside an expression; handed in, because queries hold expressions and expressions queries. */
  readonly subquery: (tokens: TokenStream) => Query;
  private readonly tokens: readonly Token[];
  private at = 0;
  private depth = 0;

  constructor(text: string, subquery: (tokens: TokenStream) => Query) {
    this.tokens = tokenize(text);
    this.subquery = subquery;
  }

  peek(ahead = 0): Token {
    return this.tokens[this.at + ahead] ?? this.tokens.at(-1) ?? END;
  }

  next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  isWord(word: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'word' && token.upper === word;
  }

  isSymbol(symbol: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'symbol' && token.text === symbol;
  }

  /** Takes the keyword if it is next. */
  word(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.at++;
    return true;
  }

  /** Takes the symbol if it is next. */
  symbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false;
    this.at++;
    return true;
  }

  expectWord(word: string): void {
    if (!this.word(word)) throw this.unexpected();
  }

  expectSymbol(symbol: string): void {
    if (!this.symbol(symbol)) throw this.unexpected();
  }

  /** A name: any word that is not one of `reserved`. */
  name(reserved?: ReadonlySet<string>): string {
    const token = this.next();
    if (token.kind !== 'word' || reserved?.has(token.upper) === true) {
      this.at--;
      throw this.unexpected();
    }
    return token.text;
  }

  /** Runs a part of the grammar that nests. */
  nested<T>(parse: () => T): T {
    if (++this.depth > MAX_NESTING) throw queryError('The query is nested too deeply.', 'SC2026');
    const result = parse();
    this.depth--;
    return result;
  }

  unexpected(): Error {
    const token = this.peek();
    const near = 'text' in token ? token.text : token.kind === 'end' ? 'end of query' : String(token.value);
    return queryError(`Syntax error, incorrect syntax near '${near}'.`, 'SC1001', token.start, token.end);
  }
}
