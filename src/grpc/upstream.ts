import type { Cancellation } from '../cancellation';
import type { TransportName } from '../config/variables';
import { clientDeadlinePassed, GatewayError } from '../errors';
import type { TraceContext } from '../telemetry/trace';
import type { CallerIdentity } from './metadata';
import type { StatusName } from './status';
import type { TlsMaterial } from './transport/transport';

/** The name of an RPC. */
export interface RpcName {
  /** Full name of the service, such as `auth.v1.AuthService`. */
  readonly service: string;
  /** Such as `GetUser`. */
  readonly method: string;
}

/** One RPC of a service: where it is and how its messages are written. */
export interface Rpc<Request, Response> extends RpcName {
  readonly serverStreaming: boolean;
  /** What the proto says of repeating the call; NONE where it says nothing. */
  readonly idempotency: 'NONE' | 'NO_SIDE_EFFECTS' | 'IDEMPOTENT';
  /** Statuses that are an answer rather than an error: neither counted nor logged as one. */
  readonly expected?: readonly StatusName[];
  /**
   * True where the gateway calls for itself: any other status is then a failure to be logged, whoever is to blame for it, and the
   * bound on calls under way does not count, so that what clients ask for cannot keep sessions from being checked.
   */
  readonly isOwn?: boolean;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
  /** True where a response would be decoded to more items than that: its values, and the messages and lists they are in. */
  readonly hasMoreItems: (bytes: Buffer, than: number) => boolean;
}

/** As much of an RPC as is counted. */
export type AnyRpc = RpcName & Pick<Rpc<never, never>, 'expected' | 'isOwn'>;

/** What a request gives to every RPC that is made for it. */
export interface CallScope {
  readonly requestId: string;
  readonly trace?: TraceContext;
  readonly identity?: CallerIdentity;
  /** When the time budget of the request is spent, in ms since the epoch. */
  readonly deadline: number;
  /**
   * The client's own deadline, in ms since the epoch; left out where there is no client. A call that ends by it does not count
   * as a failure of the upstream.
   */
  readonly clientDeadline?: number;
  /** Cancels the call; its reason is what the call then fails with. */
  readonly signal?: Cancellation;
  /** Counts a call that is about to be made; returns why there may be no more, where that is so. No limit where left out. */
  countCall?(): GatewayError | undefined;
  /** The calls that were made for this scope. Left out where no two can be equal. */
  readonly shared?: SharedAnswers;
}

/** The answers of calls that equal ones share. */
export interface SharedAnswers {
  /** @param make - Makes the call, unless an equal one was made. */
  answer<Response>(rpc: Rpc<never, Response>, message: Buffer, make: () => Promise<Response>): Promise<Response>;
  /** Forgets the answers: what comes now may differ. */
  clear(): void;
}

/** How to reach an upstream. */
export interface UpstreamAddress {
  /** A gRPC target: `host:port`, or `dns:///host:port` for all addresses of a headless Service. */
  readonly target: string;
  /** A plain connection where it is left out. */
  readonly tls?: TlsMaterial;
  readonly transport: TransportName;
  /** The most items that an answer may have. */
  readonly maxItems: number;
  /** Calls that may be under way at a time, apart from those that serve subscriptions. */
  readonly maxCalls: number;
}

/** One upstream: the one place that makes calls to it. */
export interface Upstream {
  readonly name: string;
  /**
   * Makes a unary call. Fails at once where too many are under way: requests that wait for one upstream must not take the place of
   * all others.
   *
   * @param timeout - Ms that this RPC may take; it also never takes longer than what is left of the scope's budget. Where
   *   nothing is left, the call is not made.
   * @throws GatewayError for every status but OK; what encoding the request throws, at once
   */
  unary<Req, Res>(rpc: Rpc<Req, Res>, request: Req, scope: CallScope, timeout: number): Promise<Res>;
  /**
   * Makes a server-streaming call. Messages are read from the wire only as they are asked for, and leaving the loop
   * cancels the call.
   *
   * @param use - `collect` where a request waits for the end of the stream: such a call counts as a unary one does. `subscribe`
   *   where it serves its messages as they come.
   * @throws GatewayError from the iterator, for every status but OK.
   */
  stream<Req, Res>(
    rpc: Rpc<Req, Res>,
    request: Req,
    scope: CallScope,
    timeout: number,
    use: 'collect' | 'subscribe',
  ): AsyncIterable<Res>;
  /**
   * Says that an RPC may be called, so that its series are there before its first call. Others are called just as well.
   */
  expect(rpc: AnyRpc): void;
  /** True while it is connected. */
  ready(): boolean;
  close(): void;
}

/** True once nothing is left of a request's time. Timers count whole ms, and so may fire up to one before the clock. */
export function isSpent({ deadline }: CallScope): boolean {
  return Date.now() + 1 >= deadline;
}

/** True where the time of a request is what its client has set. */
export function isClientDeadline({
  deadline,
  clientDeadline,
}: Pick<CallScope, 'deadline' | 'clientDeadline'>): boolean {
  return deadline === clientDeadline && deadline !== Infinity;
}

/** The error of work whose time is up. */
export function timeIsUp(scope: Pick<CallScope, 'deadline' | 'clientDeadline'>): GatewayError {
  return isClientDeadline(scope) ? clientDeadlinePassed() : new GatewayError('GATEWAY_TIMEOUT');
}

/** The error of work that a signal has cancelled. */
export function abortReason(signal: Cancellation): GatewayError {
  return signal.reason instanceof GatewayError
    ? signal.reason
    : new GatewayError('CLIENT_CLOSED_REQUEST', undefined, { cause: signal.reason });
}
