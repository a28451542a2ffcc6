import { connect } from 'node:net';
import { once } from 'node:events';
import { status as grpc } from '@grpc/grpc-js';
import { startWorld, until, type Decoded, type LogLine, type World } from '../gateway-fixture';
import { byServer } from '../graphql/differences';

const me = '{ me { id } }';

/** Names and labels of every series of a scrape. */
const seriesOf = (scrape: string): string[] =>
  scrape
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));

describe('the admin listener', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  test.each(['/livez', '/readyz', '/startupz'])('answers %s', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      const response = await fetch(`${world.adminUrl}${path}`, { method });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(method === 'GET' ? 'ok\n' : '');
    }
  });

  test('answers nothing else, and takes no other method', async () => {
    for (const path of ['/', '/graphql', '/api/v1/users/me', '/metrics/', '/__proto__', '/constructor']) {
      const response = await fetch(`${world.adminUrl}${path}`);
      expect(response.status).toBe(404);
      await response.body?.cancel();
    }
    const response = await fetch(`${world.adminUrl}/metrics`, { method: 'POST' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    await response.body?.cancel();
  });

  test('alone tells metrics and health: the public one does not', async () => {
    for (const path of ['/metrics', '/livez', '/readyz', '/startupz']) {
      expect((await world.rest('GET', path)).status).toBe(404);
    }
  });

  test('tells metrics in the format of Prometheus', async () => {
    await world.graphql(me);
    const response = await fetch(`${world.adminUrl}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = (await response.text()).split('\n');
    for (const line of lines.filter((each) => each !== '')) {
      expect(line).toMatch(/^# (HELP|TYPE) \w+ .+$|^\w+(\{(\w+="[^"\n]*",?)*\})? (\d|\+Inf|NaN)/);
    }
  });
});

/** So that the routes of sign-in are there. Nobody signs in. */
const signIn = { SSO_PROVIDERS: 'dev', SSO_DEV_ISSUER: 'http://127.0.0.1:1', SSO_DEV_CLIENT_ID: 'gateway' };

describe('metrics', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: signIn });
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  test('are all there from the first scrape', async () => {
    const scrape = await world.metrics();
    const operationCounter = byServer('type of metrics', { native: 'untyped', yoga: 'counter' });
    for (const [name, type] of [
      ['http_requests_total', 'counter'],
      ['http_request_latency_seconds', 'histogram'],
      ['http_streams_open', 'gauge'],
      ['upstream_grpc_requests_total', 'counter'],
      ['upstream_grpc_errors_total', 'counter'],
      ['upstream_grpc_latency_seconds', 'histogram'],
      ['upstream_grpc_channel_ready', 'gauge'],
      ['graphql_envelop_request', operationCounter],
      ['graphql_envelop_request_duration', 'histogram'],
      ['graphql_envelop_error_result', operationCounter],
      ['session_cache_lookups_total', 'counter'],
    ]) {
      expect(scrape).toContain(`# TYPE ${name} ${type}\n`);
    }
  });

  test('count requests by method, route template and status', async () => {
    expect(
      await world.growth(
        async () => {
          await world.graphql(me);
          await world.graphql('{ nonsense }');
          await world.rest('GET', '/api/v1/users/me?verbose=1');
          await world.rest('HEAD', '/api/v1/users/me');
          await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
          await world.rest('GET', '/api/v1/users/me', { token: null });
          await world.rest('DELETE', '/api/ai');
          await world.rest('GET', '/nowhere');
          await world.rest('GET', '/api/v1/auth/nobody/login');
        },
        'http_requests_total{method="POST",path="/graphql",status="200"}',
        'http_requests_total{method="POST",path="/graphql",status="400"}',
        'http_requests_total{method="GET",path="/api/v1/users/me",status="200"}',
        'http_requests_total{method="HEAD",path="/api/v1/users/me",status="200"}',
        'http_requests_total{method="POST",path="/api/ai",status="200"}',
        'http_requests_total{method="GET",path="/api/v1/users/me",status="401"}',
        'http_requests_total{method="DELETE",path="/api/ai",status="405"}',
        'http_requests_total{method="GET",path="other",status="404"}',
        'http_requests_total{method="GET",path="/api/v1/auth/{provider}/login",status="404"}',
      ),
    ).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test('measure latency with an edge at exactly one second', async () => {
    world.auth.control.setFault({ method: 'GetUser', delayMs: 1_050, times: 1 });
    const labels = 'method="GET",path="/api/v1/users/me"';
    const [fast, under, over, count, sum] = await world.growth(
      () => world.rest('GET', '/api/v1/users/me'),
      `http_request_latency_seconds_bucket{le="0.5",${labels}}`,
      `http_request_latency_seconds_bucket{le="1",${labels}}`,
      `http_request_latency_seconds_bucket{le="+Inf",${labels}}`,
      `http_request_latency_seconds_count{${labels}}`,
      `http_request_latency_seconds_sum{${labels}}`,
    );
    expect([fast, under, over, count]).toEqual([0, 0, 1, 1]);
    expect(sum).toBeGreaterThan(1);
  });

  test('count calls of upstreams by service, method and code, and errors apart', async () => {
    const user = 'service="auth.v1.AuthService",method="GetUser"';
    expect(
      await world.growth(
        async () => {
          await world.graphql(me);
          world.auth.control.setFault({ method: 'GetUser', code: grpc.INTERNAL, times: 1 });
          await world.graphql(me);
        },
        `upstream_grpc_requests_total{${user},code="OK"}`,
        `upstream_grpc_requests_total{${user},code="INTERNAL"}`,
        `upstream_grpc_errors_total{${user},code="INTERNAL"}`,
        `upstream_grpc_latency_seconds_count{${user}}`,
      ),
    ).toEqual([1, 1, 1, 2]);
    expect(await world.metric(`upstream_grpc_errors_total{${user},code="OK"}`)).toBeUndefined();
  });

  test('do not take an unknown session for a failure of AuthService', async () => {
    const errors = () =>
      world.metric(
        'upstream_grpc_errors_total{service="auth.v1.AuthService",method="ValidateSession",code="UNAUTHENTICATED"}',
      );
    await world.graphql(me, { token: 'made-up-for-metrics' });
    expect(await errors()).toBeUndefined();
  });

  test('count operations by type, and their errors by code, whichever door they came through', async () => {
    const { memberToken: token } = world.auth;
    expect(
      await world.growth(
        async () => {
          await world.graphql(me);
          await world.rest('GET', '/api/v1/users/me');
          await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
          await world.graphql('mutation { inviteUser(input: { email: "a@example.com" }) { id } }', { token });
          await world.graphql('{ users { totalCount } }', { token });
          await world.graphql('{ nonsense }');
          await world.graphql('{ me {');
        },
        'graphql_envelop_request{operation_type="query"}',
        'graphql_envelop_request{operation_type="mutation"}',
        'graphql_envelop_request_duration_count{operation_type="query"}',
        'graphql_envelop_error_result{operation_type="mutation",code="FORBIDDEN"}',
        'graphql_envelop_error_result{operation_type="query",code="FORBIDDEN"}',
        'graphql_envelop_error_result{operation_type="unknown",code="GRAPHQL_VALIDATION_FAILED"}',
        'graphql_envelop_error_result{operation_type="unknown",code="GRAPHQL_PARSE_FAILED"}',
      ),
    ).toEqual([3, 2, 3, 1, 1, 1, 1]);
  });

  test('count streams apart from other requests', async () => {
    const latency = 'http_request_latency_seconds_count{method="POST",path="/graphql"}';
    const before = await world.metric(latency);
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const stream = world.askStream('count to 5');
    await stream.next();
    expect(await world.metric('http_streams_open')).toBe(1);
    await stream.return?.();
    await until(
      () => world.metric('http_streams_open'),
      (open) => open === 0,
    );
    expect(await world.metric(latency)).toBe(before);
  });

  test('count streams that are read to their end, left, or failed, and the errors of those that failed', async () => {
    const [requests, durations, failed, ...others] = await world.growth(
      async () => {
        for await (const _ of world.askStream('count to 2'));
        world.ai.control.setFault({ method: 'StreamQuery', code: grpc.DATA_LOSS, failAfter: 1, times: 1 });
        for await (const _ of world.askStream('count to 2'));
        world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
        const left = world.askStream('count to 2');
        await left.next();
        await left.return?.();
        await until(
          () => world.metric('http_streams_open'),
          (open) => open === 0,
        );
      },
      'graphql_envelop_request{operation_type="subscription"}',
      'graphql_envelop_request_duration_count{operation_type="subscription"}',
      'graphql_envelop_error_result{operation_type="subscription",code="UPSTREAM_ERROR"}',
      'graphql_envelop_error_result{operation_type="subscription",code="INTERNAL_SERVER_ERROR"}',
      'graphql_envelop_error_result{operation_type="subscription",code="CLIENT_CLOSED_REQUEST"}',
    );
    expect({ requests, durations, failed, others }).toEqual({ requests: 3, durations: 3, failed: 1, others: [0, 0] });
  });

  test('tell how sessions were looked up', async () => {
    const token = world.auth.createSession('user-max');
    expect(
      await world.growth(
        async () => {
          await world.graphql(me, { token });
          await world.graphql(me, { token });
          await world.graphql(me, { token: 'made-up-once' });
          await world.graphql(me, { token: 'made-up-once' });
        },
        'session_cache_lookups_total{result="miss"}',
        'session_cache_lookups_total{result="hit"}',
        'session_cache_lookups_total{result="refused"}',
      ),
    ).toEqual([2, 1, 1]);
  });

  test('do not grow by what clients make up', async () => {
    const attack = async (text: string) => {
      const name = text.replace(/\W/g, '_');
      await world.graphql(`query ${name} { gateway { name } }`);
      await world.graphql(`query ${name} { ${name} }`);
      await world.graphql(`mutation ${name} { logout }`, { token: null });
      await world.rest('GET', `/${text}`);
      await world.rest('GET', `/api/v1/auth/${name}/login`);
      await world.rest('GET', `/api/v1/users/me?${text}=1`);
      await world.rest('POST', '/api/ai', { body: { [text]: 1 } });
      await world.graphql(me, { token: `token-${name}` });
      await world.raw(
        `${['LINK', 'PURGE', 'SEARCH'][text.length % 3]} /api/ai HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      await world.raw(`BREW${name} / HTTP/1.1\r\nHost: a\r\n\r\n`);
      await fetch(`${world.url}/graphql?operationName=${name}&query=query ${name}{gateway{name}}`);
    };
    await attack('first');
    const before = seriesOf(await world.metrics());
    for (let index = 0; index < 20; index += 1) await attack(`${'x'.repeat(index)}-"}%0A{a="${index}`);
    expect(seriesOf(await world.metrics()).filter((series) => !before.includes(series))).toEqual([]);
  });

  test('name no route, method or code that is not of the schema or the catalogue', async () => {
    const scrape = await world.metrics();
    const labels = (name: string) =>
      new Set([...scrape.matchAll(new RegExp(`[{,]${name}="([^"]*)"`, 'g'))].map(([, value]) => value));
    expect([...labels('path')].every((path) => path === 'other' || /^\/(graphql|api|$)/.test(path ?? ''))).toBe(true);
    const methods = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|other|[A-Z][a-z]\w+)$/;
    expect([...labels('method')].filter((method) => !methods.test(method ?? ''))).toEqual([]);
    expect([...labels('code')].filter((code) => !/^[A-Z_]+$/.test(code ?? ''))).toEqual([]);
  });
});

describe('logs', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: signIn });
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  test('have one access line for each request', async () => {
    const answers = [
      [
        await world.graphql(me),
        { method: 'POST', route: '/graphql', status: 200, operation: 'query', userId: 'user-ada' },
      ],
      [await world.rest('GET', '/api/v1/users/me'), { method: 'GET', route: '/api/v1/users/me', status: 200 }],
      [await world.rest('GET', '/api/v1/users/me', { token: null }), { status: 401, code: 'UNAUTHENTICATED' }],
      [await world.rest('GET', '/nowhere?a=b'), { route: 'other', status: 404, code: 'NOT_FOUND' }],
      [await world.rest('GET', '/api/v1/auth/nobody/login'), { route: '/api/v1/auth/{provider}/login', status: 404 }],
    ] as const;
    for (const [answer, expected] of answers) {
      const line = await world.accessLine(answer);
      expect(line).toMatchObject({
        level: 'info',
        service: 'api-gateway',
        requestId: answer.headers.get('x-request-id'),
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
        durationMs: expect.any(Number),
        ...expected,
      });
      expect(Date.parse(String(line['time']))).toBeGreaterThan(Date.now() - 60_000);
      expect(line['durationMs']).toBeGreaterThan(0);
      const same = world.logs.filter(({ requestId, msg }) => requestId === line['requestId'] && msg === 'request');
      expect(same).toHaveLength(1);
    }
  });

  test('name every fact once in a line', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: grpc.UNAVAILABLE });
    await world.graphql(me);
    const line = await until(
      () => world.lines.find((text) => text.includes('upstream connection error')),
      (text) => text !== undefined,
    );
    expect(line?.match(/"service":"api-gateway"/g)).toHaveLength(1);
    for (const text of world.lines) {
      const names = topLevelNames(text);
      expect(names).toEqual([...new Set(names)]);
    }
  });

  test('say that an upstream is down', async () => {
    world.auth.control.setFault({ method: 'ListUsers', code: grpc.UNAVAILABLE, message: 'connect ECONNREFUSED' });
    const find = () =>
      world.logs.find(
        ({ msg, err }) =>
          msg === 'upstream connection error: service unavailable' && JSON.stringify(err).includes('ListUsers'),
      );
    await until(
      async () => {
        await world.graphql('{ users { totalCount } }');
        return find();
      },
      (line) => line !== undefined,
    );
    expect(find()).toMatchObject({
      level: 'error',
      service: 'api-gateway',
      upstream: 'auth',
      grpc: { service: 'auth.v1.AuthService', method: 'ListUsers', code: 'UNAVAILABLE' },
    });
  });

  test('say so once a second at most, and how often it was', async () => {
    world.auth.control.setFault({ method: 'ListUsers', code: grpc.UNAVAILABLE });
    const before = world.logs.length;
    const failures = () => world.logs.slice(before).filter(({ level }) => level === 'error');
    const began = Date.now();
    const last = await until(
      async () => {
        await Promise.all(Array.from({ length: 10 }, () => world.graphql('{ users { totalCount } }')));
        return failures().findLast(({ unlogged }) => unlogged !== undefined);
      },
      (line) => line !== undefined,
    );
    expect(last?.['unlogged']).toBeGreaterThanOrEqual(9);
    expect(failures().length).toBeLessThanOrEqual(1 + Math.ceil((Date.now() - began) / 1_000));
  });

  test('hold no token, cookie, variable, query string or body, whatever happens', async () => {
    const secret = 'fiddlesticks';
    const token = world.auth.createSession('user-max');
    const withSecret = { 'x-secret': secret, 'user-agent': secret, referer: `https://a.example/?${secret}` };
    const cookie = { cookie: `session=${token}; other=${secret}`, 'x-csrf': '1' };
    const find = 'query ($search: String) { users(search: $search) { totalCount } }';
    const provoke = async () => {
      await world.graphql(find, { variables: { search: secret }, headers: withSecret });
      await world.graphql(`{ users(search: "${secret}") { totalCount } }`);
      await world.graphql(`{ ${secret} }`);
      await world.graphql(`{ ${secret}`);
      await world.graphql(find, { variables: { search: { [secret]: 1 } } });
      await world.graphql(me, { token: secret });
      await world.graphql(me, { token: null, headers: cookie });
      await world.graphql(me, { headers: cookie });
      await world.rest('GET', `/api/v1/users/me?token=${secret}`);
      await world.rest('GET', `/${secret}?code=${secret}`);
      await world.rest('GET', `/api/v1/auth/${secret}/callback?code=${secret}&state=${secret}`);
      await world.rest('POST', '/api/ai', { body: { query: secret } });
      await world.rest('POST', '/api/ai', { body: { [secret]: secret } });
      await world.rest('POST', `/api/v1/auth/logout`, { token: secret });
      await world.raw(`GET /${secret} HTTP/1.1\r\nHost: a\r\nX-${secret}: ${secret}\r\nConnection: close\r\n\r\n`);
      await world.raw(`${secret}\r\n\r\n`);
      await fetch(`${world.url}/graphql?query={me{id}}&variables={"a":"${secret}"}`);
    };
    await provoke();
    for (const code of [grpc.UNAVAILABLE, grpc.INTERNAL, grpc.INVALID_ARGUMENT]) {
      world.auth.control.setFault({ method: '*', code });
      world.ai.control.setFault({ method: '*', code });
      await provoke();
    }
    world.reset();
    await world.accessLine(await world.graphql(me));
    const log = world.lines.join('\n');
    for (const leak of [secret, token, world.auth.adminToken]) expect(log).not.toContain(leak);
  });

  /** Names of a line's own fields, as often as they are there. */
  function topLevelNames(text: string): string[] {
    const names: string[] = [];
    let depth = 0;
    for (const [part, name] of text.matchAll(/"((?:[^"\\]|\\.)*)"(?=\s*:)|"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
      if (part === '{' || part === '[') depth += 1;
      else if (part === '}' || part === ']') depth -= 1;
      else if (name !== undefined && depth === 1) names.push(name);
    }
    return names;
  }
});

