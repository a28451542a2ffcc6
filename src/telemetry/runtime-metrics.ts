import {
  constants,
  monitorEventLoopDelay,
  performance,
  PerformanceObserver,
  type PerformanceEntry,
} from 'node:perf_hooks';
import { collectDefaultMetrics, type Registry } from 'prom-client';
import { createHistogram, createReading } from './metric-series';

/** What is measured of Node. */
export interface RuntimeMetrics {
  /** Measures no more; the last figures stay. */
  close(): void;
}

/**
 * What of prom-client's own is left out: it forgets at each scrape what the event loop was like, so that one Prometheus takes
 * the figures from another; of several garbage collections in a row it counts the first; and `_total` belongs to counters.
 */
const leftOut = /^nodejs_(eventloop_lag_\w+|gc_duration_seconds|active_\w+_total)$/;

/** Ms for which prom-client's own measure of the event loop, which nobody reads, sleeps between two looks. */
const hardlyEver = 2 ** 31 - 1;

/**
 * Collects Node's metrics.
 *
 * @param window - Ms that the figures of the event loop are of: those of the last that is over, whoever asks and how often.
 */
export function collectRuntimeMetrics(registry: Registry, window: number): RuntimeMetrics {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: hardlyEver });
  for (const { name } of registry.getMetricsAsArray()) if (leftOut.test(name)) registry.removeSingleMetric(name);
  const parts = [measureEventLoop(registry, window), measureGarbageCollection(registry)];
  return {
    close() {
      for (const part of parts) part.close();
    },
  };
}

/** Ms between two looks at whether the event loop is late. */
const resolution = 10;

function measureEventLoop(registry: Registry, window: number): RuntimeMetrics {
  const figures = { utilization: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 };
  const show = (name: string, help: string, figure: keyof typeof figures): void =>
    createReading<never>(registry, { name, help, labelNames: [] }).read({}, () => figures[figure]);
  const of = `over the last full ${window / 1000} s`;
  show('nodejs_eventloop_utilization', `Share of the time that the event loop was busy ${of}, 0 to 1.`, 'utilization');
  show('nodejs_eventloop_lag_mean_seconds', `How late the event loop was on average ${of}.`, 'mean');
  show('nodejs_eventloop_lag_p50_seconds', `How late the event loop was ${of}, the 50th percentile.`, 'p50');
  show('nodejs_eventloop_lag_p90_seconds', `How late the event loop was ${of}, the 90th percentile.`, 'p90');
  show('nodejs_eventloop_lag_p99_seconds', `How late the event loop was ${of}, the 99th percentile.`, 'p99');
  show('nodejs_eventloop_lag_max_seconds', `How late the event loop was at worst ${of}.`, 'max');

  const delays = monitorEventLoopDelay({ resolution });
  // Node tells the time from one look to the next, most of which is no delay. In ns.
  const late = (delay: number): number => Math.max(0, delay / 1e9 - resolution / 1e3);
  let began = performance.eventLoopUtilization();
  delays.enable();
  const timer = setInterval(() => {
    const ends = performance.eventLoopUtilization();
    figures.utilization = performance.eventLoopUtilization(ends, began).utilization;
    began = ends;
    if (delays.count === 0) return;
    figures.mean = late(delays.mean);
    figures.p50 = late(delays.percentile(50));
    figures.p90 = late(delays.percentile(90));
    figures.p99 = late(delays.percentile(99));
    figures.max = late(delays.max);
    delays.reset();
  }, window).unref();
  return {
    close() {
      clearInterval(timer);
      delays.disable();
    },
  };
}

type GarbageCollection = PerformanceEntry & { readonly detail: { readonly kind: number } };

const kinds: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

function measureGarbageCollection(registry: Registry): RuntimeMetrics {
  const durations = createHistogram(registry, {
    name: 'nodejs_gc_duration_seconds',
    help: 'Time that garbage collections took, by kind: major, minor, incremental or weakcb.',
    labelNames: ['kind'],
    buckets: [0.001, 0.01, 0.1, 1],
  });
  const byKind = new Map([...kinds].map(([id, kind]) => [id, durations.series({ kind })]));
  const observer = new PerformanceObserver((list) => {
    // Its types know no `detail`.
    for (const { detail, duration } of list.getEntries() as GarbageCollection[]) {
      byKind.get(detail.kind)?.observe(duration / 1000);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return { close: () => observer.disconnect() };
}
