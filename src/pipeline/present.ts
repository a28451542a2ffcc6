import { GraphQLError, Kind, type ExecutionResult } from 'graphql';
import { GatewayError, logBug, publicDetails, toGatewayError, type FieldViolation } from '../errors';
import type { Exchange } from '../http/exchange';
import { UnreadableValue } from '../proto/value-error';

/**
 * The error of the catalogue behind an error of GraphQL. Those of documents carry theirs; what graphql-js says of variables and
 * arguments is BAD_USER_INPUT.
 */
export function fromGraphQLError(error: unknown): GatewayError {
  if (!(error instanceof GraphQLError)) return toGatewayError(error);
  const { originalError, path } = error;
  if (originalError instanceof GraphQLError) {
    // graphql-js refuses variables without a path and arguments with nodes; what it cannot write out has neither.
    return path === undefined || originalError.nodes ? badInput(error) : toGatewayError(originalError);
  }
  return originalError ? toGatewayError(originalError) : badInput(error);
}

function badInput(error: GraphQLError): GatewayError {
  const fieldViolations = violationsOf(error);
  return new GatewayError('BAD_USER_INPUT', error.message, fieldViolations && { fieldViolations });
}

/** What VariableDefinitions says of the value of a variable; undefined for an error of something else. */
function violationsOf({ extensions }: GraphQLError): readonly FieldViolation[] | undefined {
  return extensions['fieldViolations'] as readonly FieldViolation[] | undefined;
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
export function presentError(error: unknown, exchange: Exchange): PresentedError {
  const converted = fromGraphQLError(error);
  exchange.facts.code ??= converted.countedAs;
  if (converted.limit) exchange.facts.limit ??= converted.limit;
  logBug(converted, exchange);
  logUnreadable(error, converted, exchange);
  const { locations, path } = error instanceof GraphQLError ? error : nowhere;
  const extensions = { code: converted.code, requestId: exchange.id, ...publicDetails(converted) };
  return new PresentedError(converted.message, locations, path, extensions, converted);
}

const nowhere = { locations: undefined, path: undefined };

/** Ms between two lines, at least: what is wrong with a schema fails many requests alike. */
const logInterval = 1_000;
let lastUnreadable = -Infinity;

/** Says why a value could not be shown: the upstream has answered, and neither its log nor ours has anything else. */
function logUnreadable(error: unknown, { cause }: GatewayError, exchange: Exchange): void {
  if (!(cause instanceof UnreadableValue) || performance.now() - lastUnreadable < logInterval) return;
  lastUnreadable = performance.now();
  const field = error instanceof GraphQLError ? error.nodes?.find((node) => node.kind === Kind.FIELD) : undefined;
  exchange.log.warn({ field: field?.name.value, reason: cause.message }, 'a value of an upstream cannot be shown');
}

/** The catalogue's errors of a result. */
export function errorsOf(result: PresentedResult): GatewayError[] {
  return (result.errors ?? []).map(({ error }) => error);
}

/**
 * The HTTP status of a result: 200 where some data came back; where none did, the status of the errors, the gravest where
 * they do not agree.
 */
export function statusOf(
  result: PresentedResult,
  statusOfError = ({ status }: GatewayError): number => status,
): number {
  const statuses = errorsOf(result).map(statusOfError);
  const someData = result.data && Object.values(result.data).some((value) => value !== null);
  return statuses.length === 0 || someData ? 200 : Math.max(...statuses);
}

/** A result before it is presented: its errors may be anything that was thrown. */
export interface RawResult {
  readonly data?: ExecutionResult['data'];
  readonly errors?: readonly unknown[] | undefined;
}

/**
 * A result as clients see it.
 *
 * @param suggestions - Whether messages may name what the schema has in place of what the client wrote.
 */
export function presentResult({ data, errors }: RawResult, exchange: Exchange, suggestions: boolean): PresentedResult {
  if (!errors?.length) return data === undefined ? {} : { data };
  const presented = errors.map((error) => presentError(suggestions ? error : withoutNames(error), exchange));
  return data === undefined ? { errors: presented } : { errors: presented, data };
}

/** Errors of variables may name what the client did not know. Those of fields and of the catalogue name nothing. */
function withoutNames(error: unknown): unknown {
  if (!(error instanceof GraphQLError) || error.path || error.originalError instanceof GatewayError) return error;
  return withoutSuggestions(error);
}

/** An error without the names of the schema that graphql-js suggests. */
export function withoutSuggestions(error: GraphQLError): GraphQLError {
  const message = withoutSuggestion(error.message);
  if (message === error.message) return error;
  const fieldViolations = violationsOf(error)?.map(({ field, description }) => ({
    field,
    description: withoutSuggestion(description),
  }));
  return new GraphQLError(message, { nodes: error.nodes ?? null, extensions: fieldViolations && { fieldViolations } });
}

function withoutSuggestion(message: string): string {
  // No pattern: the message may hold as much of the client's text as a body does. A message that was cut ends with an ellipsis.
  const mayHaveOne = message.endsWith('?') || message.endsWith('…');
  const at = mayHaveOne ? message.lastIndexOf(' Did you mean ') : -1;
  return at < 0 ? message : message.slice(0, at);
}
