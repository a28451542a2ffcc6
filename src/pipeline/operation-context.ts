import type DataLoader from 'dataloader';
import { firstOf, type Canceller, type Cancellation } from '../cancellation';
import { GatewayError } from '../errors';
import type { ResultLimit } from '../execution/run';
import { SharedCalls } from '../grpc/shared-calls';
import type { CallScope } from '../grpc/upstream';
import type { Exchange } from '../http/exchange';
import type { LimitName } from '../limits';
import { maxSelectedFields } from './operation-cost';
import type { Caller, ResolverContext } from '../schema/resolver-context';
import type { SessionGuard } from '../session/guards';
import type { Policies } from '../session/policies';
import type { RateLimits } from '../session/rate-limits';
import type { TraceContext } from '../telemetry/trace';

/** What the resolvers of one operation get. */
export class OperationContext implements ResolverContext {
  policyAnswers: ResolverContext['policyAnswers'] = undefined;
  overLimit: ResolverContext['overLimit'] = undefined;
  private lazyLoaders: Map<object, DataLoader<never, unknown, string>> | undefined;

  constructor(
    readonly exchange: Exchange,
    readonly caller: Caller | GatewayError,
    readonly scope: OperationScope,
  ) {}

  get loaders(): Map<object, DataLoader<never, unknown, string>> {
    return (this.lazyLoaders ??= new Map());
  }
}

/** What one operation may take while it runs. */
export interface OperationLimits {
  /** What it may cost; see src/schema/cost.ts. */
  readonly maxCost: number;
  /** Whether what costs more is refused; else it is only logged and counted. */
  readonly enforcesCost: boolean;
  /** RPCs; of a subscription, for each event. */
  readonly maxCalls: number;
  /** Bytes of the result's JSON, about; of a subscription, for each event. */
  readonly maxResultSize: number;
}

/** What is asked about an operation before it runs. */
export interface OperationChecks {
  readonly rateLimits: Pick<RateLimits, 'spend'>;
  /** Left out where the schema has none. */
  readonly policies?: Policies | undefined;
}

export interface OperationScopeOptions {
  readonly trace: TraceContext;
  readonly deadline: number;
  readonly limits: OperationLimits;
  readonly checks: OperationChecks;
  readonly mergesCalls: boolean;
  readonly guard?: SessionGuard;
}

/** What one operation gives to its RPCs, and what it may take. Reads from the exchange only when an RPC asks. */
export class OperationScope implements CallScope, ResultLimit {
  readonly identity?: Caller;
  readonly shared?: SharedCalls;
  /** Why the operation ends early; undefined while it is within its limits. */
  exceeded: GatewayError | undefined;
  private calls = 0;
  private canceller: Canceller | undefined;

  /**
   * @param options.trace - The parent of the RPCs' spans.
   * @param options.deadline - Ms since the epoch.
   * @param options.guard - Cancels the RPCs of a stream when its session ends; left out for what is no stream.
   * @param options.mergesCalls - Whether two of its calls may be equal.
   */
  constructor(
    private readonly exchange: Exchange,
    caller: Caller | GatewayError,
    private readonly options: OperationScopeOptions,
  ) {
    if (!(caller instanceof GatewayError)) this.identity = caller;
    if (options.mergesCalls) this.shared = new SharedCalls();
  }

  get trace(): TraceContext {
    return this.options.trace;
  }

  get deadline(): number {
    return this.options.deadline;
  }

  get guard(): SessionGuard | undefined {
    return this.options.guard;
  }

  get checks(): OperationChecks {
    return this.options.checks;
  }

  get maxResultSize(): number {
    return this.options.limits.maxResultSize;
  }

  /** Notes what the operation costs. Returns why it is refused, where it is. */
  admitCost(cost: number): GatewayError | undefined {
    const { maxCost, enforcesCost } = this.options.limits;
    if (cost <= maxCost) return undefined;
    const { facts } = this.exchange;
    facts.cost = Number.isFinite(cost) ? Math.round(cost) : -1;
    if (!enforcesCost) {
      facts.limit ??= 'cost_measured';
      return undefined;
    }
    const had = Number.isFinite(cost) ? `costs ${Math.round(cost)}` : `selects more than ${maxSelectedFields} fields`;
    return new GatewayError('OPERATION_TOO_COMPLEX', `The operation ${had}; it may cost ${maxCost} at most.`, {
      limit: 'cost',
    });
  }

  /** Counts the operation as a stream of its caller's session. Returns why it is refused, where it is. */
  admitStream(): GatewayError | undefined {
    return this.exchange.beginStream(this.identity?.sessionId);
  }

  countCall(): GatewayError | undefined {
    const { maxCalls } = this.options.limits;
    this.calls += 1;
    if (this.calls <= maxCalls) return undefined;
    return this.exceed(
      'calls',
      `The operation makes more than ${maxCalls} calls to services, the most that one may make.`,
    );
  }

  tooLarge(): GatewayError {
    return this.exceed(
      'result_size',
      `The result is larger than ${this.maxResultSize} bytes, the most that one may have.`,
    );
  }

  /** The first limit counts. */
  private exceed(limit: LimitName, message: string): GatewayError {
    if (!this.exceeded) {
      this.exceeded = new GatewayError('OPERATION_TOO_COMPLEX', message, { limit });
      this.canceller?.abort(this.exceeded);
    }
    return this.exceeded;
  }

  /** Each event of a subscription has the limits for itself. */
  beginEvent(): void {
    this.calls = 0;
  }

  get requestId(): string {
    return this.exchange.id;
  }

  get clientDeadline(): number {
    return this.exchange.clientDeadline;
  }

  /** Cancels calls that are under way: of an operation that is over a limit, whose client left, or whose session ended. */
  get signal(): Cancellation {
    if (this.canceller) return this.canceller;
    const ending = this.guard?.ending;
    const { cancellation } = this.exchange;
    this.canceller = firstOf(ending ? [ending, cancellation] : [cancellation]);
    return this.canceller;
  }
}
