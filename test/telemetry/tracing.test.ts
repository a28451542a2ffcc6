import { hostname } from 'node:os';
import { inspect } from 'node:util';
import { status as grpc } from '@grpc/grpc-js';
import { startWorld, until, type LogLine, type World } from '../gateway-fixture';
import { startSignInWorld, type SignInWorld } from '../signin/sign-in-fixture';
import { signInAt } from '../upstreams/idp/browser';
import { startCollector, type Collector, type ExportedSpan } from './otlp-collector';

const me = '{ me { id } }';
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

/** What the spans of the gateway's own requests have in common. */
const publicServer = { 'server.address': 'localhost', 'server.port': 3000, 'url.scheme': 'http' };

/** Host and port of an upstream, as its calls have them. */
function upstreamServer(address: string): Record<string, unknown> {
  const [host, port] = address.split(':');
  return { 'server.address': host, 'server.port': Number(port) };
}

/** The tree of a trace: kinds and names, each with what is below it in the order of its beginning. */
type Tree = readonly [label: string, ...below: Tree[]];

function treeOf(spans: readonly ExportedSpan[], parent?: string): Tree[] {
  const ids = new Set(spans.map((span) => span.spanId));
  return spans
    .filter(({ parentSpanId }) => (parent === undefined ? !ids.has(parentSpanId ?? '') : parentSpanId === parent))
    .sort((a, b) => Number(a.start - b.start))
    .map((span) => [`${span.kind} ${span.name}`, ...treeOf(spans, span.spanId)]);
}

const spanOf = (spans: readonly ExportedSpan[], name: string): ExportedSpan => {
  const found = spans.filter((span) => span.name === name);
  expect(found).toHaveLength(1);
  return found[0]!;
};

