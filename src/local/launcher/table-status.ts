/** The status of a table as the app answers it over HTTP. */
import type { FunctionsAddress } from './services.ts';

/** The part of `GET api/tables/{table}` that the launcher shows or decides by. */
export interface TableStatus {
  /** Version the container has reached; undefined before the first epoch ended. */
  readonly version: number | undefined;
  /** Newest version of the table that the app has seen. */
  readonly head: number | undefined;
  /** The epoch under way. */
  readonly current:
    | {
        readonly kind: string;
        readonly from: number | null;
        readonly to: number;
        readonly done: number;
        readonly of: number;
      }
    | undefined;
  /** What holds the table until somebody decides. */
  readonly held:
    | { readonly code: string; readonly reason: string; readonly remedy: string; readonly planId: string }
    | undefined;
  /** Somebody or a schema change asked for an epoch at the version that is reached. */
  readonly requested: boolean;
  readonly deadLetters: number;
  /** Documents the app counts in the container. */
  readonly documents: number;
  readonly budget: { readonly ruPerSecond: number; readonly used: number } | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Address of a table's status. */
export function statusUrl(functions: FunctionsAddress, tableId: string): string {
  return `${functions.url}/api/tables/${encodeURIComponent(tableId)}`;
}

/** The status, or undefined while nobody answers (the host is starting again, say). */
export async function fetchTableStatus(
  functions: FunctionsAddress,
  tableId: string,
  signal: AbortSignal,
): Promise<TableStatus | undefined> {
  try {
    const response = await fetch(statusUrl(functions, tableId), {
      headers: { 'x-functions-key': functions.masterKey },
      signal,
    });
    return response.ok ? tableStatusOf(await response.json()) : undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

/** Picks what is needed out of the answer's body. */
export function tableStatusOf(body: unknown): TableStatus {
  const status = objectOf(body) ?? {};
  const current = objectOf(status['current']);
  const progress = objectOf(current?.['progress']);
  const budget = objectOf(status['budget']);
  const held = objectOf(status['held']) ?? objectOf(current?.['hold']);
  return {
    version: numberOf(objectOf(status['checkpoint'])?.['version']),
    head: numberOf(objectOf(status['head'])?.['version'] ?? status['head']),
    current:
      current === undefined
        ? undefined
        : {
            kind: textOf(current['kind'], ''),
            from: numberOf(current['from']) ?? null,
            to: numberOf(current['to']) ?? -1,
            done: numberOf(progress?.['done']) ?? 0,
            of: numberOf(progress?.['of']) ?? 0,
          },
    held:
      held === undefined
        ? undefined
        : {
            code: textOf(held['code'], 'held'),
            reason: textOf(held['reason'], ''),
            remedy: textOf(held['remedy'], ''),
            planId: textOf(held['planId'] ?? current?.['planId'], ''),
          },
    requested: objectOf(status['request']) !== undefined,
    deadLetters: Array.isArray(status['deadLetters'])
      ? status['deadLetters'].length
      : (numberOf(status['deadLetters']) ?? 0),
    documents: numberOf(objectOf(status['checkpoint'])?.['documents']) ?? 0,
    budget:
      budget === undefined
        ? undefined
        : { ruPerSecond: numberOf(budget['ruPerSecond']) ?? 0, used: numberOf(budget['used']) ?? 0 },
  };
}

function objectOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function textOf(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
