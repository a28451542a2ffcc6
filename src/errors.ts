import { inspect, type InspectOptions } from 'node:util';
import type { LimitName } from './limits';

/**
 * Every way in which a request can fail, as one table. `http` is the status on every door; `message` is what the caller
 * reads where the error brings no message of its own that may be shown.
 */
export interface ErrorKind {
  /** HTTP status code (RFC 9110; 499 is never sent, it only marks logs and metrics). */
  readonly http: number;
  /** What the caller reads. One sentence, no detail of how the inside works. */
  readonly message: string;
  /** When it happens; the README's table is tested against this. */
  readonly meaning: string;
}

/** The catalogue. Its keys are `extensions.code` in GraphQL and `error.reason` in REST. */
export const catalogue = {
  UNAUTHENTICATED: {
    http: 401,
    message: 'Sign in to continue.',
    meaning: 'no session, or one that is unknown, expired or revoked',
  },
  FORBIDDEN: {
    http: 403,
    message: 'You do not have permission to perform this action.',
    meaning: 'the session lacks a permission, or the request failed the cross-site check',
  },
  BAD_USER_INPUT: {
    http: 400,
    message: 'The request is not valid.',
    meaning: 'a bad argument; the upstream said INVALID_ARGUMENT, OUT_OF_RANGE or FAILED_PRECONDITION',
  },
  GRAPHQL_PARSE_FAILED: {
    http: 400,
    message: 'The document is not valid GraphQL.',
    meaning: 'the GraphQL document has a syntax error',
  },
  GRAPHQL_VALIDATION_FAILED: {
    http: 400,
    message: 'The document does not fit the schema.',
    meaning: 'the GraphQL document does not fit the schema',
  },
  OPERATION_TOO_COMPLEX: {
    http: 400,
    message: 'The operation is too large.',
    meaning: 'the GraphQL document is over a limit',
  },
  NOT_FOUND: { http: 404, message: 'Not found.', meaning: 'no such thing, or no such path' },
  METHOD_NOT_ALLOWED: {
    http: 405,
    message: 'This method is not allowed here.',
    meaning: 'the path exists, for other methods; `Allow` lists them',
  },
  NOT_ACCEPTABLE: {
    http: 406,
    message: 'None of the media types in Accept can be served.',
    meaning: 'nothing that `Accept` names can be produced',
  },
  CONFLICT: {
    http: 409,
    message: 'This conflicts with what is there already.',
    meaning: 'the upstream said ALREADY_EXISTS or ABORTED; or a stream cannot go on where it broke off',
  },
  PAYLOAD_TOO_LARGE: { http: 413, message: 'The body is too large.', meaning: 'the body is over 1 MB' },
  UNSUPPORTED_MEDIA_TYPE: {
    http: 415,
    message: 'Send JSON, with Content-Type: application/json.',
    meaning: 'a body that is not plain application/json',
  },
  RATE_LIMITED: {
    http: 429,
    message: 'Too many requests. Try again later.',
    meaning: 'the upstream said RESOURCE_EXHAUSTED, or one address, session or user sends or has under way too much',
  },
  CLIENT_CLOSED_REQUEST: {
    http: 499,
    message: 'The client closed the request.',
    meaning: 'the client left, or its own deadline passed, for which it reads 504; in logs and metrics only',
  },
  INTERNAL_SERVER_ERROR: {
    http: 500,
    message: 'Something went wrong in the gateway.',
    meaning: 'a bug of the gateway',
  },
  NOT_IMPLEMENTED: {
    http: 501,
    message: 'This is not available.',
    meaning: 'the upstream said UNIMPLEMENTED, or the body has a Transfer-Encoding other than chunked',
  },
  UPSTREAM_ERROR: {
    http: 502,
    message: 'A service behind the gateway failed.',
    meaning:
      'the upstream said INTERNAL, UNKNOWN or DATA_LOSS, refused the credentials of the gateway, or answered what cannot be read',
  },
  AUTH_UNAVAILABLE: {
    http: 503,
    message: 'Your session cannot be checked right now. Try again shortly.',
    meaning: 'AuthService is unreachable, slow or failing, so that the session cannot be checked',
  },
  SERVICE_UNAVAILABLE: {
    http: 503,
    message: 'A service behind the gateway is unavailable. Try again shortly.',
    meaning: 'another upstream is unreachable',
  },
  OVERLOADED: {
    http: 503,
    message: 'The gateway is overloaded. Try again shortly.',
    meaning: 'the gateway sheds load, or is shutting down',
  },
  GATEWAY_TIMEOUT: {
    http: 504,
    message: 'A service behind the gateway did not answer in time.',
    meaning: 'the upstream said DEADLINE_EXCEEDED, or the time budget of the request is spent',
  },
} as const satisfies Record<string, ErrorKind>;

/** A key of {@link catalogue}. */
export type ErrorCode = keyof typeof catalogue;

/** One field of the request that an upstream or the gateway refused (google.rpc.BadRequest.FieldViolation). */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface GatewayErrorOptions {
  /** For the logs; never sent to the caller. */
  readonly cause?: unknown;
  /** Which fields of the request were refused, and why. */
  readonly fieldViolations?: readonly FieldViolation[];
  /** google.rpc error details of the upstream, as JSON, that the caller may read. */
  readonly details?: readonly unknown[];
  /** Whole seconds after which trying again makes sense. Sent as `Retry-After`. */
  readonly retryAfter?: number;
  /** HTTP headers that the answer must carry, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The limit of the gateway that the request is over: counted, and in the access line. */
  readonly limit?: LimitName;
  /** Whether a deadline that the client has set is all that went wrong; see {@link GatewayError.countedAs}. */
  readonly isClientDeadline?: boolean;
}

