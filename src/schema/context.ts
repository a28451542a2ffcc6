import type DataLoader from 'dataloader';
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
