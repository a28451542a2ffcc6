import type DataLoader from 'dataloader';
import type { Cancellation } from '../cancellation';
import { GatewayError, type ErrorCode } from '../errors';
import type { CallScope } from '../grpc/upstream';
import type { Exchange } from '../http/exchange';
import type { Caller, ResolverContext } from '../schema/resolver-context';
import type { Authenticated } from '../session/gatekeeper';
import type { OperationSpan, TraceContext } from '../telemetry/trace';
import type { PreparedDocument } from './documents';
import type { OperationPlan } from './plan';

/** The caller of an operation that needs no session: the same for all of them. */
const nobody = new GatewayError('UNAUTHENTICATED');

/** The context of an operation: what the plugins, and then the resolvers, find. */
export class GatewayContext implements ResolverContext {
  /** When it was handed to the pipeline, in ms by the monotonic clock. */
  readonly began = performance.now();
  caller: Caller | GatewayError = nobody;
  /** Set before the operation runs. */
  declare scope: CallScope;
  /** Set when the document is parsed. */
  declare prepared?: PreparedDocument;
  /** Set when the operation is chosen, before anybody is asked who the caller is. */
  declare plan?: OperationPlan;
  /** The session and the credential that it was found by, for operations that need one and got one. */
  declare authenticated?: Authenticated;
  /** Code of the first error that the gateway or an upstream is to blame for. */
  failure: ErrorCode | undefined;
  private span: OperationSpan | undefined;
  private madeLoaders: Map<object, DataLoader<never, unknown, string>> | undefined;

  constructor(readonly exchange: Exchange) {
    this.span = exchange.trace.span?.beginOperation();
  }

  /** What the operation's RPCs are a part of. */
  get trace(): TraceContext {
    return (this.span ?? this.exchange).trace;
  }

  get loaders(): Map<object, DataLoader<never, unknown, string>> {
    return (this.madeLoaders ??= new Map());
  }

  /** The operation has its answer, or its last one, or nobody waits for it any more; the first of them counts. */
  ended(): void {
    if (!this.span) return;
    const { reason } = this.exchange.cancellation;
    const cut = reason instanceof GatewayError && reason.status >= 500 ? reason.code : undefined;
    this.span.end({ type: this.plan?.operation.operation, failure: this.failure ?? cut });
    this.span = undefined;
  }
}

/** What an operation gives to its RPCs. What of the exchange none of them uses is not asked for. */
export class OperationScope implements CallScope {
  readonly identity?: Caller;

  /**
   * @param trace - What the RPCs are a part of.
   * @param deadline - Ms since the epoch.
   * @param watch - Ends the operation as well, where something else than the exchange does.
   */
  constructor(
    private readonly exchange: Exchange,
    readonly trace: TraceContext,
    readonly deadline: number,
    caller: Caller | GatewayError,
    private readonly watch?: Cancellation,
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
    return this.watch ?? this.exchange.cancellation;
  }
}
