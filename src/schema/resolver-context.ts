import type DataLoader from 'dataloader';
import type { GraphQLField, GraphQLFieldResolver } from 'graphql';
import type { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';

/** Who asks, as far as access rules and requests need to know. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  readonly permissions: readonly string[];
}

/** What resolvers get: one for each operation, never shared. */
export interface ResolverContext {
  /** Who asks; the error that a field for signed-in callers fails with where there is no valid session. */
  readonly caller: Caller | GatewayError;
  /** For every RPC that this operation makes. */
  readonly scope: CallScope;
  /** Keys of this operation, collected and looked up together. Made when first used. */
  readonly loaders: Map<object, DataLoader<never, unknown, string>>;
}

/** Arguments of a field, coerced. */
export type Args = Readonly<Record<string, unknown>>;

export type Resolver = GraphQLFieldResolver<unknown, ResolverContext, Args>;

/** A field of the schema while it is being built. */
export type SchemaField = GraphQLField<unknown, ResolverContext, Args>;
