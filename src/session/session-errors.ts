import { GatewayError } from '../errors';

/** Why a session is refused, as the cause of an UNAUTHENTICATED error. */
export class SessionRefused extends Error {
  override readonly name = 'SessionRefused';

  /**
   * @param settled - Whether AuthService itself holds the session for ended. False where a logout was asked for here and
   * AuthService has not confirmed it: the browser must then keep its cookie, or it could never try the logout again.
   */
  constructor(
    reason: string,
    readonly settled: boolean,
  ) {
    super(reason);
  }
}

/** True where a cookie that names this session is of no use any more. */
export function endsCookie(error: unknown): boolean {
  return error instanceof GatewayError && error.cause instanceof SessionRefused && error.cause.settled;
}

const challenge = { 'www-authenticate': 'Bearer realm="api-gateway"' };

/**
 * UNAUTHENTICATED, with the challenge that RFC 9110 section 11.6.1 asks for in every 401.
 *
 * @param message - Shown to the caller; the catalogue's own where it is left out.
 */
export function unauthenticated(message?: string, cause?: unknown): GatewayError {
  return new GatewayError('UNAUTHENTICATED', message, { cause, headers: challenge });
}

/** Whole seconds. */
const retryAfter = 1;

/** AUTH_UNAVAILABLE: AuthService gave no answer that says yes or no. */
export function authUnavailable(error: unknown, message?: string): GatewayError {
  const known = error instanceof GatewayError ? error : undefined;
  return new GatewayError('AUTH_UNAVAILABLE', message, {
    // The failure of the RPC itself, so that logs and `upstreamStatus` see it without a layer between.
    cause: known?.cause ?? error,
    retryAfter: known?.retryAfter ?? retryAfter,
  });
}
