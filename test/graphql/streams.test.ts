import { request as httpRequest, type IncomingMessage } from 'node:http';
import { status as grpc } from '@grpc/grpc-js';
import { createClient, type ExecutionResult } from 'graphql-sse';
import { startWorld, until, type Decoded, type World } from '../gateway-fixture';

const document = `subscription ($input: AskInput!) {
  askStream(input: $input) { conversationId textDelta plan { planId description } answer { response } }
}`;

type Result = ExecutionResult<Decoded>;

/** A subscription as graphql-sse reads it, in distinct connections mode. */
function subscribe(
  { url, auth }: World,
  input: object,
  { token = auth.adminToken, headers = {} }: { token?: string | null; headers?: Record<string, string> } = {},
): AsyncIterableIterator<Result> {
  const client = createClient({
    url: `${url}/graphql`,
    singleConnection: false,
    fetchFn: fetch,
    retryAttempts: 0,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
  });
  return client.iterate({ query: document, variables: { input } }) as AsyncIterableIterator<Result>;
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** The next so many results of a stream, which stays open. */
async function take(stream: AsyncIterator<Result>, count: number): Promise<Result[]> {
  const results: Result[] = [];
  while (results.length < count) {
    const { done, value } = await stream.next();
    if (done) break;
    results.push(value);
  }
  return results;
}

const deltas = (results: readonly Result[]): unknown[] => results.map(({ data }) => data?.askStream.textDelta);
const codes = (results: readonly Result[]): unknown[] =>
  results.flatMap(({ errors }) => errors ?? []).map(({ extensions }) => extensions?.['code']);

/** Everything that streams hold is let go of. */
async function expectNothingOpen(world: World): Promise<void> {
  await until(
    () => world.metric('http_streams_open'),
    (open) => open === 0,
  );
}

describe('a subscription', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());
  afterEach(() => expectNothingOpen(world));

  test('brings the text piece by piece, then the whole answer, and completes', async () => {
    const results = await all(subscribe(world, { query: 'count to 5' }));
    expect(deltas(results)).toEqual(['1 ', '2 ', '3 ', '4 ', '5', null]);
    expect(results.flatMap(({ errors }) => errors ?? [])).toEqual([]);
    const ids = new Set(results.map(({ data }) => data.askStream.conversationId));
    expect([...ids]).toEqual([expect.stringMatching(/^conversation-/)]);
    expect(results.at(-1)?.data.askStream).toMatchObject({ plan: null, answer: { response: '1 2 3 4 5' } });
    expect(results[0]?.data.askStream).toMatchObject({ plan: null, answer: null });
  });

  test('brings what there is while the upstream still thinks', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 3 });
    const stream = subscribe(world, { query: 'count to 5' });
    expect(deltas(await take(stream, 3))).toEqual(['1 ', '2 ', '3 ']);
    expect(world.ai.control.calls('StreamQuery')).toMatchObject([{ sent: 3, cancelled: false }]);
    await stream.return?.();
  });

  test('has the headers of an event stream that nothing on the way may keep or hold back', async () => {
    const response = await fetch(`${world.url}/graphql`, {
      method: 'POST',
      headers: {
        accept: 'text/event-stream',
        'content-type': 'application/json',
        authorization: `Bearer ${world.auth.adminToken}`,
      },
      body: JSON.stringify({ query: document, variables: { input: { query: 'count to 1' } } }),
    });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-request-id': expect.any(String),
    });
    expect(response.headers.get('content-length')).toBeNull();
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.text()).toMatch(/event: next\ndata: \{.*\}\n\n(:\n\n)*event: complete\ndata:\n\n(:\n\n)*$/);
  });

  test('offers a plan, and carries it out once it is confirmed', async () => {
    const [offered] = await all(subscribe(world, { query: 'invite streamed.person@example.com' }));
    const { conversationId, plan, textDelta, answer } = offered?.data.askStream ?? {};
    expect({ textDelta, answer }).toEqual({ textDelta: null, answer: null });
    expect(plan.description).toContain('streamed.person@example.com');
    expect(world.auth.control.count('InviteUser')).toBe(0);
    const confirmation = { planId: plan.planId, confirmed: true };
    const confirmed = await all(subscribe(world, { conversationId, confirmation }));
    expect(confirmed.at(-1)?.data.askStream.answer.response).toContain('has been invited');
    expect(world.auth.control.count('InviteUser')).toBe(1);
  });

  test('that fails in the middle tells so in its last event, and completes', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', code: grpc.INTERNAL, message: 'gpu-7 is gone', failAfter: 2 });
    const results = await all(subscribe(world, { query: 'count to 5' }));
    expect(deltas(results.slice(0, 2))).toEqual(['1 ', '2 ']);
    expect(results).toHaveLength(3);
    expect(results[2]?.errors).toMatchObject([
      {
        message: 'A service behind the gateway failed.',
        extensions: { code: 'UPSTREAM_ERROR', requestId: expect.any(String) },
      },
    ]);
    expect(JSON.stringify(results)).not.toContain('gpu-7');
  });

  test.each([
    ['UNAVAILABLE', 'SERVICE_UNAVAILABLE'],
    ['INVALID_ARGUMENT', 'BAD_USER_INPUT'],
    ['RESOURCE_EXHAUSTED', 'RATE_LIMITED'],
    ['DEADLINE_EXCEEDED', 'GATEWAY_TIMEOUT'],
  ] as const)('that fails at once with %s tells %s, and completes', async (name, code) => {
    world.ai.control.setFault({ method: 'StreamQuery', code: grpc[name] });
    const results = await all(subscribe(world, { query: 'count to 5' }));
    expect(codes(results)).toEqual([code]);
  });

  test('about what is not there tells so, and completes', async () => {
    expect(codes(await all(subscribe(world, { conversationId: 'conversation-x', query: 'hi' })))).toEqual([
      'NOT_FOUND',
    ]);
    expect(codes(await all(subscribe(world, {})))).toEqual(['BAD_USER_INPUT']);
  });

  test('ends at the deadline that the client sets', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const headers = { 'x-request-timeout-ms': '400' };
    const results = await all(subscribe(world, { query: 'count to 5' }, { headers }));
    expect(deltas(results.slice(0, 1))).toEqual(['1 ']);
    expect(codes(results)).toEqual(['GATEWAY_TIMEOUT']);
  });

  test('that its client leaves is cancelled upstream at once', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 2 });
    const stream = subscribe(world, { query: 'count to 5' });
    await take(stream, 2);
    const [call] = world.ai.control.calls('StreamQuery');
    await stream.return?.();
    await until(
      () => call?.cancelled,
      (cancelled) => cancelled === true,
      // A tenth of a second is what is promised; the rest is for busy machines.
      2_000,
    );
    await expectNothingOpen(world);
    const line = await until(
      () => world.logs.findLast(({ streamed }) => streamed === true),
      (found) => found?.['status'] === 499,
    );
    expect(line).toMatchObject({ route: '/graphql', operation: 'subscription' });
  });

  test('that its client leaves before the first event is cancelled upstream as well', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true });
    const stream = subscribe(world, { query: 'count to 5' });
    const first = stream.next();
    const call = await world.ai.control.waitForCall('StreamQuery');
    await stream.return?.();
    await first;
    await until(
      () => call.cancelled,
      (cancelled) => cancelled,
    );
  });

  test('is one among many, each with its own text', async () => {
    const counts = Array.from({ length: 20 }, (_, index) => index + 1);
    const answers = await Promise.all(
      counts.map(async (count) => (await all(subscribe(world, { query: `count to ${count}` }))).at(-1)?.data.askStream),
    );
    expect(answers.map(({ answer }) => answer.response.split(' ').length)).toEqual(counts);
    expect(new Set(answers.map(({ conversationId }) => conversationId)).size).toBe(20);
  });

  test('needs a session', async () => {
    const refused = await all(subscribe(world, { query: 'count to 5' }, { token: null })).catch(
      (error: unknown) => error,
    );
    expect(String(refused)).toMatch(/401/);
    expect(world.ai.control.count('StreamQuery')).toBe(0);
  });

  describe('sent otherwise', () => {
    const send = (method: string, accept: string, headers: Record<string, string> = {}) => {
      const variables = { input: { query: 'count to 1' } };
      const search = new URLSearchParams({ query: document, variables: JSON.stringify(variables) }).toString();
      return fetch(`${world.url}/graphql${method === 'GET' ? `?${search}` : ''}`, {
        method,
        headers: {
          accept,
          'content-type': 'application/json',
          authorization: `Bearer ${world.auth.adminToken}`,
          ...headers,
        },
        ...(method === 'GET' ? {} : { body: JSON.stringify({ query: document, variables }) }),
      });
    };

    test.each(['*/*', 'text/*', 'application/json, text/event-stream', 'text/event-stream;q=0.1, application/json'])(
      'with Accept: %s, is a stream of events',
      async (accept) => {
        const response = await send('POST', accept);
        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
        expect(await response.text()).toContain('"response":"1"');
      },
    );

    test.each(['application/json', 'application/graphql-response+json', 'multipart/mixed', 'image/png'])(
      'with Accept: %s, is 406 and runs nothing',
      async (accept) => {
        const response = await send('POST', accept);
        expect(response.status).toBe(406);
        expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_ACCEPTABLE' } }] });
        expect(world.ai.control.count('StreamQuery')).toBe(0);
      },
    );

    test('by GET, is 405', async () => {
      const response = await send('GET', 'text/event-stream');
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('POST');
      await response.body?.cancel();
      expect(world.ai.control.count('StreamQuery')).toBe(0);
    });

    test('without a session, is 401 with a challenge', async () => {
      const response = await send('POST', 'text/event-stream', { authorization: '' });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="api-gateway"');
      expect(await response.text()).toContain('"code":"UNAUTHENTICATED"');
    });

    test('with the cookie of a browser and X-CSRF, is a stream; without X-CSRF it is 403', async () => {
      const cookie = `session=${world.auth.memberToken}`;
      const post = (headers: Record<string, string>) =>
        fetch(`${world.url}/graphql`, {
          method: 'POST',
          headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ query: document, variables: { input: { query: 'count to 1' } } }),
        });
      const refused = await post({ cookie });
      expect(refused.status).toBe(403);
      await refused.body?.cancel();
      const streamed = await post({ cookie, 'x-csrf': '1' });
      expect(streamed.status).toBe(200);
      expect(await streamed.text()).toContain('"response":"1"');
    });
  });
});

