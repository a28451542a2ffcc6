/** The dashboard: its panels as they are written, and their queries against a real Prometheus. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status as grpc } from '@grpc/grpc-js';
import { createMetrics } from '../../src/telemetry/metrics';
import { container } from '../deploy/manifests/checks';
import { documentsOf } from '../deploy/manifests/files';
import { startWorld, until, type Decoded, type World } from '../gateway-fixture';
import { isInstalled } from '../is-installed';
import { startPrometheus, type Prometheus, type Sample } from './prometheus';

const root = join(__dirname, '../..');
const dashboard: Decoded = JSON.parse(readFileSync(join(root, 'k8s/dashboards/api-gateway.json'), 'utf8'));
const panels: readonly Decoded[] = dashboard.panels.filter(({ type }: Decoded) => type !== 'row');
const rows: readonly Decoded[] = dashboard.panels.filter(({ type }: Decoded) => type === 'row');
const variables: readonly Decoded[] = dashboard.templating.list;

interface Query {
  readonly expr: string;
  /** Labels that the legend names. */
  readonly labels: readonly string[];
}

/** Every query by the row, the panel and the letter that it has. */
const queries: readonly (readonly [name: string, query: Query])[] = panels.flatMap(({ title, gridPos, targets }) => {
  const row = rows.findLast((each) => each.gridPos.y < gridPos.y);
  return targets.map(({ refId, expr, legendFormat }: Decoded) => {
    const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
    return [`${row.title} / ${title} / ${refId}`, { expr, labels }];
  });
});

describe('the dashboard', () => {
  test('is of the version of the schema that Grafana 12 has, and found by a name that stays', () => {
    expect(dashboard).toMatchObject({ id: null, uid: 'api-gateway', schemaVersion: 41 });
  });

  test('has a row for everything that is asked in the night', () => {
    expect(rows.map(({ title }) => title)).toEqual([
      'Overview',
      'Latency: the gateway and its upstreams',
      'Errors: the gateway and its upstreams',
      'Upstreams',
      'Assistant',
      'Sign-in and sessions',
      'GraphQL',
      'Replicas',
      'Saturation',
    ]);
  });

  test('has the latency of the gateway and of its upstreams side by side, and so their errors', () => {
    const beside = (title: string): string => {
      const { gridPos } = panels.find((panel) => panel.title === title);
      const { x, y, w } = gridPos;
      return panels.find((panel) => panel.gridPos.y === y && panel.gridPos.x === x + w).title;
    };
    expect(beside('Gateway: quantiles')).toBe('Upstreams: p99');
    expect(beside('Gateway: p99 by path')).toBe('Upstreams: p99 by method');
    expect(beside('500: the gateway')).toBe('502, 503, 504: an upstream');
  });

  test.each(panels.map((panel) => [panel.title, panel]))('%s: says what it tells, in which unit', (_title, panel) => {
    expect(panel.description).toMatch(/^.{40,}\.$/);
    expect(panel.fieldConfig.defaults.unit).toMatch(/^(reqps|ops|s|bytes|percentunit|short)$/);
    const named = [panel, ...panel.targets].map(({ datasource }) => datasource);
    for (const datasource of named) expect(datasource).toEqual({ type: 'prometheus', uid: 'prometheus' });
    const several = panel.targets.length > 1 || / by \(/.test(panel.targets[0].expr);
    for (const { legendFormat } of panel.targets) expect(legendFormat !== '').toBe(several || panel.type !== 'stat');
  });

  test('covers no panel with another one', () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect([title, taken.get(`${x} ${y}`)]).toEqual([title, undefined]);
          taken.set(`${x} ${y}`, title);
        }
      }
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    const ids = dashboard.panels.map(({ id }: Decoded) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('draws the limit of the memory where it is', () => {
    const objects = documentsOf(readFileSync(join(root, 'k8s/api-gateway-deployment.yaml'), 'utf8'));
    const { thresholds } = panels.find(({ title }) => title === 'Memory (RSS)').fieldConfig.defaults;
    const mebibytes = thresholds.steps.at(-1).value / 2 ** 20;
    expect(`${mebibytes}Mi`).toBe(container(objects).resources.limits.memory);
  });

  test('looks at one installation alone, in everything that it asks', () => {
    for (const [title, { expr }] of queries) {
      const selectors = expr.match(/\w+\{[^}]*\}/g) ?? [];
      expect([title, selectors.length]).not.toEqual([title, 0]);
      for (const selector of selectors) expect(selector).toContain('{job="api-gateway", namespace="$namespace"');
    }
  });
});

