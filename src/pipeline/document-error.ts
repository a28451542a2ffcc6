import { GraphQLError } from 'graphql';
import { GatewayError, type ErrorCode } from '../errors';

/**
 * What is wrong with a document, as an error of the catalogue in its place. Unlike the error of graphql-js it keeps neither the
 * parsed document nor a stack, so that a document which is not valid costs little to remember.
 */
class DocumentError {
  readonly name = 'GraphQLError';
  readonly message: string;
  readonly extensions = {};

  constructor(
    readonly originalError: GatewayError,
    readonly locations: GraphQLError['locations'],
  ) {
    this.message = originalError.message;
  }
}

// An instance of GraphQLError to whoever asks, made without its constructor.
Object.setPrototypeOf(DocumentError.prototype, GraphQLError.prototype);

/** Makes what graphql-js says of a document an error of the catalogue. */
export function documentError(code: ErrorCode, { message, locations }: GraphQLError): GraphQLError {
  // The compiler cannot know the prototype.
  return new DocumentError(new GatewayError(code, message), locations) as unknown as GraphQLError;
}
