import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { METHODS } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status as grpc } from '@grpc/grpc-js';
import { createGateway } from '../../src/gateway';
import { loadSources } from '../../src/schema/sources';
import { createLog } from '../../src/telemetry/log';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics';
import { startWorld, testConfig, until, valueOf, type World, type WorldOptions } from '../gateway-fixture';
import { byServer } from '../graphql/differences';
import { isInstalled } from '../is-installed';
import { hold } from '../session/session-fixture';
import { variant } from '../variant';

jest.setTimeout(60_000);

const me = '{ me { id } }';
const graphqlPlugin = variant.graphqlServer === 'yoga';

/** So that the routes of sign-in are there. */
const signIn = { SSO_PROVIDERS: 'dev', SSO_DEV_ISSUER: 'http://127.0.0.1:1', SSO_DEV_CLIENT_ID: 'gateway' };

/** A gateway as the process has it, with Node's own metrics. */
function startWithAll(options: WorldOptions = {}): Promise<World> {
  const metrics = createMetrics({ processMetrics: true, graphqlPlugin, eventLoopWindow: 500 });
  return startWorld({ env: signIn, ...options, overrides: { metrics } });
}

/** Names and labels of every series of a scrape. Of Node's own those by type are left out, which come and go by themselves. */
function seriesOf(scrape: string): string[] {
  const lines = scrape.split('\n').filter((line) => /^[a-z]/.test(line) && !/^nodejs_active_\w+\{/.test(line));
  return lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
}

/** Something of every kind that is counted. */
async function allKindsOfTraffic(world: World): Promise<void> {
  await world.graphql(me);
  await world.graphql('mutation { logout }', { token: world.auth.createSession('user-max') });
  await world.graphql('{ nonsense }');
  await world.graphql('{ me {', { token: null });
  await world.graphql(me, { token: 'made-up' });
  await world.rest('GET', '/api/v1/users/me');
  await world.rest('DELETE', '/api/v1/users/me');
  await world.rest('OPTIONS', '/api/ai');
  await world.rest('GET', '/nowhere');
  await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
  await fetch(`${world.url}/api/v1/auth/dev/login`, { redirect: 'manual' });
  await world.raw('nonsense\r\n\r\n');
  for await (const _ of world.askStream('count to 2'));
  for (const code of [grpc.UNAVAILABLE, grpc.NOT_FOUND, grpc.DATA_LOSS]) {
    world.ai.control.setFault({ method: 'ProcessQuery', code, times: 1 });
    await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
  }
}

describe('a gateway', () => {
  let world: World;
  let first: string;
  beforeAll(async () => {
    world = await startWithAll();
    first = await world.metrics();
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  test('has from its first scrape on what a first failure is an increase of', () => {
    const zeros = new Set(seriesOf(first).filter((series) => valueOf(first, series) === 0));
    const expected = [
      ...[500, 501, 502, 503, 504, 499, 401, 200].flatMap((status) => [
        `http_requests_total{method="POST",path="/graphql",status="${status}"}`,
        `http_requests_total{method="GET",path="/api/v1/users/me",status="${status}"}`,
        `http_requests_total{method="HEAD",path="/api/v1/users/me",status="${status}"}`,
        `http_requests_total{method="POST",path="/api/ai",status="${status}"}`,
      ]),
      'http_requests_total{method="GET",path="/api/v1/auth/{provider}/callback",status="302"}',
      'http_requests_total{method="POST",path="/api/v1/auth/logout",status="204"}',
      'http_requests_total{method="DELETE",path="/api/ai",status="405"}',
      'http_requests_total{method="OPTIONS",path="/api/ai",status="204"}',
      'http_requests_total{method="GET",path="other",status="404"}',
      'http_requests_total{method="other",path="other",status="431"}',
      'http_request_latency_seconds_bucket{le="1",method="POST",path="/graphql"}',
      ...['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'UNIMPLEMENTED'].flatMap((code) =>
        ['auth.v1.AuthService",method="GetUser', 'ai.v1.AIService",method="ProcessQuery'].flatMap((rpc) => [
          `upstream_grpc_requests_total{service="${rpc}",code="${code}"}`,
          `upstream_grpc_errors_total{service="${rpc}",code="${code}"}`,
        ]),
      ),
      'upstream_grpc_requests_total{service="auth.v1.AuthService",method="ValidateSession",code="UNAUTHENTICATED"}',
      'upstream_grpc_requests_total{service="auth.v1.AuthService",method="HandleSsoCallback",code="OK"}',
      ...['query', 'mutation', 'subscription'].flatMap((type) => [
        `graphql_envelop_request{operation_type="${type}"}`,
        `graphql_envelop_request_duration_count{operation_type="${type}"}`,
        `graphql_envelop_error_result{operation_type="${type}",code="INTERNAL_SERVER_ERROR"}`,
      ]),
      'graphql_envelop_error_result{operation_type="unknown",code="GRAPHQL_PARSE_FAILED"}',
      ...['hit', 'miss', 'coalesced', 'refused'].map((result) => `session_cache_lookups_total{result="${result}"}`),
      ...['hit', 'miss'].map((result) => `graphql_document_cache_lookups_total{result="${result}"}`),
      'http_requests_in_flight',
      'http_streams_open',
      'session_cache_entries',
      'log_lines_dropped_total',
    ];
    expect(expected.filter((series) => !zeros.has(series))).toEqual([]);
    // Of statuses that are no errors there is nothing to begin with.
    expect(first).not.toMatch(/upstream_grpc_errors_total\{.*ValidateSession.*"UNAUTHENTICATED"/);
    expect(first).not.toMatch(/upstream_grpc_errors_total\{.*"OK"/);
  });

  test('shows the first failure of an upstream as an increase, wherever it counts', async () => {
    const rpc = 'service="ai.v1.AIService",method="ProcessQuery",code="UNAVAILABLE"';
    const increase = await world.growth(
      async () => {
        world.ai.control.setFault({ method: 'ProcessQuery', code: grpc.UNAVAILABLE, times: 1 });
        await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
      },
      'http_requests_total{method="POST",path="/api/ai",status="503"}',
      `upstream_grpc_requests_total{${rpc}}`,
      `upstream_grpc_errors_total{${rpc}}`,
      'graphql_envelop_error_result{operation_type="mutation",code="SERVICE_UNAVAILABLE"}',
    );
    expect(increase).toEqual([1, 1, 1, 1]);
  });

  test('has the metrics that its README names, with those labels', async () => {
    await allKindsOfTraffic(world);
    const scrape = await world.metrics();
    const named = readmeTable();
    const exact = [...named.keys()].filter((name) => !name.endsWith('*'));
    const families = [...scrape.matchAll(/^# TYPE (\w+) \w+$/gm)].map(([, name = '']) => name);
    const isNamed = (name: string) =>
      [...named.keys()].some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
    expect(families.filter((name) => !isNamed(name))).toEqual([]);
    expect(exact.filter((name) => !families.includes(name))).toEqual([]);
    for (const name of exact) {
      const lines = scrape.split('\n').filter((line) => new RegExp(`^${name}(_count)?[{ ]`).test(line));
      const labels = lines.map((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, label]) => label));
      expect(new Set(labels.map((each) => each.join(', ')))).toEqual(new Set([named.get(name)]));
    }
  });

  test('says what runs, and whether it is ready', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(valueOf(first, `api_gateway_build_info{version="${version}"}`)).toBe(1);
    expect(valueOf(first, 'api_gateway_ready')).toBe(1);
  });

  test('counts what is under way, for clients and at upstreams', async () => {
    const release = hold(world.ai.control, 'ProcessQuery');
    const series = ['http_requests_in_flight', 'upstream_grpc_calls_in_flight{service="ai"}', 'http_streams_open'];
    const now = async () => {
      const scrape = await world.metrics();
      return series.map((each) => valueOf(scrape, each));
    };
    const is = (...values: number[]) => until(now, (found) => values.every((value, index) => found[index] === value));
    await is(0, 0, 0);
    const asked = world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
    await is(1, 1, 0);
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const stream = world.askStream('count to 5');
    await stream.next();
    await is(2, 2, 1);
    await stream.return?.();
    await is(1, 1, 0);
    release();
    await asked;
    await is(0, 0, 0);
    // What could not even be called is not under way for ever.
    await world.graphql(me, { headers: { 'x-request-timeout-ms': '0' } });
    await is(0, 0, 0);
  });

  test('times an operation whole, the look at its session included', async () => {
    const release = hold(world.auth.control, 'ValidateSession');
    const calls = world.auth.control.count('ValidateSession');
    const seconds = 'graphql_envelop_request_duration_sum{operation_type="query"}';
    const began = performance.now();
    let waited = 0;
    const [took = 0, executed] = await world.growth(
      async () => {
        const answer = world.graphql(me, { token: world.auth.createSession('user-max') });
        await until(
          () => world.auth.control.count('ValidateSession'),
          (count) => count === calls + 1,
        );
        const held = performance.now();
        await until(
          () => performance.now() - held,
          (ms) => ms > 200,
        );
        waited = performance.now() - held;
        release();
        expect((await answer).status).toBe(200);
      },
      seconds,
      'graphql_envelop_request{operation_type="query"}',
    );
    expect(executed).toBe(1);
    expect(took).toBeGreaterThan(byServer('request duration', { native: waited / 1000, yoga: 0 }));
    expect(took).toBeLessThan((performance.now() - began) / 1000);
  });

  test('counts the errors of a document that does not fit', async () => {
    const errors = 'graphql_envelop_error_result{operation_type="unknown",code="GRAPHQL_VALIDATION_FAILED"}';
    const [grown] = await world.growth(() => world.graphql('{ nonsense more }'), errors);
    expect(grown).toBe(byServer('validation errors', { native: 2, yoga: 1 }));
  });

  test('does not time what no route answers, which would make the rest look fast', async () => {
    const before = await world.metrics();
    await world.rest('GET', '/nowhere');
    await world.rest('DELETE', '/api/ai');
    const latencies = (scrape: string) =>
      scrape.split('\n').filter((line) => /^http_request_latency.*_count/.test(line));
    expect(latencies(await world.metrics())).toEqual(latencies(before));
    expect(before).not.toMatch(/http_request_latency_seconds_count\{.*path="other"/);
  });

  test('tells how documents were looked up, and what those that are kept take', async () => {
    const source = '{ gateway { name documents: name } }';
    const [hits, misses, bytes] = await world.growth(
      async () => {
        for (const query of [source, source, source]) await world.graphql(query);
      },
      'graphql_document_cache_lookups_total{result="hit"}',
      'graphql_document_cache_lookups_total{result="miss"}',
      'graphql_document_cache_bytes',
    );
    expect([hits, misses]).toEqual([2, 1]);
    expect(bytes).toBeGreaterThan(500);
  });

  test('tells how many sessions it keeps', async () => {
    const token = world.auth.createSession('user-max');
    expect(await world.growth(() => world.graphql(me, { token }), 'session_cache_entries')).toEqual([1]);
  });
});

test('a gateway that shuts down says that it is not ready', async () => {
  const world = await startWorld();
  try {
    expect(await world.metric('api_gateway_ready')).toBe(1);
    world.gateway.drain();
    expect(await world.metric('api_gateway_ready')).toBe(0);
  } finally {
    await world.close();
  }
});

(isInstalled('promtool') ? test : test.skip)(
  'promtool check metrics has nothing to say, whatever has been counted',
  async () => {
    const check = (scrape: string): string => {
      const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: scrape, encoding: 'utf8' });
      return stdout + stderr;
    };
    expect(check('# TYPE things counter\nthings 1\n')).toContain('_total');
    const counters = ['graphql_envelop_error_result', 'graphql_envelop_request'];
    const told = byServer('type of metrics', {
      native: '',
      yoga: counters.map((name) => `${name} counter metrics should have "_total" suffix\n`).join(''),
    });
    const world = await startWithAll();
    try {
      expect(check(await world.metrics())).toBe(told);
      await allKindsOfTraffic(world);
      expect(check(await world.metrics())).toBe(told);
    } finally {
      await world.close();
    }
  },
);

test('a schema of 200 RPCs begins with fewer than 6,000 lines', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-'));
  const metrics = createMetrics({ processMetrics: true, graphqlPlugin });
  try {
    const [schemaDir, protoDir] = [join(folder, 'schema'), join(folder, 'proto')];
    cpSync('schema', schemaDir, { recursive: true });
    cpSync('proto', protoDir, { recursive: true });
    const all = Array.from({ length: 200 }, (_, index) => index);
    const rpcs = all.map((index) => `rpc GetThing${index}(GetThingRequest) returns (Thing);`);
    writeFileSync(
      join(protoDir, 'big.proto'),
      `syntax = "proto3"; package big.v1; service BigService { ${rpcs.join('\n')} }
      message GetThingRequest { string id = 1; } message Thing { string id = 1; }`,
    );
    const fields = all.map((index) => `thing${index}(id: ID!): Thing @authenticated @grpc(rpc: "GetThing${index}")`);
    writeFileSync(
      join(schemaDir, 'big.graphql'),
      `extend schema @upstream(name: "big", service: "big.v1.BigService")
      extend type Query { ${fields.join('\n')} }
      type Thing { id: ID! }`,
    );
    const sources = loadSources({ schemaDir, protoDir });
    const config = testConfig({ SCHEMA_DIR: schemaDir, PROTO_DIR: protoDir, ...signIn });
    const gateway = createGateway(config, { log: createLog('silent'), sources, metrics });
    gateway.close();
    const scrape = await metrics.registry.metrics();
    const known = scrape.match(/^upstream_grpc_requests_total\{.*code="OK"/gm) ?? [];
    expect(known.length).toBeGreaterThanOrEqual(200);
    expect(scrape.split('\n').length).toBeLessThan(6_000);
    expect(scrape).toContain(
      'upstream_grpc_errors_total{service="big.v1.BigService",method="GetThing199",code="UNAVAILABLE"} 0\n',
    );
  } finally {
    metrics.close();
    rmSync(folder, { recursive: true });
  }
});

describe('clients', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWithAll();
  });
  afterAll(() => world.close());

  test('add no series, whatever 10,000 requests of theirs look like', async () => {
    const first = seriesOf(await world.metrics());
    // What is not there from the start can be told from what is: all that an RPC can come to.
    const rpcs = first.filter((series) => /^upstream_grpc_requests_total\{.*code="OK"/.test(series));
    const later = new Set(rpcs.flatMap((series) => latencyOf(series.replace(/^[a-z_]+\{|,code="OK"\}$/g, ''))));

    const random = randomOf(1);
    const before = countOf(await world.metrics());
    await attack(world, random, 9_000, 1_000);
    // Those for a tunnel, some of the thousand, are closed without a word.
    const scrape = await until(
      () => world.metrics(),
      (latest) => countOf(latest) - before >= 9_800,
    );
    const known = new Set(first);
    const added = seriesOf(scrape).filter((series) => !known.has(series) && !later.has(series));
    expect(added).toEqual([]);
    expect(scrape).toContain('upstream_grpc_requests_total{service="auth.v1.AuthService",method="ValidateSession"');

    const second = seriesOf(scrape);
    await attack(world, random, 900, 100);
    expect(seriesOf(await world.metrics())).toEqual(second);
  });
});

/** All requests that were counted. */
function countOf(scrape: string): number {
  const counts = [...scrape.matchAll(/^http_requests_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The series of the latency of an RPC. @param labels - `service="...",method="..."` */
function latencyOf(labels: string): string[] {
  const edges = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '30', '+Inf'];
  const name = 'upstream_grpc_latency_seconds';
  return [
    ...edges.map((edge) => `${name}_bucket{le="${edge}",${labels}}`),
    `${name}_sum{${labels}}`,
    `${name}_count{${labels}}`,
  ];
}

/** Chance that is the same each time. @returns a whole number below another. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = (below: number) => number;

/** Sends requests of all sorts, many on a connection, and others that are no HTTP, each on its own. */
async function attack(world: World, random: Random, requests: number, broken: number): Promise<void> {
  const perConnection = 100;
  const connections = Array.from({ length: requests / perConnection }, () => {
    const all = Array.from({ length: perConnection }, (_, index) => hostile(random, index === perConnection - 1));
    return () => world.raw(Buffer.from(all.join(''), 'latin1'));
  });
  const others = Array.from({ length: broken }, () => {
    const bytes = Buffer.from(noHttp(random), 'latin1');
    return () => world.raw(bytes, { andEnd: true });
  });
  const all = [...connections, ...others];
  const worker = async (): Promise<void> => {
    for (let next = all.pop(); next; next = all.pop()) await next();
  };
  await Promise.all(Array.from({ length: 10 }, worker));
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)]!;
}

/** Makes one of several texts; making all of them would be most of the work. */
function make(random: Random, makers: readonly (string | (() => string))[]): string {
  const maker = pick(random, makers);
  return typeof maker === 'string' ? maker : maker();
}

const letters = Array.from('abcXYZ019_-.~!$&()*+,;=:@%22%0A%7B{}|^`[]<>"\\');
function text(random: Random, length = 1 + random(20)): string {
  let made = '';
  while (made.length < length) made += pick(random, letters);
  return made;
}
const name = (random: Random): string => `n${text(random).replace(/\W/g, '_')}`;

const methodOf = (random: Random): string =>
  make(random, ['GET', 'POST', 'POST', 'HEAD', () => pick(random, METHODS)]).replace('CONNECT', 'PUT');

function documentOf(random: Random): string {
  const operation = `${pick(random, ['query', 'mutation', 'subscription', 'fragment'])} ${name(random)}`;
  return `${operation} { ${make(random, ['gateway { name }', 'me { id }', '__typename', () => name(random)])} }`;
}

const pathOf = (random: Random): string =>
  make(random, [
    () => `/${text(random)}`,
    () => `/${text(random)}/${text(random)}?${text(random)}`,
    '/',
    '*',
    () => `http://${name(random)}.example/${text(random)}`,
    '/graphql',
    '/graphql',
    () => `/graphql?operationName=${name(random)}&query=${encodeURIComponent(documentOf(random))}`,
    () => `/graphql/assets/${text(random)}`,
    '/api/ai',
    () => `/api/v1/users/me?${text(random)}=${text(random)}`,
    () => `/api/v1/auth/${text(random)}/login?returnTo=${text(random)}`,
    () => `/api/v1/auth/${text(random)}/callback?code=${text(random)}&state=${text(random)}`,
    '/api/v1/auth/logout',
  ]);

/** A request in HTTP, with anything in it. */
function hostile(random: Random, isLast: boolean): string {
  const query = documentOf(random);
  const body = make(random, [
    '',
    () => text(random, 200),
    () => JSON.stringify({ query, operationName: name(random) }),
    () => JSON.stringify({ query, variables: { [text(random)]: text(random) } }),
    () => JSON.stringify({ [text(random)]: text(random), query: text(random) }),
  ]);
  const headers = [
    'Host: a',
    `Content-Length: ${body.length}`,
    `Connection: ${isLast ? 'close' : 'keep-alive'}`,
    `Content-Type: ${make(random, ['application/json', 'text/plain', () => text(random)])}`,
    `X-${name(random)}: ${text(random)}`,
    make(random, [
      () => `Authorization: ${pick(random, ['Bearer ', 'Basic ', ''])}${text(random)}`,
      () => `Accept: ${text(random)}`,
      'Accept: text/event-stream',
      () => `Cookie: session=${text(random)}; ${text(random)}`,
      () => `Grpc-Timeout: ${random(3)}n`,
      () => `X-Request-Timeout-Ms: ${random(3)}`,
      () => `Traceparent: ${text(random)}`,
      () => `Origin: https://${name(random)}.example`,
      () => `User-Agent: ${text(random)}`,
    ]),
  ];
  return `${methodOf(random)} ${pathOf(random)} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`;
}

/** What is no HTTP, or not all of it. */
function noHttp(random: Random): string {
  return make(random, [
    () => `${text(random)}\r\n\r\n`,
    () => `${name(random).toUpperCase()} /graphql HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `GET /${text(random)} HTTP/${random(10)}.${random(10)}9\r\nHost: a\r\n\r\n`,
    () => `GET /graphql HTTP/1.1\r\n${text(random)}\u0000: a\r\n\r\n`,
    () => `GET /graphql HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    () => `POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n${text(random)}`,
    'POST /api/ai HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n',
    () => `CONNECT ${name(random)}:443 HTTP/1.1\r\nHost: a\r\n\r\n`,
    () => `${methodOf(random)} ${pathOf(random)} HTTP/1.1\r\nX: without a host\r\n\r\n`,
    () => `GET / HTTP/1.1\r\nHost: a\r\nExpect: ${text(random)}\r\nConnection: close\r\n\r\n`,
  ]);
}

describe('the event loop', () => {
  const names = ['mean', 'p50', 'p90', 'p99', 'max'].map((figure) => `nodejs_eventloop_lag_${figure}_seconds`);
  /** Keeps the event loop busy. */
  const block = (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const scrapeOf = async (metrics: Metrics) => {
    const scrape = await metrics.registry.metrics();
    return (series: string) => valueOf(scrape, series) ?? NaN;
  };

  test('looks the same to two that scrape in turns as to one', async () => {
    const world = await startWithAll();
    try {
      const figures = async () => {
        const scrape = await world.metrics();
        return [...names, 'nodejs_eventloop_utilization'].map((each) => valueOf(scrape, each) ?? NaN);
      };
      // A window may end between two scrapes, but not each time.
      const seen = await until(
        async () => {
          block(200);
          return [await figures(), await figures(), await figures()];
        },
        ([one, ...others]) => one![4]! > 0.15 && others.every((other) => String(other) === String(one)),
      );
      const [mean = NaN, p50 = NaN, p90 = NaN, p99 = NaN, max = NaN, utilization = NaN] = seen[0]!;
      const ascending = [0, p50, p90, p99, max, 10];
      expect([...ascending].sort((one, other) => one - other)).toEqual(ascending);
      for (const [share, whole] of [
        [mean, max],
        [utilization, 1],
      ] as const) {
        expect(share).toBeGreaterThan(0);
        expect(share).toBeLessThanOrEqual(whole);
      }
    } finally {
      await world.close();
    }
  });

  test('has a utilisation that follows what it does', async () => {
    const metrics = createMetrics({ processMetrics: true, graphqlPlugin, eventLoopWindow: 200 });
    const utilization = async () => (await scrapeOf(metrics))('nodejs_eventloop_utilization');
    try {
      const busy = await until(
        () => {
          block(100);
          return utilization();
        },
        (share) => share > 0.8,
      );
      expect(busy).toBeLessThanOrEqual(1);
      const idle = await until(utilization, (share) => share < 0.5);
      expect(idle).toBeGreaterThanOrEqual(0);
    } finally {
      metrics.close();
    }
  });

  test('is no longer measured once the gateway has closed', async () => {
    const [still, closed] = [1, 2].map(() =>
      createMetrics({ processMetrics: true, graphqlPlugin, eventLoopWindow: 50 }),
    ) as [Metrics, Metrics];
    const figures = async (metrics: Metrics) =>
      [...names, 'nodejs_eventloop_utilization'].map(await scrapeOf(metrics)).join();
    const windowOf = async (metrics: Metrics) => {
      const before = await figures(metrics);
      block(20);
      await until(
        () => figures(metrics),
        (now) => now !== before,
      );
    };
    try {
      const world = await startWorld({ overrides: { metrics: closed } });
      await windowOf(closed);
      await world.close();
      const last = await figures(closed);
      for (let windows = 0; windows < 3; windows += 1) await windowOf(still);
      expect(await figures(closed)).toBe(last);
    } finally {
      still.close();
    }
  });

  test('and its garbage collections only grow, each of them counted', async () => {
    const metrics = createMetrics({ processMetrics: true, graphqlPlugin });
    try {
      const before = await scrapeOf(metrics);
      for (const kind of ['major', 'minor', 'incremental', 'weakcb']) {
        expect(before(`nodejs_gc_duration_seconds_count{kind="${kind}"}`)).toBeGreaterThanOrEqual(0);
      }
      const count = 'nodejs_gc_duration_seconds_count{kind="minor"}';
      let kept: unknown[] = [];
      const grown = await until(
        async () => {
          kept = Array.from({ length: 20_000 }, (_, index) => ({ index }));
          return (await scrapeOf(metrics))(count);
        },
        (value) => value > before(count),
      );
      expect(kept).toHaveLength(20_000);
      expect((await scrapeOf(metrics))(count)).toBeGreaterThanOrEqual(grown);
    } finally {
      metrics.close();
    }
  });
});

/** Labels by metric, as the README has them. */
function readmeTable(): ReadonlyMap<string, string> {
  const [, table = ''] =
    /<!-- metrics:begin -->(.*)<!-- metrics:end -->/s.exec(readFileSync('README.md', 'utf8')) ?? [];
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return new Map(
    rows.flatMap((row) => {
      const [, names = '', labels = ''] = row.split('|');
      return [...names.matchAll(/`([^`]+)`/g)].map(([, each = '']) => [each, labels.trim()] as const);
    }),
  );
}
