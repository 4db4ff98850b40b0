/**
 * The object an app gets from `require('@azure/functions-core')` inside a worker: registration of functions and hooks,
 * and the log. @azure/functions looks it up through Module.prototype.require, as the Node worker provides it.
 */
import Module from 'node:module';
import type { RegisteredBinding, RegisteredFunction, RegisteredRetry } from './worker-protocol.ts';

const HOOK_NAMES = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;

/** Points at which an app may run its own code. */
export type HookName = (typeof HOOK_NAMES)[number];
type HookCallback = (context: object) => unknown;

/** A handler as the app registered it. */
export type FunctionCallback = (context: unknown, ...inputs: unknown[]) => unknown;

/** The programming model of @azure/functions: turns invocations into arguments and results into RPC data. */
export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(request: object): InvocationModel | Promise<InvocationModel>;
  getCapabilities?(defaults: Record<string, string>): Record<string, string> | Promise<Record<string, string>>;
}

/** One invocation inside the programming model. */
export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(
    context: unknown,
    result: unknown,
  ): Promise<{ returnValue?: object | null; outputData?: { name: string; data?: object | null }[] }>;
}

/** What was registered, by function name. */
export interface LoadedFunction {
  readonly metadata: RegisteredFunction;
  readonly callback: FunctionCallback;
}

/** Receives the log lines of the app. */
export type CoreLog = (level: string, category: string, message: string) => void;

class Disposable {
  readonly #callback: (() => void) | undefined;

  constructor(callback?: () => void) {
    this.#callback = callback;
  }

  static from(...disposables: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const disposable of disposables) disposable.dispose();
    });
  }

  dispose(): void {
    this.#callback?.();
  }
}

/** State behind the core module: what the app registered and the hooks to run. */
export class CoreModule {
  readonly functions = new Map<string, LoadedFunction>();
  readonly #hooks = new Map<HookName, HookCallback[]>();
  readonly #hostVersion: string;
  readonly #log: CoreLog;
  #model: ProgrammingModel | undefined;
  #closed = false;

  constructor(hostVersion: string, log: CoreLog) {
    this.#hostVersion = hostVersion;
    this.#log = log;
  }

  get model(): ProgrammingModel | undefined {
    return this.#model;
  }

  /** Makes `require('@azure/functions-core')` answer with this module, for every module loaded from now on. */
  install(): void {
    const api = this.#api();
    const original: unknown = Reflect.get(Module.prototype, 'require');
    if (typeof original !== 'function') throw new TypeError('This Node has no Module.prototype.require.');
    Module.prototype.require = function require(this: Module, id: string): unknown {
      if (id === '@azure/functions-core') return api;
      return Reflect.apply(original, this, [id]);
    } as typeof Module.prototype.require;
  }

  /** Ends registration: from now on registerFunction throws, as in the Node worker. */
  close(): void {
    this.#closed = true;
  }

  /** Runs the hooks of a name one after another, in the order they were registered. */
  async runHooks(name: HookName, context: object): Promise<void> {
    for (const callback of this.#hooks.get(name) ?? []) await callback(context);
  }

  #api(): object {
    const hostVersion = this.#hostVersion;
    return {
      version: '3.9.1',
      get hostVersion() {
        return hostVersion;
      },
      registerHook: (name: string, callback: HookCallback) => this.#registerHook(name, callback),
      setProgrammingModel: (model: ProgrammingModel) => {
        this.#model = model;
      },
      getProgrammingModel: () => this.#model,
      log: (level: string, category: string, message: string) => this.#log(level, category, message),
      registerFunction: (metadata: object, callback: FunctionCallback) => this.#registerFunction(metadata, callback),
      Disposable,
    };
  }

  #registerHook(name: string, callback: HookCallback): Disposable {
    const hook = HOOK_NAMES.find((known) => known === name);
    if (hook === undefined) {
      throw Object.assign(new RangeError(`Unrecognized hook "${name}"`), { isAzureFunctionsSystemError: true });
    }
    const callbacks = this.#hooks.get(hook) ?? [];
    callbacks.push(callback);
    this.#hooks.set(hook, callbacks);
    return new Disposable(() => {
      const at = callbacks.indexOf(callback);
      if (at >= 0) callbacks.splice(at, 1);
    });
  }

  #registerFunction(metadata: object, callback: FunctionCallback): Disposable {
    if (this.#closed) throw new Error('A function can only be registered during app startup.');
    const { name, bindings, retryOptions } = metadata as {
      name: string;
      bindings: Record<string, RegisteredBinding>;
      retryOptions?: RegisteredRetry;
    };
    if (this.functions.has(name)) throw new Error(`A function with id "${name}" has already been registered.`);
    this.functions.set(name, {
      metadata: { name, bindings, ...(retryOptions === undefined ? {} : { retryOptions }) },
      callback,
    });
    return new Disposable(() => this.functions.delete(name));
  }
}