describe('with a collector', () => {
  let collector: Collector;
  let world: World;
  beforeAll(async () => {
    collector = await startCollector();
    world = await startWorld({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, SESSION_CACHE_TTL: '0s' } });
  });
  afterAll(async () => {
    await world.close();
    await collector.close();
  });
  beforeEach(() => world.reset());

  /** What was exported of the trace of an answer. */
  async function exported(answer: { readonly headers: Headers }): Promise<ExportedSpan[]> {
    const line = await world.accessLine(answer);
    await world.gateway.flush();
    return collector.spans.filter((span) => span.traceId === line['traceId']);
  }

  test('a look-up is a request, the check of its session, the operation and its RPC', async () => {
    const answer = await world.graphql(me);
    const spans = await exported(answer);
    expect(treeOf(spans)).toEqual([
      [
        'SERVER POST /graphql',
        ['INTERNAL query', ['CLIENT auth.v1.AuthService/GetUser']],
        ['CLIENT auth.v1.AuthService/ValidateSession'],
      ],
    ]);
    const request = spanOf(spans, 'POST /graphql');
    expect(request).toMatchObject({ parentSpanId: undefined, isError: false });
    // What is there, and nothing else.
    expect(request.attributes).toEqual({
      ...publicServer,
      'http.request.method': 'POST',
      'http.route': '/graphql',
      'url.path': '/graphql',
      'http.response.status_code': 200,
      'http.response.header.x-request-id': [answer.headers.get('x-request-id')],
    });
    expect(spanOf(spans, 'query').attributes).toEqual({ 'graphql.operation.type': 'query' });
    for (const method of ['ValidateSession', 'GetUser']) {
      const call = spanOf(spans, `auth.v1.AuthService/${method}`);
      expect(call.isError).toBe(false);
      expect(call.attributes).toEqual({
        ...upstreamServer(world.auth.address),
        'rpc.system': 'grpc',
        'rpc.service': 'auth.v1.AuthService',
        'rpc.method': method,
        'rpc.grpc.status_code': 0,
      });
    }
  });

  test('parts lie within the whole, and the whole within the time that it took', async () => {
    const began = BigInt(Date.now()) * 1_000_000n;
    const spans = await exported(await world.graphql(me));
    const request = spanOf(spans, 'POST /graphql');
    expect(request.start).toBeGreaterThanOrEqual(began);
    expect(request.end).toBeLessThanOrEqual(BigInt(Date.now() + 1) * 1_000_000n);
    for (const span of spans) {
      expect(span.start).toBeGreaterThanOrEqual(request.start);
      expect(span.end).toBeGreaterThan(span.start);
      expect(span.end).toBeLessThanOrEqual(request.end);
    }
  });

  test('what a client cuts short by its own deadline is no error of anything', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const spans = await exported(await world.graphql(me, { headers: { 'x-request-timeout-ms': '300' } }));
    const request = spanOf(spans, 'POST /graphql');
    expect(request.attributes).toMatchObject({ 'error.type': 'CLIENT_CLOSED_REQUEST' });
    expect(request.attributes).not.toHaveProperty(['http.response.status_code']);
    expect(spans.map(({ isError }) => isError)).toEqual(spans.map(() => false));
    expect(spanOf(spans, 'auth.v1.AuthService/GetUser').attributes).toMatchObject({ 'rpc.grpc.status_code': 4 });
  });

  test('upstreams are told of the spans of their own calls', async () => {
    const spans = await exported(await world.graphql(me));
    for (const method of ['ValidateSession', 'GetUser']) {
      const call = spanOf(spans, `auth.v1.AuthService/${method}`);
      const told = world.auth.control.calls(method)[0]?.metadata['traceparent'];
      expect(told).toBe(`00-${call.traceId}-${call.spanId}-01`);
    }
  });

  test('a join has an RPC at each service', async () => {
    await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
    const spans = await exported(await world.graphql('{ conversations { nodes { id owner { email } } } }'));
    expect(treeOf(spans)).toEqual([
      [
        'SERVER POST /graphql',
        ['INTERNAL query', ['CLIENT ai.v1.AIService/ListConversations'], ['CLIENT auth.v1.AuthService/BatchGetUsers']],
        ['CLIENT auth.v1.AuthService/ValidateSession'],
      ],
    ]);
    expect(spanOf(spans, 'ai.v1.AIService/ListConversations').attributes).toMatchObject(
      upstreamServer(world.ai.address),
    );
    expect(spanOf(spans, 'auth.v1.AuthService/BatchGetUsers').attributes).toMatchObject(
      upstreamServer(world.auth.address),
    );
  });

  test('a REST route is the same behind another door', async () => {
    const spans = await exported(await world.rest('GET', '/api/v1/users/me?verbose=1'));
    expect(treeOf(spans)).toEqual([
      [
        'SERVER GET /api/v1/users/me',
        ['INTERNAL query', ['CLIENT auth.v1.AuthService/GetUser']],
        ['CLIENT auth.v1.AuthService/ValidateSession'],
      ],
    ]);
    expect(spanOf(spans, 'GET /api/v1/users/me').attributes).toMatchObject({
      'http.route': '/api/v1/users/me',
      'http.response.status_code': 200,
    });
  });

  test('a failure of an upstream is one of the RPC, the operation and the request', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: grpc.UNAVAILABLE, message: 'secret-of-the-upstream' });
    const spans = await exported(await world.graphql(me));
    const call = spanOf(spans, 'auth.v1.AuthService/GetUser');
    expect(call.attributes).toMatchObject({ 'rpc.grpc.status_code': grpc.UNAVAILABLE, 'error.type': 'UNAVAILABLE' });
    expect(spanOf(spans, 'query').attributes).toEqual({
      'graphql.operation.type': 'query',
      'error.type': 'SERVICE_UNAVAILABLE',
    });
    expect(spanOf(spans, 'POST /graphql').attributes).toMatchObject({
      'http.response.status_code': 503,
      'error.type': 'SERVICE_UNAVAILABLE',
    });
    const failed = spans.filter(({ isError }) => isError).map(({ name }) => name);
    expect(failed.sort()).toEqual(['POST /graphql', 'auth.v1.AuthService/GetUser', 'query']);
    expect(inspect(spans)).not.toContain('secret-of-the-upstream');
  });

  test('of a partial result, the operation has failed and the request has not', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: grpc.INTERNAL });
    const spans = await exported(await world.graphql('{ me { id } gateway { name } }'));
    expect(spanOf(spans, 'query')).toMatchObject({ isError: true, attributes: { 'error.type': 'UPSTREAM_ERROR' } });
    expect(spanOf(spans, 'POST /graphql')).toMatchObject({
      isError: false,
      attributes: expect.not.objectContaining({ 'error.type': expect.anything() }),
    });
  });

  test.each([
    ['an unknown session', () => world.graphql(me, { token: 'made-up' }), 401],
    ['a missing permission', () => world.graphql('{ users { totalCount } }', { token: world.auth.memberToken }), 403],
    ['a syntax error', () => world.graphql('{ me {'), 400],
    ['an unknown field', () => world.graphql('{ nonsense }'), 400],
    ['no such conversation', () => world.graphql('{ conversation(id: "none") { id } }'), 404],
    ['the wrong method', () => world.rest('DELETE', '/api/ai'), 405],
    ['no such path', () => world.rest('GET', '/nowhere'), 404],
  ])("what is the caller's fault is no error: %s", async (_what, ask, status) => {
    const spans = await exported(await ask());
    expect(spans.filter(({ kind }) => kind === 'SERVER')).toMatchObject([
      { attributes: { 'http.response.status_code': status } },
    ]);
    for (const { kind, isError, attributes } of spans) {
      // To a gRPC client every status but OK is one.
      if (kind === 'CLIENT' && attributes['rpc.grpc.status_code'] === grpc.NOT_FOUND) continue;
      expect(isError).toBe(false);
      expect(attributes).not.toHaveProperty(['error.type']);
    }
  });

  test('a path that leads nowhere, and a document that does not run, are not named', async () => {
    const [nowhere] = await exported(await world.rest('GET', '/nowhere/else'));
    expect(nowhere?.name).toBe('GET');
    expect(nowhere?.attributes).not.toHaveProperty(['http.route']);
    expect(nowhere?.attributes).not.toHaveProperty(['url.path']);
    const spans = await exported(await world.graphql('query Mine { nonsense }'));
    expect(treeOf(spans)).toEqual([['SERVER POST /graphql', ['INTERNAL GraphQL Operation']]]);
  });

  test('a method of the client’s own is not named', async () => {
    const head = await world.raw('PURGE /api/ai HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const [, id] = /x-request-id: (\S+)/i.exec(head) ?? [];
    const [span] = await exported({ headers: new Headers({ 'x-request-id': id ?? '' }) });
    expect(span).toMatchObject({ name: 'HTTP /api/ai', attributes: { 'http.request.method': '_OTHER' } });
  });

  test('a request that several wait for is made for the first of them', async () => {
    world.auth.control.setFault({ method: 'ValidateSession', delayMs: 200 });
    const answers = await Promise.all([world.graphql(me), world.graphql(me), world.graphql(me)]);
    const all = (await Promise.all(answers.map(exported))).flat();
    expect(all.filter(({ name }) => name.endsWith('/ValidateSession'))).toHaveLength(1);
    expect(all.filter(({ name }) => name.endsWith('/GetUser'))).toHaveLength(3);
  });

  describe('a stream', () => {
    const open = (query: string) => world.askStream(query, { traceparent: `00-${traceId}-${spanId}-01` });
    /** What ends with the stream. */
    const names = ['POST /graphql', 'ai.v1.AIService/StreamQuery', 'subscription'];
    const ended = async (): Promise<ExportedSpan[]> => {
      await world.gateway.flush();
      return collector.spans.filter((span) => span.traceId === traceId && names.includes(span.name));
    };
    beforeEach(() => collector.forget());

    test('is recorded when it has ended, and not before', async () => {
      let goOn = (): void => {};
      const waitFor = new Promise<void>((resolve) => (goOn = resolve));
      world.ai.control.setFault({ method: 'StreamQuery', delayMs: 100, failAfter: 1, waitFor, times: 1 });
      const began = Date.now();
      const stream = open('count to 3');
      await stream.next();
      const took = Date.now() - began;
      expect(await ended()).toEqual([]);
      goOn();
      for await (const _ of stream);
      const spans = await until(ended, (found) => found.length === 3);
      expect(treeOf(spans)).toEqual([
        ['SERVER POST /graphql', ['INTERNAL subscription', ['CLIENT ai.v1.AIService/StreamQuery']]],
      ]);
      for (const span of spans) {
        expect(span.isError).toBe(false);
        expect(Number(span.end - span.start) / 1e6).toBeGreaterThan(Math.min(took, 90));
      }
      expect(spanOf(spans, 'ai.v1.AIService/StreamQuery').attributes['rpc.grpc.status_code']).toBe(grpc.OK);
      expect(spanOf(spans, 'subscription').attributes).toEqual({ 'graphql.operation.type': 'subscription' });
    });

    test('that its client leaves is no failure of anybody', async () => {
      world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
      const stream = open('count to 3');
      await stream.next();
      await stream.return?.();
      const spans = await until(ended, (found) => found.length === 3);
      expect(spans.filter(({ isError }) => isError)).toEqual([]);
      const request = spanOf(spans, 'POST /graphql');
      expect(request.attributes).toHaveProperty(['error.type'], 'CLIENT_CLOSED_REQUEST');
      expect(request.attributes).not.toHaveProperty(['http.response.status_code']);
      const { attributes } = spanOf(spans, 'ai.v1.AIService/StreamQuery');
      expect(attributes['rpc.grpc.status_code']).toBe(grpc.CANCELLED);
      expect(attributes).not.toHaveProperty(['error.type']);
    });

    test('that fails on the way is a failure of the operation', async () => {
      world.ai.control.setFault({ method: 'StreamQuery', code: grpc.DATA_LOSS, failAfter: 1 });
      for await (const _ of open('count to 3'));
      const spans = await until(ended, (found) => found.length === 3);
      expect(spanOf(spans, 'subscription')).toMatchObject({
        isError: true,
        attributes: { 'error.type': 'UPSTREAM_ERROR' },
      });
      expect(spanOf(spans, 'ai.v1.AIService/StreamQuery')).toMatchObject({
        isError: true,
        attributes: { 'error.type': 'DATA_LOSS' },
      });
      expect(spanOf(spans, 'POST /graphql').isError).toBe(false);
    });
  });

  describe('the trace of a client', () => {
    const told = (rpc: string): unknown => world.auth.control.calls(rpc)[0]?.metadata['traceparent'];

    test('goes on where it is recorded', async () => {
      const own = traceId.replace(/^4/, '5');
      const answer = await world.graphql(me, {
        headers: { traceparent: `00-${own}-${spanId}-01`, tracestate: 'vendor=value' },
      });
      expect(await world.accessLine(answer)).toMatchObject({ traceId: own });
      const spans = await exported(answer);
      const request = spanOf(spans, 'POST /graphql');
      expect(request).toMatchObject({ traceId: own, parentSpanId: spanId, traceState: 'vendor=value' });
      expect(told('GetUser')).toBe(`00-${own}-${spanOf(spans, 'auth.v1.AuthService/GetUser').spanId}-01`);
      expect(world.auth.control.calls('GetUser')[0]?.metadata['tracestate']).toBe('vendor=value');
    });

    test('is not recorded where the client does not record it, and stays whole', async () => {
      const own = traceId.replace(/^4/, '6');
      const answer = await world.graphql(me, { headers: { traceparent: `00-${own}-${spanId}-00` } });
      expect(await world.accessLine(answer)).toMatchObject({ traceId: own });
      expect(await exported(answer)).toEqual([]);
      expect(told('GetUser')).toBe(`00-${own}-${spanId}-00`);
    });

    // Of the flags that level 2 of W3C Trace Context knows, the second says that the id is random.
    test.each([
      ['ff', '03'],
      ['03', '03'],
      ['05', '01'],
      ['02', '02'],
      ['fe', '02'],
    ])('with the flags %s goes on with %s', async (sent, passedOn) => {
      const own = traceId.replace(/^4/, '7');
      await world.graphql(me, { headers: { traceparent: `00-${own}-${spanId}-${sent}` } });
      for (const rpc of ['ValidateSession', 'GetUser']) {
        expect(told(rpc)).toMatch(new RegExp(`^00-${own}-[0-9a-f]{16}-${passedOn}$`));
      }
    });
  });

  test('nothing that a client sends is in a span, but for its trace', async () => {
    const secret = 'fiddlesticks';
    const headers = { 'user-agent': secret, referer: `https://a.example/?${secret}`, cookie: `other=${secret}` };
    const find = `query ${secret} ($search: String) { users(search: $search) { totalCount } }`;
    const answers = [
      await world.graphql(find, { variables: { search: secret }, headers }),
      await world.graphql(`{ ${secret} }`),
      await world.graphql(`{ ${secret}: users(search: "${secret}") { totalCount } }`),
      await world.graphql(me, { token: secret }),
      await world.rest('GET', `/${secret}?code=${secret}`),
      await world.rest('GET', `/api/v1/users/${secret}?${secret}=${secret}`),
      await world.rest('POST', '/api/ai', { body: { query: secret } }),
      await world.rest('POST', '/api/ai', { body: { [secret]: secret } }),
    ];
    for (const answer of answers) expect(await exported(answer)).not.toEqual([]);
    for (const leak of [secret, world.auth.adminToken, 'user-ada']) expect(collector.text()).not.toContain(leak);
  });
});

