import { Counter as PromCounter, Histogram as PromHistogram, type Registry } from 'prom-client';
import { latencyBuckets } from './latency-buckets';
import { createCounter, createHistogram, type Counter, type Histogram } from './metric-series';

/** What is counted of operations, whichever door they came through. */
export interface GraphqlMetrics {
  readonly graphqlRequests: Counter<'operation_type'>;
  readonly graphqlDuration: Histogram<'operation_type'>;
  readonly graphqlErrors: Counter<'operation_type' | 'code'>;
  /** The same three for @envelop/prometheus; left out where the pipeline alone counts. */
  readonly graphqlPlugin?: PluginMetrics;
}

/** The metrics as prom-client's own classes. */
export interface PluginMetrics {
  readonly requests: PromCounter<'operation_type'>;
  readonly duration: PromHistogram<'operation_type'>;
  readonly errors: PromCounter<'operation_type' | 'code'>;
}

// The names that @envelop/prometheus gives.
const requests = {
  name: 'graphql_envelop_request',
  help: 'Counts operations that were executed, by type, whichever door they came through.',
  labelNames: ['operation_type'],
} as const;
const duration = {
  name: 'graphql_envelop_request_duration',
  help: 'Seconds that executed operations took, by type, from when the door had read them: document, session and all calls; streams until they ended.',
  labelNames: ['operation_type'],
  buckets: latencyBuckets,
} as const;
const errors = {
  name: 'graphql_envelop_error_result',
  help: 'Counts errors of operations, by type and code; of what was refused before there was an operation, the type is unknown.',
  labelNames: ['operation_type', 'code'],
} as const;

/** For the pipeline alone. Untyped: promtool wants `_total` at the end of a counter's name. */
export function createGraphqlMetrics(registry: Registry): GraphqlMetrics {
  return {
    graphqlRequests: createCounter(registry, { ...requests, type: 'untyped' }),
    graphqlDuration: createHistogram(registry, duration),
    graphqlErrors: createCounter(registry, { ...errors, type: 'untyped' }),
  };
}

/** For the pipeline and @envelop/prometheus, which count the same series. */
export function createSharedGraphqlMetrics(registry: Registry): GraphqlMetrics {
  const registers = [registry];
  const plugin: PluginMetrics = {
    requests: new PromCounter({ ...requests, registers }),
    duration: new PromHistogram({ ...duration, buckets: [...duration.buckets], registers }),
    errors: new PromCounter({ ...errors, registers }),
  };
  return {
    graphqlRequests: counterOver(plugin.requests),
    graphqlDuration: {
      series(labels) {
        plugin.duration.zero(labels);
        return plugin.duration.labels(labels);
      },
    },
    graphqlErrors: counterOver(plugin.errors),
    graphqlPlugin: plugin,
  };
}

function counterOver<Label extends string>(counter: PromCounter<Label>): Counter<Label> {
  return {
    series(labels) {
      counter.inc(labels, 0);
      return counter.labels(labels);
    },
  };
}
