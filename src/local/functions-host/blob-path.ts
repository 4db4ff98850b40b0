/** Blob trigger paths: `container/{name}.{ext}` with captures. */

/** The captures of a path that matches, or undefined. `path` is `container/blob`, decoded. */
export function matchBlobPath(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const slash = pattern.indexOf('/');
  // A path that names only a container takes every blob of it.
  if (slash < 0) return path.startsWith(`${pattern}/`) ? {} : undefined;
  const names: string[] = [];
  const source = pattern.split(/(\{[^}]+\})/).map((part) => {
    if (!part.startsWith('{') || !part.endsWith('}')) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    names.push(part.slice(1, -1));
    return '(.+)';
  });
  const match = new RegExp(`^${source.join('')}$`, 'su').exec(path);
  if (match === null) return undefined;
  return Object.fromEntries(names.map((name, index) => [name, match[index + 1] ?? '']));
}

/** Container and blob of a blob's address; the account is part of the path on emulators. Undefined when it is none. */
export function parseBlobUrl(
  text: string,
  accountUrl: string,
): { readonly container: string; readonly blob: string } | undefined {
  if (!URL.canParse(text) || !URL.canParse(accountUrl)) return undefined;
  const [url, account] = [new URL(text), new URL(accountUrl)];
  const base = account.pathname.replace(/\/$/, '');
  const path = url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length + 1) : url.pathname.slice(1);
  const slash = path.indexOf('/');
  if (slash <= 0 || slash === path.length - 1) return undefined;
  try {
    return { container: path.slice(0, slash), blob: decodeURIComponent(path.slice(slash + 1)) };
  } catch {
    return undefined;
  }
}
