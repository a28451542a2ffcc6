import { clientDeadlinePassed, GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { CounterSeries, HistogramSeries, Metrics } from '../telemetry/metrics';
import type { CallSpan } from '../telemetry/trace';
import { createFailureLog, type LogFailure } from './failure-log';
import { failureStatuses, fromCallEnd, Status, statusName, type CallEnd } from './status';
import type { Transport } from './transport/transport';
import { abortReason, isClientDeadline, isSpent, type AnyRpc, type CallScope } from './upstream';

export interface CallReportsOptions {
  readonly upstream: string;
  readonly transport: Pick<Transport, 'closed'>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Tells metrics, log and trace how the calls to an upstream ended. */
export class CallReports {
  private readonly logFailure: LogFailure;

  constructor(private readonly options: CallReportsOptions) {
    this.logFailure = createFailureLog(options.log, options.upstream);
  }

  /** Makes the series of an RPC before its first call, so that its first failure is an increase. */
  expect({ service, method, expected = [] }: AnyRpc): void {
    const { upstreamRequests, upstreamErrors } = this.options.metrics;
    for (const code of ['OK', ...failureStatuses, ...expected] as const) {
      upstreamRequests.series({ service, method, code });
    }
    for (const code of failureStatuses) {
      if (!expected.includes(code)) upstreamErrors.series({ service, method, code });
    }
  }

  of(rpc: AnyRpc): RpcReports {
    const { transport, metrics } = this.options;
    return new RpcReports(rpc, transport, metrics, this.logFailure);
  }
}

/** The same for the calls of one RPC. */
export class RpcReports {
  private readonly ok: CounterSeries;
  /** Made with the first unary call: it takes 15 lines of every scrape. */
  private latency: HistogramSeries | undefined;

  constructor(
    private readonly rpc: AnyRpc,
    private readonly transport: Pick<Transport, 'closed'>,
    private readonly metrics: Metrics,
    private readonly logFailure: LogFailure,
  ) {
    const { service, method } = rpc;
    this.ok = metrics.upstreamRequests.series({ service, method, code: 'OK' });
  }

  /** How long a unary call took, however it ended. */
  took(seconds: number): void {
    const { service, method } = this.rpc;
    this.latency ??= this.metrics.upstreamLatency.series({ service, method });
    this.latency.observe(seconds);
  }

  succeeded(span: CallSpan | undefined): void {
    span?.end(Status.OK, undefined);
    this.ok.inc();
  }

  /**
   * A call that was not made, for a limit of the gateway: it is no call of the upstream's metrics.
   *
   * @returns what the caller is told
   */
  refused(scope: CallScope, end: CallEnd): GatewayError {
    const { service, method } = this.rpc;
    const error = fromCallEnd(end, service, method);
    this.logFailure({ service, method, code: statusName(end.code) }, scope, error);
    return error;
  }

  /** The reader of a stream left before its end. */
  left(scope: CallScope, span: CallSpan | undefined): void {
    this.ended(scope, span, Status.CANCELLED);
  }

  /** @returns what the caller is told */
  failed(scope: CallScope, span: CallSpan | undefined, end: CallEnd): GatewayError {
    const { signal } = scope;
    // A call that was cancelled from here fails with the reason of the cancellation.
    if (signal?.aborted && end.code === Status.CANCELLED) {
      this.ended(scope, span, Status.CANCELLED);
      return abortReason(signal);
    }
    // So does one that ran when the gateway ended.
    if (this.transport.closed) {
      this.ended(scope, span, Status.CANCELLED);
      return new GatewayError('OVERLOADED', 'The gateway is restarting.');
    }
    const { service, method, expected } = this.rpc;
    const ended = fromCallEnd(end, service, method);
    // No client may make an upstream look slow by its own impatience.
    const isCutShort = end.code === Status.DEADLINE_EXCEEDED && isClientDeadline(scope) && isSpent(scope);
    const error = isCutShort ? clientDeadlinePassed(ended.cause) : ended;
    const isAnswer = expected?.includes(statusName(end.code));
    this.ended(scope, span, end.code, isCutShort || isAnswer ? undefined : error);
    return error;
  }

  /** @param failure - What the upstream failed with; left out for an answer, and for a call that was ended from here. */
  private ended(scope: CallScope, span: CallSpan | undefined, code: Status, failure?: GatewayError): void {
    const labels = { service: this.rpc.service, method: this.rpc.method, code: statusName(code) };
    span?.end(code, failure && labels.code);
    this.metrics.upstreamRequests.series(labels).inc();
    if (!failure) return;
    this.metrics.upstreamErrors.series(labels).inc();
    if (failure.status >= 500 || this.rpc.isOwn) this.logFailure(labels, scope, failure);
  }
}
