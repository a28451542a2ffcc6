import { Registry } from 'prom-client';
import { registerMetric, type MetricValue } from '../../src/internals/prom-client';

test('values are read when the registry is scraped, each time anew', async () => {
  const registry = new Registry();
  let reads = 0;
  registerMetric(registry, 'gauge', { name: 'a', help: 'Reads.' }, () => [
    { labels: {}, sharedLabels: {}, value: (reads += 1) },
  ]);
  expect(reads).toBe(0);
  expect(await registry.metrics()).toBe('# HELP a Reads.\n# TYPE a gauge\na 1\n');
  expect(await registry.metrics()).toContain('\na 2\n');
});

const edges: MetricValue[] = [
  { labels: { le: 0.5 }, sharedLabels: { path: '/"x"\\' }, value: 1, metricName: 'h_bucket' },
  { labels: { le: '+Inf' }, sharedLabels: { path: '/"x"\\' }, value: 2, metricName: 'h_bucket' },
  { labels: {}, sharedLabels: { path: '/"x"\\' }, value: 1.5, metricName: 'h_sum' },
];

test('types, names and labels are written as they are given', async () => {
  const registry = new Registry();
  registerMetric(registry, 'histogram', { name: 'h', help: 'Two\nlines.' }, () => edges);
  registerMetric(registry, 'untyped', { name: 'u', help: 'U.' }, () => [
    { labels: {}, sharedLabels: { b: 'c' }, value: Infinity },
  ]);
  registerMetric(registry, 'counter', { name: 'c', help: 'C.' }, () => []);
  expect(await registry.metrics()).toBe(
    [
      '# HELP h Two\\nlines.',
      '# TYPE h histogram',
      'h_bucket{le="0.5",path="/\\"x\\"\\\\"} 1',
      'h_bucket{le="+Inf",path="/\\"x\\"\\\\"} 2',
      'h_sum{path="/\\"x\\"\\\\"} 1.5',
      '',
      '# HELP u U.',
      '# TYPE u untyped',
      'u{b="c"} +Inf',
      '',
      '# HELP c C.',
      '# TYPE c counter',
      '',
    ].join('\n'),
  );
});

test('the labels of a series become text once', async () => {
  const registry = new Registry();
  let reads = 0;
  const sharedLabels = {
    get path() {
      reads += 1;
      return '/';
    },
  };
  registerMetric(registry, 'gauge', { name: 'a', help: 'A.' }, () => [{ labels: {}, sharedLabels, value: 1 }]);
  for (let scrape = 0; scrape < 2; scrape++) expect(await registry.metrics()).toContain('a{path="/"} 1');
  expect(reads).toBe(1);
});

test('JSON has them too, and a name is taken once', async () => {
  const registry = new Registry();
  registerMetric(registry, 'histogram', { name: 'h', help: 'H.' }, () => edges);
  expect(await registry.getMetricsAsJSON()).toEqual([
    {
      name: 'h',
      help: 'H.',
      type: 'histogram',
      aggregator: 'sum',
      values: [
        { labels: { le: 0.5, path: '/"x"\\' }, value: 1, metricName: 'h_bucket' },
        { labels: { le: '+Inf', path: '/"x"\\' }, value: 2, metricName: 'h_bucket' },
        { labels: { path: '/"x"\\' }, value: 1.5, metricName: 'h_sum' },
      ],
    },
  ]);
  expect(() => registerMetric(registry, 'gauge', { name: 'h', help: '' }, () => [])).toThrow('h');
  registry.removeSingleMetric('h');
  expect(await registry.getMetricsAsJSON()).toEqual([]);
});
