import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The metrics of one gateway. Label values come from the schema and the route table, never from a client. */
export interface Metrics {
  readonly registry: Registry;
  readonly httpRequests: Counter<'method' | 'path' | 'status'>;
  readonly httpLatency: Histogram<'method' | 'path'>;
  readonly httpStreams: Gauge;
  readonly upstreamRequests: Counter<'service' | 'method' | 'code'>;
  readonly upstreamErrors: Counter<'service' | 'method' | 'code'>;
  readonly upstreamLatency: Histogram<'service' | 'method'>;
  /** Says how `upstream_grpc_channel_ready` is found out: by upstream, whether its channel is connected. */
  collectReady(read: () => readonly (readonly [upstream: string, ready: boolean])[]): void;
  readonly sessionCache: Counter<'result'>;
}

/** Seconds. One edge is at exactly 1 s, so that an alert on "over a second" reads it off instead of interpolating. */
const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** @param options.processMetrics - Whether Node's own metrics are collected too; on for the process, off in tests. */
export function createMetrics(options: { processMetrics: boolean }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  return {
    registry,
    httpRequests: new Counter({
      name: 'http_requests_total',
      help: 'HTTP requests answered, by method, route template and status code.',
      labelNames: ['method', 'path', 'status'],
      registers,
    }),
    httpLatency: new Histogram({
      name: 'http_request_latency_seconds',
      help: 'Time from the first byte of a request to the last of its answer; streams are not counted.',
      labelNames: ['method', 'path'],
      buckets: latencyBuckets,
      registers,
    }),
    httpStreams: new Gauge({
      name: 'http_streams_open',
      help: 'Streamed answers that are open now.',
      registers,
    }),
    upstreamRequests: new Counter({
      name: 'upstream_grpc_requests_total',
      help: 'gRPC calls made, by service, method and status code.',
      labelNames: ['service', 'method', 'code'],
      registers,
    }),
    upstreamErrors: new Counter({
      name: 'upstream_grpc_errors_total',
      help: 'gRPC calls that did not end with OK, by service, method and status code.',
      labelNames: ['service', 'method', 'code'],
      registers,
    }),
    upstreamLatency: new Histogram({
      name: 'upstream_grpc_latency_seconds',
      help: 'Time of unary gRPC calls, by service and method.',
      labelNames: ['service', 'method'],
      buckets: latencyBuckets,
      registers,
    }),
    collectReady(read) {
      // A gauge that reads itself off the channels whenever it is scraped.
      void new Gauge({
        name: 'upstream_grpc_channel_ready',
        help: '1 where the channel to the upstream is connected, 0 where it is not.',
        labelNames: ['service'],
        registers,
        collect() {
          for (const [service, ready] of read()) this.set({ service }, ready ? 1 : 0);
        },
      });
    },
    sessionCache: new Counter({
      name: 'session_cache_lookups_total',
      help: 'Session look-ups, by how they were answered: hit, miss, coalesced into a call under way, or refused from the cache.',
      labelNames: ['result'],
      registers,
    }),
  };
}
