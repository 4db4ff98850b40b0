/** The text of a `where` setting as a tree: a small part of SQL, with nothing in it that runs code or loops. */
import { SyncError } from '../shared/errors.ts';

export type ComparisonOperator = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** A literal as written; what it means depends on the column it is compared with. */
export type Literal =
  | { readonly kind: 'text'; readonly text: string }
  /** A plain or decimal number, exponent allowed. */
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean };

/** A column, or a field within struct columns. */
export type ColumnPath = readonly string[];

export type WhereTree =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly WhereTree[] }
  | { readonly kind: 'not'; readonly term: WhereTree }
  | { readonly kind: 'isNull'; readonly column: ColumnPath }
  | {
      readonly kind: 'compare';
      readonly column: ColumnPath;
      readonly operator: ComparisonOperator;
      readonly literal: Literal;
    }
  | { readonly kind: 'in'; readonly column: ColumnPath; readonly literals: readonly Literal[] }
  /** A boolean column on its own. */
  | { readonly kind: 'holds'; readonly column: ColumnPath }
  | { readonly kind: 'constant'; readonly value: boolean };

const MAX_DEPTH = 64;
const TOKEN =
  /\s*(?:(?<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?)|(?<text>'(?:[^']|'')*')|(?<quoted>`(?:[^`]|``)+`)|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<symbol><=|>=|<>|!=|==|[=<>(),.]))/uy;

type TokenKind = 'number' | 'text' | 'quoted' | 'word' | 'symbol' | 'end';
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: number;
}

const OPERATORS: Readonly<Record<string, ComparisonOperator>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};
const MIRRORED: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '=',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};
const KEYWORDS = new Set(['AND', 'OR', 'NOT', 'IS', 'NULL', 'IN', 'BETWEEN', 'TRUE', 'FALSE']);

/** Parses a filter. Throws `mappingInvalid` with the place of the mistake. */
export function parseWhere(text: string): WhereTree {
  return new Parser(text).whole();
}

/** The error for a filter that cannot be used. */
export function whereError(problem: string, remedy?: string): SyncError {
  return new SyncError('mappingInvalid', { problem: `where: ${problem}`, ...(remedy === undefined ? {} : { remedy }) });
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  whole(): WhereTree {
    const tree = this.#or();
    if (this.#peek().kind !== 'end') this.#fail('AND, OR or the end is expected');
    return tree;
  }

  #or(): WhereTree {
    const terms = [this.#and()];
    while (this.#takeWord('OR')) terms.push(this.#and());
    return terms.length === 1 && terms[0] !== undefined ? terms[0] : { kind: 'or', terms };
  }

  #and(): WhereTree {
    const terms = [this.#not()];
    while (this.#takeWord('AND')) terms.push(this.#not());
    return terms.length === 1 && terms[0] !== undefined ? terms[0] : { kind: 'and', terms };
  }

  #not(): WhereTree {
    if (++this.#depth > MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels`);
    const negated = this.#takeWord('NOT');
    const term = negated ? this.#not() : this.#primary();
    this.#depth--;
    return negated ? { kind: 'not', term } : term;
  }

  #primary(): WhereTree {
    if (this.#takeSymbol('(')) {
      const inner = this.#or();
      this.#expectSymbol(')');
      return inner;
    }
    const literal = this.#literalIfAny();
    if (literal === undefined) return this.#predicate(this.#column());
    const operator = this.#operatorIfAny();
    if (operator !== undefined) {
      return { kind: 'compare', column: this.#column(), operator: MIRRORED[operator], literal };
    }
    if (literal.kind === 'boolean') return { kind: 'constant', value: literal.value };
    return this.#fail('a comparison is expected');
  }

  #predicate(column: ColumnPath): WhereTree {
    const operator = this.#operatorIfAny();
    if (operator !== undefined) return { kind: 'compare', column, operator, literal: this.#literal() };
    if (this.#takeWord('IS')) {
      const negated = this.#takeWord('NOT');
      if (!this.#takeWord('NULL')) this.#fail('NULL is expected');
      return negate(negated, { kind: 'isNull', column });
    }
    const negated = this.#takeWord('NOT');
    if (this.#takeWord('IN')) {
      this.#expectSymbol('(');
      const literals = [this.#literal()];
      while (this.#takeSymbol(',')) literals.push(this.#literal());
      this.#expectSymbol(')');
      return negate(negated, { kind: 'in', column, literals });
    }
    if (this.#takeWord('BETWEEN')) {
      const low = this.#literal();
      if (!this.#takeWord('AND')) this.#fail('AND is expected');
      const high = this.#literal();
      const terms: WhereTree[] = [
        { kind: 'compare', column, operator: '>=', literal: low },
        { kind: 'compare', column, operator: '<=', literal: high },
      ];
      return negate(negated, { kind: 'and', terms });
    }
    if (negated) this.#fail('IN or BETWEEN is expected');
    return { kind: 'holds', column };
  }

  #column(): ColumnPath {
    const path = [this.#name()];
    while (this.#takeSymbol('.')) path.push(this.#name());
    return path;
  }

  #name(): string {
    const token = this.#peek();
    if (token.kind === 'quoted') {
      this.#next++;
      return token.text.slice(1, -1).replaceAll('``', '`');
    }
    if (token.kind !== 'word' || KEYWORDS.has(token.text.toUpperCase())) {
      this.#fail('a column is expected (put unusual names in `backticks`)');
    }
    this.#next++;
    return token.text;
  }

  #literal(): Literal {
    return this.#literalIfAny() ?? this.#fail("a number, 'text', TRUE or FALSE is expected");
  }

  #literalIfAny(): Literal | undefined {
    const token = this.#peek();
    if (token.kind === 'number') {
      this.#next++;
      return { kind: 'number', text: token.text };
    }
    if (token.kind === 'text') {
      this.#next++;
      return { kind: 'text', text: token.text.slice(1, -1).replaceAll("''", "'") };
    }
    if (this.#takeWord('TRUE')) return { kind: 'boolean', value: true };
    if (this.#takeWord('FALSE')) return { kind: 'boolean', value: false };
    return undefined;
  }

  #operatorIfAny(): ComparisonOperator | undefined {
    const token = this.#peek();
    const operator = token.kind === 'symbol' ? OPERATORS[token.text] : undefined;
    if (operator !== undefined) this.#next++;
    return operator;
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', text: '', at: 0 };
  }

  #takeWord(word: string): boolean {
    const token = this.#peek();
    const taken = token.kind === 'word' && token.text.toUpperCase() === word;
    if (taken) this.#next++;
    return taken;
  }

  #takeSymbol(symbol: string): boolean {
    const token = this.#peek();
    const taken = token.kind === 'symbol' && token.text === symbol;
    if (taken) this.#next++;
    return taken;
  }

  #expectSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) this.#fail(`${symbol} is expected`);
  }

  #fail(expectation: string): never {
    throw whereError(`at character ${this.#peek().at + 1}, ${expectation}.`);
  }
}

function negate(negated: boolean, term: WhereTree): WhereTree {
  return negated ? { kind: 'not', term } : term;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const start = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) {
      const skipped = text.slice(start).length - text.slice(start).trimStart().length;
      throw whereError(`character ${start + skipped + 1} is not understood.`);
    }
    for (const kind of ['number', 'text', 'quoted', 'word', 'symbol'] as const) {
      const found = groups[kind];
      if (found !== undefined) tokens.push({ kind, text: found, at: pattern.lastIndex - found.length });
    }
  }
  tokens.push({ kind: 'end', text: '', at: end });
  return tokens;
}
