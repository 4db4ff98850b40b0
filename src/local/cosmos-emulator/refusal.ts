/** How the service says no: an HTTP status, a substatus and the words of the body. */

/** Texts of `code` in error bodies, by status. */
const CODES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  408: 'RequestTimeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  424: 'FailedDependency',
  429: '429',
  449: 'RetryWith',
  500: 'InternalServerError',
  503: 'ServiceUnavailable',
};

/**
 * An answer that ends a request early. It is part of the emulated protocol, never an error of this program, so it is not
 * a SyncError: the server turns it into an HTTP answer and nothing else ever sees it.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly substatus: number;
  /** Milliseconds for `x-ms-retry-after-ms`; only with 429 and 449. */
  readonly retryAfterMs: number | undefined;
  /** `additionalErrorInfo` of the body: what the client needs to do better. */
  readonly additionalInfo: string | undefined;

  constructor(status: number, message: string, substatus = 0, retryAfterMs?: number, additionalInfo?: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.substatus = substatus;
    this.retryAfterMs = retryAfterMs;
    this.additionalInfo = additionalInfo;
  }
}

/** The JSON body of an error answer. SDKs read `message` from every answer of 400 and above. */
export function refusalBody(status: number, message: string, additionalErrorInfo?: string): string {
  return JSON.stringify({ code: CODES[status] ?? String(status), message, additionalErrorInfo });
}

/** 400 with the wording the service uses for a list of faults. */
export function badRequest(message: string, substatus = 0): Refusal {
  return new Refusal(400, `Message: {"Errors":[${JSON.stringify(message)}]}`, substatus);
}

/** 404 of a database, container or other named resource. */
export function notFound(what: string): Refusal {
  return new Refusal(404, `Message: {"Errors":["Resource Not Found. ${what} does not exist."]}`);
}

/** 409 of a name that is taken. */
export function conflict(what: string): Refusal {
  return new Refusal(409, `Message: {"Errors":["Resource with specified id or name already exists."]} (${what})`);
}
