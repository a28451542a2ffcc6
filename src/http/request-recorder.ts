import { limitNames, type LimitName } from '../limits';
import { createLineLog, type Logger } from '../telemetry/log';
import type { CounterSeries, Metrics } from '../telemetry/metrics';
import { continueTrace } from '../telemetry/trace';
import type { Route } from './exchange';
import type { IncomingExchange } from './incoming-exchange';
import { createRequestMetrics, knownMethod, other, type RequestMetrics } from './request-metrics';
import type { UnreadableRequest } from './unreadable-request';

/** Records how each request ended: its access line, its metrics and, where it is traced, its span. */
export class RequestRecorder {
  private readonly writeLine: ReturnType<typeof createLineLog>;
  private readonly series: RequestMetrics;
  private readonly refusals: ReadonlyMap<LimitName, CounterSeries>;
  /** Requests that have begun and not ended. */
  private inFlight = 0;
  private readonly onSettled: (() => void)[] = [];

  constructor(log: Logger, metrics: Metrics, routes: readonly Route[]) {
    this.writeLine = createLineLog(log, 'request');
    this.series = createRequestMetrics(metrics, routes);
    this.refusals = new Map(limitNames.map((limit) => [limit, metrics.limitRefusals.series({ limit })]));
    metrics.httpInFlight.read({}, () => this.inFlight);
  }

  /** A request has begun. */
  begin(): void {
    this.inFlight += 1;
  }

  /** A request has ended. To be called once for each that has begun. */
  end(exchange: IncomingExchange): void {
    this.inFlight -= 1;
    const { id, match, facts, status, code, isStreamed } = exchange;
    const method = knownMethod(exchange.method);
    const now = performance.now();
    const duration = now - exchange.began;
    const { traceId, upstreams } = exchange.trace;
    const line = {
      requestId: id,
      traceId,
      method: method ?? other,
      route: match.path ?? other,
      status,
      durationMs: toMicroseconds(duration),
      upstreamMs: toMicroseconds(upstreams.total(now)),
      upstreamCalls: upstreams.calls,
      operation: facts.operation,
      userId: facts.userId,
      code,
      limit: facts.limit,
      // Who it is says whether one client is over the limit or all behind one address are.
      address: facts.limit && exchange.clientAddress,
      cost: facts.cost,
      fields: facts.limit && facts.fields,
      reason: exchange.reason,
      streamed: isStreamed || undefined,
      stream: facts.stream,
    };
    this.series.requests(line.method, line.route, status).inc();
    // Streams, and requests without a route, would hide the latency of the others.
    if (match.route && !isStreamed) this.series.latency(line.method, line.route).observe(duration / 1000);
    if (facts.limit) this.refusals.get(facts.limit)?.inc();
    exchange.span?.end({ requestId: id, method, route: match.path, status, code });
    this.writeLine(line);
    if (this.inFlight === 0) for (const resolve of this.onSettled.splice(0)) resolve();
  }

  /** Records what could not be read and so never became a request. It neither begins nor ends. */
  recordUnreadable(requestId: string, { status, reason, limit }: UnreadableRequest): void {
    if (limit) this.refusals.get(limit)?.inc();
    this.series.requests(other, other, status).inc();
    const { traceId } = continueTrace(undefined, undefined);
    this.writeLine({ requestId, traceId, method: other, route: other, status, code: 'BAD_USER_INPUT', limit, reason });
  }

  /** Resolves once every request that has begun is recorded. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.inFlight === 0) resolve();
      else this.onSettled.push(resolve);
    });
  }
}

/** Ms rounded to three digits. */
function toMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e3) / 1e3;
}
