import { GatewayError } from '../errors';
import type { LimitName } from '../limits';

/** Why a session is refused, as the cause of an UNAUTHENTICATED error. */
export class SessionRefused extends Error {
  override readonly name = 'SessionRefused';

  /**
   * @param settled - Whether the session has ended at AuthService too. False after a logout that AuthService has not
   * confirmed: the browser must keep its cookie, or it could never try the logout again.
   */
  constructor(
    reason: string,
    readonly settled: boolean,
  ) {
    super(reason);
  }
}

/** True where the error means that the session's cookie is of no more use. */
export function endsCookie(error: unknown): boolean {
  return error instanceof GatewayError && error.cause instanceof SessionRefused && error.cause.settled;
}

const challenge = { 'www-authenticate': 'Bearer realm="api-gateway"' };

/**
 * UNAUTHENTICATED, with the challenge that RFC 9110 section 11.6.1 requires in every 401.
 *
 * @param message - Shown to the caller; by default the catalogue's.
 */
export function unauthenticated(message?: string, cause?: unknown): GatewayError {
  return new GatewayError('UNAUTHENTICATED', message, { cause, headers: challenge });
}

/** Whole seconds. */
const retryAfter = 1;

/** AUTH_UNAVAILABLE: AuthService answered neither yes nor no, or was not asked because of a limit. */
export function authUnavailable(error: unknown, message?: string, limit?: LimitName): GatewayError {
  const known = error instanceof GatewayError ? error : undefined;
  const own = limit ?? known?.limit;
  return new GatewayError('AUTH_UNAVAILABLE', message, {
    // The cause is the RPC's own failure, so that logs and `upstreamStatus` find it directly.
    cause: known?.cause ?? error,
    retryAfter: known?.retryAfter ?? retryAfter,
    ...(own ? { limit: own } : {}),
  });
}