describe('a sign-in', () => {
  let collector: Collector;
  let signIn: SignInWorld;
  beforeAll(async () => {
    collector = await startCollector();
    signIn = await startSignInWorld({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
  });
  afterAll(async () => {
    await signIn.close();
    await collector.close();
  });

  test('is recorded by templates, with its RPC and without its secrets', async () => {
    const { world } = signIn;
    const browser = signIn.open();
    const callback = await signInAt(await browser.begin(), 'ada.admin@example.com');
    const answer = await browser.comeBack(callback);
    expect(answer.status).toBe(302);
    const { traceId: id } = await world.accessLine(answer);
    await world.gateway.flush();
    expect(treeOf(collector.spans.filter((span) => span.traceId === id))).toEqual([
      ['SERVER GET /api/v1/auth/{provider}/callback', ['CLIENT auth.v1.AuthService/HandleSsoCallback']],
    ]);
    const names = collector.spans.map(({ name }) => name);
    expect(names).toContain('GET /api/v1/auth/{provider}/login');
    const secrets = [...callback.searchParams.values(), ...browser.cookies.values()].filter((text) => text.length > 8);
    expect(secrets.length).toBeGreaterThan(2);
    for (const secret of secrets) expect(collector.text()).not.toContain(secret);
  });
});

/** Runs with a gateway and a collector of its own. */
async function withCollector(
  env: Readonly<Record<string, string>>,
  use: (world: World, collector: Collector) => Promise<void>,
): Promise<void> {
  const collector = await startCollector();
  const own = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value.replace('URL', collector.url)]),
  );
  const world = await startWorld({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...own } });
  try {
    await use(world, collector);
  } finally {
    await world.close();
    await collector.close();
  }
}

