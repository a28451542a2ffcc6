import { GatewayError, isClientClosed } from '../errors';
import { upstreamStatus } from '../grpc/status';
import { authUnavailable, unauthenticated } from '../session/session-errors';
import type { Attempt } from './attempts';

/**
 * The code that a provider's answer carries.
 *
 * @throws GatewayError BAD_USER_INPUT for an answer that is ambiguous, comes from another provider (RFC 9207 section 2.4)
 * or carries no code; what {@link providerError} makes of an error that the provider reports.
 */
export function acceptedCode(answer: URLSearchParams, { provider, issuer, issuerRequired }: Attempt): string {
  const codes = answer.getAll('code');
  const issuers = answer.getAll('iss');
  const errors = answer.getAll('error');
  if (codes.length > 1 || issuers.length > 1 || errors.length > 1) throw unknownAttempt();
  if (issuers[0] === undefined ? issuerRequired : issuers[0] !== issuer) throw unknownAttempt();
  if (errors[0] !== undefined) throw providerError(errors[0], provider);
  if (!codes[0]) throw unknownAttempt();
  return codes[0];
}

/** The errors that mean "not signed in" (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6). */
const notSignedIn = new Set([
  'access_denied',
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
]);

function providerError(error: string, provider: string): GatewayError {
  if (notSignedIn.has(error)) return unauthenticated('The sign-in was cancelled, or the identity provider refused it.');
  // The codes of the specifications have this form. Anything else stays out of the log.
  const code = /^[a-z_]{1,40}$/.test(error) ? error : 'of no known form';
  const cause = new Error(`the identity provider "${provider}" answered with the error ${code}`);
  if (error === 'temporarily_unavailable' || error === 'server_error') {
    const message = `The identity provider "${provider}" is not available right now. Try again shortly.`;
    return new GatewayError('SERVICE_UNAVAILABLE', message, { cause, retryAfter: 5 });
  }
  return new GatewayError('UPSTREAM_ERROR', `The identity provider "${provider}" could not handle the request.`, {
    cause,
  });
}

/** The error that a failed HandleSsoCallback becomes. The call is never retried: a code can be used once. */
export function callbackError(error: unknown): unknown {
  if (!(error instanceof GatewayError) || isClientClosed(error) || error.isClientDeadline) return error;
  const { cause } = error;
  switch (upstreamStatus(error)) {
    case 'UNAUTHENTICATED':
      return unauthenticated('The identity provider refused this sign-in. Start again.', cause);
    case 'PERMISSION_DENIED':
      return new GatewayError('FORBIDDEN', 'This account may not sign in here.', { cause });
    case 'INVALID_ARGUMENT':
    case 'FAILED_PRECONDITION':
      return unknownAttempt(cause);
    case 'RESOURCE_EXHAUSTED':
      return error;
    default:
      return authUnavailable(error, 'Signing in is not possible right now. Try again shortly.');
  }
}

/** One message for every mismatch, so that it tells the forger of an answer nothing. */
export function unknownAttempt(cause?: unknown): GatewayError {
  const message = 'This sign-in attempt is not known here or has expired. Start again.';
  return new GatewayError('BAD_USER_INPUT', message, { cause });
}