describe('what upstreams are told of a request', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: { SESSION_CACHE_TTL: '0s' } });
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const spanId = '00f067aa0ba902b7';
  const metadataOf = (rpc: string): Readonly<Record<string, string>> =>
    world.auth.control.calls(rpc)[0]?.metadata ?? {};

  // As nothing is recorded here, a span of the gateway's own would be the parent of theirs, and nobody would know it.
  test('is its trace, as its client has it', async () => {
    const traceparent = `00-${traceId}-${spanId}-01`;
    const answer = await world.graphql(me, { headers: { traceparent, tracestate: 'vendor=value' } });
    for (const rpc of ['ValidateSession', 'GetUser']) {
      expect(metadataOf(rpc)).toMatchObject({ traceparent, tracestate: 'vendor=value' });
    }
    expect(await world.accessLine(answer)).toMatchObject({ traceId });
  });

  test.each([
    ['none', {}],
    ['nonsense', { traceparent: 'nonsense', tracestate: 'a=b' }],
    ['a trace of zeros', { traceparent: `00-${'0'.repeat(32)}-${spanId}-01` }],
    ['a span of zeros', { traceparent: `00-${traceId}-${'0'.repeat(16)}-01` }],
    ['an invalid version', { traceparent: `ff-${traceId}-${spanId}-01` }],
    ['more than there may be', { traceparent: `00-${traceId}-${spanId}-01-more` }],
    ['upper case', { traceparent: `00-${traceId.toUpperCase()}-${spanId}-01` }],
  ] as Array<[string, Record<string, string>]>)('is a new trace where the client sends %s', async (_what, headers) => {
    await world.graphql(me, { headers });
    const { traceparent, tracestate } = metadataOf('GetUser');
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    expect(traceparent).not.toContain(traceId);
    expect(tracestate).toBeUndefined();
  });

  test('is who asks, by session, and the request, never what the client says of either', async () => {
    const forged = {
      'x-user-id': 'user-root',
      'x-session-id': 'session-root',
      'x-request-id': 'request-root',
      'grpc-metadata-x-user-id': 'user-root',
      'x-user-id-bin': 'dXNlci1yb290',
      'x-permissions': 'admin',
    };
    const answer = await world.graphql(me, { token: world.auth.memberToken, headers: forged });
    expect(answer.data).toEqual({ me: { id: 'user-mel' } });
    const requestId = answer.headers.get('x-request-id');
    expect(requestId).not.toBe('request-root');
    expect(metadataOf('GetUser')).toMatchObject({
      'x-user-id': 'user-mel',
      'x-session-id': expect.stringMatching(/^session-/),
      'x-request-id': requestId,
    });
    for (const rpc of ['ValidateSession', 'GetUser']) {
      expect(JSON.stringify(metadataOf(rpc))).not.toMatch(/root|admin|dXNlci1yb290/);
      const own = Object.keys(metadataOf(rpc)).filter(
        (name) => !/^(user-agent|accept-encoding|te|content-type|grpc-.*)$/.test(name),
      );
      expect(
        own.every((name) => ['x-user-id', 'x-session-id', 'x-request-id', 'traceparent', 'tracestate'].includes(name)),
      ).toBe(true);
    }
  });

  test('is the same for every call of a request, down to the services behind services', async () => {
    const answer = await world.rest('POST', '/api/ai', {
      body: { query: 'who am I' },
      headers: { traceparent: `00-${traceId}-${spanId}-01` },
    });
    const requestId = answer.headers.get('x-request-id');
    const calls = [...world.ai.control.calls('ProcessQuery'), ...world.auth.control.calls('GetUser')];
    expect(calls).toHaveLength(2);
    for (const { metadata } of calls) {
      expect(metadata).toMatchObject({ 'x-request-id': requestId, 'x-user-id': 'user-ada' });
      expect(metadata['traceparent']).toContain(traceId);
    }
  });

  test('each request has an id of its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => world.graphql('{ gateway { name } }', { token: null })),
    );
    expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(20);
  });
});

