/** What the launcher takes from the app's log: how epochs of its table go. Everything else is only kept in the log file. */

/** An epoch as the app logged it. Counts are whole numbers. */
export type AppEvent =
  | { readonly kind: 'epochPlanned'; readonly table: string; readonly epochKind: string; readonly rows: number }
  | {
      readonly kind: 'epochCompleted';
      readonly table: string;
      /** snapshot, changes, reconcile, verify. */
      readonly epochKind: string;
      /** Null: the container had no version before. */
      readonly from: number | null;
      readonly to: number;
      readonly rows: number;
      readonly operations: Readonly<Record<string, number>>;
      readonly ru: number;
      readonly milliseconds: number;
      /** Of the commit `to`, milliseconds since 1970; undefined when the app did not say. */
      readonly committedAt: number | undefined;
    }
  | {
      readonly kind: 'epochHeld';
      readonly table: string;
      /** Empty when there is no plan that could be approved. */
      readonly planId: string;
      readonly code: string;
      readonly reason: string;
      readonly remedy: string;
    }
  | { readonly kind: 'epochFailed'; readonly table: string; readonly code: string; readonly message: string };

/** Counts of an epoch that are operations, in the order they are shown. */
const OPERATIONS = ['upserts', 'creates', 'patches', 'deletes', 'skipped', 'deadLettered'] as const;

type Fields = Readonly<Record<string, unknown>>;

/** The event in a line of the host's output, or undefined when the line has none of these. */
export function appEventOf(line: string): AppEvent | undefined {
  const fields = eventFields(line);
  const event = fields?.['event'];
  if (fields === undefined || typeof fields['table'] !== 'string') return undefined;
  const { table } = fields as { readonly table: string };
  switch (event) {
    case 'epochCompleted':
      return {
        kind: event,
        table,
        epochKind: text(fields['kind']),
        from: typeof fields['from'] === 'number' ? fields['from'] : null,
        to: count(fields['to'], -1),
        rows: count(fields['rows'], 0),
        operations: Object.fromEntries(OPERATIONS.map((name) => [name, count(fields[name], 0)])),
        ru: count(fields['ru'], 0),
        milliseconds: count(fields['ms'], 0),
        committedAt: milliseconds(fields['commitTimestamp']),
      };
    case 'epochPlanned':
      return { kind: event, table, epochKind: text(fields['kind']), rows: count(fields['rows'], 0) };
    case 'epochHeld':
      return {
        kind: event,
        table,
        planId: text(fields['planId']),
        code: text(fields['code']),
        reason: text(fields['reason']),
        remedy: text(fields['remedy']),
      };
    case 'epochFailed':
      return { kind: event, table, code: text(fields['code']), message: text(fields['message']) };
    default:
      return undefined;
  }
}

/** The app writes one JSON object a line; the host hands it on as the message of a `functionLogged` event. */
function eventFields(line: string): Fields | undefined {
  const outer = jsonObject(line);
  if (outer?.['event'] !== 'functionLogged') return outer;
  const message = outer['message'];
  return typeof message === 'string' ? jsonObject(message) : undefined;
}

function jsonObject(line: string): Fields | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Fields;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

function milliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  const parsed = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : parsed;
}
