import { status as Status, type ServiceError } from '@grpc/grpc-js';
import { GatewayError, type ErrorCode, type GatewayErrorOptions } from '../errors';
import { decodeStatusDetails } from './status-details';

/** Name of a gRPC status code, such as `NOT_FOUND`. */
export type StatusName = keyof typeof Status;

interface StatusMeaning {
  readonly code: ErrorCode;
  /** Whether the upstream's own message is written for callers. Those of failing services are not. */
  readonly showMessage: boolean;
}

/**
 * What each gRPC status of an upstream means for the caller: the one table for it.
 *
 * @see https://grpc.github.io/grpc/core/md_doc_statuscodes.html
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

/** The name of a status number; UNKNOWN for a number that gRPC does not define. */
export function statusName(code: number | undefined): StatusName {
  return (code === undefined ? undefined : (Status[code] as StatusName | undefined)) ?? 'UNKNOWN';
}

/** An RPC that ended with a status other than OK, as the cause of a {@link GatewayError}. */
export class UpstreamFailure extends Error {
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
export function fromServiceError(error: ServiceError, service: string, method: string): GatewayError {
  const name = statusName(error.code);
  const { code, showMessage } = meanings[name];
  const details = decodeStatusDetails(error.metadata);
  const retryAfter =
    details.retryAfter ?? (code === 'RATE_LIMITED' || code === 'SERVICE_UNAVAILABLE' ? defaultRetryAfter : undefined);
  const options: GatewayErrorOptions = {
    cause: new UpstreamFailure(service, method, name, error.details),
    // What a failing service says of its inside stays inside.
    ...(showMessage ? { fieldViolations: details.fieldViolations, details: details.details } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
  return new GatewayError(code, showMessage && error.details !== '' ? error.details : undefined, options);
}
