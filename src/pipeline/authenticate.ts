import { GatewayError, toGatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { Caller } from '../schema/resolver-context';
import type { Authenticated, Gatekeeper } from '../session/gatekeeper';
import type { OperationPlan } from './operation-plan';

/** The session of a request; or the error that fields for signed-in callers fail with. */
export type Identity = Authenticated | GatewayError;

/** Made once: operations of public fields alone never show it to anybody. */
const anonymous = new GatewayError('UNAUTHENTICATED');

/**
 * Finds out who asks. Operations of public fields alone ask nobody, and work while AuthService is down. A promise only where
 * AuthService has to be asked. Never throws: a missing session fails only the fields that need one.
 */
export function authenticate(
  { needsSession }: OperationPlan,
  exchange: Exchange,
  gatekeeper: Pick<Gatekeeper, 'authenticate'>,
): Identity | Promise<Identity> {
  if (!needsSession) return anonymous;
  try {
    const found = gatekeeper.authenticate(exchange);
    return found instanceof Promise ? found.catch(toGatewayError) : found;
  } catch (error) {
    return toGatewayError(error);
  }
}

/** Who asks, as access rules and requests see it. */
export function callerOf(identity: Identity): Caller | GatewayError {
  return identity instanceof GatewayError ? identity : identity.session;
}
