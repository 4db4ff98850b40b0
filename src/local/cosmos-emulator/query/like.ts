/** LIKE patterns: `%` any text, `_` any character, `[abc]`, `[a-z]` and `[^abc]` one of a set. */

/** One place of a pattern; undefined stands for any text. */
type Place = ((unit: number) => boolean) | undefined;

const HYPHEN = 45;

/**
 * A test for texts that match the pattern; `escape` makes the character after it stand for itself. It takes time in
 * proportion to text times pattern at most, whatever they hold.
 */
export function likePattern(pattern: string, escape: string | undefined): (subject: string) => boolean {
  const places = parsePattern(pattern, escape);
  return (subject) => matches(subject, places);
}

function parsePattern(pattern: string, escape: string | undefined): readonly Place[] {
  const places: Place[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? '';
    if (char === escape && i + 1 < pattern.length) places.push(exactly(pattern.charCodeAt(++i)));
    else if (char === '%') {
      if (places.length === 0 || places.at(-1) !== undefined) places.push(undefined);
    } else if (char === '_') places.push(() => true);
    else if (char === '[' && pattern.indexOf(']', i + 2) > 0) {
      const end = pattern.indexOf(']', i + 2);
      places.push(oneOf(pattern.slice(i + 1, end)));
      i = end;
    } else places.push(exactly(pattern.charCodeAt(i)));
  }
  return places;
}

function exactly(wanted: number): Place {
  return (unit) => unit === wanted;
}

/** A set: single characters and ranges, `^` before them all for any other character. */
function oneOf(set: string): Place {
  const negated = set.startsWith('^');
  const members = negated ? set.slice(1) : set;
  const ranges: (readonly [number, number])[] = [];
  for (let i = 0; i < members.length; i++) {
    const low = members.charCodeAt(i);
    const isRange = members.charCodeAt(i + 1) === HYPHEN && i + 2 < members.length;
    ranges.push([low, isRange ? members.charCodeAt(i + 2) : low]);
    if (isRange) i += 2;
  }
  return (unit) => ranges.some(([low, high]) => unit >= low && unit <= high) !== negated;
}

/** Goes back only to the last `%`: what an earlier one could take, that one can take as well. */
function matches(subject: string, places: readonly Place[]): boolean {
  let at = 0;
  let place = 0;
  let resumeAt = 0;
  let resumePlace = -1;
  while (at < subject.length) {
    const test = places[place];
    if (place < places.length && test === undefined) {
      resumePlace = place++;
      resumeAt = at;
    } else if (test?.(subject.charCodeAt(at)) === true) {
      at++;
      place++;
    } else if (resumePlace >= 0) {
      place = resumePlace + 1;
      at = ++resumeAt;
    } else return false;
  }
  while (place < places.length && places[place] === undefined) place++;
  return place === places.length;
}
