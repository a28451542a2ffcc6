import type { GraphQLInputType } from 'graphql';
import type { AnswerShape } from './answer-shape';
import type { EnumCase } from './enum-case';

/** A variable of a route's operation. */
export interface RouteVariable {
  readonly name: string;
  readonly type: GraphQLInputType;
  /** True where the request must give it. */
  readonly required: boolean;
  /** How its enum values may be written besides; undefined where only as in GraphQL. */
  readonly enumCase: EnumCase | undefined;
}

/** A route, compiled from an operation. */
export interface RestOperation {
  readonly name: string;
  readonly method: string;
  readonly paths: readonly string[];
  /** Of success. */
  readonly status: number;
  /** The variable that is the body; `*` where each field of the body is a variable; undefined for no body. */
  readonly body: string | undefined;
  /** The variables that the body fills. */
  readonly bodyVariables: readonly RouteVariable[];
  readonly pathVariables: readonly RouteVariable[];
  readonly queryVariables: readonly RouteVariable[];
  /** True where other query parameters are refused. */
  readonly refusesUnknownQuery: boolean;
  /** The operation without the directives of REST. */
  readonly query: string;
  /** Response key of the root field, whose value is the answer. */
  readonly rootKey: string;
  readonly shape: AnswerShape | undefined;
  /** Names of response headers that fields are sent in. */
  readonly headers: readonly string[];
  /** True for a subscription. */
  readonly isStream: boolean;
  /** Response keys of the root field's value that are members of a oneof: an event is named after the one that is set. */
  readonly members: readonly string[];
}
