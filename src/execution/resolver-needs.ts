/**
 * What a resolver says of itself, so that the execution makes nothing for it that it does not use:
 *
 * - `source`: it is called with the source alone, and gives no promise.
 * - `context`: it is called with source, arguments and context.
 */
type Needs = 'source' | 'context';

/** Kept beside the functions: graphql-js calls the same ones, with everything. */
const needs = new WeakMap<object, Needs>();

/** Marks a resolver, or the resolveType of an abstract type, that looks at its source alone and gives no promise. */
export function reading<Source, Value>(read: (source: Source) => Value): (source: Source) => Value {
  needs.set(read, 'source');
  return read;
}

/** Marks a resolver that has no use for `info`. */
export function withoutInfo<F extends (...given: never[]) => unknown>(resolve: F): F {
  needs.set(resolve, 'context');
  return resolve;
}

/** What a resolver was marked with; undefined for one that may use everything. */
export function needsOf(resolve: object): Needs | undefined {
  return needs.get(resolve);
}
