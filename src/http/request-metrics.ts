import { catalogue } from '../errors';
import type { CounterSeries, HistogramSeries, Metrics } from '../telemetry/metrics';
import type { Route } from './exchange';
import { unreadableStatuses } from './unreadable-request';

/** Label of paths without a route, of unknown methods, and of requests that could not be read. */
export const other = 'other';

/** Methods with a label of their own. Clients may send any other, and must not create series. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Every status that an error may have. */
const errorStatuses = new Set([...Object.values(catalogue).map(({ http }) => http), ...unreadableStatuses]);

/** The method where it has a label of its own; undefined where its label is {@link other}. */
export function knownMethod(method: string): string | undefined {
  return knownMethods.has(method) ? method : undefined;
}

/** The series of HTTP requests, each found without making an object of its labels. */
export interface RequestMetrics {
  requests(method: string, path: string, status: number): CounterSeries;
  latency(method: string, path: string): HistogramSeries;
}

/** The series of one method and path. */
interface Series {
  latency?: HistogramSeries;
  readonly requests: Map<number, CounterSeries>;
}

/** Finds the series of HTTP requests. Those of every answer that the routes can give exist from the start. */
export function createRequestMetrics(metrics: Metrics, routes: readonly Route[]): RequestMetrics {
  const byPath = new Map<string, Map<string, Series>>();

  function find(method: string, path: string): Series {
    const byMethod = byPath.get(path) ?? new Map<string, Series>();
    const known = byMethod.get(method);
    if (known) return known;
    const series: Series = { requests: new Map() };
    byPath.set(path, byMethod.set(method, series));
    return series;
  }

  function latency(method: string, path: string): HistogramSeries {
    const series = find(method, path);
    return (series.latency ??= metrics.httpLatency.series({ method, path }));
  }

  function requests(method: string, path: string, status: number): CounterSeries {
    const { requests: byStatus } = find(method, path);
    const known = byStatus.get(status);
    if (known) return known;
    const series = metrics.httpRequests.series({ method, path, status: String(status) });
    byStatus.set(status, series);
    return series;
  }

  function expect(method: string, path: string, statuses: Iterable<number>): void {
    for (const status of statuses) requests(method, path, status);
  }

  for (const { method, path, statuses = [200], servesHead = true } of routes) {
    for (const served of method === 'GET' && servesHead ? ['GET', 'HEAD'] : [method]) {
      expect(served, path, [...statuses, ...errorStatuses]);
      latency(served, path);
    }
  }
  // A request without a route ends in one of three ways: its head is invalid, nothing is there, or the client leaves.
  const always = [catalogue.BAD_USER_INPUT.http, catalogue.CLIENT_CLOSED_REQUEST.http];
  const paths = [...byPath.keys()];
  for (const method of [...knownMethods, other]) {
    for (const path of paths) {
      if (byPath.get(path)?.has(method)) continue;
      expect(method, path, [method === 'OPTIONS' ? 204 : catalogue.METHOD_NOT_ALLOWED.http, ...always]);
    }
    expect(method, other, [catalogue.NOT_FOUND.http, ...always]);
  }
  expect(other, other, unreadableStatuses);

  return { requests, latency };
}
