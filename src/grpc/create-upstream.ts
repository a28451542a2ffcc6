import { clientDeadlinePassed, type GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';
import { CallReports, type RpcReports } from './call-reports';
import { callMetadata } from './metadata';
import type { PreparedCall } from './prepared-call';
import { readStream } from './server-stream';
import { fromCallEnd, Status, type CallEnd } from './status';
import { createTransport } from './transport/create-transport';
import { failure } from './transport/limits';
import { UnaryCall } from './unary-call';
import {
  abortReason,
  isClientDeadline,
  isSpent,
  type AnyRpc,
  type CallScope,
  type Rpc,
  type RpcName,
  type Upstream,
  type UpstreamAddress,
} from './upstream';

export interface UpstreamOptions {
  readonly name: string;
  readonly address: UpstreamAddress;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** What is the same for every call of an RPC. */
interface KnownRpc {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly reports: RpcReports;
}

/** Connects to an upstream at once, so that the first request does not pay for it. */
export function createUpstream({ name, address, log, metrics }: UpstreamOptions): Upstream {
  const transport = createTransport(address.transport, {
    ...address,
    onViolation: (server, err) =>
      log.error({ upstream: name, server, err }, 'upstream connection error: closed for what the server sent'),
  });
  const allReports = new CallReports({ upstream: name, transport, log, metrics });
  const known = new WeakMap<AnyRpc, KnownRpc>();
  let inFlight = 0;
  /** Those of {@link inFlight} whose end a request waits for: all but the streams of subscriptions. */
  let awaited = 0;
  const onEnd = (): void => {
    inFlight -= 1;
  };
  const onAwaitedEnd = (): void => {
    inFlight -= 1;
    awaited -= 1;
  };
  metrics.upstreamReady.read({ service: name }, () => (transport.ready ? 1 : 0));
  metrics.upstreamInFlight.read({ service: name }, () => inFlight);

  function knownOf(rpc: AnyRpc): KnownRpc {
    const found = known.get(rpc);
    if (found) return found;
    const made: KnownRpc = { path: `/${rpc.service}/${rpc.method}`, reports: allReports.of(rpc) };
    known.set(rpc, made);
    return made;
  }

  /** @throws GatewayError where the call is not to be begun */
  function prepare(
    rpc: Rpc<never, unknown>,
    message: Buffer,
    scope: CallScope,
    timeout: number,
    isAwaited: boolean,
  ): PreparedCall {
    const obstacle = obstacleTo(rpc, scope);
    if (obstacle) throw obstacle;
    const { requestId, trace, identity } = scope;
    const { service, method } = rpc;
    const { path, reports } = knownOf(rpc);
    if (isAwaited && awaited >= address.maxCalls) throw reports.refused(scope, tooManyCalls(name, awaited));
    const span = trace?.span?.beginCall({ service, method, authority: transport.authority });
    const metadata = callMetadata(requestId, (span ?? scope).trace, identity);
    const deadline = Math.min(scope.deadline, Date.now() + timeout);
    if (trace) trace.upstreams.calls += 1;
    inFlight += 1;
    if (isAwaited) awaited += 1;
    return {
      request: { path, metadata, message, deadline },
      span,
      reports,
      maxItems: address.maxItems,
      onEnd: isAwaited ? onAwaitedEnd : onEnd,
    };
  }

  return {
    name,

    unary(rpc, body, scope, timeout) {
      const call = (message: Buffer) =>
        new Promise<ReturnType<typeof rpc.decode>>((resolve, reject) => {
          const began = performance.now();
          const prepared = prepare(rpc, message, scope, timeout, rpc.isOwn !== true);
          new UnaryCall(rpc, scope, prepared, began, { resolve, reject }).start(transport);
        });
      const message = rpc.encode(body);
      return scope.shared ? scope.shared.answer(rpc, message, () => call(message)) : call(message);
    },

    stream: (rpc, body, scope, timeout, use) =>
      readStream(rpc, scope, transport, () => prepare(rpc, rpc.encode(body), scope, timeout, use === 'collect')),

    expect: (rpc) => allReports.expect(rpc),
    ready: () => transport.ready,
    close: () => transport.close(),
  };
}

function tooManyCalls(upstream: string, count: number): CallEnd {
  const details = `There are ${count} calls to the service "${upstream}" under way, the most that there may be.`;
  return { ...failure(Status.UNAVAILABLE, details), limit: 'upstream_calls' };
}

/** Why a call is not even begun, where it is not. */
function obstacleTo({ service, method }: RpcName, scope: CallScope): GatewayError | undefined {
  if (scope.signal?.aborted) return abortReason(scope.signal);
  if (!isSpent(scope)) return scope.countCall?.();
  const error = fromCallEnd(failure(Status.DEADLINE_EXCEEDED, 'the request had no time left for it'), service, method);
  return isClientDeadline(scope) ? clientDeadlinePassed(error.cause) : error;
}
