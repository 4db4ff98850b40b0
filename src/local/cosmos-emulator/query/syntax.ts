/** The syntax tree of the query language. */

/** A value expression. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: null | boolean | number | string | undefined }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'identifier'; readonly name: string }
  | { readonly kind: 'member'; readonly object: Expression; readonly name: string }
  | { readonly kind: 'index'; readonly object: Expression; readonly index: Expression }
  | { readonly kind: 'unary'; readonly operator: 'NOT' | '-' | '+' | '~'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'ternary'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: 'in'; readonly value: Expression; readonly among: readonly Expression[]; readonly not: boolean }
  | {
      readonly kind: 'between';
      readonly value: Expression;
      readonly low: Expression;
      readonly high: Expression;
      readonly not: boolean;
    }
  | {
      readonly kind: 'like';
      readonly value: Expression;
      readonly pattern: Expression;
      readonly escape: string | undefined;
      readonly not: boolean;
    }
  | { readonly kind: 'call'; readonly name: string; readonly udf: boolean; readonly args: readonly Expression[] }
  | { readonly kind: 'array'; readonly elements: readonly Expression[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Expression])[] }
  | { readonly kind: 'subquery'; readonly form: 'scalar' | 'exists' | 'array'; readonly query: Query };

export type BinaryOperator =
  | 'AND'
  | 'OR'
  | '??'
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '&'
  | '|'
  | '^'
  | '<<'
  | '>>'
  | '>>>'
  | '||';

/** One entry of FROM: the first one and each JOIN. */
export interface Source {
  /** `iterate` binds each element of an array, `bind` the value itself. */
  readonly kind: 'iterate' | 'bind';
  /** Where the value comes from; a lone name in the outermost first source is the container. */
  readonly from:
    | { readonly kind: 'path'; readonly path: Expression }
    | { readonly kind: 'query'; readonly query: Query };
  readonly alias: string | undefined;
}

export type Selection =
  | { readonly kind: 'all' }
  | { readonly kind: 'value'; readonly value: Expression }
  | { readonly kind: 'list'; readonly items: readonly { readonly value: Expression; readonly name: string }[] };

export interface Query {
  readonly distinct: boolean;
  readonly top: Expression | undefined;
  readonly select: Selection;
  readonly sources: readonly Source[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly orderBy: readonly { readonly value: Expression; readonly descending: boolean }[];
  readonly offset: Expression | undefined;
  readonly limit: Expression | undefined;
}

/** The expressions directly inside one, subqueries left out. */
export function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'parameter':
    case 'identifier':
    case 'subquery':
      return [];
    case 'member':
      return [expression.object];
    case 'index':
      return [expression.object, expression.index];
    case 'unary':
      return [expression.operand];
    case 'binary':
      return [expression.left, expression.right];
    case 'ternary':
      return [expression.test, expression.yes, expression.no];
    case 'in':
      return [expression.value, ...expression.among];
    case 'between':
      return [expression.value, expression.low, expression.high];
    case 'like':
      return [expression.value, expression.pattern];
    case 'call':
      return expression.args;
    case 'array':
      return expression.elements;
    case 'object':
      return expression.members.map(([, value]) => value);
  }
}
