/** docs/runbook.md names nothing that is not there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orderFault } from '../../scripts/fault';
import { readConfig, sourceFolders, type ConfigError } from '../../src/config/config';
import { loadSources } from '../../src/schema/sources';
import { type Decoded, type World } from '../gateway-fixture';
import { isInstalled } from '../is-installed';
import { runbookProblems } from './runbook/checks';
import { inquire, type Facts, type Inquiry } from './runbook/facts';
import { readMarkdown } from './runbook/markdown';
import { variables } from '../../src/config/variables';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const runbook = read('docs/runbook.md');

let inquiry: Inquiry;
let facts: Facts;
let world: World;
beforeAll(async () => {
  inquiry = await inquire();
  ({ facts, world } = inquiry);
});
afterAll(() => inquiry.close());

test('everything that it names is there', async () => {
  expect(await runbookProblems(runbook, facts)).toEqual([]);
});

test('it has a section for every alert, and for no other', () => {
  const titles = readMarkdown(runbook).sections.map(({ title }) => title);
  const alerts = facts.alerts.map(({ name, priority }) => `${name} (${priority})`);
  expect(titles.filter((title) => / \(P\d\)$/.test(title)).sort()).toEqual(alerts.sort());
  expect(alerts).toContain('HighHttp5xxErrorRate (P1)');
});

(isInstalled('promtool') ? test : test.skip)('Prometheus can read every query', () => {
  const queries = readMarkdown(runbook).blocks.filter(({ language }) => language === 'promql');
  expect(queries.length).toBeGreaterThan(10);
  const rules = queries.map(({ text }, index) => ({ record: `query:${index}`, expr: text }));
  const folder = mkdtempSync(join(tmpdir(), 'runbook-'));
  try {
    const file = join(folder, 'rules.json');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'runbook', rules }] }));
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
    expect({ status, said: stdout + stderr }).toMatchObject({ status: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a gateway that cannot start says what stands there', () => {
  const env = {
    NODE_ENV: 'production',
    PUBLIC_URL: 'http://app.example.com',
    AUTH_SERVICE_ADDR: 'auth-service',
    SHUTDOWN_DELAY: '30s',
    LOG_LEVL: 'debug',
  };
  const { upstreamNames } = loadSources(sourceFolders({}));
  const refusal = ((): string => {
    try {
      readConfig(env, upstreamNames);
      return 'none';
    } catch (error) {
      return (error as ConfigError).message;
    }
  })();
  expect(runbook).toContain(`api-gateway cannot start: ${refusal}\n`);
});

test('what it says of the autoscaler and of pods is what is deployed', () => {
  const find = (kind: string): Decoded => facts.objects.find((each) => each.kind === kind);
  const { minReplicas, maxReplicas, metrics, behavior } = find('HorizontalPodAutoscaler').spec;
  expect(runbook).toContain(`${minReplicas} to ${maxReplicas} replicas`);
  expect(metrics[0].resource.target.averageValue).toBe('600m');
  const { scaleUp, scaleDown } = behavior;
  expect(scaleUp.policies).toEqual([
    { type: 'Percent', value: 100, periodSeconds: 30 },
    { type: 'Pods', value: 3, periodSeconds: 30 },
  ]);
  expect(scaleDown.policies).toEqual([{ type: 'Pods', value: 1, periodSeconds: 60 }]);
  const { spec } = find('Deployment');
  expect(spec.revisionHistoryLimit).toBe(10);
  expect(spec.progressDeadlineSeconds).toBe(120);
  expect(find('PodDisruptionBudget').spec.maxUnavailable).toBe(1);
  expect(variables.maxConnections.default).toBe('10000');
  expect(read('src/session/confirmed-sessions.ts')).toContain('const capacity = 50_000;');
  expect(read('src/pipeline/documents.ts')).toContain('const cacheSize = 48 * 1024 * 1024;');
});

test('its capacity is that of the benchmark', () => {
  const { results, machine }: Decoded = JSON.parse(read('test/bench/results.json'));
  const [, section = ''] = /<!-- capacity:begin -->\n(.*?)<!-- capacity:end -->/s.exec(runbook) ?? [];
  const rowOf = (title: string): number[] => {
    const [, cells = ''] = new RegExp(`^\\| ${title} +\\|(.*)\\|$`, 'm').exec(section) ?? [];
    return cells.split('|').map((cell) => Number(cell.replace(',', '')));
  };
  const ours = (name: string, row = 'ours'): Decoded => results[name].rows.find((each: Decoded) => each.name === row);
  for (const [title, row] of [
    ['look-up of one user, GraphQL', ours('lookup')],
    ['the same, REST', ours('doors', 'rest')],
    ['mutation of 2 KB', ours('mutation')],
    ['40 fields, five RPCs', ours('fields')],
    ['list of 100 users', ours('list')],
    ['join of 100 over two services', ours('join')],
  ] as const) {
    const { median, max } = row.cpuPerRequest;
    const [usual = 0, most = 0, worst = 0, least = 0] = rowOf(title);
    expect([usual, worst]).toEqual([Math.round(median), Math.round(max)]);
    // Rounded down to two digits.
    for (const [said, cpu] of [
      [most, median],
      [least, max],
    ] as const) {
      expect(said).toBeLessThanOrEqual(600_000 / cpu);
      expect(said).toBeGreaterThan((600_000 / cpu) * 0.9);
    }
  }
  expect(section).toContain(`on ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);
});

describe('a drill', () => {
  const rows = [...runbook.matchAll(/^\| [^|]+ \| `npx tsx scripts\/fault\.ts ([^`]+)` +\| ([^|]+) \|$/gm)];
  const drills = rows.map(([, command = '', shows = '']) => [command, shows.trim()] as const);
  test('there are some', () => expect(drills.length).toBeGreaterThan(6));

  test.each(drills)('%s: %s', async (command, shows) => {
    world.reset();
    const [ask, upstream] = command.includes('ProcessQuery')
      ? ([() => world.rest('POST', '/api/ai', { body: { query: 'who am I' } }), world.ai] as const)
      : ([() => world.rest('GET', '/api/v1/users/me'), world.auth] as const);
    const [, ...rest] = command.split(' ');
    await orderFault([upstream.address, ...rest]);
    const answer = await ask();
    expect(answer.status).toBe(Number(shows.slice(0, 3)));
    const [, code] = /`([A-Z_]+)`/.exec(shows) ?? [];
    expect(answer.body.error?.reason).toBe(code);
    world.reset();
  });

  test.each([
    ['no method', ['127.0.0.1:1'], 'usage'],
    ['a status that is none', ['127.0.0.1:1', 'GetUser', '--code', 'BROKEN'], 'no gRPC status'],
    ['a delay that is none', ['127.0.0.1:1', 'GetUser', '--delay', 'long'], 'no number'],
    ['a method to clear', ['127.0.0.1:1', 'GetUser', '--clear'], 'usage'],
  ])('is refused for %s', async (_what, args, said) => {
    await expect(orderFault(args)).rejects.toThrow(said);
  });
});

describe('a mistake is found', () => {
  const replaced = (from: string, to: string): string => {
    expect(runbook).toContain(from);
    return runbook.replace(from, to);
  };
  test.each([
    ['a metric', '`http_streams_open`', '`http_streams_opened`', 'no metric http_streams_opened'],
    ['a metric of a query', 'rate(upstream_grpc_errors_total', 'rate(upstream_errors_total', 'no metric upstream_err'],
    ['a label', 'sum by (path, status)', 'sum by (route, status)', 'no label route'],
    ['a label of a selector', 'total{job="api-gateway", status=~', 'total{job="api-gateway", code=~', 'no label code'],
    ['the value of a label', 'result="hit"', 'result="found"', 'no result is found'],
    ['a label of an output', '{path="/api/ai", status="503"} =>', '{route="/api/ai"} =>', 'the label route'],
    ['an alert', '`AuthServiceUnreachable`', '`AuthServiceDown`', 'no AuthServiceDown'],
    ['a priority', '### HighApiLatency (P2)', '### HighApiLatency (P1)', 'no section HighApiLatency (P2)'],
    ['a part of a section', '**Escalate:** to AIService', 'Escalate to AIService', 'has no Escalate:'],
    ['an npm script', 'npm run lint', 'npm run linted', 'linted is no script'],
    ['a manifest', 'apply -f k8s/api-gateway-service.yaml', 'apply -f k8s/service.yaml', 'no k8s/service.yaml'],
    ['an overlay', 'kubectl diff -k deploy/production', 'kubectl diff -k deploy/prod', 'no deploy/prod'],
    ['a namespace', 'pods -l app=api-gateway -n production', 'pods -l app=api-gateway -n prod', 'no namespace prod'],
    ['no namespace', 'kubectl get hpa api-gateway -n production', 'kubectl get hpa api-gateway', 'without a namespace'],
    ['a selector', 'pods -l app=auth-service', 'pods -l app=auth', 'no pods have the label app=auth'],
    ['a deployment', 'restart deployment/api-gateway', 'restart deployment/gateway', 'no deployment gateway'],
    ['a verb of kubectl', 'kubectl rollout undo', 'kubectl rollout back', 'kubectl does not rollout back'],
    ['an option of kubectl', '--to-revision=', '--revision=', 'has no --revision'],
    ['what is patched', '"minReplicas":5', '"minimum":5', 'autoscaler has no minimum'],
    ['a key of the secret', '--from-literal=session-secret="$NEW"', '--from-literal=secret="$NEW"', 'Secret has no'],
    ['an image', 'push your-registry/api-gateway', 'push your-registry/other/api-gateway', 'is not the image'],
    ['an address', 'nc -vz -w 5 auth-service.production', 'nc -vz -w 5 auth.production', 'no address of an upstream'],
    ['nc without -w', 'nc -vz -w 5 auth', 'nc -vz auth', 'nc waits without an end'],
    ['the end of an error', '`closed by the server`', '`closed by a server`', 'nothing says "closed by a server"'],
    ['an end behind a name', '`does not answer pings`', '`does not answer calls`', 'nothing says "does not ans'],
    ['a port', '9090:9090', '9091:9091', 'no port 9091:9091'],
    ['a pattern that grep cannot find', 'grep "upstream connection error"', 'grep "upstream error"', 'has upstream er'],
    ['grep without -E', 'grep -E "error|panic|fatal"', 'grep "error|panic|fatal"', 'with -E alone'],
    ['a field that jq reads', '.grpc.method', '.rpc.method', 'no log line has rpc.method'],
    ['a script', '`npx tsx scripts/fault.ts', '`npx tsx scripts/faults.ts', 'scripts/faults.ts is no script'],
    ['a variable', '`SESSION_CACHE_TTL`', '`SESSION_TTL`', 'no SESSION_TTL'],
    ['a variable that is set', 'LOG_LEVEL=debug', 'LOGLEVEL=debug', 'no variable LOGLEVEL'],
    ['a path', '`/api/v1/ai`', '`/api/v2/ai`', 'nothing answers /api/v2/ai'],
    ['a path for operators', '`/readyz`', '`/ready`', 'nothing answers /ready'],
    ['a file', '`.github/workflows/nightly.yml`', '`.github/workflows/weekly.yml`', 'weekly.yml'],
    ['an error code', '`OVERLOADED`', '`TOO_BUSY`', 'no TOO_BUSY'],
    ['the status of a code', '502    | `UPSTREAM_ERROR`', '500    | `UPSTREAM_ERROR`', 'UPSTREAM_ERROR is not 500'],
    ['a gRPC status', '`RESOURCE_EXHAUSTED`', '`EXHAUSTED`', 'no EXHAUSTED'],
    ['a log message', '`internal error`', '`panic at once`', 'nothing says "panic at once"'],
    ['a message of a line', '"msg":"internal error"', '"msg":"panic"', 'nothing logs "panic"'],
    ['a field of a line', '"durationMs":', '"duration":', 'has no field duration'],
    ['a field', '`durationMs`', '`tookMs`', 'no tookMs'],
    ['a log query', '`service:"api-gateway"`', '`service:"gateway"`', 'no log line fits'],
    ['a quantity', '`512Mi`', '`513Mi`', 'nothing is 513Mi'],
    ['a header', '`X-Request-Id`', '`X-Trace-Id`', 'no X-Trace-Id'],
    ['a link', '(../README.md#errors)', '(../README.md#error-codes)', 'leads to no section'],
    ['a file that is linked', '(../monitoring/rules.yml)', '(../monitoring/alerts.yml)', 'leads nowhere'],
    ['a URL', 'http://localhost:9091', 'http://localhost:9092', 'nothing is at http://localhost:9092'],
    ['a language', '```promql', '```promq', 'a block of promq'],
    ['what is of no kind', '`other`', '`%$!`', 'of which kind'],
    ['a panel', '"Upstreams: p99 by method"', '"Upstreams: all"', 'no panel is called "Upstreams: all"'],
    ['a word', '`coalesced`', '`merged`', 'there is no merged'],
    ['a program', 'openssl rand', 'gpg rand', 'the program gpg'],
  ])('%s', async (_what, from, to, said) => {
    const problems = await runbookProblems(replaced(from, to), facts);
    expect(problems.join('\n')).toContain(said);
  });
});
