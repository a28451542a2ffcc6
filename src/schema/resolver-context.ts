import type DataLoader from 'dataloader';
import { isNonNullType, type GraphQLField, type GraphQLFieldResolver } from 'graphql';
import { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';

/** The signed-in user who asks, as access rules and requests need it. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  readonly permissions: readonly string[];
}

/** By permission, whether the caller has it, or why that is not known. */
export type PolicyAnswers = ReadonlyMap<string, boolean | GatewayError>;

/** The context of resolvers: one for each operation, never shared. */
export interface ResolverContext {
  /** Who asks; without a valid session, the error that fields for signed-in callers fail with. */
  readonly caller: Caller | GatewayError;
  /** The scope of every RPC that this operation makes. */
  readonly scope: CallScope;
  /** The loaders of this operation, by look-up. Made when first used. */
  readonly loaders: Map<object, DataLoader<never, unknown, string>>;
  /** What was answered to the policies of the operation. Set before anything runs; undefined where none was asked about. */
  policyAnswers?: PolicyAnswers | undefined;
  /** Why fields are refused that were asked for too often, by their coordinate. Set before anything runs; undefined where none is. */
  overLimit?: ReadonlyMap<string, GatewayError> | undefined;
}

/** Forgets what an operation has read so far: from here on it may be different. */
export function forgetAnswers({ loaders, scope }: ResolverContext): void {
  loaders.clear();
  scope.shared?.clear();
}

/** Arguments of a field, coerced. */
export type Args = Readonly<Record<string, unknown>>;

export type Resolver = GraphQLFieldResolver<unknown, ResolverContext, Args>;

/** A field of the schema while it is being built. */
export type SchemaField = GraphQLField<unknown, ResolverContext, Args>;

/**
 * The value of a field whose object is not there.
 *
 * @throws GatewayError NOT_FOUND where the field must have one
 */
export function missing(field: SchemaField): null {
  if (isNonNullType(field.type)) throw new GatewayError('NOT_FOUND', `${field.name} was not found.`);
  return null;
}