/** Has as many requests answered and logged, of which each would be one span. */
async function answerMany(world: World, count: number): Promise<void> {
  const answered = (): number => world.logs.filter(({ msg, status }) => msg === 'request' && status === 404).length;
  const before = answered();
  const one = 'GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n';
  const last = 'GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  // Few at a time: they are all answered in one turn of the event loop, and exports must not run out of time meanwhile.
  for (let left = count; left > 0; left -= 100) await world.raw(one.repeat(Math.min(left, 100) - 1) + last);
  await until(answered, (lines) => lines === before + count);
}

describe('which requests are recorded', () => {
  /** To samplers by ratio, the lowest id that there is, and the highest. */
  const low = `${'f'.repeat(18)}${'0'.repeat(14)}`;
  const high = `${'0'.repeat(18)}${'f'.repeat(14)}`;

  test.each([
    // What the client says, by the flags of its trace: 01, 00, and nothing.
    ['by default', {}, [true, false, true]],
    ['always_on', { OTEL_TRACES_SAMPLER: 'always_on' }, [true, true, true]],
    ['always_off', { OTEL_TRACES_SAMPLER: 'always_off' }, [false, false, false]],
    ['parentbased_always_on', { OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, [true, false, true]],
    ['parentbased_always_off', { OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, [true, false, false]],
    ['a ratio of 0', { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, [false, false, false]],
    ['a ratio without a number', { OTEL_TRACES_SAMPLER: 'traceidratio' }, [true, true, true]],
    ['a number alone', { OTEL_TRACES_SAMPLER_ARG: '0' }, [true, false, false]],
    [
      'parentbased_traceidratio',
      { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.0' },
      [true, false, false],
    ],
  ] as [string, Record<string, string>, boolean[]][])('%s', async (_what, env, expected) => {
    await withCollector(env, async (world, collector) => {
      const found: boolean[] = [];
      for (const headers of [
        { traceparent: `00-${high}-${spanId}-01` },
        { traceparent: `00-${high}-${spanId}-00` },
        {},
      ]) {
        world.reset();
        collector.forget();
        const line = await world.accessLine(await world.graphql(me, { headers: { ...headers } }));
        await world.gateway.flush();
        const [isRecorded] = [collector.spans.some((span) => span.traceId === line['traceId'])];
        found.push(isRecorded);
        const told = world.auth.control.calls('GetUser')[0]?.metadata['traceparent'];
        expect(told).toMatch(new RegExp(`^00-${String(line['traceId'])}-[0-9a-f]{16}-0${isRecorded ? 1 : 0}$`));
      }
      expect(found).toEqual(expected);
    });
  });

  test('a ratio decides by the id alone, so that services which record the same ratio agree', async () => {
    const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' };
    await withCollector(env, async (world, collector) => {
      for (const [id, isRecorded] of [
        [high, true],
        [low, false],
      ] as const) {
        for (const flags of ['00', '01']) {
          world.reset();
          collector.forget();
          const headers = { traceparent: `00-${id}-${spanId}-${flags}` };
          await world.accessLine(await world.graphql(me, { headers }));
          await world.gateway.flush();
          expect(collector.spans.some((span) => span.traceId === id)).toBe(isRecorded);
          const told = world.auth.control.calls('GetUser')[0]?.metadata['traceparent'];
          // What is not recorded leaves the client's span the parent, and says so.
          if (!isRecorded) expect(told).toBe(`00-${id}-${spanId}-00`);
          else expect(told).toMatch(new RegExp(`^00-${id}-(?!${spanId})[0-9a-f]{16}-01$`));
        }
      }
    });
  });

  test('a ratio is the part of all requests that is recorded', async () => {
    await withCollector({ OTEL_TRACES_SAMPLER_ARG: '0.3' }, async (world, collector) => {
      const count = 400;
      await answerMany(world, count);
      await world.gateway.flush();
      // Five standard deviations.
      expect(collector.spans.length).toBeGreaterThan(0.3 * count - 46);
      expect(collector.spans.length).toBeLessThan(0.3 * count + 46);
      const logged = new Set(world.logs.map((line) => line['traceId']));
      for (const span of collector.spans) expect(logged.has(span.traceId)).toBe(true);
    });
  });

  test('none where it is turned off, and traces go on all the same, with the flags that are known', async () => {
    await withCollector({ OTEL_SDK_DISABLED: 'true' }, async (world, collector) => {
      for (const [sent, passedOn] of [
        ['01', '01'],
        ['ff', '03'],
        ['fe', '02'],
        ['08', '00'],
      ]) {
        world.reset();
        const answer = await world.graphql(me, { headers: { traceparent: `00-${traceId}-${spanId}-${sent}` } });
        expect(await world.accessLine(answer)).toMatchObject({ traceId });
        const { traceparent } = world.auth.control.calls('GetUser')[0]?.metadata ?? {};
        expect(traceparent).toBe(`00-${traceId}-${spanId}-${passedOn}`);
      }
      await world.gateway.flush();
      expect(collector.requests).toEqual([]);
    });
  });
});

describe('what the collector gets', () => {
  const ask = async (world: World): Promise<void> => {
    await world.accessLine(await world.graphql('{ gateway { name } }', { token: null }));
    await world.gateway.flush();
  };

  test('protobuf below the base URL, from a service called api-gateway, unless it is told otherwise', async () => {
    await withCollector({ OTEL_EXPORTER_OTLP_ENDPOINT: 'URL/base/' }, async (world, collector) => {
      await ask(world);
      expect(collector.requests).toMatchObject([
        { path: '/base/v1/traces', headers: { 'content-type': 'application/x-protobuf' } },
      ]);
      expect(collector.spans[0]?.resource).toEqual({
        'service.name': 'api-gateway',
        'service.version': expect.stringMatching(/^\d/),
        'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
        'host.name': hostname(),
        'telemetry.sdk.language': 'nodejs',
        'telemetry.sdk.name': 'opentelemetry',
        'telemetry.sdk.version': expect.any(String),
        scope: 'api-gateway',
      });
    });
  });

  test('JSON, headers, another path, another name', async () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'URL/custom',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%2Cb%3Dc, x-team=search',
      OTEL_SERVICE_NAME: 'front',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,deployment.environment.name=staging,service.instance.id=one',
    };
    await withCollector(env, async (world, collector) => {
      await ask(world);
      expect(collector.requests).toMatchObject([
        {
          path: '/custom',
          headers: { 'content-type': 'application/json', 'api-key': 'a,b=c', 'x-team': 'search' },
        },
      ]);
      expect(treeOf(collector.spans)).toEqual([['SERVER POST /graphql', ['INTERNAL query']]]);
      expect(collector.spans[0]?.resource).toMatchObject({
        'service.name': 'front',
        'service.instance.id': 'one',
        'deployment.environment.name': 'staging',
      });
      expect(world.lines.join('\n')).not.toContain('a,b=c');
    });
  });

  test('what is for traces alone comes first, compressed', async () => {
    const env = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a,x-team=search',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'api-key=b',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '1',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '10000',
    };
    await withCollector(env, async (world, collector) => {
      await ask(world);
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      expect(collector.requests).toMatchObject([{ headers: { ...headers, 'api-key': 'b', 'x-team': 'search' } }]);
      expect(treeOf(collector.spans)).toEqual([['SERVER POST /graphql', ['INTERNAL query']]]);
    });
  });

  describe('with an environment that the gateway did not read', () => {
    const name = 'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION';
    beforeEach(() => (process.env[name] = 'gzip'));
    afterEach(() => delete process.env[name]);

    test('what the gateway read', async () => {
      await withCollector({}, async (world, collector) => {
        await ask(world);
        expect(collector.requests).toHaveLength(1);
        expect(collector.requests[0]?.headers).not.toHaveProperty(['content-encoding']);
      });
    });
  });

  test('the name of the service among its attributes', async () => {
    await withCollector({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=front%20door' }, async (world, collector) => {
      await ask(world);
      expect(collector.spans[0]?.resource).toMatchObject({ 'service.name': 'front door' });
    });
  });
});

describe('where the collector takes nothing', () => {
  const warnings = (world: World): readonly LogLine[] =>
    world.logs.filter(({ msg }) => String(msg).startsWith('spans were not exported'));
  const lost = (world: World): number => warnings(world).reduce((sum, line) => sum + Number(line['lost']), 0);

  test.each([
    // As long as there can be without a second attempt, which comes 0.8 s after the first at the earliest.
    [
      'is not there',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_TIMEOUT: '700' },
      200,
      'connect ECONNREFUSED 127.0.0.1:1',
    ],
    ['fails', { OTEL_EXPORTER_OTLP_TIMEOUT: '700' }, 503, 'Export failed with retryable status'],
    ['refuses', {}, 401, 'HTTP status 401'],
    ['does not answer', { OTEL_EXPORTER_OTLP_TIMEOUT: '50' }, 'hang', 'Request timed out'],
  ] as [string, Record<string, string>, number | 'hang', string][])(
    'since it %s, requests are answered, one line tells it at once, and one at the end what was lost since',
    async (_how, env, answer, reason) => {
      await withCollector(env, async (world, collector) => {
        collector.answerWith(answer);
        // Four batches.
        const count = 2_000;
        await answerMany(world, count);
        await until(
          () => warnings(world),
          (lines) => lines.length > 0,
        );
        await world.gateway.flush();
        const warning = { level: 'warn', service: 'api-gateway', reason };
        expect(warnings(world)).toMatchObject([warning, warning]);
        expect(lost(world)).toBe(count);
        // Whoever looks for errors is not led to the collector.
        expect(world.lines.filter((line) => /error|panic|fatal/.test(line))).toEqual([]);
      });
    },
  );

  test('memory is bounded: what comes too much is dropped, and the rest is exported once it is there', async () => {
    await withCollector({ OTEL_EXPORTER_OTLP_TIMEOUT: '60000' }, async (world, collector) => {
      collector.answerWith('hang');
      const count = 5_000;
      await answerMany(world, count);
      collector.answerWith(200);
      collector.release();
      // As soon as it takes spans again.
      const [line] = await until(
        () => warnings(world),
        (lines) => lines.length > 0,
      );
      expect(line).toMatchObject({ reason: 'more than 2048 spans wait' });
      await world.gateway.flush();
      expect(lost(world) + collector.spans.length).toBe(count);
      // What waits, and what was on its way.
      expect(collector.spans.length).toBeGreaterThan(1_000);
      expect(collector.spans.length).toBeLessThan(3_000);
    });
  });
});

