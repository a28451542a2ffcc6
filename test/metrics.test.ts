import { Counter, Histogram, Registry } from 'prom-client';
import { createCounter, createHistogram, createMetrics } from '../src/metrics';

const options = { name: 'things_total', help: 'Things \\ with\nmuch to say.', labelNames: ['kind', 'place'] as const };
const labels = [
  { kind: 'plain', place: '/api/v1/users/{userId}' },
  { kind: 'a "quoted" \\ one\nand more', place: '' },
  { kind: 'ünïcode 🎈', place: 'x'.repeat(200) },
];

test('counters are written as prom-client writes them', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const counter = createCounter(ours, options);
  const theirCounter = new Counter({ ...options, registers: [theirs] });
  expect(await ours.metrics()).toBe(await theirs.metrics());
  for (const by of [0, 1, 2.5, 1e21, 0.1, 0.2]) {
    for (const each of labels) {
      counter.series(each).inc(by);
      theirCounter.inc(each, by);
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
  }
  counter.series(labels[0]!).inc();
  theirCounter.inc(labels[0]!);
  expect(await ours.metrics()).toBe(await theirs.metrics());
  expect(await ours.getMetricsAsJSON()).toEqual(await theirs.getMetricsAsJSON());
  expect(ours.getMetricsAsArray().map(({ name }) => name)).toEqual(['things_total']);
});

test('histograms are written as prom-client writes them', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const buckets = [0.005, 0.1, 1, 2.5];
  const histogram = createHistogram(ours, { ...options, buckets });
  const theirHistogram = new Histogram({ ...options, buckets, registers: [theirs] });
  expect(await ours.metrics()).toBe(await theirs.metrics());
  // Below, on, between and over the edges.
  for (const seconds of [0, 0.005, 0.005_000_1, 0.1, 0.3, 1, 1.000_001, 2.5, 2.6, 1e9, 1e-9]) {
    for (const each of labels) {
      histogram.series(each).observe(seconds);
      theirHistogram.observe(each, seconds);
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
  }
  const json = JSON.stringify(await theirs.getMetricsAsJSON()).replaceAll('"exemplar":null,', '');
  expect(await ours.getMetricsAsJSON()).toEqual(JSON.parse(json.replaceAll(',"exemplar":null', '')));
});

test('a series is one, whoever asks for it and however the labels are ordered', async () => {
  const registry = new Registry();
  const counter = createCounter(registry, options);
  const histogram = createHistogram(registry, { ...options, name: 'seconds', buckets: [1] });
  const [first, second] = [
    { kind: 'a', place: 'b' },
    { place: 'b', kind: 'a' },
  ];
  expect(counter.series(first)).toBe(counter.series(second));
  expect(histogram.series(first)).toBe(histogram.series(second));
  expect(counter.series(first)).not.toBe(counter.series({ kind: 'b', place: 'a' }));
});

test('a series that nothing was counted by is not scraped', async () => {
  const registry = new Registry();
  createCounter(registry, options).series(labels[0]!);
  createHistogram(registry, { ...options, name: 'seconds', buckets: [1] }).series(labels[0]!);
  expect((await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
});

test('who changes the labels afterwards changes no series', async () => {
  const registry = new Registry();
  const own = { kind: 'a', place: 'b' };
  const series = createCounter(registry, options).series(own);
  own.kind = 'c';
  series.inc();
  expect(await registry.metrics()).toContain('things_total{kind="a",place="b"} 1\n');
});

test('a gateway has the metrics that its README names', async () => {
  const names = createMetrics({ processMetrics: false })
    .registry.getMetricsAsArray()
    .map(({ name }) => name);
  expect(names).toEqual([
    'http_requests_total',
    'http_request_latency_seconds',
    'http_streams_open',
    'upstream_grpc_requests_total',
    'upstream_grpc_errors_total',
    'upstream_grpc_latency_seconds',
    'session_cache_lookups_total',
  ]);
});
