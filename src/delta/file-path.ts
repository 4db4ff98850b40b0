/**
 * Paths in actions (PROTOCOL.md, "Add File and Remove File"): RFC 2396 URI references, percent-encoded. They are decoded
 * exactly once here and nowhere else.
 */

const ESCAPES = /(?:%[0-9a-fA-F]{2})+/g;
const FILE_SCHEME = /^file:\/*/i;
const SCHEME = /^[a-zA-Z][a-zA-Z0-9+.-]*:/;

/** Decodes percent-escapes once. Text that is no valid escape stays as it is, since old writers stored raw paths. */
export function decodePath(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(ESCAPES, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}

/** Encodes a decoded path the way a writer stores it in an action: everything outside RFC 2396's path characters escaped. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) =>
      encodeURIComponent(segment)
        .replaceAll('%3D', '=')
        .replaceAll('%40', '@')
        .replaceAll('%2B', '+')
        .replaceAll('%24', '$')
        .replaceAll('%2C', ',')
        .replaceAll('%26', '&'),
    )
    .join('/');
}

/** True for a path that does not start at the table folder: `/x`, `abfss://…`, `https://…`. */
export function isAbsolutePath(path: string): boolean {
  return path.startsWith('/') || isUri(path);
}

/** A first segment with a colon, such as `part=a:b/x.parquet`, is a URI only if a `/` follows the scheme. */
function isUri(path: string): boolean {
  const scheme = SCHEME.exec(path)?.[0];
  return scheme !== undefined && path.charAt(scheme.length) === '/';
}

/**
 * The decoded form of a path in an action, in one spelling: relative to the table folder without `./`; `file:` URIs as
 * plain absolute paths (`file:/x`, `file:///x` and `/x` are the same file); other URIs with their scheme.
 */
export function normalizeActionPath(text: string): string {
  if (isUri(text)) {
    if (FILE_SCHEME.test(text)) return decodePath(text.replace(FILE_SCHEME, '/'));
    return decodePath(text);
  }
  const decoded = decodePath(text);
  if (decoded.startsWith('/')) return decoded.replace(/^\/+/, '/');
  return decoded.startsWith('./') ? decoded.slice(2) : decoded;
}
