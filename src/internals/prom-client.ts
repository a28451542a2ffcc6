/** What the gateway needs of prom-client beyond its documented surface. test/internals/prom-client.test.ts covers each. */
import type { Metric, Registry } from 'prom-client';

/** A value as prom-client writes it. */
export interface MetricValue {
  /** Those that a value has to itself, such as an edge. */
  readonly labels: Readonly<Record<string, string | number>>;
  /** Those of the series. prom-client makes their text once for as long as the object is the same. */
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it is not the metric's own. */
  readonly metricName?: string;
}

/**
 * Registers a metric whose values are read when the registry is scraped, and not before.
 *
 * Gauges and counters of prom-client have `collect` for that, but a histogram can only be observed value by value, and there
 * are no untyped metrics. A registry asks its metrics for `getForPromString`, or `get` where it gives JSON.
 */
export function registerMetric(
  registry: Registry,
  type: 'counter' | 'gauge' | 'histogram' | 'untyped',
  { name, help }: { readonly name: string; readonly help: string },
  read: () => readonly MetricValue[],
): void {
  const metric = {
    name,
    getForPromString: () => Promise.resolve({ name, help, type, values: read() }),
    get() {
      const values = read().map(({ labels, sharedLabels, value, ...named }) => ({
        labels: { ...labels, ...sharedLabels },
        value,
        ...named,
      }));
      return Promise.resolve({ name, help, type, values, aggregator: 'sum' });
    },
  };
  // The compiler cannot know that a registry calls nothing else.
  registry.registerMetric(metric as unknown as Metric);
}
