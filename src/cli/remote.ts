/** Commands that talk to a deployed function app over its HTTP API. */
import { errorCatalogue, SyncError } from '../shared/errors.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { parseArguments } from './arguments.ts';
import type { Command, CommandIo } from './command.ts';
import { readLocalRun } from './local-run.ts';

const FLAGS = {
  app: { type: 'string' },
  key: { type: 'string' },
  local: { type: 'string' },
  table: { type: 'string' },
  plan: { type: 'string' },
} as const;

const USAGE = `  --app URL       the function app, https://<name>.azurewebsites.net (or DELTA_COSMOS_APP)
  --key KEY       a function key (better in DELTA_COSMOS_KEY: arguments are visible to others on the machine)
  --local DIR     instead of both: the local run (npm start) with this data folder
  --table ID      the table; status shows all without it
  --plan ID       the held plan, for approve and reject
`;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: (table: string) => string;
  readonly summary: string;
  /** Whether the command makes sense without --table. */
  readonly all?: boolean;
  readonly needsPlan?: boolean;
}

const action = (name: string, summary: string, needsPlan = false): Route => ({
  method: 'POST',
  path: (table) => `tables/${table}/${name}`,
  summary,
  needsPlan,
});

const ROUTES: Readonly<Record<string, Route>> = {
  status: {
    method: 'GET',
    path: (table) => (table === '' ? 'tables' : `tables/${table}`),
    summary: 'what a deployed app says of its tables',
    all: true,
  },
  history: { method: 'GET', path: (table) => `tables/${table}/history`, summary: 'the newest epochs of a table' },
  'dead-letters': {
    method: 'GET',
    path: (table) => `tables/${table}/dead-letters`,
    summary: 'rows that could not be written, as JSON lines',
  },
  pause: action('pause', 'stop writing at the next batch'),
  resume: action('resume', 'go on after a pause'),
  approve: action('approve', 'let the held plan go on', true),
  reject: action('reject', 'refuse the held plan', true),
  replay: action('replay', 'try dead letters again'),
};

const TIMEOUT_MS = 100_000;

/** One command per route. */
export const REMOTE_COMMANDS: Readonly<Record<string, Command>> = Object.fromEntries(
  Object.entries(ROUTES).map(([name, route]) => [name, remoteCommand(name, route)]),
);

function remoteCommand(name: string, route: Route): Command {
  return {
    name,
    summary: route.summary,
    usage: `delta-cosmos ${name} (--app URL | --local DIR) ${route.all === true ? '[--table ID]' : '--table ID'}${route.needsPlan === true ? ' --plan ID' : ''}\n\n${USAGE}`,
    async run(argv, io) {
      const { values } = parseArguments(argv, FLAGS, 0);
      const table = values.table ?? '';
      if (table === '' && route.all !== true) throw new SyncError('usage', { problem: `${name} needs --table ID.` });
      if (route.needsPlan === true && values.plan === undefined) {
        throw new SyncError('usage', {
          problem: `${name} needs --plan ID.`,
          remedy: 'The status of the table shows the held plan.',
        });
      }
      if (values.local !== undefined && (values.app ?? values.key) !== undefined) {
        throw new SyncError('usage', { problem: 'Only one of --app and --local can be meant.' });
      }
      const local = values.local === undefined ? undefined : await readLocalRun(values.local);
      const app = appUrl(local?.app ?? values.app);
      const key = local?.key ?? values.key ?? process.env['DELTA_COSMOS_KEY'];
      const body = await call(app, key, route, table, values.plan, io);
      const lines = name === 'dead-letters' && Array.isArray(body) ? body : [body];
      for (const line of lines)
        await io.stdout.write(`${JSON.stringify(line, undefined, lines === body ? undefined : 2)}\n`);
      return 0;
    },
  };
}

function appUrl(flag: string | undefined): URL {
  const text = flag ?? process.env['DELTA_COSMOS_APP'];
  const url = text === undefined ? null : URL.parse(text);
  if (url === null) throw new SyncError('usage', { problem: 'The command needs --app URL or --local DIR.' });
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !local)
    throw new SyncError('usage', { problem: '--app must be an https address: the key would be readable on the way.' });
  return url;
}

async function call(
  app: URL,
  key: string | undefined,
  route: Route,
  table: string,
  plan: string | undefined,
  io: CommandIo,
): Promise<unknown> {
  const url = new URL(
    `api/${route.path(encodeURIComponent(table))}`,
    app.href.endsWith('/') ? app : new URL(`${app.href}/`),
  );
  const request: RequestInit = {
    method: route.method,
    redirect: 'error',
    headers: key === undefined ? {} : { 'x-functions-key': key },
    signal: AbortSignal.any([io.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    ...(plan === undefined ? {} : { body: JSON.stringify({ planId: plan }) }),
  };
  const response = await fetch(url, request).catch((cause: unknown) => {
    throw new SyncError('appUnavailable', { problem: `${app.origin} does not answer.`, cause });
  });
  const text = await response.text();
  const body = jsonOf(text);
  if (response.ok) return body;
  if (response.status === 401 || response.status === 403) {
    throw new SyncError('appRefused', {
      problem: `${app.origin} refuses the key.`,
      reason: `It answered ${response.status}.`,
    });
  }
  throw (
    statedError(body) ??
    new SyncError('appRefused', {
      problem: `${app.origin} refused the request.`,
      reason: `It answered ${response.status}.`,
      remedy: 'Look at the log of the app.',
    })
  );
}

/** The error that the app states: its message has problem, reason and remedy already. */
function statedError(body: unknown): SyncError | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { code, message } = (body.error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code !== 'string' || typeof message !== 'string' || !Object.hasOwn(errorCatalogue(), code)) {
    return undefined;
  }
  return new SyncError(code as ErrorCode, { problem: message, remedy: '' });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
