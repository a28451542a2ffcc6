import type { Registry } from 'prom-client';
import { registerMetric, type MetricValue } from '../internals/prom-client';

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
  /**
   * The series of these labels, always the same one. It is scraped from the moment it is asked for, as 0: of a series that
   * begins with 1, Prometheus sees no increase.
   */
  series(labels: Labels<Label>): CounterSeries;
}

/** Distributions by labels, as {@link Counter} has them. */
export interface Histogram<Label extends string> {
  /** The series of these labels, always the same one. It is scraped from the moment it is asked for. */
  series(labels: Labels<Label>): HistogramSeries;
}

/** What somebody else knows, by labels: read off when it is scraped, so that it costs nothing until then. */
export interface Reading<Label extends string> {
  /** Says where the value of these labels is read. Who says so last is asked. */
  read(labels: Labels<Label>, value: () => number): void;
}

interface MetricOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
}

/**
 * Makes a counter whose values are read when the registry is scraped.
 *
 * @param options.type - `untyped` for a counter whose name must not end in `_total`, as promtool wants it of counters.
 *   Prometheus itself keeps no types: rate() and increase() are the same for both.
 */
export function createCounter<Label extends string>(
  registry: Registry,
  options: MetricOptions<Label> & { readonly type?: 'counter' | 'untyped' },
): Counter<Label> {
  const all = createSeriesMap(options.labelNames, (labels) => new CountedSeries(labels));
  registerMetric(registry, options.type ?? 'counter', options, () => [...all.values()]);
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
  registerMetric(registry, 'histogram', options, () => [...all.values()].flatMap((series) => series.values(name)));
  return { series: (labels) => all.get(labels) };
}

/** @param options.type - `counter` for what only grows. */
export function createReading<Label extends string>(
  registry: Registry,
  options: MetricOptions<Label> & { readonly type?: 'gauge' | 'counter' },
): Reading<Label> {
  const all = createSeriesMap(options.labelNames, (labels) => new ReadSeries(labels));
  registerMetric(registry, options.type ?? 'gauge', options, () => [...all.values()]);
  return { read: (labels, value) => void (all.get(labels).read = value) };
}

const none = {};

class CountedSeries implements CounterSeries, MetricValue {
  readonly labels = none;
  value = 0;

  constructor(readonly sharedLabels: Labels<string>) {}

  inc(by = 1): void {
    this.value += by;
  }
}

class ReadSeries implements MetricValue {
  readonly labels = none;
  read: () => number = () => 0;

  constructor(readonly sharedLabels: Labels<string>) {}

  get value(): number {
    return this.read();
  }
}

class ObservedSeries implements HistogramSeries {
  /** How many values there are up to each edge and over the one before, and over the last. */
  private readonly counts: number[];
  private count = 0;
  private sum = 0;

  constructor(
    private readonly sharedLabels: Labels<string>,
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

  /** What is scraped: cumulative buckets, sum and count. */
  values(name: string): MetricValue[] {
    const { sharedLabels, count, sum } = this;
    let below = 0;
    const edges = this.edges.map((le, index) => {
      below += this.counts[index]!;
      return { labels: { le }, sharedLabels, value: below, metricName: `${name}_bucket` };
    });
    return [
      ...edges,
      { labels: { le: '+Inf' }, sharedLabels, value: count, metricName: `${name}_bucket` },
      { labels: none, sharedLabels, value: sum, metricName: `${name}_sum` },
      { labels: none, sharedLabels, value: count, metricName: `${name}_count` },
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
