import { Registry } from 'prom-client';
import { createGraphqlMetrics, createSharedGraphqlMetrics, type GraphqlMetrics } from './graphql-metrics';
import { latencyBuckets } from './latency-buckets';
import {
  createCounter,
  createHistogram,
  createReading,
  type Counter,
  type Histogram,
  type Reading,
} from './metric-series';
import { collectRuntimeMetrics } from './runtime-metrics';

export type { Counter, CounterSeries, Histogram, HistogramSeries } from './metric-series';

/**
 * The metrics of one gateway; the README's table is tested against them. Label values come from the schema, the route table
 * and the catalogue of errors, never from a client.
 *
 * Whoever counts makes its series when the gateway is put together, so that the first failure is an increase and not the
 * beginning of a series. Not everything that may happen at all is there from the start, or a schema of 200 RPCs would begin
 * with 10,000 lines:
 *
 * - of HTTP: every method of every route with every status of the catalogue, and its latency; of methods that a path is not
 *   there for, the refusals;
 * - of each RPC that the schema or the sign-in uses: OK, and the statuses that callers get a 5xx for. Others, and its latency,
 *   which takes 15 lines, begin with its first call: at most 50 lines for each RPC;
 * - of GraphQL: every type of operation with every code of the catalogue.
 */
export interface Metrics extends GraphqlMetrics {
  readonly registry: Registry;
  readonly buildInfo: Reading<'version'>;
  readonly ready: Reading<never>;
  readonly httpRequests: Counter<'method' | 'path' | 'status'>;
  readonly httpLatency: Histogram<'method' | 'path'>;
  readonly httpInFlight: Reading<never>;
  readonly httpStreams: Reading<never>;
  readonly streamsWaiting: Reading<'state'>;
  readonly streamResumes: Counter<'result'>;
  readonly httpConnections: Reading<never>;
  readonly documentCache: Counter<'result'>;
  readonly documentCacheBytes: Reading<never>;
  readonly sessionCache: Counter<'result'>;
  readonly sessionCacheEntries: Reading<never>;
  readonly upstreamRequests: Counter<'service' | 'method' | 'code'>;
  readonly upstreamErrors: Counter<'service' | 'method' | 'code'>;
  readonly upstreamLatency: Histogram<'service' | 'method'>;
  readonly upstreamReady: Reading<'service'>;
  readonly upstreamInFlight: Reading<'service'>;
  readonly limitRefusals: Counter<'limit'>;
  readonly rateLimitRedisAway: Reading<never>;
  readonly logLinesDropped: Reading<never>;
  /** Stops what measures the process. */
  close(): void;
}

export interface MetricsOptions {
  /** Whether Node's own metrics are collected too; on for the process, off in most tests. */
  readonly processMetrics: boolean;
  /** Ms that the figures of the event loop are of; as long as it is from one scrape to the next by default. */
  readonly eventLoopWindow?: number;
  /** Whether @envelop/prometheus counts operations too, which takes metrics of prom-client's own; off by default. */
  readonly graphqlPlugin?: boolean;
}

/** As in k8s/api-gateway-servicemonitor.yaml; ms. */
const scrapeInterval = 15_000;