/** As Grafana puts them in. */
function interpolate(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(\w+)/g, (whole, name: string) => values[name] ?? whole);
}

/** A window that holds the traffic of the test. */
const grafana = { __rate_interval: '1m' };

(isInstalled('prometheus') ? describe : describe.skip)('in a real Prometheus', () => {
  let world: World;
  let prometheus: Prometheus;

  beforeAll(async () => {
    world = await startWorld({
      env: { SSO_PROVIDERS: 'dev', SSO_DEV_ISSUER: 'http://127.0.0.1:1', SSO_DEV_CLIENT_ID: 'gateway' },
      overrides: {
        metrics: createMetrics({ processMetrics: true }),
        resolvers: {
          gateway() {
            throw new Error('a bug');
          },
        },
      },
    });
    const labels = { namespace: 'production', pod: 'api-gateway-1' };
    prometheus = await startPrometheus([{ adminUrl: world.adminUrl, labels }]);
    // Counters are rated from what they were when they were first scraped.
    await traffic();
    await until(
      () => prometheus.query('upstream_grpc_errors_total{code="INTERNAL"}'),
      (series) => series.length > 0,
      30_000,
    );
    await traffic();
  }, 90_000);
  afterAll(async () => {
    await prometheus?.close();
    await world?.close();
  });

  /** Some of everything that can happen. */
  async function traffic(): Promise<void> {
    const me = '{ me { id } }';
    // A session that nobody has asked AuthService about.
    const token = world.auth.createSession('user-ada');
    const ask = () => world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
    await Promise.all([world.graphql(me, { token }), world.graphql('{ users { totalCount } }'), ask()]);
    await world.graphql(me, { token: null });
    await world.graphql(`{ ${'x'.repeat(40_000)} }`);
    await world.graphql('{ gateway { name } }');
    await world.graphql(`{ ${'gateway { name } '.repeat(51)} }`);
    await world.rest('GET', '/nowhere');
    await world.rest('GET', '/api/v1/auth/nobody/login');
    world.auth.control.setFault({ method: 'GetUser', code: grpc.INTERNAL, times: 1 });
    await world.graphql(me);
    world.ai.control.setFault({ method: 'ProcessQuery', code: grpc.UNAVAILABLE, times: 1 });
    await ask();
    const stream = world.askStream('count to 2');
    for await (const _ of stream);
  }

  /** The values of a variable. What it selects by are those before it, of which the first are taken. */
  async function valuesOf({ name, query }: Decoded): Promise<readonly string[]> {
    const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(query.query) ?? [];
    const before = variables.slice(
      0,
      variables.findIndex((variable) => variable.name === name),
    );
    return prometheus.labelValues(label, interpolate(selector, await chosen(before)));
  }

  async function chosen(all: readonly Decoded[]): Promise<Record<string, string>> {
    const values: Record<string, string> = {};
    for (const variable of all) values[variable.name] = variable.allValue ?? (await valuesOf(variable))[0];
    return values;
  }

  test.each(variables.map((variable) => [variable.name, variable]))(
    'there is something to choose for %s',
    async (_name, variable) => {
      expect(await valuesOf(variable)).not.toEqual([]);
    },
  );

  test.each(queries)('there is data for %s', async (_name, { expr, labels }) => {
    const values = await chosen(variables);
    const isNumber = ({ value }: Sample): boolean => Number.isFinite(Number(value[1]));
    const series = await until(
      async () => (await prometheus.query(interpolate(expr, { ...grafana, ...values }))).filter(isNumber),
      (found) => found.length > 0,
    );
    for (const { metric } of series) for (const label of labels) expect(metric[label]).toMatch(/./);
  });

  test('every metric is there that is named', async () => {
    const names = new Set(queries.flatMap(([, { expr }]) => [...expr.matchAll(/(\w+)\{/g)].map(([, name]) => name)));
    const known = await prometheus.labelValues('__name__', '{job="api-gateway"}');
    expect([...names].filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });

  test('what marks alerts in the graphs is a query too', async () => {
    const [, { expr }] = dashboard.annotations.list;
    expect(await prometheus.query(interpolate(expr, await chosen(variables)))).toEqual([]);
  });
});
