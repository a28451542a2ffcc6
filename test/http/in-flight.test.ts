import { startWorld, until, valueOf, type GraphqlAnswer, type World } from '../gateway-fixture';

let world: World;
/** Streams that a test has opened. fetch() ends one whose response nobody holds any more. */
const open: { readonly controller: AbortController; response?: Response }[] = [];

afterEach(async () => {
  for (const { controller } of open.splice(0)) controller.abort();
  world.reset();
  await world.close();
});

const never = 'subscription { askStream(input: { query: "count to 1000000" }) { textDelta } }';

interface StreamOptions {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly query?: string;
}

/** Begins a stream. It stays open until its controller aborts it, or the test ends. */
async function stream({ token = world.auth.adminToken, headers = {}, query = never }: StreamOptions = {}) {
  const controller = new AbortController();
  const opened: (typeof open)[number] = { controller };
  open.push(opened);
  const response = await fetch(`${world.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream, application/graphql-response+json',
      authorization: `Bearer ${token}`,
      ...headers,
    },
    body: JSON.stringify({ query }),
    signal: controller.signal,
  });
  opened.response = response;
  return { response, controller };
}

/** What a refused stream is told, as one result or as the only event. */
async function told(response: Response): Promise<GraphqlAnswer['errors']> {
  const text = await response.text();
  return JSON.parse(text.startsWith('event:') ? (/^data: (.*)$/m.exec(text)?.[1] ?? '') : text).errors;
}

async function expectRefused(response: Response, status: number, code: string, message: RegExp): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get('retry-after')).toBe('1');
  const [error] = (await told(response)) ?? [];
  expect(error).toMatchObject({ message: expect.stringMatching(message), extensions: { code } });
}

const streamsOpen = () => world.metric('http_streams_open');
const refusals = async (limit: string) => valueOf(await world.metrics(), `limit_refusals_total{limit="${limit}"}`);

/** Waits until one more stream is let in. */
async function expectRoom(options?: StreamOptions): Promise<void> {
  const { response } = await until(
    () => stream(options),
    (each) => each.response.status === 200,
  );
  expect(response.headers.get('content-type')).toContain('text/event-stream');
}

describe('streams of a session', () => {
  beforeEach(async () => {
    world = await startWorld({ env: { MAX_STREAMS_PER_SESSION: '2' } });
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
  });

  test('beyond its limit are refused before any call, and those of others are not', async () => {
    for (let count = 0; count < 2; count += 1) expect((await stream()).response.status).toBe(200);
    await until(streamsOpen, (count) => count === 2);
    const calls = world.ai.control.count('StreamQuery');
    const { response } = await stream();
    await expectRefused(response, 429, 'RATE_LIMITED', /^This session has 2 streams open, the most that one may have/);
    expect(world.ai.control.count('StreamQuery')).toBe(calls);
    expect(await refusals('streams_per_session')).toBe(1);
    expect(await world.accessLine(response)).toMatchObject({
      status: 429,
      code: 'RATE_LIMITED',
      limit: 'streams_per_session',
    });
    expect((await stream({ token: world.auth.memberToken })).response.status).toBe(200);
    // What is no stream goes on.
    expect((await world.graphql('{ me { id } }')).status).toBe(200);
  });

  test('are let go of when the client leaves', async () => {
    const [first] = [await stream(), await stream()];
    expect((await stream()).response.status).toBe(429);
    first.controller.abort();
    await expectRoom();
  });

  test('are let go of when they end', async () => {
    world.reset();
    for (let count = 0; count < 5; count += 1) {
      const { response } = await stream({
        query: 'subscription { askStream(input: { query: "count to 2" }) { textDelta } }',
      });
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('event: complete');
    }
  });

  test('are let go of when the upstream fails', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', code: 14 });
    for (let count = 0; count < 5; count += 1) {
      const { response } = await stream();
      expect(response.status).not.toBe(429);
      expect(await response.text()).toContain('SERVICE_UNAVAILABLE');
    }
  });

  test('are let go of when nothing of them begins', async () => {
    for (let count = 0; count < 5; count += 1) {
      const { response } = await stream({
        query: 'subscription { askStream(input: { query: "x" }) @skip(if: true) { textDelta } }',
      });
      expect(await response.text()).toContain('selects nothing');
    }
    expect((await stream()).response.status).toBe(200);
  });

  test('are let go of when the client does not wait for their beginning', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true });
    for (let count = 0; count < 2; count += 1) void stream().catch(() => undefined);
    await until(
      () => world.ai.control.count('StreamQuery'),
      (calls) => calls === 2,
    );
    for (const { controller } of open) controller.abort();
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    await expectRoom();
  });
});

describe('streams of an address', () => {
  beforeEach(async () => {
    world = await startWorld({ env: { MAX_STREAMS_PER_ADDRESS: '1', TRUSTED_PROXIES: '127.0.0.1' } });
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
  });

  const from = (address: string) => stream({ headers: { 'x-forwarded-for': address } });

  test('beyond its limit are refused, those of another are not', async () => {
    expect((await from('192.0.2.1')).response.status).toBe(200);
    const { response } = await from('192.0.2.1');
    await expectRefused(response, 429, 'RATE_LIMITED', /^There are 1 streams open from this address/);
    expect(await refusals('streams_per_address')).toBe(1);
    expect((await from('192.0.2.2')).response.status).toBe(200);
  });

  test('are those of its whole network, for IPv6', async () => {
    expect((await from('2001:db8:0:1::1')).response.status).toBe(200);
    expect((await from('2001:db8:0:1:ffff::2')).response.status).toBe(429);
    expect((await from('2001:db8:0:2::1')).response.status).toBe(200);
  });
});

test('streams of all together are refused with 503 beyond their limit, and requests are not', async () => {
  world = await startWorld({ env: { MAX_STREAMS: '2', MAX_REQUESTS: '1' } });
  world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
  const first = await stream();
  await until(streamsOpen, (count) => count === 1);
  await stream({ token: world.auth.memberToken });
  await until(streamsOpen, (count) => count === 2);
  const { response } = await stream();
  await expectRefused(response, 503, 'OVERLOADED', /overloaded/);
  expect(await refusals('streams')).toBe(1);
  // Streams do not count as requests.
  expect((await world.graphql('{ me { id } }')).status).toBe(200);
  first.controller.abort();
  await expectRoom();
});

describe('requests', () => {
  const me = (headers: Record<string, string> = {}) => world.rest('GET', '/api/v1/users/me', { headers });
  const hanging: Promise<unknown>[] = [];

  /** Lets so many requests hang. */
  async function hang(count: number, headers: Record<string, string> = {}): Promise<void> {
    // So that the session is known, and GetUser alone hangs.
    await me({ 'x-forwarded-for': '198.51.100.1' });
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const before = world.auth.control.count('GetUser');
    for (let index = 0; index < count; index += 1) {
      hanging.push(me({ ...headers, 'x-request-timeout-ms': '3000' }));
    }
    await until(
      () => world.auth.control.count('GetUser') - before,
      (calls) => calls === count,
    );
  }

  afterEach(() => Promise.all(hanging.splice(0)));

  test('of an address beyond its limit are refused by every door, and those of another are not', async () => {
    world = await startWorld({ env: { MAX_REQUESTS_PER_ADDRESS: '2', TRUSTED_PROXIES: '127.0.0.1' } });
    const here = { 'x-forwarded-for': '192.0.2.1' };
    await hang(2, here);
    const rest = await me(here);
    expect(rest.status).toBe(429);
    expect(rest.headers.get('retry-after')).toBe('1');
    expect(rest.body.error).toMatchObject({
      code: 429,
      reason: 'RATE_LIMITED',
      message: 'There are 2 requests under way from this address, the most that one may have.',
    });
    const graphql = await world.graphql('{ gateway { name } }', { headers: here });
    expect(graphql.status).toBe(429);
    expect(graphql.errors?.[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED' });
    // Nor does it matter that nothing is there.
    expect((await world.rest('GET', '/nowhere', { headers: here })).status).toBe(429);
    expect(await refusals('requests_per_address')).toBe(3);
    expect(await world.accessLine(graphql)).toMatchObject({ limit: 'requests_per_address', route: '/graphql' });
    expect((await world.graphql('{ gateway { name } }', { headers: { 'x-forwarded-for': '192.0.2.2' } })).status).toBe(
      200,
    );
    await Promise.all(hanging.splice(0));
    expect((await world.graphql('{ gateway { name } }', { headers: here })).status).toBe(200);
  });

  test('of all together beyond their limit are refused with 503, and operators are served', async () => {
    world = await startWorld({ env: { MAX_REQUESTS: '2' } });
    await hang(2);
    const { status, headers, body } = await me();
    expect({ status, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, retryAfter: '1' });
    expect(body.error.reason).toBe('OVERLOADED');
    for (const path of ['/livez', '/readyz', '/metrics']) {
      const answer = await fetch(world.adminUrl + path);
      expect({ status: answer.status, text: await answer.text() }).toMatchObject({ status: 200 });
    }
    expect(await refusals('requests')).toBe(1);
    await Promise.all(hanging.splice(0));
    expect((await world.graphql('{ gateway { name } }')).status).toBe(200);
  });

  test('that their clients leave no longer count', async () => {
    world = await startWorld({ env: { MAX_REQUESTS_PER_ADDRESS: '1' } });
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const controller = new AbortController();
    const gone = fetch(`${world.url}/api/v1/users/me`, {
      headers: { authorization: `Bearer ${world.auth.adminToken}` },
      signal: controller.signal,
    }).catch(() => undefined);
    await until(
      () => world.auth.control.count('GetUser'),
      (calls) => calls === 1,
    );
    expect((await world.graphql('{ gateway { name } }')).status).toBe(429);
    controller.abort();
    await gone;
    await until(
      () => world.graphql('{ gateway { name } }'),
      ({ status }) => status === 200,
    );
  });
});
