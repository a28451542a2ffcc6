import { getLocation, GraphQLError, type FieldNode, type SourceLocation } from 'graphql';
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
    readonly path: readonly (string | number)[],
  ) {
    this.message = originalError.message;
  }

  get locations(): readonly SourceLocation[] {
    return this.nodes.map(locationOf).filter((each) => each !== undefined);
  }
}

/** Where fields of documents that are run again and again stand: to find it takes reading the document. */
const locations = new WeakMap<FieldNode, SourceLocation>();

function locationOf(node: FieldNode): SourceLocation | undefined {
  const known = locations.get(node);
  if (known || !node.loc) return known;
  const found = getLocation(node.loc.source, node.loc.start);
  locations.set(node, found);
  return found;
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

/** An error of the catalogue, as that of a field. */
export function locate(
  error: GatewayError,
  nodes: readonly FieldNode[],
  path: readonly (string | number)[],
): GraphQLError {
  // The compiler cannot know what is in its prototype chain.
  return new FieldError(error, nodes, path) as unknown as GraphQLError;
}
