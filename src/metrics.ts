import { collectDefaultMetrics, Gauge, Registry, type Metric } from 'prom-client';

/** The values of a metric's labels, by their names. */
export type Labels<Label extends string> = Readonly<Record<Label, string>>;

/** One counter of a {@link Counter}. */
export interface CounterSeries {
  /** @param by - 1 where it is left out; never negative. */
  inc(by?: number): void;
}

/** One histogram of a {@link Histogram}. */
export interface HistogramSeries {
  observe(seconds: number): void;
}

/**
 * Counts by labels. Whoever counts asks once for a series and keeps it: to count is then an addition, where prom-client
 * looks the series up by its labels every time.
 */
export interface Counter<Label extends string> {
  /** The series of these labels, always the same one; from its first count on, which may be 0, it is scraped. */
  series(labels: Labels<Label>): CounterSeries;
}

/** Distributions by labels, as {@link Counter} has them. */
export interface Histogram<Label extends string> {
  /** The series of these labels, always the same one; from its first value on it is scraped. */
  series(labels: Labels<Label>): HistogramSeries;
}

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
export const latencyBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** @param options.processMetrics - Whether Node's own metrics are collected too; on for the process, off in tests. */
export function createMetrics(options: { processMetrics: boolean }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  return {
    registry,
    httpRequests: createCounter(registry, {
      name: 'http_requests_total',
      help: 'HTTP requests answered, by method, route template and status code.',
      labelNames: ['method', 'path', 'status'],
    }),
    httpLatency: createHistogram(registry, {
      name: 'http_request_latency_seconds',
      help: 'Time from the first byte of a request to the last of its answer; streams are not counted.',
      labelNames: ['method', 'path'],
      buckets: latencyBuckets,
    }),
    httpStreams: new Gauge({
      name: 'http_streams_open',
      help: 'Streamed answers that are open now.',
      registers,
    }),
    upstreamRequests: createCounter(registry, {
      name: 'upstream_grpc_requests_total',
      help: 'gRPC calls made, by service, method and status code.',
      labelNames: ['service', 'method', 'code'],
    }),
    upstreamErrors: createCounter(registry, {
      name: 'upstream_grpc_errors_total',
      help: 'gRPC calls that did not end with OK, by service, method and status code.',
      labelNames: ['service', 'method', 'code'],
    }),
    upstreamLatency: createHistogram(registry, {
      name: 'upstream_grpc_latency_seconds',
      help: 'Time of unary gRPC calls, by service and method.',
      labelNames: ['service', 'method'],
      buckets: latencyBuckets,
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
    sessionCache: createCounter(registry, {
      name: 'session_cache_lookups_total',
      help: 'Session look-ups, by how they were answered: hit, miss, coalesced into a call under way, or refused from the cache.',
      labelNames: ['result'],
    }),
  };
}

interface MetricOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
}

/** A value as prom-client writes it. */
interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it is not the metric's own. */
  readonly metricName?: string;
}

/** Makes a counter whose values are read when the registry is scraped. */
export function createCounter<Label extends string>(registry: Registry, options: MetricOptions<Label>): Counter<Label> {
  const all = createSeriesMap(options.labelNames, (labels) => new CountedSeries(labels));
  register(registry, 'counter', options, () => [...all.values()].flatMap((series) => series.values()));
  return { series: (labels) => all.get(labels) };
}

/**
 * Makes a histogram whose values are read when the registry is scraped.
 *
 * @param options.buckets - Upper edges in seconds, ascending. What is over the last one counts for `+Inf` alone.
 */
export function createHistogram<Label extends string>(
  registry: Registry,
  options: MetricOptions<Label> & { readonly buckets: readonly number[] },
): Histogram<Label> {
  const { name, labelNames, buckets } = options;
  const all = createSeriesMap(labelNames, (labels) => new ObservedSeries(labels, buckets));
  register(registry, 'histogram', options, () => [...all.values()].flatMap((series) => series.values(name)));
  return { series: (labels) => all.get(labels) };
}

class CountedSeries implements CounterSeries {
  private total = 0;
  private isUsed = false;

  constructor(private readonly labels: Labels<string>) {}

  inc(by = 1): void {
    this.isUsed = true;
    this.total += by;
  }

  /** What is scraped. */
  values(): Value[] {
    return this.isUsed ? [{ labels: this.labels, value: this.total }] : [];
  }
}

class ObservedSeries implements HistogramSeries {
  /** How many values there are up to each edge and over the one before, and over the last. */
  private readonly counts: number[];
  private count = 0;
  private sum = 0;

  constructor(
    private readonly labels: Labels<string>,
    private readonly edges: readonly number[],
  ) {
    this.counts = Array.from({ length: edges.length + 1 }, () => 0);
  }

  observe(seconds: number): void {
    const { edges, counts } = this;
    let bucket = 0;
    while (bucket < edges.length && seconds > edges[bucket]!) bucket += 1;
    counts[bucket]! += 1;
    this.count += 1;
    this.sum += seconds;
  }

  /** What is scraped: cumulative buckets, sum and count; nothing before the first value. */
  values(name: string): Value[] {
    const { labels, count, sum } = this;
    if (count === 0) return [];
    let below = 0;
    const edges = this.edges.map((le, index) => {
      below += this.counts[index]!;
      return { labels: { le, ...labels }, value: below, metricName: `${name}_bucket` };
    });
    return [
      ...edges,
      { labels: { le: '+Inf', ...labels }, value: count, metricName: `${name}_bucket` },
      { labels, value: sum, metricName: `${name}_sum` },
      { labels, value: count, metricName: `${name}_count` },
    ];
  }
}

/** The series of a metric by the values of its labels, in the order in which they were first asked for. */
function createSeriesMap<Label extends string, Series>(
  labelNames: readonly Label[],
  create: (labels: Labels<string>) => Series,
) {
  const all = new Map<string, Series>();
  return {
    values: () => all.values(),
    get(labels: Labels<Label>): Series {
      // Label values hold no line breaks: they are names of the schema and of routes.
      const key = labelNames.map((name) => labels[name]).join('\n');
      const known = all.get(key);
      if (known) return known;
      const made = create({ ...labels });
      all.set(key, made);
      return made;
    },
  };
}

/** As much of prom-client's metrics as its registry looks at, when it is scraped and not before. */
function register(
  registry: Registry,
  type: 'counter' | 'histogram',
  { name, help }: MetricOptions<string>,
  read: () => Value[],
): void {
  const metric = {
    name,
    get: () => Promise.resolve({ name, help, type, values: read(), aggregator: 'sum' }),
  };
  registry.registerMetric(metric as unknown as Metric);
}