describe('shutting down', () => {
  const opened: World[] = [];
  afterEach(async () => {
    for (const world of opened.splice(0)) await world.close();
  });
  const start = async (env: Record<string, string> = {}) => {
    const world = await startWorld({ env });
    opened.push(world);
    await world.graphql(me);
    return world;
  };
  const refused = (port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
      socket.once('connect', () => socket.destroy());
    });

  test('finishes what runs, refuses what is new, and ends', async () => {
    const world = await start();
    world.auth.control.setFault({ method: 'GetUser', delayMs: 700, times: 2 });
    const running = [world.graphql(me), world.rest('GET', '/api/v1/users/me')];
    await until(
      () => world.auth.control.count('GetUser'),
      (count) => count === 3,
    );
    const closed = world.server.close();
    await until(
      () => refused(world.server.port),
      (no) => no,
    );
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await closed).toBe(true);
    expect(await refused(world.server.adminPort)).toBe(true);
  });

  test('goes on serving while it is unready, so that nobody is lost on the way', async () => {
    const world = await start({ SHUTDOWN_DELAY: '600ms' });
    expect((await fetch(`${world.adminUrl}/readyz`)).status).toBe(200);
    const closed = world.server.close();
    const health = async () => ({
      ready: (await fetch(`${world.adminUrl}/readyz`)).status,
      live: (await fetch(`${world.adminUrl}/livez`)).status,
    });
    expect(await health()).toEqual({ ready: 503, live: 200 });
    expect((await world.graphql(me)).status).toBe(200);
    expect(await closed).toBe(true);
  });

  test('ends streams with an event that says so, and they complete', async () => {
    const world = await start();
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const stream = world.askStream('count to 5');
    expect((await stream.next()).value).toEqual({ data: { askStream: { textDelta: '1 ' } } });
    const closed = world.server.close();
    const last: Decoded = (await stream.next()).value;
    expect(last.errors).toMatchObject([{ extensions: { code: 'OVERLOADED', retryAfter: 1 } }]);
    expect((await stream.next()).done).toBe(true);
    expect(await closed).toBe(true);
    expect(world.ai.control.calls('StreamQuery')).toMatchObject([{ cancelled: true }]);
  });

  test('is not held up by connections on which nothing happens', async () => {
    const world = await start();
    const idle = [connect(world.server.port, '127.0.0.1'), connect(world.server.port, '127.0.0.1')];
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const kept = connect(world.server.port, '127.0.0.1');
    kept.write('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(kept, 'data');
    const ends = [...idle, kept].map((socket) => once(socket.resume(), 'close'));
    expect(await world.server.close()).toBe(true);
    await Promise.all(ends);
  });

  test('cuts off what takes longer than the grace period, and says so', async () => {
    const world = await start({ SHUTDOWN_GRACE: '1s' });
    world.ai.control.setFault({ method: 'ProcessQuery', hang: true });
    const hanging = world.rest('POST', '/api/ai', { body: { query: 'who am I' } }).catch((error: unknown) => error);
    await world.ai.control.waitForCall('ProcessQuery');
    expect(await world.server.close()).toBe(false);
    expect(String(await hanging)).toMatch(/fetch failed/);
    const cut = ({ level, msg }: LogLine) => level === 'error' && /cut off/.test(String(msg));
    expect(world.logs.filter(cut)).toHaveLength(1);
    const line = world.logs.find(({ msg, route }) => msg === 'request' && route === '/api/ai');
    expect(line).toMatchObject({ status: 503, code: 'OVERLOADED', userId: 'user-ada', upstreamCalls: 1 });
  });

  test('twice is as good as once', async () => {
    const world = await start();
    expect(await Promise.all([world.server.close(), world.server.close()])).toEqual([true, true]);
  });
});
