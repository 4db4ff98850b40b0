/** Route templates of HTTP functions: `a/{id}/{*rest}`, `{id?}`, and the order in which routes are tried. */

/** Decoded values of a route's parameters. */
export type RouteParams = Readonly<Record<string, string>>;

type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'parameter'; readonly name: string; readonly optional: boolean }
  | { readonly kind: 'rest'; readonly name: string };

/** A parsed route template. */
export interface Route {
  readonly segments: readonly Segment[];
}

/** Parses a template. Constraints (`{id:int}`) are read and not enforced, defaults are not supported. */
export function parseRoute(template: string): Route {
  const segments = template
    .split('/')
    .filter((part) => part !== '')
    .map((part): Segment => {
      const match = /^\{(\*{0,2})([^:?=}]+)(?::[^}?]*)?(\?)?\}$/.exec(part);
      if (match === null) return { kind: 'literal', text: part.toLowerCase() };
      const [, star, name, optional] = match;
      return star === ''
        ? { kind: 'parameter', name: name ?? '', optional: optional === '?' }
        : { kind: 'rest', name: name ?? '' };
    });
  return { segments };
}

/** The parameters of a path that matches the route, or undefined. `path` is undecoded, without leading slash. */
export function matchRoute(route: Route, path: string): RouteParams | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const params: Record<string, string> = {};
  for (const [index, segment] of route.segments.entries()) {
    const part = parts[index];
    if (segment.kind === 'rest') {
      params[segment.name] = parts.slice(index).map(decode).join('/');
      return params;
    }
    if (part === undefined) {
      if (segment.kind === 'parameter' && segment.optional) return params;
      return undefined;
    }
    if (segment.kind === 'literal') {
      if (decode(part).toLowerCase() !== segment.text) return undefined;
    } else {
      params[segment.name] = decode(part);
    }
  }
  return parts.length > route.segments.length ? undefined : params;
}

/** Orders routes so that more specific ones are tried first: literals before parameters before the rest. */
export function compareRoutes(a: Route, b: Route): number {
  const rank = { literal: 0, parameter: 1, rest: 2 } as const;
  for (let at = 0; at < Math.max(a.segments.length, b.segments.length); at += 1) {
    const [x, y] = [a.segments[at], b.segments[at]];
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
    if (rank[x.kind] !== rank[y.kind]) return rank[x.kind] - rank[y.kind];
  }
  return 0;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
