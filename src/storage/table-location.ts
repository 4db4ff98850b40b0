/** Where a table lies, from what people write: a folder, or one of the URL forms of Azure Storage and OneLake. */
import { SyncError } from '../shared/errors.ts';

/** A parsed location. */
export type TableLocation =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'blob';
      /** Endpoint of the Blob service: `https://<account>.blob.core.windows.net`, or with a path for an emulator. */
      readonly endpoint: string;
      readonly container: string;
      /** Folder of the table in the container, decoded, without slashes at its ends; may be empty. */
      readonly folder: string;
      /** Shared access signature with its `?`, or empty. */
      readonly sas: string;
    };

const HOST_STYLE = /^([^.]+)\.(?:blob|dfs)\.(.+)$/;
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])$/;

function malformed(text: string, reason: string): SyncError {
  return new SyncError('usage', {
    problem: `${JSON.stringify(text.split('?')[0])} is no location of a table.`,
    reason,
    remedy:
      'Name a folder, https://<account>.blob.core.windows.net/<container>/<path> or abfss://<container>@<account>.dfs.core.windows.net/<path>.',
  });
}

/** The Blob endpoint of a Data Lake (dfs) or Blob host. */
function blobHost(host: string): string {
  return host.replace(HOST_STYLE, (_all, account: string, rest: string) => `${account}.blob.${rest}`);
}

function folderOf(segments: readonly string[]): string {
  return segments.filter((segment) => segment !== '').join('/');
}

/** Parses a location. Throws `usage`. */
export function parseTableLocation(text: string): TableLocation {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) return { kind: 'folder', path: text };
  let url: URL;
  let segments: readonly string[];
  try {
    url = new URL(text);
    segments = url.pathname.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw malformed(text, 'It is no valid URL.');
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme === 'file') return { kind: 'folder', path: decodeURIComponent(url.pathname) };
  if (['abfss', 'abfs', 'wasbs', 'wasb'].includes(scheme)) {
    if (url.username === '') throw malformed(text, 'The container before the @ is missing.');
    const container = decodeURIComponent(url.username);
    return {
      kind: 'blob',
      endpoint: `https://${blobHost(url.host)}`,
      container,
      folder: folderOf(segments),
      sas: url.search,
    };
  }
  if (scheme !== 'https' && !(scheme === 'http' && LOOPBACK.test(url.hostname))) {
    throw malformed(text, `The scheme ${scheme} is not supported.`);
  }
  // An emulator has the account as the first segment of the path.
  const inPath = LOOPBACK.test(url.hostname) ? 1 : 0;
  const container = segments[inPath] ?? '';
  if (container === '') throw malformed(text, 'The container is missing.');
  const account = inPath === 1 ? `/${segments[0]}` : '';
  return {
    kind: 'blob',
    endpoint: `${url.protocol}//${blobHost(url.host)}${account}`,
    container,
    folder: folderOf(segments.slice(inPath + 1)),
    sas: url.search,
  };
}
