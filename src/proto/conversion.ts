/**
 * Turns a value of a decoded message into what GraphQL sends out.
 *
 * @throws GatewayError UPSTREAM_ERROR for what GraphQL cannot show
 */
export type Read = (value: unknown) => unknown;

/**
 * Turns what GraphQL took in into what a message is written from; undefined for what is left out.
 *
 * @param depth - How many messages enclose the one that the value belongs to.
 * @throws ValueError for what does not fit
 */
export type Write = (value: unknown, depth: number) => unknown;

/** How values of one proto type go out and come in as one GraphQL scalar. */
export interface ScalarConversion {
  /** Undefined where they go out as they are. */
  readonly read: Read | undefined;
  readonly write: Write;
}

/** How a message that is a value rather than an object goes out and comes in. */
export interface MessageConversion extends ScalarConversion {
  readonly read: Read;
}

/**
 * A conversion of values of one type, as one of any values.
 *
 * The compiler cannot know which values will come. A conversion is chosen by the type of a field, in the proto or in the SDL,
 * and by that type protobufjs decodes its values, and graphql-js coerces them.
 */
export function typed<Rest extends readonly unknown[]>(
  convert: (value: never, ...rest: Rest) => unknown,
): (value: unknown, ...rest: Rest) => unknown {
  return convert as (value: unknown, ...rest: Rest) => unknown;
}
