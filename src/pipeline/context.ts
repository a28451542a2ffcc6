import type { Exchange } from '../exchange';
import type { CallScope } from '../grpc/upstream';
import type { Authenticated } from '../session/gatekeeper';
import type { ResolverContext } from '../schema/context';
import type { PreparedDocument } from './documents';
import type { OperationPlan } from './plan';

/** The context of an operation: what the plugins, and then the resolvers, find. */
export interface GatewayContext extends ResolverContext {
  /** Filled in with who asks and how long it may take, before the operation runs. */
  scope: CallScope;
  readonly exchange: Exchange;
  /** Set when the document is parsed. */
  prepared?: PreparedDocument;
  /** Set when the operation is chosen, before anybody is asked who the caller is. */
  plan?: OperationPlan;
  /** The session and the credential that it was found by, for operations that need one and got one. */
  authenticated?: Authenticated;
}
