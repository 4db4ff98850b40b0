/** Turns zod's findings into sentences an operator can act on. */
import type { z } from 'zod';
import { nearestName } from './nearest-name.ts';

/** One mistake in the configuration. */
export interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly problem: string;
  readonly remedy: string;
}

type Issue = z.core.$ZodIssue;
type Schema = Readonly<Record<string, unknown>>;

/** `value` is what was checked and `schema` its JSON Schema, from which known names come. Values are not repeated. */
export function mistakesOf(issues: readonly Issue[], value: unknown, schema: Schema): Mistake[] {
  return issues.flatMap((issue) => explain(issue, [], value, schema));
}

function explain(issue: Issue, base: readonly PropertyKey[], value: unknown, schema: Schema): Mistake[] {
  const path = [...base, ...issue.path];
  const at = (problem: string, remedy: string): Mistake[] => [{ path, problem, remedy }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const known = knownNames(schema, path);
        const nearest = nearestName(key, known);
        const remedy =
          nearest === undefined
            ? known.length === 0
              ? 'Remove it.'
              : `Known here: ${known.join(', ')}.`
            : `Did you mean ${JSON.stringify(nearest)}?`;
        return { path: [...path, key], problem: 'Unknown setting.', remedy };
      });
    case 'invalid_type':
      return valueAt(value, path) === undefined
        ? at('The setting is missing.', `Add it: ${article(issue.expected)}.`)
        : at('The value has the wrong type.', `Write ${article(issue.expected)}.`);
    case 'invalid_value': {
      const options = issue.values.map((option) => JSON.stringify(option) ?? String(option));
      const given = valueAt(value, path);
      if (given === undefined) return at('The setting is missing.', `Choose one of ${options.join(', ')}.`);
      const nearest = typeof given === 'string' ? nearestName(given, issue.values.map(String)) : undefined;
      const hint = nearest === undefined ? '' : ` Did you mean ${JSON.stringify(nearest)}?`;
      return at('The value is not one of those that are known.', `Choose one of ${options.join(', ')}.${hint}`);
    }
    case 'invalid_union': {
      const branch = closestBranch(issue.errors);
      if (branch === undefined) return at('The value is none of those that are known.', unionRemedy(schema, path));
      return branch.flatMap((inner) => explain(inner, path, value, schema));
    }
    case 'too_small':
      return at('The value is too small.', `Write ${bound(issue.origin, 'at least', issue.minimum, issue.inclusive)}.`);
    case 'too_big':
      return at('The value is too big.', `Write ${bound(issue.origin, 'at most', issue.maximum, issue.inclusive)}.`);
    case 'invalid_format':
      return at('The text does not have the right form.', formRemedy(schema, path));
    case 'invalid_key':
      return at('The name is not allowed.', 'Use 1 to 64 of A-Z a-z 0-9 _ -.');
    case 'not_multiple_of':
    case 'invalid_element':
    case 'custom':
      return at(`${issue.message}.`, 'Correct the value.');
  }
}

/** The branch that got furthest: an object with a wrong part rather than "not a string". */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const deep = branches.filter((issues) =>
    issues.some((issue) => issue.path.length > 0 || issue.code !== 'invalid_type'),
  );
  const objects = deep.filter(
    (issues) => !issues.some((issue) => issue.path.length === 0 && issue.code === 'invalid_value'),
  );
  return objects.toSorted((a, b) => a.length - b.length)[0];
}

function article(expected: string): string {
  switch (expected) {
    case 'int':
      return 'a whole number';
    case 'array':
    case 'object':
      return `an ${expected}`;
    case 'record':
      return 'an object';
    case 'string':
      return 'a text in quotes';
    case 'boolean':
      return 'true or false';
    default:
      return `a ${expected}`;
  }
}

function bound(origin: string, word: string, limit: number | bigint, inclusive: boolean | undefined): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : '';
  return inclusive === false
    ? `a value ${word === 'at least' ? 'above' : 'below'} ${limit}${unit}`
    : `${word} ${limit}${unit}`;
}

function formRemedy(schema: Schema, path: readonly PropertyKey[]): string {
  for (const place of schemasAt(schema, path)) {
    if (typeof place['description'] === 'string') return `It is: ${place['description']}.`;
  }
  return 'Correct the text.';
}

function unionRemedy(schema: Schema, path: readonly PropertyKey[]): string {
  const options = schemasAt(schema, path)
    .map((place) => (place['const'] === undefined ? place['type'] : JSON.stringify(place['const'])))
    .filter((option) => typeof option === 'string');
  return options.length === 0 ? formRemedy(schema, path) : `Write ${options.join(' or ')}.`;
}

function knownNames(schema: Schema, path: readonly PropertyKey[]): string[] {
  return schemasAt(schema, path).flatMap((place) => Object.keys(asSchema(place['properties']) ?? {}));
}

/** Sub-schemas that describe the value at a path: several where the schema has alternatives. */
function schemasAt(schema: Schema, path: readonly PropertyKey[]): Schema[] {
  let places = alternatives(schema);
  for (const part of path) {
    places = places.flatMap((place) => {
      const property = asSchema(asSchema(place['properties'])?.[String(part)]);
      const next = property ?? asSchema(place['additionalProperties']) ?? asSchema(place['items']);
      return next === undefined ? [] : alternatives(next);
    });
  }
  return places;
}

function alternatives(schema: Schema): Schema[] {
  const list = schema['anyOf'] ?? schema['oneOf'];
  return Array.isArray(list) ? list.flatMap((entry) => alternatives(entry as Schema)) : [schema];
}

function asSchema(value: unknown): Schema | undefined {
  return typeof value === 'object' && value !== null ? (value as Schema) : undefined;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}
