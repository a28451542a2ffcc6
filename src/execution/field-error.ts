import { GraphQLError, type FieldNode, type Location, type Source, type SourceLocation } from 'graphql';
import { GatewayError } from '../errors';

/**
 * An error of the catalogue at the place where it came up: what locatedError of graphql-js makes of it, for a tenth of the
 * cost. Where in the document that is, is worked out when it is asked for, and it has no stack.
 */
class FieldError {
  readonly name = 'GraphQLError';
  readonly message: string;
  readonly extensions = {};

  constructor(
    readonly originalError: GatewayError,
    readonly nodes: readonly FieldNode[],
    readonly path: readonly (string | number)[] | undefined,
  ) {
    this.message = originalError.message;
  }

  get locations(): readonly SourceLocation[] | undefined {
    if (this.nodes.length === 0) return undefined;
    return this.nodes.map(({ loc }) => loc && locationOf(loc)).filter((each) => each !== undefined);
  }
}

/** Where the lines of the last document begin that an error was located in: the errors of an operation come together. */
let lastLines: { readonly source: Source; readonly starts: readonly number[] } | undefined;

/** As getLocation of graphql-js, which reads the document from its beginning for each place. */
function locationOf({ source, start }: Location): SourceLocation {
  if (lastLines?.source !== source) lastLines = { source, starts: lineStarts(source.body) };
  const { starts } = lastLines;
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= start) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: start - starts[low]! + 1 };
}

/** Lines end as the specification has it (2.1.2, "LineTerminator"). */
function lineStarts(text: string): number[] {
  const starts = [0];
  for (const { index, 0: end } of text.matchAll(/\r\n|[\n\r]/g)) starts.push(index + end.length);
  return starts;
}

// An error of GraphQL, for whoever asks, without the constructor.
Object.setPrototypeOf(FieldError.prototype, GraphQLError.prototype);

/** Locates what a field failed with; undefined for what is not of the catalogue. */
export function locateKnown(
  thrown: unknown,
  nodes: readonly FieldNode[],
  path: readonly (string | number)[],
): GraphQLError | undefined {
  return thrown instanceof GatewayError ? locate(thrown, nodes, path) : undefined;
}

/** An error of the catalogue as one of GraphQL: that of a field or, without nodes and path, of the whole operation. */
export function locate(
  error: GatewayError,
  nodes: readonly FieldNode[],
  path: readonly (string | number)[] | undefined,
): GraphQLError {
  // The compiler cannot know what is in its prototype chain.
  return new FieldError(error, nodes, path) as unknown as GraphQLError;
}
