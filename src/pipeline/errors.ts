import { GraphQLError, type ExecutionResult } from 'graphql';
import { GatewayError, logBug, publicDetails, toGatewayError, type ErrorCode } from '../errors';
import type { Exchange } from '../http/exchange';

/** The error of the catalogue behind an error of GraphQL. */
function fromGraphQLError(error: unknown, otherwise: ErrorCode = 'BAD_USER_INPUT'): GatewayError {
  if (!(error instanceof GraphQLError)) return toGatewayError(error);
  const { originalError, path } = error;
  if (originalError instanceof GraphQLError) {
    // graphql-js refuses variables without a path and arguments with nodes; what it cannot write out has neither.
    return path === undefined || originalError.nodes
      ? new GatewayError(otherwise, error.message)
      : toGatewayError(originalError);
  }
  if (originalError) return toGatewayError(originalError);
  // What graphql-js says of a document or of its variables is meant for whoever wrote it.
  return new GatewayError(otherwise, error.message);
}

/** An error as clients see it (spec 7.1.2, "Errors"). As JSON it is what it shows. */
export class PresentedError {
  readonly #error: GatewayError;

  constructor(
    readonly message: string,
    readonly locations: GraphQLError['locations'],
    readonly path: GraphQLError['path'],
    readonly extensions: Readonly<Record<string, unknown>>,
    error: GatewayError,
  ) {
    this.#error = error;
  }

  /** For the doors, which read status and headers off it. */
  get error(): GatewayError {
    return this.#error;
  }
}

/** A result whose errors are all of the catalogue. */
export interface PresentedResult {
  readonly errors?: readonly PresentedError[];
  readonly data?: ExecutionResult['data'];
}

/** An error of the catalogue, with the request's id; the log gets the rest of it. */
export function presentError(error: unknown, exchange: Exchange, otherwise?: ErrorCode): PresentedError {
  const converted = fromGraphQLError(error, otherwise);
  exchange.facts.code ??= converted.code;
  logBug(converted, exchange);
  const { locations, path } = error instanceof GraphQLError ? error : nowhere;
  const extensions = { code: converted.code, requestId: exchange.id, ...publicDetails(converted) };
  return new PresentedError(converted.message, locations, path, extensions, converted);
}

const nowhere = { locations: undefined, path: undefined };

/** The catalogue's errors of a result. */
export function errorsOf(result: PresentedResult): GatewayError[] {
  return (result.errors ?? []).map(({ error }) => error);
}

/**
 * The HTTP status of a result: 200 where some data came back; where none did, the status of the errors, the gravest where
 * they do not agree.
 */
export function statusOf(result: PresentedResult): number {
  const statuses = errorsOf(result).map(({ status }) => status);
  const someData = result.data && Object.values(result.data).some((value) => value !== null);
  return statuses.length === 0 || someData ? 200 : Math.max(...statuses);
}

/** An error without the names of the schema that graphql-js suggests. */
export function withoutSuggestions(error: GraphQLError): GraphQLError {
  // No pattern: the message may hold as much of the client's text as a body does.
  const at = error.message.endsWith('?') ? error.message.lastIndexOf(' Did you mean ') : -1;
  const message = at < 0 ? error.message : error.message.slice(0, at);
  return at < 0 ? error : new GraphQLError(message, { nodes: error.nodes ?? null });
}