export function createMetrics({
  processMetrics,
  eventLoopWindow = scrapeInterval,
  graphqlPlugin = false,
}: MetricsOptions): Metrics {
  const registry = new Registry();
  const runtime = processMetrics ? collectRuntimeMetrics(registry, eventLoopWindow) : undefined;
  return {
    registry,
    buildInfo: createReading(registry, {
      name: 'api_gateway_build_info',
      help: 'Always 1. What runs here is in the labels.',
      labelNames: ['version'],
    }),
    ready: createReading(registry, {
      name: 'api_gateway_ready',
      help: '1 while new requests are welcome, 0 from the beginning of a shutdown on.',
      labelNames: [],
    }),
    httpRequests: createCounter(registry, {
      name: 'http_requests_total',
      help: 'HTTP requests answered, by method, route template and status code; 499 where the client left.',
      labelNames: ['method', 'path', 'status'],
    }),
    httpLatency: createHistogram(registry, {
      name: 'http_request_latency_seconds',
      help: 'Time from the head of a request to the last byte of its answer. Neither streams, nor what no route answers: it takes no time, and would hide what does.',
      labelNames: ['method', 'path'],
      buckets: latencyBuckets,
    }),
    httpInFlight: createReading(registry, {
      name: 'http_requests_in_flight',
      help: 'HTTP requests that are being answered now, streams among them.',
      labelNames: [],
    }),
    httpStreams: createReading(registry, {
      name: 'http_streams_open',
      help: 'Streamed answers that are open now.',
      labelNames: [],
    }),
    streamsWaiting: createReading(registry, {
      name: 'http_streams_waiting',
      help: 'Streams that nobody reads now and a client may come back to, by state: open, whose call goes on, or ended.',
      labelNames: ['state'],
    }),
    streamResumes: createCounter(registry, {
      name: 'http_stream_resumes_total',
      help: 'Requests to go on with a stream, by result: resumed, or refused, since it is not there any more.',
      labelNames: ['result'],
    }),
    httpConnections: createReading(registry, {
      name: 'http_connections_open',
      help: 'Connections of clients that are open now.',
      labelNames: [],
    }),
    ...(graphqlPlugin ? createSharedGraphqlMetrics(registry) : createGraphqlMetrics(registry)),
    documentCache: createCounter(registry, {
      name: 'graphql_document_cache_lookups_total',
      help: 'Documents looked up, by result: a hit, or a miss, which costs parsing and validation.',
      labelNames: ['result'],
    }),
    documentCacheBytes: createReading(registry, {
      name: 'graphql_document_cache_bytes',
      help: 'What the documents that are kept take, about.',
      labelNames: [],
    }),
    sessionCache: createCounter(registry, {
      name: 'session_cache_lookups_total',
      help: 'Session look-ups, by how they were answered: hit, miss, coalesced into a call under way, or refused from the cache.',
      labelNames: ['result'],
    }),
    sessionCacheEntries: createReading(registry, {
      name: 'session_cache_entries',
      help: 'Confirmed sessions that are kept, some of them past their time.',
      labelNames: [],
    }),
    upstreamRequests: createCounter(registry, {
      name: 'upstream_grpc_requests_total',
      help: `gRPC calls that ended, by service, method and status code. ${byProto}`,
      labelNames: ['service', 'method', 'code'],
    }),
    upstreamErrors: createCounter(registry, {
      name: 'upstream_grpc_errors_total',
      help: `gRPC calls that failed, by service, method and status code. Not those that were cancelled or cut short from here, nor statuses that are an answer. ${byProto}`,
      labelNames: ['service', 'method', 'code'],
    }),
    upstreamLatency: createHistogram(registry, {
      name: 'upstream_grpc_latency_seconds',
      help: `Time of unary gRPC calls, by service and method. ${byProto}`,
      labelNames: ['service', 'method'],
      buckets: latencyBuckets,
    }),
    upstreamReady: createReading(registry, {
      name: 'upstream_grpc_channel_ready',
      help: `1 where the channel to the upstream is connected, 0 where it is not. ${byUpstream}`,
      labelNames: ['service'],
    }),
    upstreamInFlight: createReading(registry, {
      name: 'upstream_grpc_calls_in_flight',
      help: `gRPC calls that are under way now, streams among them. ${byUpstream}`,
      labelNames: ['service'],
    }),
    limitRefusals: createCounter(registry, {
      name: 'limit_refusals_total',
      help: 'Requests and connections that were refused, or cut short, by a limit of the gateway.',
      labelNames: ['limit'],
    }),
    rateLimitRedisAway: createReading(registry, {
      name: 'rate_limit_redis_away',
      help: '1 while Redis does not count rate limits, so that each replica counts for itself; 0 otherwise, also without REDIS_URL.',
      labelNames: [],
    }),
    logLinesDropped: createReading(registry, {
      name: 'log_lines_dropped_total',
      help: 'Lines of the log that were dropped, since nobody took what waited.',
      labelNames: [],
      type: 'counter',
    }),
    close: () => runtime?.close(),
  };
}

// A channel is one for all services of its upstream, so that what is told of the one cannot be joined with the other by label.
const byProto = 'The service is that of the proto, such as auth.v1.AuthService.';
const byUpstream =
  'The service is the upstream as the schema calls it, such as auth, whatever services of protos it answers for.';
