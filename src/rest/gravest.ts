import type { GatewayError } from '../errors';

/** The first of those with the highest status; of those that say when to come again, the one that says the latest. */
export function gravest(errors: readonly GatewayError[]): GatewayError {
  const isWorse = (error: GatewayError, than: GatewayError): boolean =>
    error.status > than.status || (error.status === than.status && (error.retryAfter ?? 0) > (than.retryAfter ?? 0));
  return errors.reduce((worst, error) => (isWorse(error, worst) ? error : worst));
}