describe('the session of a stream', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
    await world.auth.control.waitForCall('WatchRevocations');
  });
  afterAll(() => world.close());
  beforeEach(() => {
    world.reset();
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
  });
  afterEach(() => expectNothingOpen(world));

  const open = async (token: string) => {
    const stream = subscribe(world, { query: 'count to 5' }, { token });
    expect(deltas(await take(stream, 1))).toEqual(['1 ']);
    return stream;
  };

  test('is signed out by REST: every stream of it ends with UNAUTHENTICATED', async () => {
    const token = world.auth.createSession('user-max');
    const other = await open(world.auth.createSession('user-max'));
    const streams = [await open(token), await open(token)];
    expect((await world.rest('POST', '/api/v1/auth/logout', { token })).status).toBe(204);
    for (const stream of streams) expect(codes(await all(stream))).toEqual(['UNAUTHENTICATED']);
    await until(
      () => world.ai.control.calls('StreamQuery').filter(({ cancelled }) => cancelled).length,
      (cancelled) => cancelled === 2,
    );
    // Another session of the same user goes on.
    expect(world.ai.control.calls('StreamQuery')[0]?.cancelled).toBe(false);
    await other.return?.();
  });

  test('is signed out by GraphQL: it ends as well', async () => {
    const token = world.auth.createSession('user-max');
    const stream = await open(token);
    await world.graphql('mutation { logout }', { token });
    expect(codes(await all(stream))).toEqual(['UNAUTHENTICATED']);
  });

  test('is revoked elsewhere: it ends', async () => {
    const token = world.auth.createSession('user-max');
    const stream = await open(token);
    world.auth.state.sessions.revoke(token);
    expect(codes(await all(stream))).toEqual(['UNAUTHENTICATED']);
  });

  test("is of a user who may not sign in any more: all of the user's streams end", async () => {
    const id = world.auth.state.directory.add({
      email: 'short.stay@example.com',
      displayName: 'Short Stay',
      status: 'USER_STATUS_ACTIVE',
      roles: ['member'],
    }).userId;
    const streams = [await open(world.auth.createSession(id)), await open(world.auth.createSession(id))];
    await world.graphql('mutation ($id: ID!) { updateUser(id: $id, input: { status: INACTIVE }) { id } }', {
      variables: { id },
    });
    for (const stream of streams) expect(codes(await all(stream))).toEqual(['UNAUTHENTICATED']);
  });

  test('expires: it ends', async () => {
    const stream = await open(world.auth.createSession('user-max', 2));
    expect(codes(await all(stream))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the session of a stream, where AuthService announces no revocations', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ auth: { watchRevocations: false }, env: { SESSION_CACHE_TTL: '200ms' } });
  });
  afterAll(() => world.close());
  beforeEach(() => {
    world.reset();
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
  });

  const open = async (token: string) => {
    const stream = subscribe(world, { query: 'count to 5' }, { token });
    await take(stream, 1);
    return stream;
  };

  test('is asked about again and again, and the stream ends once it is revoked', async () => {
    const token = world.auth.createSession('user-max');
    const stream = await open(token);
    await until(
      () => world.auth.control.count('ValidateSession'),
      (count) => count >= 2,
    );
    world.auth.state.sessions.revoke(token);
    expect(codes(await all(stream))).toEqual(['UNAUTHENTICATED']);
  });

  test('cannot be checked any more: the stream ends with AUTH_UNAVAILABLE', async () => {
    const stream = await open(world.auth.createSession('user-max'));
    world.auth.control.setFault({ method: 'ValidateSession', code: grpc.UNAVAILABLE });
    expect(codes(await all(stream))).toEqual(['AUTH_UNAVAILABLE']);
  });

  test('is let go of when the stream is refused, left or over', async () => {
    const tokens = Array.from({ length: 3 }, () => world.auth.createSession('user-max'));
    const [left, over, refused] = tokens as [string, string, string];
    await (await open(left)).return?.();
    world.ai.control.clearFaults();
    await all(subscribe(world, { query: 'count to 1' }, { token: over }));
    const response = await fetch(`${world.url}/graphql`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json', authorization: `Bearer ${refused}` },
      body: JSON.stringify({ query: document, variables: { input: { query: 'count to 1' } } }),
    });
    expect(response.status).toBe(406);
    await response.body?.cancel();
    await expectNothingOpen(world);

    const asked = (token: string) =>
      world.auth.control.calls('ValidateSession').filter(({ request }) => request['sessionToken'] === token).length;
    const before = tokens.map(asked);
    // A stream that is open shows how much is asked in the same time.
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const watched = world.auth.createSession('user-max');
    const stream = await open(watched);
    await until(
      () => asked(watched),
      (count) => count >= 3,
    );
    expect(tokens.map(asked)).toEqual(before);
    await stream.return?.();
  });
});