test('a collector whose answers do not end is let go of, and gets what comes once they do', async () => {
  // Within this time the answer has to begin.
  await withCollector({ OTEL_EXPORTER_OTLP_TIMEOUT: '1000' }, async (world, collector) => {
    collector.answerWith('trickle');
    await answerMany(world, 1_000);
    const [line] = await until(
      () => world.logs.filter(({ msg }) => String(msg).startsWith('spans were not exported')),
      (lines) => lines.length > 0,
    );
    expect(line).toMatchObject({ level: 'warn', reason: 'the answer does not end' });
    collector.answerWith(200);
    await world.gateway.flush();
    collector.forget();
    await answerMany(world, 10);
    await world.gateway.flush();
    expect(collector.spans).toHaveLength(10);
  });
});

describe('when the gateway shuts down', () => {
  test('what was recorded is exported first', async () => {
    const collector = await startCollector();
    const world = await startWorld({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
    await world.graphql(me);
    expect(collector.spans).toEqual([]);
    await world.close();
    expect(collector.spans.map(({ kind }) => kind)).toContain('SERVER');
    await collector.close();
  });

  test('a collector that does not answer holds it up for the grace period at most', async () => {
    const collector = await startCollector();
    collector.answerWith('hang');
    const world = await startWorld({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_TIMEOUT: '20000', SHUTDOWN_GRACE: '500ms' },
    });
    await world.accessLine(await world.graphql(me));
    const began = performance.now();
    expect(await world.server.close()).toBe(true);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(collector.requests).toHaveLength(1);
    // What goes on behind it would go with the process.
    collector.answerWith(200);
    collector.release();
    await world.gateway.flush();
    await world.close();
    await collector.close();
  });
});
