/** LIKE patterns: `%` any text, `_` any character, `[abc]`, `[a-z]` and `[^abc]` one of a set. */

/** A test for texts that match the pattern; `escape` makes the character after it stand for itself. */
export function likePattern(pattern: string, escape: string | undefined): (subject: string) => boolean {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? '';
    if (char === escape && i + 1 < pattern.length) {
      source += quote(pattern[++i] ?? '');
      continue;
    }
    // Runs of % mean one: more would only make the search slower.
    if (char === '%') source += source.endsWith('[^]*') ? '' : '[^]*';
    else if (char === '_') source += '[^]';
    else if (char === '[' && pattern.indexOf(']', i + 2) > 0) {
      const end = pattern.indexOf(']', i + 2);
      const inner = pattern.slice(i + 1, end);
      const negated = inner.startsWith('^');
      source += `[${negated ? '^' : ''}${(negated ? inner.slice(1) : inner).replaceAll(/[\\\]^]/g, String.raw`\$&`)}]`;
      i = end;
    } else source += quote(char);
  }
  let expression: RegExp;
  try {
    expression = new RegExp(`^${source}$`);
  } catch {
    // A set whose range runs backwards matches nothing.
    return () => false;
  }
  return (subject) => expression.test(subject);
}

function quote(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}