describe('an AIService that does not stream', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ ai: { streamQuery: false } });
  });
  afterAll(() => world.close());

  test('is asked the other way: one event with the whole answer', async () => {
    const results = await all(subscribe(world, { query: 'count to 3' }));
    expect(results).toEqual([
      {
        data: {
          askStream: {
            conversationId: expect.stringMatching(/^conversation-/),
            textDelta: null,
            plan: null,
            answer: { response: '1 2 3' },
          },
        },
      },
    ]);
    expect(world.ai.control.calls('ProcessQuery').map(({ request }) => request)).toMatchObject([
      { query: 'count to 3' },
    ]);
  });

  test('and fails as a stream does', async () => {
    world.ai.control.setFault({ method: 'ProcessQuery', code: grpc.UNAVAILABLE });
    expect(codes(await all(subscribe(world, { query: 'count to 3' })))).toEqual(['SERVICE_UNAVAILABLE']);
  });
});

describe('an AIService that goes away in the middle', () => {
  test('ends its streams with an event that says so', async () => {
    const world = await startWorld();
    try {
      world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
      const stream = subscribe(world, { query: 'count to 5' });
      await take(stream, 1);
      await world.ai.close();
      const results = await all(stream);
      expect(results).toHaveLength(1);
      expect(['SERVICE_UNAVAILABLE', 'UPSTREAM_ERROR']).toContain(codes(results)[0]);
    } finally {
      await world.close();
    }
  });
});

