import {
  Client,
  connectivityState,
  credentials,
  status as Status,
  type ChannelCredentials,
  type ClientOptions,
  type ServiceError,
} from '@grpc/grpc-js';
import { GatewayError } from '../errors';
import type { Logger } from '../log';
import type { Metrics } from '../metrics';
import type { TraceContext } from '../trace';
import { callMetadata, type CallerIdentity } from './metadata';
import { fromServiceError, statusName, type StatusName } from './status';

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

/** What a request gives to every RPC that is made for it. */
export interface CallScope {
  readonly requestId: string;
  readonly trace?: TraceContext;
  readonly identity?: CallerIdentity;
  /** When the time budget of the request is spent, in ms since the epoch. */
  readonly deadline: number;
  /** Cancels the call; its reason is what the call then fails with. */
  readonly signal?: AbortSignal;
}

/** How to reach an upstream. */
export interface UpstreamAddress {
  /** A gRPC target: `host:port`, or `dns:///host:port` for all addresses of a headless Service. */
  readonly target: string;
  /** TLS material as PEM; a plain connection where it is left out. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
}

/** One upstream: a channel, and the one place that makes calls on it. */
export interface Upstream {
  readonly name: string;
  /**
   * Makes a unary call.
   *
   * @param timeout - Ms that this RPC may take; it also never takes longer than what is left of the scope's budget.
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
  /** True while the channel is connected. */
  ready(): boolean;
  close(): void;
}

const megabyte = 1024 * 1024;

const channelOptions: ClientOptions = {
  // All addresses of a headless Service, not the first one.
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // An upstream that comes back is found again well within 5 s.
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.max_receive_message_length': 8 * megabyte,
  'grpc.max_send_message_length': 8 * megabyte,
};

/** Ms between two lines about one upstream, at least: during an outage every request fails alike. */
const logInterval = 1_000;

/** Logs failed calls, saying how many went unlogged since the last line. */
function createFailureLog(log: Logger, upstream: string) {
  let last = -Infinity;
  let unlogged = 0;
  return (call: RpcName & { readonly code: StatusName }, cause: unknown): void => {
    if (performance.now() - last < logInterval) {
      unlogged++;
      return;
    }
    const message =
      call.code === 'UNAVAILABLE' ? 'upstream connection error: service unavailable' : 'upstream call failed';
    // Below a key of its own: on every line `service` is the gateway.
    log.error({ upstream, grpc: call, err: cause, ...(unlogged > 0 ? { unlogged } : {}) }, message);
    last = performance.now();
    unlogged = 0;
  };
}

type AnyRpc = RpcName & Pick<Rpc<never, never>, 'expected'>;

export interface UpstreamOptions {
  readonly name: string;
  readonly address: UpstreamAddress;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function createUpstream({ name, address, log, metrics }: UpstreamOptions): Upstream {
  const client = new Client(address.target, channelCredentials(address), channelOptions);
  const channel = client.getChannel();
  // Connect now, so that the first request does not pay for it, and say so in the metrics from then on.
  channel.getConnectivityState(true);

  const logFailure = createFailureLog(log, name);

  /** @param error - What the upstream failed with; left out for a call that succeeded or was cancelled from here. */
  function finished(rpc: AnyRpc, code: StatusName, error?: GatewayError): void {
    const labels = { service: rpc.service, method: rpc.method, code };
    metrics.upstreamRequests.inc(labels);
    if (!error || rpc.expected?.includes(code)) return;
    metrics.upstreamErrors.inc(labels);
    if (error.status >= 500) logFailure(labels, error.cause);
  }

  function callError(rpc: AnyRpc, error: ServiceError, scope: CallScope): GatewayError {
    // A call that was cancelled from here fails with the reason of the cancellation.
    if (scope.signal?.aborted && error.code === Status.CANCELLED) {
      finished(rpc, 'CANCELLED');
      return abortReason(scope.signal);
    }
    const converted = fromServiceError(error, rpc.service, rpc.method);
    finished(rpc, statusName(error.code), converted);
    return converted;
  }

  return {
    name,

    unary(rpc, request, scope, timeout) {
      return new Promise((resolve, reject) => {
        if (scope.signal?.aborted) {
          reject(abortReason(scope.signal));
          return;
        }
        const begin = performance.now();
        const onAbort = (): void => call.cancel();
        const call = client.makeUnaryRequest(
          `/${rpc.service}/${rpc.method}`,
          rpc.encode,
          rpc.decode,
          request,
          callMetadata(scope.requestId, scope.trace, scope.identity),
          { deadline: callDeadline(scope, timeout) },
          (error, response) => {
            scope.signal?.removeEventListener('abort', onAbort);
            metrics.upstreamLatency.observe(
              { service: rpc.service, method: rpc.method },
              (performance.now() - begin) / 1000,
            );
            if (error) {
              reject(callError(rpc, error, scope));
            } else {
              finished(rpc, 'OK');
              resolve(response!);
            }
          },
        );
        scope.signal?.addEventListener('abort', onAbort, { once: true });
      });
    },

    async *stream(rpc, request, scope, timeout) {
      if (scope.signal?.aborted) throw abortReason(scope.signal);
      const call = client.makeServerStreamRequest(
        `/${rpc.service}/${rpc.method}`,
        rpc.encode,
        rpc.decode,
        request,
        callMetadata(scope.requestId, scope.trace, scope.identity),
        { deadline: callDeadline(scope, timeout) },
      );
      const onAbort = (): void => call.cancel();
      scope.signal?.addEventListener('abort', onAbort, { once: true });
      let ended = false;
      try {
        for await (const message of call) yield message;
        ended = true;
        finished(rpc, 'OK');
      } catch (error) {
        ended = true;
        throw callError(rpc, error as ServiceError, scope);
      } finally {
        scope.signal?.removeEventListener('abort', onAbort);
        if (!ended) {
          // The reader left before the end.
          call.on('error', () => {});
          call.cancel();
          finished(rpc, 'CANCELLED');
        }
      }
    },

    ready: () => channel.getConnectivityState(false) === connectivityState.READY,
    close: () => client.close(),
  };
}

function callDeadline(scope: CallScope, timeout: number): number {
  return Math.min(scope.deadline, Date.now() + timeout);
}

/** What work fails with that a signal ends. */
export function abortReason(signal: AbortSignal): GatewayError {
  return signal.reason instanceof GatewayError
    ? signal.reason
    : new GatewayError('CLIENT_CLOSED_REQUEST', undefined, { cause: signal.reason });
}

function channelCredentials({ tls }: UpstreamAddress): ChannelCredentials {
  if (!tls) return credentials.createInsecure();
  return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}
