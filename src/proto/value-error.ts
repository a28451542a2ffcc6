import { GatewayError } from '../errors';

/** One part of the path to a value: the name of a field, or an index in a list. */
export type PathSegment = string | number;

/** A client's value that a message cannot hold. {@link within} adds the path to it, {@link badInput} turns it into a GatewayError. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
  readonly path: PathSegment[] = [];
}

/** @throws ValueError */
export function rejectValue(what: string): never {
  throw new ValueError(what);
}

/** Puts a segment in front of the path of a ValueError; returns anything else as it is. */
export function within(segment: PathSegment, error: unknown): unknown {
  if (error instanceof ValueError) error.path.unshift(segment);
  return error;
}

/** Converts a part of a value. A ValueError that this throws gets the part's segment in front of its path. */
export function atSegment<T>(segment: PathSegment, convert: () => T): T {
  try {
    return convert();
  } catch (error) {
    throw within(segment, error);
  }
}

/** A ValueError as BAD_USER_INPUT; anything else as it is. */
export function badInput(error: unknown): unknown {
  if (!(error instanceof ValueError)) return error;
  const field = error.path.map((segment) => (typeof segment === 'number' ? `[${segment}]` : `.${segment}`)).join('');
  const violation = { field: field.replace(/^\./, ''), description: error.message };
  return new GatewayError('BAD_USER_INPUT', `${violation.field}: ${violation.description}.`, {
    fieldViolations: [violation],
  });
}

/**
 * Refuses a value of an upstream that GraphQL cannot show: an error on its field.
 *
 * @throws GatewayError UPSTREAM_ERROR
 */
export function unreadable(what: string): never {
  throw new GatewayError('UPSTREAM_ERROR', undefined, { cause: new UnreadableValue(what) });
}

/** A value of an upstream that GraphQL cannot show. Its message is logged, and so never holds the value. */
export class UnreadableValue extends Error {
  override readonly name = 'UnreadableValue';
}

/** Reads one of several values. One that cannot be read becomes an error value, which graphql-js puts in its place alone. */
export function attempt<From, To>(read: (value: From) => To, value: From): To | GatewayError {
  try {
    return read(value);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}
