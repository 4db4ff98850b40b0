/** What the host knows about each function of the app: its trigger with its options, its further bindings, its retry. */
import type { RegisteredBinding, RegisteredFunction, RegisteredRetry } from './worker-protocol.ts';

export const AUTH_LEVELS = ['anonymous', 'function', 'admin'] as const;
export type AuthLevel = (typeof AUTH_LEVELS)[number];

/** What starts a function. `bindingName` is the name under which the worker expects the trigger's value. */
export type Trigger =
  | {
      readonly kind: 'http';
      readonly route: string;
      readonly methods: readonly string[];
      readonly authLevel: AuthLevel;
    }
  | { readonly kind: 'timer'; readonly schedule: string; readonly runOnStartup: boolean; readonly useMonitor: boolean }
  | { readonly kind: 'queue'; readonly queueName: string; readonly connection: string }
  | { readonly kind: 'blob'; readonly path: string; readonly connection: string; readonly source: string }
  | { readonly kind: 'orchestration' }
  | { readonly kind: 'activity' }
  /** A trigger that this host registers but does not drive. */
  | { readonly kind: 'other'; readonly type: string };

export type TriggerKind = Trigger['kind'];

/** An output binding that the host carries out. */
export interface OutputBinding {
  readonly name: string;
  readonly type: string;
  readonly options: RegisteredBinding;
}

/** A function's own retry policy; delays in milliseconds. */
export interface RetryPolicy {
  /** -1 = without end. */
  readonly maxRetryCount: number;
  readonly delayOf: (attempt: number) => number;
}

/** One function of the app. */
export interface FunctionDefinition<T extends Trigger = Trigger> {
  readonly name: string;
  readonly trigger: T;
  readonly triggerBinding: string;
  /** Names of the durableClient inputs. */
  readonly durableClients: readonly string[];
  readonly outputs: readonly OutputBinding[];
  readonly retry: RetryPolicy | undefined;
}

/** A function with a trigger of a certain kind. */
export type FunctionOf<K extends TriggerKind> = FunctionDefinition<Extract<Trigger, { kind: K }>>;

/** A function as the host lists it. `url` is there for HTTP functions. */
export interface HostedFunction {
  readonly name: string;
  readonly trigger: TriggerKind;
  readonly url?: string;
}

/** Reads what the app registered. Bindings are found by type: their names are hashes. */
export function defineFunction(registered: RegisteredFunction): FunctionDefinition {
  const bindings = Object.entries(registered.bindings);
  const triggerEntry = bindings.find(([, binding]) => /trigger$/i.test(binding.type));
  return {
    name: registered.name,
    trigger: triggerEntry === undefined ? { kind: 'other', type: 'none' } : triggerOf(registered.name, triggerEntry[1]),
    triggerBinding: triggerEntry?.[0] ?? '',
    durableClients: bindings.filter(([, binding]) => binding.type === 'durableClient').map(([name]) => name),
    outputs: bindings
      .filter(([, binding]) => binding.direction === 'out' && binding.type !== 'http')
      .map(([name, options]) => ({ name, type: options.type, options })),
    retry: retryPolicy(registered.retryOptions),
  };
}

/** The functions whose trigger is of a kind. */
export function functionsOf<K extends TriggerKind>(
  functions: readonly FunctionDefinition[],
  kind: K,
): readonly FunctionOf<K>[] {
  return functions.filter((definition) => definition.trigger.kind === kind) as unknown as readonly FunctionOf<K>[];
}

function triggerOf(functionName: string, binding: RegisteredBinding): Trigger {
  const text = (key: string, fallback = ''): string => {
    const value = binding[key];
    return typeof value === 'string' ? value : fallback;
  };
  switch (binding.type) {
    case 'httpTrigger': {
      const methods = Array.isArray(binding['methods']) ? binding['methods'].map(String) : ['GET', 'POST'];
      const authLevel = AUTH_LEVELS.find((level) => level === text('authLevel', 'anonymous').toLowerCase());
      return {
        kind: 'http',
        route: text('route') === '' ? functionName : text('route'),
        methods: methods.map((method) => method.toUpperCase()),
        authLevel: authLevel ?? 'function',
      };
    }
    case 'timerTrigger':
      return {
        kind: 'timer',
        schedule: text('schedule'),
        runOnStartup: binding['runOnStartup'] === true,
        useMonitor: binding['useMonitor'] !== false,
      };
    case 'queueTrigger':
      return { kind: 'queue', queueName: text('queueName'), connection: text('connection') };
    case 'blobTrigger':
      return { kind: 'blob', path: text('path'), connection: text('connection'), source: text('source') };
    case 'orchestrationTrigger':
      return { kind: 'orchestration' };
    case 'activityTrigger':
      return { kind: 'activity' };
    default:
      return { kind: 'other', type: binding.type };
  }
}

function retryPolicy(options: RegisteredRetry | undefined): RetryPolicy | undefined {
  if (options?.maxRetryCount === undefined) return undefined;
  const milliseconds = (duration: RegisteredRetry['delayInterval']): number =>
    (duration?.seconds ?? 0) * 1000 + (duration?.nanos ?? 0) / 1e6;
  const minimum = milliseconds(options.minimumInterval);
  const maximum = milliseconds(options.maximumInterval);
  const fixed = milliseconds(options.delayInterval);
  const exponential = options.retryStrategy === 'exponentialBackoff' || options.retryStrategy === 1;
  return {
    maxRetryCount: options.maxRetryCount,
    delayOf: (attempt) => (exponential ? Math.min(maximum, minimum * 2 ** attempt) : fixed),
  };
}