describe('a client that reads slowly', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  /** Every event some 2 KB, so that no buffer on the way holds many of them. */
  const wide = `subscription ($input: AskInput!) {
    askStream(input: $input) { textDelta ${Array.from({ length: 40 }, (_, index) => `copy${index}: conversationId`).join(' ')} }
  }`;

  test('slows the upstream, instead of filling memory', async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest(
        `${world.url}/graphql`,
        {
          method: 'POST',
          headers: {
            accept: 'text/event-stream',
            'content-type': 'application/json',
            authorization: `Bearer ${world.auth.adminToken}`,
          },
        },
        resolve,
      );
      request.on('error', reject);
      request.end(JSON.stringify({ query: wide, variables: { input: { query: 'count to 100000' } } }));
    });
    response.on('error', () => {});
    const call = await world.ai.control.waitForCall('StreamQuery');

    // Nobody reads: what is sent comes to a stand long before the 200 MB that there are.
    let still = 0;
    let last = -1;
    await until(
      () => {
        still = call.sent > 0 && call.sent === last ? still + 1 : 0;
        last = call.sent;
        return still;
      },
      (times) => times >= 40,
      20_000,
    );
    const stopped = call.sent;
    expect(stopped).toBeLessThan(50_000);
    expect(call.cancelled).toBe(false);

    // It goes on as soon as somebody does.
    response.resume();
    await until(
      () => call.sent,
      (sent) => sent > stopped + 1_000,
    );
    response.destroy();
    await until(
      () => call.cancelled,
      (cancelled) => cancelled,
    );
    await expectNothingOpen(world);
  });
});
