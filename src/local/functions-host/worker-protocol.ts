/**
 * Messages between the host and a worker process (Node IPC, advanced serialization, so bytes stay bytes). Shapes inside
 * are those of the Functions RPC contract that @azure/functions reads, words verbatim.
 */

/** A value as the Functions RPC carries it. */
export type TypedData =
  | { readonly string: string }
  | { readonly json: string }
  | { readonly bytes: Uint8Array }
  | { readonly int: number }
  | { readonly double: number }
  | { readonly http: RpcHttp }
  | { readonly collectionString: { readonly string: readonly string[] } }
  | Readonly<Record<string, never>>;

interface NullableString {
  readonly value: string;
}

/** An HTTP request on its way in. `body` is null when there is none. */
export interface RpcHttpRequest {
  readonly method: string;
  readonly url: string;
  readonly nullableHeaders: Readonly<Record<string, NullableString>>;
  readonly nullableQuery: Readonly<Record<string, NullableString>>;
  readonly nullableParams: Readonly<Record<string, NullableString>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly cookies: readonly never[];
  readonly identities: readonly never[];
  readonly statusCode: string;
  readonly enableContentNegotiation: boolean;
  readonly rawBody: null;
  readonly body: { readonly bytes: Uint8Array } | null;
}

/** A Set-Cookie of an HTTP response; `expires` and `maxAge` as @azure/functions writes them. */
export interface RpcHttpCookie {
  readonly name?: string;
  readonly value?: string;
  readonly domain?: { readonly value?: string };
  readonly path?: { readonly value?: string };
  readonly expires?: { readonly value?: { readonly seconds?: number } };
  readonly secure?: { readonly value?: boolean };
  readonly httpOnly?: { readonly value?: boolean };
  readonly sameSite?: number | string;
  readonly maxAge?: { readonly value?: number };
}

/** An HTTP response as the function gives it; the status is a string. */
export interface RpcHttpResponse {
  readonly statusCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly RpcHttpCookie[];
  readonly body?: TypedData | null;
}

export type RpcHttp = RpcHttpRequest | RpcHttpResponse;

/** Which attempt of a function's retry policy this is. */
export interface RetryContext {
  readonly retryCount: number;
  readonly maxRetryCount: number;
  readonly exception: { readonly message: string; readonly stackTrace: string } | null;
}

/** One call of one function. */
export interface Invocation {
  readonly invocationId: string;
  readonly functionName: string;
  readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
  readonly triggerMetadata: Readonly<Record<string, TypedData>>;
  readonly retryContext: RetryContext | null;
}

/** What a call gave. `failed` is the function's own failure, never the host's. */
export type InvocationOutcome =
  | {
      readonly kind: 'succeeded';
      readonly returnValue: TypedData | null;
      readonly outputData: readonly { readonly name: string; readonly data: TypedData | null }[];
    }
  | { readonly kind: 'failed'; readonly message: string; readonly stack: string };

/** A binding as the app registered it; which fields there are depends on `type`. */
export interface RegisteredBinding {
  readonly type: string;
  readonly name: string;
  readonly direction: string;
  readonly [option: string]: unknown;
}

/** A function as the app registered it. */
export interface RegisteredFunction {
  readonly name: string;
  readonly bindings: Readonly<Record<string, RegisteredBinding>>;
  readonly retryOptions?: RegisteredRetry;
}

interface Seconds {
  readonly seconds?: number;
  readonly nanos?: number;
}

/** A retry policy as the app registered it. */
export interface RegisteredRetry {
  readonly maxRetryCount?: number;
  readonly retryStrategy?: string | number;
  readonly delayInterval?: Seconds;
  readonly minimumInterval?: Seconds;
  readonly maximumInterval?: Seconds;
}

export type HostToWorker =
  | { readonly kind: 'load'; readonly appFolder: string; readonly hostVersion: string }
  | { readonly kind: 'invoke'; readonly invocation: Invocation }
  | { readonly kind: 'terminate' };

export type WorkerToHost =
  | { readonly kind: 'loaded'; readonly functions: readonly RegisteredFunction[] }
  | { readonly kind: 'loadFailed'; readonly reason: string }
  | { readonly kind: 'outcome'; readonly invocationId: string; readonly outcome: InvocationOutcome }
  | { readonly kind: 'log'; readonly level: string; readonly message: string; readonly invocationId?: string };
