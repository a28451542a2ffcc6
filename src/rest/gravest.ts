import type { GatewayError } from '../errors';

/** The first of several errors with the highest status. */
export function gravest(errors: readonly GatewayError[]): GatewayError {
  return errors.reduce((worst, error) => (error.status > worst.status ? error : worst));
}
