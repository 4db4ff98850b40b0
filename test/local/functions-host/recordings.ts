/** The recordings of the official host, and what is made equal before answers are compared. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A recorded HTTP call. `body` is the raw text or, when it was JSON, the value. */
export interface RecordedCall {
  readonly label: string;
  readonly method?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly response?: unknown;
}

/** A recorded call of a Durable function. */
export interface RecordedFunctionCall {
  readonly function: string;
  readonly kind: 'orchestrator' | 'activity' | 'entity';
  readonly request: unknown;
  readonly response: unknown;
  readonly error: { readonly message: string } | null;
}

export interface RecordedInstance {
  readonly name: string;
  readonly calls: readonly RecordedFunctionCall[];
}

function lines(name: string): readonly unknown[] {
  const file = fileURLToPath(new URL(`./fixtures/recorded/${name}.jsonl`, import.meta.url));
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

export function recordedCalls(name: string): readonly RecordedCall[] {
  return lines(name) as readonly RecordedCall[];
}

export function recordedInstances(): readonly RecordedInstance[] {
  return lines('orchestrations') as readonly RecordedInstance[];
}

export interface RecordedInvocation {
  readonly name: string;
  readonly invocation: {
    readonly inputData: readonly { readonly name: string; readonly data: Record<string, unknown> }[];
    readonly triggerMetadata: Readonly<Record<string, Record<string, unknown>>>;
  };
}

export function recordedInvocations(): readonly RecordedInvocation[] {
  return lines('first-invocation-per-function') as readonly RecordedInvocation[];
}

/** Makes times, ids, addresses, keys and .NET exception details equal. */
export function normalised(value: unknown): unknown {
  if (typeof value === 'string') return normalisedText(value);
  if (Array.isArray(value)) return value.map(normalised);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'Details' && name !== 'StackTrace')
      .map(([name, each]) => [name, normalised(each)]),
  );
}

function normalisedText(text: string): string {
  return (
    text
      .replace(/ \n \{"\$type"[\s\S]*$/, ' <details>')
      .replaceAll(/http:\/\/(127\.0\.0\.1|localhost):\d+/g, '<origin>')
      .replaceAll(/code=[^&"\s]+/g, 'code=<key>')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g, '<time>')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b/g, '<id>')
      // Which of the two a moment after the start shows is a matter of time.
      .replaceAll(/status (Pending|Running) already exists/g, 'status <live> already exists')
  );
}
