import type { GatewayError } from '../errors';
import type { LimitName } from '../limits';
import type { Logger } from '../telemetry/log';
import type { StatusName } from './status';
import type { CallScope, RpcName } from './upstream';

/** Ms between two lines about one upstream, at least: during an outage every request fails alike. */
const logInterval = 1_000;

/** What operators look for in the log: one of the two is in every line about a failed call. */
const failureMessages: Partial<Record<StatusName, string>> = {
  UNAVAILABLE: 'upstream connection error: service unavailable',
  DEADLINE_EXCEEDED: 'upstream connection error: no answer in time',
};
const otherFailure = 'service unavailable: the upstream failed the call';
const overLimit: Partial<Record<LimitName, string>> = {
  answer_items: 'service unavailable: the answer of the upstream is over a limit of the gateway',
  upstream_calls:
    'service unavailable: the call was not made, since as many to this upstream are under way as there may be',
};

export type LogFailure = (
  call: RpcName & { readonly code: StatusName },
  scope: CallScope,
  failure: GatewayError,
) => void;

/** Logs failed calls, saying how many went unlogged since the last line. */
export function createFailureLog(log: Logger, upstream: string): LogFailure {
  let last = -Infinity;
  let unlogged = 0;
  return (call, { requestId, trace }, { cause, limit }) => {
    if (performance.now() - last < logInterval) {
      unlogged++;
      return;
    }
    // Below a key of its own: on every line `service` is the gateway.
    const line = { upstream, grpc: call, requestId, traceId: trace?.traceId, ...(limit ? { limit } : {}), err: cause };
    const message = (limit && overLimit[limit]) ?? failureMessages[call.code] ?? otherFailure;
    log.error(unlogged > 0 ? { ...line, unlogged } : line, message);
    last = performance.now();
    unlogged = 0;
  };
}
