import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createCounter, createHistogram, createReading } from '../../src/telemetry/metric-series';

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

test('a series is there as soon as it is asked for, before anything was counted', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const histogram = { ...options, name: 'seconds', buckets: [1, 2] };
  createCounter(ours, options).series(labels[0]!);
  createHistogram(ours, histogram).series(labels[0]!);
  new Counter({ ...options, registers: [theirs] }).inc(labels[0]!, 0);
  new Histogram({ ...histogram, registers: [theirs] }).zero(labels[0]!);
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test('what is read is read at each scrape, where it was last said to be', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const reading = createReading(ours, options);
  const gauge = new Gauge({ ...options, registers: [theirs] });
  expect(await ours.metrics()).toBe(await theirs.metrics());
  let value = 1;
  reading.read(labels[0]!, () => 7);
  reading.read(labels[0]!, () => value);
  reading.read(labels[1]!, () => -value);
  for (value of [2, 0.1, Infinity]) {
    gauge.set(labels[0]!, value);
    gauge.set(labels[1]!, -value);
    expect(await ours.metrics()).toBe(await theirs.metrics());
  }
});

test('types are as they are said to be', async () => {
  const registry = new Registry();
  createCounter(registry, { name: 'things', help: 'a', labelNames: [], type: 'untyped' });
  createReading(registry, { name: 'lost_total', help: 'a', labelNames: [], type: 'counter' });
  expect((await registry.metrics()).match(/# TYPE .*/g)).toEqual([
    '# TYPE things untyped',
    '# TYPE lost_total counter',
  ]);
});

test('who changes the labels afterwards changes no series', async () => {
  const registry = new Registry();
  const own = { kind: 'a', place: 'b' };
  const series = createCounter(registry, options).series(own);
  own.kind = 'c';
  series.inc();
  expect(await registry.metrics()).toContain('things_total{kind="a",place="b"} 1\n');
});
