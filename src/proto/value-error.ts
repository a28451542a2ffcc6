import { GatewayError } from '../errors';

/** A step of the way to a value: the name of a field, or its place in a list. */
export type Step = string | number;

/** A client's value that the message cannot hold. {@link within} adds the path to it; {@link badInput} makes it an error of the catalogue. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
  readonly path: Step[] = [];
}

/** @throws ValueError */
export function rejectValue(what: string): never {
  throw new ValueError(what);
}

/** A ValueError with one more step in front of its path; anything else as it is. */
export function within(step: Step, error: unknown): unknown {
  if (error instanceof ValueError) error.path.unshift(step);
  return error;
}

/** A ValueError as the caller reads it; anything else as it is. */
export function badInput(error: unknown): unknown {
  if (!(error instanceof ValueError)) return error;
  const field = error.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  const violation = { field: field.replace(/^\./, ''), description: error.message };
  return new GatewayError('BAD_USER_INPUT', `${violation.field}: ${violation.description}.`, {
    fieldViolations: [violation],
  });
}

/**
 * What an upstream sent and GraphQL cannot show: an error on its field.
 *
 * @throws GatewayError UPSTREAM_ERROR
 */
export function unreadable(what: string): never {
  throw new GatewayError('UPSTREAM_ERROR', undefined, { cause: new Error(what) });
}

/** Reads a value; one that cannot be read becomes the error of its own place, as graphql-js takes it, and of no other. */
export function attempt<From, To>(read: (value: From) => To, value: From): To | GatewayError {
  try {
    return read(value);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}
