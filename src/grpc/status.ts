import { catalogue, GatewayError, StacklessError, type ErrorCode, type GatewayErrorOptions } from '../errors';
import type { LimitName } from '../limits';
import { decodeStatusDetails } from './status-details';

/**
 * The status codes of gRPC.
 *
 * @see https://grpc.github.io/grpc/core/md_doc_statuscodes.html
 */
export enum Status {
  OK = 0,
  CANCELLED = 1,
  UNKNOWN = 2,
  INVALID_ARGUMENT = 3,
  DEADLINE_EXCEEDED = 4,
  NOT_FOUND = 5,
  ALREADY_EXISTS = 6,
  PERMISSION_DENIED = 7,
  RESOURCE_EXHAUSTED = 8,
  FAILED_PRECONDITION = 9,
  ABORTED = 10,
  OUT_OF_RANGE = 11,
  UNIMPLEMENTED = 12,
  INTERNAL = 13,
  UNAVAILABLE = 14,
  DATA_LOSS = 15,
  UNAUTHENTICATED = 16,
}

/** How an RPC ended. */
export interface CallEnd {
  readonly code: Status;
  /** What the upstream said of it, or what happened; empty where there is nothing to say. */
  readonly details: string;
  /** `grpc-status-details-bin`: a google.rpc.Status. */
  readonly statusDetails: Buffer | undefined;
  /** The limit of the gateway that the answer is over; `details` then are for callers too. */
  readonly limit?: LimitName;
}

/** Name of a gRPC status code, such as `NOT_FOUND`. */
export type StatusName = keyof typeof Status;

interface StatusMeaning {
  readonly code: ErrorCode;
  /** Whether the upstream's own message is written for callers. Those of failing services are not. */
  readonly showMessage: boolean;
}

/**
 * What each gRPC status of an upstream means for the caller: the one table for it.
 */
const meanings: Record<StatusName, StatusMeaning> = {
  OK: { code: 'INTERNAL_SERVER_ERROR', showMessage: false },
  CANCELLED: { code: 'UPSTREAM_ERROR', showMessage: false },
  UNKNOWN: { code: 'UPSTREAM_ERROR', showMessage: false },
  INVALID_ARGUMENT: { code: 'BAD_USER_INPUT', showMessage: true },
  DEADLINE_EXCEEDED: { code: 'GATEWAY_TIMEOUT', showMessage: false },
  NOT_FOUND: { code: 'NOT_FOUND', showMessage: true },
  ALREADY_EXISTS: { code: 'CONFLICT', showMessage: true },
  PERMISSION_DENIED: { code: 'FORBIDDEN', showMessage: false },
  RESOURCE_EXHAUSTED: { code: 'RATE_LIMITED', showMessage: false },
  FAILED_PRECONDITION: { code: 'BAD_USER_INPUT', showMessage: true },
  ABORTED: { code: 'CONFLICT', showMessage: true },
  OUT_OF_RANGE: { code: 'BAD_USER_INPUT', showMessage: true },
  UNIMPLEMENTED: { code: 'NOT_IMPLEMENTED', showMessage: false },
  INTERNAL: { code: 'UPSTREAM_ERROR', showMessage: false },
  UNAVAILABLE: { code: 'SERVICE_UNAVAILABLE', showMessage: false },
  DATA_LOSS: { code: 'UPSTREAM_ERROR', showMessage: false },
  // The upstream refused the gateway, not the user: sessions are checked by ValidateSession alone.
  UNAUTHENTICATED: { code: 'UPSTREAM_ERROR', showMessage: false },
};

/** Statuses that callers get a 5xx for. */
export const failureStatuses: readonly StatusName[] = (Object.keys(meanings) as StatusName[]).filter(
  (name) => name !== 'OK' && catalogue[meanings[name].code].http >= 500,
);

/** The name of a status number; UNKNOWN for a number that gRPC does not define. */
export function statusName(code: number): StatusName {
  return (Status[code] as StatusName | undefined) ?? 'UNKNOWN';
}

/** An RPC that ended with a status other than OK, as the cause of a {@link GatewayError}. */
export class UpstreamFailure extends StacklessError {
  override readonly name = 'UpstreamFailure';
  constructor(
    readonly service: string,
    readonly method: string,
    readonly status: StatusName,
    details: string,
  ) {
    super(details);
  }
}

/** The gRPC status behind an error, where there is one. */
export function upstreamStatus(error: unknown): StatusName | undefined {
  return error instanceof GatewayError && error.cause instanceof UpstreamFailure ? error.cause.status : undefined;
}

/** Seconds after which a caller may try again where the upstream did not say. */
const defaultRetryAfter = 1;

/** Converts the end of an RPC into an error of the catalogue, google.rpc details included. */
export function fromCallEnd(end: CallEnd, service: string, method: string): GatewayError {
  const name = statusName(end.code);
  const { code, showMessage } = meanings[name];
  const details = decodeStatusDetails(end.statusDetails);
  const retryAfter =
    details.retryAfter ?? (code === 'RATE_LIMITED' || code === 'SERVICE_UNAVAILABLE' ? defaultRetryAfter : undefined);
  const options: GatewayErrorOptions = {
    cause: new UpstreamFailure(service, method, name, end.details),
    // What a failing service says of its inside stays inside.
    ...(showMessage ? { fieldViolations: details.fieldViolations, details: details.details } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(end.limit === undefined ? {} : { limit: end.limit }),
  };
  const isShown = (showMessage || end.limit !== undefined) && end.details !== '';
  return new GatewayError(code, isShown ? end.details : undefined, options);
}