/** Makes an object that inherits from Error without the constructor of Error. A function is no constructor to the compiler. */
const Bare = function bare() {} as unknown as new () => Error;
Bare.prototype = Error.prototype;

/**
 * An error without a stack, for what a request fails with in the normal course of things. Where in the gateway that was
 * decided says nothing, and the constructor of Error, which collects a stack, takes longer than the rest of the answer.
 */
export abstract class StacklessError extends Bare {
  // As those of Error, its properties are not enumerable.
  readonly #message: string;
  readonly #cause: unknown;

  constructor(message: string, cause?: unknown) {
    super();
    this.#message = message;
    this.#cause = cause;
  }

  override get message(): string {
    return this.#message;
  }

  override get cause(): unknown {
    return this.#cause;
  }

  override get stack(): string {
    return `${this.name}: ${this.#message}`;
  }

  override set stack(stack: string) {
    Object.defineProperty(this, 'stack', { value: stack, configurable: true, writable: true });
  }

  /** `inspect` finds the message and the cause only of what the constructor of Error has made. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { message, cause, stack } = this;
    // The stack has it.
    const { name: _, ...fields } = this;
    const error = new Error(message, cause === undefined ? {} : { cause });
    return inspect(Object.assign(error, fields, { stack }), options);
  }
}

/** An error of the catalogue. Its message is shown to the caller; its cause is for the logs. */
export class GatewayError extends StacklessError {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly fieldViolations: readonly FieldViolation[] | undefined;
  readonly details: readonly unknown[] | undefined;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly limit: LimitName | undefined;
  readonly isClientDeadline: boolean | undefined;

  /** @param message - Shown to the caller, up to 1,000 characters; the catalogue's own where it is left out. */
  constructor(code: ErrorCode, message?: string, options: GatewayErrorOptions = {}) {
    super(message === undefined ? catalogue[code].message : cut(message), options.cause);
    // A bug.
    if (code === 'INTERNAL_SERVER_ERROR') Error.captureStackTrace(this, GatewayError);
    this.code = code;
    this.fieldViolations = options.fieldViolations?.slice(0, mostViolations).map(cutViolation);
    this.details = options.details;
    this.retryAfter = options.retryAfter;
    this.headers = options.headers;
    this.limit = options.limit;
    this.isClientDeadline = options.isClientDeadline;
  }

  /** The HTTP status of this error's code. */
  get status(): number {
    return catalogue[this.code].http;
  }

  /**
   * The code in access lines, metrics and spans. A request that ran into its client's own deadline is answered with 504 and
   * counted as 499: otherwise any client could raise the alerts for 5xx.
   */
  get countedAs(): ErrorCode {
    return this.isClientDeadline ? 'CLIENT_CLOSED_REQUEST' : this.code;
  }

  /** The HTTP status of {@link countedAs}. */
  get countedStatus(): number {
    return catalogue[this.countedAs].http;
  }
}

/** Characters of a message, at most: messages may repeat input of clients or text of upstreams. */
const longestMessage = 1_000;

/** How many fields an error names. */
const mostViolations = 20;

function cutViolation({ field, description }: FieldViolation): FieldViolation {
  return { field: cut(field), description: cut(description) };
}

function cut(message: string): string {
  return message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message;
}

/** GATEWAY_TIMEOUT because of the deadline that the client itself has set. */
export function clientDeadlinePassed(cause?: unknown): GatewayError {
  const message = 'The time that the request gave itself, by X-Request-Timeout-Ms or Grpc-Timeout, is over.';
  return new GatewayError('GATEWAY_TIMEOUT', message, { cause, isClientDeadline: true });
}

/** OVERLOADED by a limit of all clients together. */
export function overloaded(limit: LimitName): GatewayError {
  return new GatewayError('OVERLOADED', undefined, { retryAfter: 1, limit });
}

/** True for what was thrown because the client left. */
export function isClientClosed(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'CLIENT_CLOSED_REQUEST';
}

/**
 * Turns whatever was thrown into an error of the catalogue. What is not in the catalogue is a bug of ours: the caller
 * reads the catalogue's sentence, the log gets the cause whole.
 */
export function toGatewayError(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('INTERNAL_SERVER_ERROR', undefined, { cause: error });
}

const logged = new WeakSet<GatewayError>();

/** The part of a logger that {@link logBug} writes to. */
export interface ErrorLog {
  error(fields: object, message: string): void;
}

/**
 * Logs a bug of ours, with what caused it; once, though the error passes several that would log it.
 *
 * @param request - Its log is made when it is first asked for.
 */
export function logBug(error: GatewayError, request: { readonly log: ErrorLog }): void {
  if (error.code !== 'INTERNAL_SERVER_ERROR' || logged.has(error)) return;
  logged.add(error);
  request.log.error({ err: error.cause ?? error }, 'internal error');
}

/** The fields that every door adds to an error's body. */
export function publicDetails(error: GatewayError): Record<string, unknown> {
  const { fieldViolations } = error;
  // Clients that look at the details alone find there what the gateway itself says of fields, as services say it.
  const own = fieldViolations?.length ? [{ '@type': 'google.rpc.BadRequest', fieldViolations }] : [];
  const details = error.details?.length ? error.details : own;
  return {
    ...(fieldViolations?.length ? { fieldViolations } : {}),
    ...(details.length > 0 ? { details } : {}),
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
  };
}

/** The headers that an answer with this error must carry. */
export function errorHeaders({ headers, retryAfter }: GatewayError): Readonly<Record<string, string>> | undefined {
  return retryAfter === undefined ? headers : { ...headers, 'retry-after': String(retryAfter) };
}
