import type { Cancellation } from '../cancellation';
import { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { CounterSeries, HistogramSeries, Metrics } from '../telemetry/metrics';
import type { CallSpan, TraceContext } from '../telemetry/trace';
import { Call, type CallRequest } from './call';
import { Channel } from './channel';
import type { TlsMaterial } from './connection';
import { callHeaders, rpcHeaders, type CallerIdentity } from './metadata';
import { failureStatuses, fromCallEnd, Status, statusName, type CallEnd, type StatusName } from './status';
import { parseTarget } from './target';

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
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

/** As much of an RPC as is counted. */
type AnyRpc = RpcName & Pick<Rpc<never, never>, 'expected'>;

/** What a request gives to every RPC that is made for it. */
export interface CallScope {
  readonly requestId: string;
  readonly trace?: TraceContext;
  readonly identity?: CallerIdentity;
  /** When the time budget of the request is spent, in ms since the epoch. */
  readonly deadline: number;
  /**
   * Until when the client wants to wait. Where that is the deadline, nothing of an upstream is told by its passing. Left out
   * where no client has a say in it.
   */
  readonly clientDeadline?: number;
  /** Cancels the call; its reason is what the call then fails with. */
  readonly signal?: Cancellation;
}

/** How to reach an upstream. */
export interface UpstreamAddress {
  /** A gRPC target: `host:port`, or `dns:///host:port` for all addresses of a headless Service. */
  readonly target: string;
  /** A plain connection where it is left out. */
  readonly tls?: TlsMaterial;
}

/** One upstream: a channel, and the one place that makes calls on it. */
export interface Upstream {
  readonly name: string;
  /**
   * Makes a unary call.
   *
   * @param timeout - Ms that this RPC may take; it also never takes longer than what is left of the scope's budget. Where
   *   nothing is left, the call is not made.
   * @throws GatewayError for every status but OK.
   */
  unary<Req, Res>(rpc: Rpc<Req, Res>, request: Req, scope: CallScope, timeout: number): Promise<Res>;
  /**
   * Makes a server-streaming call. Messages are read from the wire only as they are asked for, and leaving the loop
   * cancels the call.
   *
   * @throws GatewayError from the iterator, for every status but OK.
   */
  stream<Req, Res>(rpc: Rpc<Req, Res>, request: Req, scope: CallScope, timeout: number): AsyncIterable<Res>;
  /**
   * Says that an RPC may be called, so that its series are there before its first call. Others are called just as well.
   */
  expect(rpc: AnyRpc): void;
  /** True while the channel is connected. */
  ready(): boolean;
  close(): void;
}

/** Ms between two lines about one upstream, at least: during an outage every request fails alike. */
const logInterval = 1_000;

/** What operators look for in the log: one of the two is in every line about a failed call. */
const failureMessages: Partial<Record<StatusName, string>> = {
  UNAVAILABLE: 'upstream connection error: service unavailable',
  DEADLINE_EXCEEDED: 'upstream connection error: no answer in time',
};
const otherFailure = 'service unavailable: the upstream failed the call';

/** Logs failed calls, saying how many went unlogged since the last line. */
function createFailureLog(log: Logger, upstream: string) {
  let last = -Infinity;
  let unlogged = 0;
  return (call: RpcName & { readonly code: StatusName }, { requestId, trace }: CallScope, cause: unknown): void => {
    if (performance.now() - last < logInterval) {
      unlogged++;
      return;
    }
    // Below a key of its own: on every line `service` is the gateway.
    const line = { upstream, grpc: call, requestId, traceId: trace?.traceId, err: cause };
    log.error(unlogged > 0 ? { ...line, unlogged } : line, failureMessages[call.code] ?? otherFailure);
    last = performance.now();
    unlogged = 0;
  };
}

/** What is the same for every call of an RPC. */
interface KnownRpc {
  readonly headers: string;
  /** Of unary calls; from the first on. */
  latency?: HistogramSeries;
  readonly ok: CounterSeries;
}

export interface UpstreamOptions {
  readonly name: string;
  readonly address: UpstreamAddress;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function createUpstream({ name, address, log, metrics }: UpstreamOptions): Upstream {
  // It connects now, so that the first request does not pay for it.
  const target = parseTarget(address.target);
  const channel = new Channel(target, address.tls);
  const logFailure = createFailureLog(log, name);
  const known = new WeakMap<AnyRpc, KnownRpc>();
  let inFlight = 0;
  metrics.upstreamReady.read({ service: name }, () => (channel.ready ? 1 : 0));
  metrics.upstreamInFlight.read({ service: name }, () => inFlight);

  function knownOf(rpc: AnyRpc): KnownRpc {
    const found = known.get(rpc);
    if (found) return found;
    const { service, method } = rpc;
    const made: KnownRpc = {
      headers: rpcHeaders(service, method),
      ok: metrics.upstreamRequests.series({ service, method, code: 'OK' }),
    };
    known.set(rpc, made);
    return made;
  }

  /** What a call sends, and what records it, if anything does. */
  function begin<Req>(
    rpc: Rpc<Req, unknown>,
    request: Req,
    scope: CallScope,
    timeout: number,
  ): { readonly call: CallRequest; readonly span: CallSpan | undefined } {
    const { requestId, trace, identity } = scope;
    const { service, method } = rpc;
    // Before anything is recorded of a call that cannot even be written.
    const message = rpc.encode(request);
    const span = trace?.span?.beginCall({ service, method, authority: target.authority });
    const headers = knownOf(rpc).headers + callHeaders(requestId, (span ?? scope).trace, identity);
    return { call: { headers, message, deadline: Math.min(scope.deadline, Date.now() + timeout) }, span };
  }

  /**
   * Tells metrics, log and trace of a call that had no answer.
   *
   * @param failure - What the upstream failed with; left out where that is an answer, or the call was ended from here.
   */
  function ended(
    rpc: AnyRpc,
    scope: CallScope,
    span: CallSpan | undefined,
    code: Status,
    failure?: GatewayError,
  ): void {
    const labels = { service: rpc.service, method: rpc.method, code: statusName(code) };
    span?.end(code, failure && labels.code);
    metrics.upstreamRequests.series(labels).inc();
    if (!failure) return;
    metrics.upstreamErrors.series(labels).inc();
    if (failure.status >= 500) logFailure(labels, scope, failure.cause);
  }

  /** Tells of a call that failed; gives what its caller reads. */
  function failed(rpc: AnyRpc, scope: CallScope, span: CallSpan | undefined, end: CallEnd): GatewayError {
    const { signal } = scope;
    // A call that was cancelled from here fails with the reason of the cancellation.
    if (signal?.aborted && end.code === Status.CANCELLED) {
      ended(rpc, scope, span, Status.CANCELLED);
      return abortReason(signal);
    }
    // So is one that ran when the gateway ended.
    if (channel.closed) {
      ended(rpc, scope, span, Status.CANCELLED);
      return new GatewayError('OVERLOADED', 'The gateway is restarting.');
    }
    const error = fromCallEnd(end, rpc.service, rpc.method);
    // No client may make an upstream look slow by its own impatience.
    const isCutShort =
      end.code === Status.DEADLINE_EXCEEDED && scope.deadline === scope.clientDeadline && isSpent(scope);
    const isAnswer = rpc.expected?.includes(statusName(end.code));
    ended(rpc, scope, span, end.code, isCutShort || isAnswer ? undefined : error);
    return error;
  }

  /** Tells of a call that was answered. */
  function succeeded(rpc: AnyRpc, span: CallSpan | undefined): void {
    span?.end(Status.OK, undefined);
    knownOf(rpc).ok.inc();
  }

  return {
    name,

    unary(rpc, request, scope, timeout) {
      return new Promise((resolve, reject) => {
        const { signal } = scope;
        const obstacle = obstacleTo(rpc, scope);
        if (obstacle) {
          reject(obstacle);
          return;
        }
        const began = performance.now();
        const { call: callRequest, span } = begin(rpc, request, scope, timeout);
        const upstreams = scope.trace?.upstreams;
        if (upstreams) upstreams.calls += 1;
        upstreams?.begin(began);
        let answer: Buffer | undefined;
        inFlight += 1;
        const onAbort = (): void => call.cancel();
        // Before the call, which may end as it begins.
        signal?.addEventListener('abort', onAbort, { once: true });
        const call = new Call(channel, callRequest, {
          message(bytes) {
            if (answer) call.fail(Status.INTERNAL, 'several messages where one was to come');
            else answer = bytes;
          },
          ended(end) {
            inFlight -= 1;
            signal?.removeEventListener('abort', onAbort);
            const now = performance.now();
            upstreams?.end(now);
            const { service, method } = rpc;
            const rpcMetrics = knownOf(rpc);
            rpcMetrics.latency ??= metrics.upstreamLatency.series({ service, method });
            rpcMetrics.latency.observe((now - began) / 1000);
            const outcome = end.code === Status.OK ? answerOf(rpc, answer) : end;
            if ('response' in outcome) {
              succeeded(rpc, span);
              resolve(outcome.response);
            } else {
              reject(failed(rpc, scope, span, outcome));
            }
          },
        });
      });
    },

    async *stream(rpc, request, scope, timeout) {
      const obstacle = obstacleTo(rpc, scope);
      if (obstacle) throw obstacle;
      const messages = new MessageQueue();
      const { call: callRequest, span } = begin(rpc, request, scope, timeout);
      inFlight += 1;
      const call = new Call(channel, callRequest, messages);
      const upstreams = scope.trace?.upstreams;
      if (upstreams) upstreams.calls += 1;
      const onAbort = (): void => call.cancel();
      scope.signal?.addEventListener('abort', onAbort, { once: true });
      let end: CallEnd | undefined;
      try {
        for (;;) {
          upstreams?.begin(performance.now());
          const next = await messages.next(call);
          upstreams?.end(performance.now());
          if (!Buffer.isBuffer(next)) {
            end = next;
            break;
          }
          const decoded = decode(rpc, next);
          if (!('response' in decoded)) {
            end = decoded;
            break;
          }
          yield decoded.response;
        }
        if (end.code !== Status.OK) throw failed(rpc, scope, span, end);
        succeeded(rpc, span);
      } finally {
        scope.signal?.removeEventListener('abort', onAbort);
        // Where there is no end yet, the reader left.
        if (!end) ended(rpc, scope, span, Status.CANCELLED);
        call.cancel();
        inFlight -= 1;
      }
    },

    expect({ service, method, expected = [] }) {
      for (const code of ['OK', ...failureStatuses, ...expected] as const) {
        metrics.upstreamRequests.series({ service, method, code });
      }
      for (const code of failureStatuses) {
        if (!expected.includes(code)) metrics.upstreamErrors.series({ service, method, code });
      }
    },

    ready: () => channel.ready,
    close: () => channel.close(),
  };
}

/** Messages of a stream that have come and were not asked for yet. The call is read only while there are none. */
class MessageQueue {
  private readonly messages: Buffer[] = [];
  private end: CallEnd | undefined;
  private wake: (() => void) | undefined;

  message(bytes: Buffer): void {
    this.messages.push(bytes);
    this.wake?.();
  }

  ended(end: CallEnd): void {
    this.end = end;
    this.wake?.();
  }

  /** The next message, or how the stream ended. Ask for one at a time. */
  async next(call: Call): Promise<Buffer | CallEnd> {
    if (this.messages.length === 0 && !this.end) {
      call.resume();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
      call.pause();
    }
    // What came before an end counts.
    return this.messages.shift() ?? this.end!;
  }
}

type Decoded<Response> = { readonly response: Response } | CallEnd;

/** The one message of a unary RPC. */
function answerOf<Response>(rpc: Rpc<never, Response>, answer: Buffer | undefined): Decoded<Response> {
  if (answer) return decode(rpc, answer);
  return { code: Status.INTERNAL, details: 'no message where one was to come', statusDetails: undefined };
}

function decode<Response>(rpc: Rpc<never, Response>, bytes: Buffer): Decoded<Response> {
  try {
    return { response: rpc.decode(bytes) };
  } catch (error) {
    const details = `the answer cannot be decoded: ${(error as Error).message}`;
    return { code: Status.INTERNAL, details, statusDetails: undefined };
  }
}

/** Why a call is not even begun, where it is not. */
function obstacleTo({ service, method }: RpcName, scope: CallScope): GatewayError | undefined {
  if (scope.signal?.aborted) return abortReason(scope.signal);
  if (!isSpent(scope)) return undefined;
  const details = 'the request had no time left for it';
  return fromCallEnd({ code: Status.DEADLINE_EXCEEDED, details, statusDetails: undefined }, service, method);
}

/** True once nothing is left of a request's time. Timers count whole ms, and so may fire up to one before the clock. */
function isSpent({ deadline }: CallScope): boolean {
  return Date.now() + 1 >= deadline;
}

/** What work fails with that a signal ends. */
export function abortReason(signal: Cancellation): GatewayError {
  return signal.reason instanceof GatewayError
    ? signal.reason
    : new GatewayError('CLIENT_CLOSED_REQUEST', undefined, { cause: signal.reason });
}
