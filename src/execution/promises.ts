/** True for what `await` would wait for; all of graphql-js asks no more of a promise. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/**
 * What is made of a value once it is there. Always a promise of our own: with it `instanceof Promise` tells from values what
 * is still to come.
 */
export function later<From, To>(value: PromiseLike<From>, make: (value: From) => To | PromiseLike<To>): Promise<To> {
  const made = value.then(make);
  return made instanceof Promise ? (made as Promise<To>) : Promise.resolve(made);
}

/** For promises that nobody waits for any more: what they fail with was told otherwise. */
export function ignore(values: Iterable<unknown>): void {
  for (const value of values) if (value instanceof Promise) value.catch(() => {});
}
