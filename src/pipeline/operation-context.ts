import type DataLoader from 'dataloader';
import type { Cancellation } from '../cancellation';
import { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';
import type { Exchange } from '../http/exchange';
import type { Caller, ResolverContext } from '../schema/resolver-context';
import type { TraceContext } from '../telemetry/trace';

/** What the resolvers of one operation get. */
export class OperationContext implements ResolverContext {
  private lazyLoaders: Map<object, DataLoader<never, unknown, string>> | undefined;

  constructor(
    readonly exchange: Exchange,
    readonly caller: Caller | GatewayError,
    readonly scope: CallScope,
  ) {}

  get loaders(): Map<object, DataLoader<never, unknown, string>> {
    return (this.lazyLoaders ??= new Map());
  }
}

/** What one operation gives to its RPCs. Reads from the exchange only when an RPC asks. */
export class OperationScope implements CallScope {
  readonly identity?: Caller;

  /**
   * @param trace - The parent of the RPCs' spans.
   * @param deadline - Ms since the epoch.
   * @param ending - Cancels the RPCs of a stream when its session or its exchange ends; the exchange alone where left out.
   */
  constructor(
    private readonly exchange: Exchange,
    readonly trace: TraceContext,
    readonly deadline: number,
    caller: Caller | GatewayError,
    private readonly ending?: Cancellation,
  ) {
    if (!(caller instanceof GatewayError)) this.identity = caller;
  }

  get requestId(): string {
    return this.exchange.id;
  }

  get clientDeadline(): number {
    return this.exchange.clientDeadline;
  }

  get signal(): Cancellation {
    return this.ending ?? this.exchange.cancellation;
  }
}
