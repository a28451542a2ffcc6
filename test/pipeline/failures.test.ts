import { once } from 'node:events';
import { connect } from 'node:net';
import { Server, ServerCredentials, status as grpc } from '@grpc/grpc-js';
import { parse } from 'graphql';
import { sourceFolders } from '../../src/config/config';
import { loadSources } from '../../src/schema/sources';
import { startWorld, until, type LogLine, type World } from '../gateway-fixture';
import { encodeBadRequest } from '../upstreams/rpc-error';

/** Asks AuthService about the session every time, so that what it says counts at once. */
const uncached = { SESSION_CACHE_TTL: '0s' };

const me = '{ me { id } }';
const conversations = '{ conversations { nodes { id } } }';

describe('AuthService goes away', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: uncached });
  });
  afterAll(() => world.close());

  test('protected operations are 503 AUTH_UNAVAILABLE, public ones answer, and all is well soon after its return', async () => {
    const { memberToken: token } = world.auth;
    expect((await world.graphql(me, { token })).status).toBe(200);

    await world.auth.close();
    await until(
      () => world.graphql(me, { token }),
      ({ status }) => status !== 200,
    );
    for (let again = 0; again < 3; again += 1) {
      const graphql = await world.graphql(`{ gateway { name } ${me.slice(1)}`, { token });
      expect(graphql.status).toBe(200);
      expect(graphql.data).toEqual({ gateway: { name: 'api-gateway' }, me: null });
      expect(graphql.errors).toMatchObject([{ path: ['me'], extensions: { code: 'AUTH_UNAVAILABLE' } }]);

      const alone = await world.graphql(me, { token });
      expect(alone.status).toBe(503);
      expect(alone.headers.get('retry-after')).toBe('1');
      expect(alone.errors).toMatchObject([{ extensions: { code: 'AUTH_UNAVAILABLE', retryAfter: 1 } }]);

      const mutation = await world.graphql('mutation { ask(input: { query: "who am I" }) { conversationId } }', {
        token,
      });
      expect(mutation.status).toBe(503);

      for (const [method, path, body] of [
        ['GET', '/api/v1/users/me', undefined],
        ['POST', '/api/ai', { query: 'who am I' }],
      ] as const) {
        const rest = await world.rest(method, path, { token, body });
        expect(rest.status).toBe(503);
        expect(rest.headers.get('retry-after')).toBe('1');
        expect(rest.body.error).toMatchObject({ code: 503, reason: 'AUTH_UNAVAILABLE' });
      }
    }
    expect(world.ai.control.count('ProcessQuery')).toBe(0);

    const publicOnly = await world.graphql('{ gateway { name } }', { token: null });
    expect(publicOnly).toMatchObject({ status: 200, data: { gateway: { name: 'api-gateway' } } });
    expect((await fetch(`${world.adminUrl}/readyz`)).status).toBe(200);
    expect(await world.metric('upstream_grpc_channel_ready{service="auth"}')).toBe(0);
    expect(await world.metric('upstream_grpc_channel_ready{service="ai"}')).toBe(1);

    // The browser keeps its cookie: its session may well be good.
    const browser = { cookie: `session=${token}`, 'x-csrf': '1' };
    const kept = await world.rest('GET', '/api/v1/users/me', { token: null, headers: browser });
    expect(kept.status).toBe(503);
    expect(kept.headers.getSetCookie()).toEqual([]);

    // Signing out is no different.
    const logout = await world.rest('POST', '/api/v1/auth/logout', { token: null, headers: browser });
    expect(logout.status).toBe(503);
    expect(logout.headers.getSetCookie()).toEqual([]);

    await world.restartAuth();
    const { adminToken } = world.auth;
    await until(
      () => world.graphql(me, { token: adminToken }),
      ({ status }) => status === 200,
      5_000,
    );
    expect((await world.rest('GET', '/api/v1/users/me', { token: adminToken })).status).toBe(200);
    await until(
      () => world.metric('upstream_grpc_channel_ready{service="auth"}'),
      (ready) => ready === 1,
    );
  });

  test('an unknown token is 401 again once it is back, and its cookie is cleared', async () => {
    const cookie = { cookie: 'session=made-up', 'x-csrf': '1' };
    const answer = await world.rest('GET', '/api/v1/users/me', { token: null, headers: cookie });
    expect(answer.status).toBe(401);
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(/^session=;.*Max-Age=0/)]);
  });

  test.each([
    ['is slow', { hang: true }],
    ['is broken', { code: grpc.INTERNAL }],
    ['is out of resources', { code: grpc.RESOURCE_EXHAUSTED }],
    ['refuses the gateway', { code: grpc.PERMISSION_DENIED }],
    ['does not know the RPC', { code: grpc.UNIMPLEMENTED }],
  ])('a session is never let in, nor ended, where AuthService %s', async (_how, fault) => {
    world.auth.control.setFault({ method: 'ValidateSession', ...fault });
    const cookie = { cookie: `session=${world.auth.createSession('user-max')}`, 'x-csrf': '1' };
    const answer = await world.graphql(me, { token: null, headers: cookie });
    world.reset();
    expect(answer.status).toBe(503);
    expect(answer.errors).toMatchObject([{ extensions: { code: 'AUTH_UNAVAILABLE' } }]);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect((await world.graphql(me, { token: null, headers: cookie })).status).toBe(200);
  });
});

describe('AIService goes away', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  test('what it answers is 503 SERVICE_UNAVAILABLE, all else goes on, and it is found again soon after its return', async () => {
    const body = { query: 'who am I' };
    expect((await world.rest('POST', '/api/ai', { body })).status).toBe(200);

    await world.ai.close();
    const gone = await until(
      () => world.rest('POST', '/api/ai', { body }),
      ({ status }) => status !== 200,
    );
    expect(gone.status).toBe(503);
    expect(gone.headers.get('retry-after')).toBe('1');
    expect(gone.body.error).toMatchObject({ code: 503, reason: 'SERVICE_UNAVAILABLE', retryAfter: 1 });
    expect(gone.body.error.message).not.toMatch(/127\.0\.0\.1|ECONNREFUSED/);

    const { status, data, errors } = await world.graphql(`{ me { id } ${conversations.slice(1)}`);
    expect(status).toBe(200);
    expect(data).toEqual({ me: { id: 'user-ada' }, conversations: null });
    expect(errors).toMatchObject([{ path: ['conversations'], extensions: { code: 'SERVICE_UNAVAILABLE' } }]);
    expect((await world.graphql(conversations)).status).toBe(503);
    expect((await fetch(`${world.adminUrl}/readyz`)).status).toBe(200);
    expect(await world.metric('upstream_grpc_channel_ready{service="ai"}')).toBe(0);
    const line = world.logs.find(
      ({ msg, upstream }) => /upstream connection error/.test(String(msg)) && upstream === 'ai',
    );
    expect(line).toMatchObject({
      level: 'error',
      service: 'api-gateway',
      grpc: { service: 'ai.v1.AIService', code: 'UNAVAILABLE' },
    });

    await world.restartAi();
    await until(
      () => world.rest('POST', '/api/ai', { body }),
      (answer) => answer.status === 200,
      5_000,
    );
    expect((await world.graphql(conversations)).errors).toBeUndefined();
  });
});

/** What each status of an upstream is on every door. */
const table = [
  ['CANCELLED', 502, 'UPSTREAM_ERROR'],
  ['UNKNOWN', 502, 'UPSTREAM_ERROR'],
  ['INVALID_ARGUMENT', 400, 'BAD_USER_INPUT'],
  ['DEADLINE_EXCEEDED', 504, 'GATEWAY_TIMEOUT'],
  ['NOT_FOUND', 404, 'NOT_FOUND'],
  ['ALREADY_EXISTS', 409, 'CONFLICT'],
  ['PERMISSION_DENIED', 403, 'FORBIDDEN'],
  ['RESOURCE_EXHAUSTED', 429, 'RATE_LIMITED'],
  ['FAILED_PRECONDITION', 400, 'BAD_USER_INPUT'],
  ['ABORTED', 409, 'CONFLICT'],
  ['OUT_OF_RANGE', 400, 'BAD_USER_INPUT'],
  ['UNIMPLEMENTED', 501, 'NOT_IMPLEMENTED'],
  ['INTERNAL', 502, 'UPSTREAM_ERROR'],
  ['UNAVAILABLE', 503, 'SERVICE_UNAVAILABLE'],
  ['DATA_LOSS', 502, 'UPSTREAM_ERROR'],
  ['UNAUTHENTICATED', 502, 'UPSTREAM_ERROR'],
] as const;
/** Statuses that speak of the request; their messages are meant for whoever made it. */
const shown = ['INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE'];

describe('an upstream that fails', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
    // The session is known from here on, so that faults meet nothing but the calls that they are meant for.
    await world.graphql(me);
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  test('every status of gRPC is in the table', () => {
    const names = Object.keys(grpc).filter((name) => Number.isNaN(Number(name)) && name !== 'OK');
    expect(new Set(table.map(([name]) => name))).toEqual(new Set(names));
  });

  test.each(table)('with %s is %d %s by REST and by GraphQL', async (name, expected, code) => {
    const message = `user-db-7.internal: ${name.toLowerCase()}`;
    world.auth.control.setFault({ method: 'GetUser', code: grpc[name], message });
    const retry = ['RESOURCE_EXHAUSTED', 'UNAVAILABLE'].includes(name) ? '1' : null;

    const rest = await world.rest('GET', '/api/v1/users/me');
    expect(rest.status).toBe(expected);
    expect(rest.body.error).toMatchObject({ code: expected, reason: code });
    expect(rest.headers.get('retry-after')).toBe(retry);

    const graphql = await world.graphql(me);
    expect(graphql.status).toBe(expected);
    expect(graphql.data).toEqual({ me: null });
    expect(graphql.errors).toMatchObject([{ path: ['me'], extensions: { code } }]);
    expect(graphql.headers.get('retry-after')).toBe(retry);

    const told = [rest.body.error.message, graphql.errors?.[0]?.message];
    if (shown.includes(name)) expect(told).toEqual([message, message]);
    else expect(JSON.stringify([rest.body, graphql.errors])).not.toContain('user-db-7');
    expect(await world.accessLine(rest)).toMatchObject({ status: expected, code });
  });

  test.each(table)('with %s is counted by its code', async (name) => {
    world.auth.control.setFault({ method: 'GetUser', code: grpc[name] });
    const series = `upstream_grpc_errors_total{service="auth.v1.AuthService",method="GetUser",code="${name}"}`;
    const before = (await world.metric(series)) ?? 0;
    await world.graphql(me);
    expect(await world.metric(series)).toBe(before + 1);
  });

  test.each(['INTERNAL', 'CANCELLED', 'UNAUTHENTICATED'] as const)(
    'with %s has its own words in the log',
    async (name) => {
      const message = `words of ${name} for operators`;
      world.auth.control.setFault({ method: 'GetUser', code: grpc[name], message });
      const told = ({ level, err }: LogLine) => level === 'error' && JSON.stringify(err ?? '').includes(message);
      // Lines about one upstream are rate-limited.
      await until(
        async () => {
          await world.graphql(me);
          return world.logs.find(told);
        },
        (line) => line !== undefined,
      );
      expect(world.logs.find(told)).toMatchObject({
        service: 'api-gateway',
        upstream: 'auth',
        grpc: { service: 'auth.v1.AuthService', method: 'GetUser', code: name },
      });
    },
  );

  test('during a mutation leaves what was done before, and says what was not', async () => {
    world.auth.control.setFault({ method: 'InviteUser', code: grpc.UNAVAILABLE });
    const { status, data, errors } = await world.graphql(
      `mutation {
        updateMe(input: { displayName: "Ada Admin" }) { id }
        inviteUser(input: { email: "b@example.com" }) { id }
      }`,
    );
    // inviteUser is non-null, so its failure takes the answer along.
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ path: ['inviteUser'], extensions: { code: 'SERVICE_UNAVAILABLE' } }]);
    expect(status).toBe(503);
    expect(world.auth.control.count('UpdateUser')).toBe(1);
    expect(world.auth.control.count('InviteUser')).toBe(1);
  });

  test('in a join fails that join alone', async () => {
    world.ai.seedConversations('user-ada', 2);
    world.auth.control.setFault({ method: 'BatchGetUsers', code: grpc.UNAVAILABLE });
    const { data, errors } = await world.graphql('{ me { id } conversations { nodes { title owner { id } } } }');
    expect(data).toEqual({ me: { id: 'user-ada' }, conversations: null });
    expect(errors?.map(({ extensions }) => extensions['code'])).toEqual(
      expect.arrayContaining(['SERVICE_UNAVAILABLE']),
    );
    expect(world.auth.control.count('BatchGetUsers')).toBe(1);
  });

  test('where the errors of a request do not agree, its status is the gravest', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: grpc.NOT_FOUND });
    world.auth.control.setFault({ method: 'ListUsers', code: grpc.UNAVAILABLE });
    const { status, data } = await world.graphql('{ user(id: "x") { id } users { totalCount } }');
    expect(data).toEqual({ user: null, users: null });
    expect(status).toBe(503);
  });

  test('the wrong fields of an invitation reach the client by GraphQL', async () => {
    const { status, errors } = await world.graphql(
      'mutation { inviteUser(input: { email: "nonsense", roles: ["king"] }) { id } }',
    );
    expect(status).toBe(400);
    expect(errors).toMatchObject([
      {
        extensions: {
          code: 'BAD_USER_INPUT',
          fieldViolations: [
            { field: 'email', description: expect.any(String) },
            { field: 'roles', description: expect.any(String) },
          ],
          details: [{ '@type': 'google.rpc.BadRequest' }],
        },
      },
    ]);
  });

  test('and those of any call by REST', async () => {
    const violations = [{ field: 'user_id', description: 'must be a ULID' }];
    world.auth.control.setFault({
      method: 'GetUser',
      code: grpc.INVALID_ARGUMENT,
      message: 'no',
      errorDetails: encodeBadRequest('no', violations),
    });
    const { status, body } = await world.rest('GET', '/api/v1/users/me');
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ reason: 'BAD_USER_INPUT', message: 'no', fieldViolations: violations });
  });

  test('details of a failing service stay inside', async () => {
    const errorDetails = encodeBadRequest('no', [{ field: 'shard', description: 'user-db-7' }]);
    world.auth.control.setFault({ method: 'GetUser', code: grpc.INTERNAL, errorDetails });
    const { body } = await world.rest('GET', '/api/v1/users/me');
    expect(Object.keys(body.error).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'code',
      'message',
      'reason',
      'requestId',
    ]);
  });

  test('error details that cannot be read are left out, and the status stands', async () => {
    world.auth.control.setFault({
      method: 'GetUser',
      code: grpc.INVALID_ARGUMENT,
      message: 'no',
      errorDetails: Buffer.from([0xff, 0xff, 0xff]),
    });
    const { status, body } = await world.rest('GET', '/api/v1/users/me');
    expect(status).toBe(400);
    expect(body.error).toEqual({ code: 400, reason: 'BAD_USER_INPUT', message: 'no', requestId: expect.any(String) });
  });
});

describe('time', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
    await world.graphql(me);
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  const patienceOf = (control: World['auth']['control'], rpc: string, since: number): number =>
    (control.calls(rpc)[0]?.deadline?.getTime() ?? 0) - since;

  test('an upstream that is slow is 504 at the deadline of the field', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const began = Date.now();
    const { status, body } = await world.rest('GET', '/api/v1/users/me');
    const took = Date.now() - began;
    expect(status).toBe(504);
    expect(body.error).toMatchObject({ reason: 'GATEWAY_TIMEOUT' });
    expect(took).toBeGreaterThan(1_800);
    expect(took).toBeLessThan(10_000);
  });

  test('each field has the deadline that the schema gives it', async () => {
    const since = Date.now();
    await world.graphql(`{ me { id } ${conversations.slice(1)}`);
    await world.graphql('mutation { ask(input: { query: "who am I" }) { conversationId } }');
    expect(patienceOf(world.auth.control, 'GetUser', since)).toBeLessThan(4_000);
    expect(patienceOf(world.ai.control, 'ListConversations', since)).toBeGreaterThan(4_500);
    expect(patienceOf(world.ai.control, 'ListConversations', since)).toBeLessThan(8_000);
    expect(patienceOf(world.ai.control, 'ProcessQuery', since)).toBeGreaterThan(115_000);
  });

  test('a slow field fails alone', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const headers = { 'x-request-timeout-ms': '400' };
    const { status, data, errors } = await world.graphql('{ me { id } users { totalCount } }', { headers });
    expect(status).toBe(200);
    expect(data).toEqual({ me: null, users: { totalCount: 10 } });
    expect(errors).toMatchObject([{ path: ['me'], extensions: { code: 'GATEWAY_TIMEOUT' } }]);
  });

  test.each([
    ['X-Request-Timeout-Ms', '300'],
    ['Grpc-Timeout', '300m'],
    ['Grpc-Timeout', '300000u'],
  ])('%s: %s shortens what a request may take, by REST and by GraphQL', async (name, value) => {
    // Left to themselves these take five seconds and two minutes.
    world.ai.control.setFault({ method: '*', hang: true });
    const headers = { [name]: value };
    const began = Date.now();
    const answers = await Promise.all([
      world.graphql(conversations, { headers }),
      world.rest('POST', '/api/ai', { body: { query: 'who am I' }, headers }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([504, 504]);
    expect(Date.now() - began).toBeLessThan(4_000);
  });

  test('what the client says can only shorten it', async () => {
    for (const headers of [
      { 'x-request-timeout-ms': '999999999' },
      { 'grpc-timeout': '99999999H' },
      { 'grpc-timeout': '99999999H', 'x-request-timeout-ms': '999999999' },
    ]) {
      world.reset();
      const since = Date.now();
      expect((await world.graphql(me, { headers })).status).toBe(200);
      expect(patienceOf(world.auth.control, 'GetUser', since)).toBeLessThan(4_000);
    }
  });

  test('no time at all is 504, not a hanging request', async () => {
    const { status } = await world.rest('GET', '/api/v1/users/me', { headers: { 'x-request-timeout-ms': '0' } });
    expect(status).toBe(504);
  });
});

describe('REQUEST_TIMEOUT and <UPSTREAM>_SERVICE_DEADLINE', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: { AUTH_SERVICE_DEADLINE: '250ms', ...uncached } });
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  test('an upstream takes no longer than its own deadline', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const began = Date.now();
    expect((await world.rest('GET', '/api/v1/users/me')).status).toBe(504);
    expect(Date.now() - began).toBeLessThan(1_900);
  });

  test('nor does it where the gateway asks it about a session', async () => {
    world.auth.control.setFault({ method: 'ValidateSession', hang: true });
    const began = Date.now();
    expect((await world.rest('GET', '/api/v1/users/me')).status).toBe(503);
    const [call] = world.auth.control.calls('ValidateSession');
    expect((call?.deadline?.getTime() ?? Infinity) - began).toBeLessThan(1_000);
  });

  test('the budget of a request is shared by its calls, one after the other', async () => {
    const headers = { 'x-request-timeout-ms': '1000' };
    world.auth.control.setFault({ method: 'ValidateSession', delayMs: 150 });
    const began = Date.now();
    expect((await world.graphql(conversations, { headers })).status).toBe(200);
    const [call] = world.ai.control.calls('ListConversations');
    expect((call?.deadline?.getTime() ?? Infinity) - began).toBeLessThan(1_100);
  });

  test('time that ran out counts against an upstream where the gateway gave it, not where the client did', async () => {
    const own = await startWorld({ env: { REQUEST_TIMEOUT: '1s', AI_SERVICE_DEADLINE: '1s', ...uncached } });
    try {
      const labels = '{service="ai.v1.AIService",method="ListConversations",code="DEADLINE_EXCEEDED"}';
      const counted = async () => [
        await own.metric(`upstream_grpc_requests_total${labels}`),
        await own.metric(`upstream_grpc_errors_total${labels}`),
      ];
      own.ai.control.setFault({ method: 'ListConversations', hang: true });
      const headers = { 'x-request-timeout-ms': '900' };
      expect((await own.graphql(conversations, { headers })).status).toBe(504);
      expect(await counted()).toEqual([1, 0]);
      // What is left is less than the RPC may take.
      own.auth.control.setFault({ method: 'ValidateSession', delayMs: 200 });
      expect((await own.graphql(conversations)).status).toBe(504);
      expect(await counted()).toEqual([2, 1]);
    } finally {
      await own.close();
    }
  });
});

describe('a client that leaves', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
    await world.graphql(me);
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  const post = (path: string, body: object, signal: AbortSignal) =>
    fetch(`${world.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${world.auth.adminToken}` },
      body: JSON.stringify(body),
      signal,
    });

  test.each([
    ['REST', 'ProcessQuery', '/api/ai', { query: 'who am I' }],
    ['GraphQL', 'ListConversations', '/graphql', { query: conversations }],
  ])('cancels what it has started by %s', async (_door, rpc, path, body) => {
    world.ai.control.setFault({ method: rpc, hang: true });
    const before = world.logs.length;
    const leave = new AbortController();
    const asked = post(path, body, leave.signal).catch((error: unknown) => error);
    const call = await world.ai.control.waitForCall(rpc);
    leave.abort();
    await until(
      () => call.cancelled,
      (cancelled) => cancelled,
      // A tenth of a second is what is promised; the rest is for busy machines.
      2_000,
    );
    expect(await asked).toMatchObject({ name: 'AbortError' });
    const line = await until(
      () => world.logs.slice(before).find(({ status }) => status === 499),
      (found) => found !== undefined,
    );
    expect(line).toMatchObject({ msg: 'request', level: 'info', code: 'CLIENT_CLOSED_REQUEST' });
    expect(world.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('is counted as 499', async () => {
    expect(await world.metric('http_requests_total{method="POST",path="/api/ai",status="499"}')).toBe(1);
    expect(await world.metric('http_requests_total{method="POST",path="/graphql",status="499"}')).toBe(1);
  });

  test('in the middle of a batch of calls cancels all of them', async () => {
    world.auth.control.setFault({ method: 'ListUsers', hang: true });
    world.ai.control.setFault({ method: 'ListConversations', hang: true });
    const leave = new AbortController();
    const query = `{ a: users { totalCount } b: users(first: 2) { totalCount } ${conversations.slice(1)}`;
    const asked = post('/graphql', { query }, leave.signal).catch((error: unknown) => error);
    await until(
      () => world.auth.control.count('ListUsers') + world.ai.control.count('ListConversations'),
      (count) => count === 3,
    );
    leave.abort();
    await until(
      () => [...world.auth.control.calls('ListUsers'), ...world.ai.control.calls('ListConversations')],
      (calls) => calls.every(({ cancelled }) => cancelled),
      1_500,
    );
    await asked;
  });

  test('before its body is complete leaves nothing behind', async () => {
    const before = world.logs.length;
    const socket = connect(world.server.port, '127.0.0.1');
    socket.write(
      [
        'POST /api/ai HTTP/1.1',
        'Host: localhost',
        `Authorization: Bearer ${world.auth.adminToken}`,
        'Content-Type: application/json',
        'Content-Length: 1000',
        // Says when the gateway has read this far.
        'Expect: 100-continue',
        '\r\n',
      ].join('\r\n'),
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 100 Continue/);
    socket.write('{"query":');
    socket.destroy();
    await until(
      () => world.logs.slice(before).find(({ route, status }) => route === '/api/ai' && status === 499),
      (line) => line !== undefined,
    );
    expect((await world.graphql(me)).status).toBe(200);
    expect(world.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  });

  test('does not take a session check along that others wait for', async () => {
    const token = world.auth.createSession('user-max');
    world.auth.control.setFault({ method: 'ValidateSession', delayMs: 300 });
    const leave = new AbortController();
    const headers = { authorization: `Bearer ${token}` };
    const first = fetch(`${world.url}/api/v1/users/me`, { headers, signal: leave.signal }).catch(
      (error: unknown) => error,
    );
    await world.auth.control.waitForCall('ValidateSession');
    const second = world.rest('GET', '/api/v1/users/me', { token });
    leave.abort();
    await first;
    expect((await second).status).toBe(200);
    expect(world.auth.control.count('ValidateSession')).toBe(1);
  });
});

describe('an answer that cannot be decoded', () => {
  let world: World;
  let babbler: Server;
  let answer = Buffer.alloc(0);

  /** Answers every RPC of AIService with whatever bytes the test wants. */
  beforeAll(async () => {
    babbler = new Server();
    const bytes = (value: Buffer) => value;
    const rpc = (name: string, responseStream: boolean) => ({
      path: `/ai.v1.AIService/${name}`,
      requestStream: false,
      responseStream,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    });
    babbler.addService(
      { ListConversations: rpc('ListConversations', false), ProcessQuery: rpc('ProcessQuery', false) },
      {
        ListConversations: (_call: unknown, done: (error: null, value: Buffer) => void) => done(null, answer),
        ProcessQuery: (_call: unknown, done: (error: null, value: Buffer) => void) => done(null, answer),
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      babbler.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    world = await startWorld({ env: { AI_SERVICE_ADDR: `127.0.0.1:${port}` } });
  });
  afterAll(async () => {
    await world.close();
    babbler.forceShutdown();
  });

  test.each([
    ['noise', Buffer.from('ffffffffffffffffffffff', 'hex')],
    ['a message that breaks off', Buffer.from([0x0a, 0x7f, 0x01])],
    ['text', Buffer.from('<html>Bad Gateway</html>')],
  ])('fails its field alone: %s', async (_what, bytes) => {
    answer = bytes;
    const { status, data, errors } = await world.graphql(`{ me { id } ${conversations.slice(1)}`);
    expect(status).toBe(200);
    expect(data).toEqual({ me: { id: 'user-ada' }, conversations: null });
    expect(errors).toMatchObject([{ path: ['conversations'], extensions: { code: 'UPSTREAM_ERROR' } }]);
  });

  test('is 502 UPSTREAM_ERROR by REST', async () => {
    answer = Buffer.from('<html>Bad Gateway</html>');
    const { status, body } = await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
    expect(status).toBe(502);
    expect(body.error).toMatchObject({ reason: 'UPSTREAM_ERROR', message: 'A service behind the gateway failed.' });
  });

  test('an enum value that the proto does not have fails that field alone', async () => {
    // conversations[0].messages[0] = { role: 99, text: "x" }
    answer = Buffer.from([0x0a, 0x07, 0x22, 0x05, 0x08, 0x63, 0x12, 0x01, 0x78]);
    const { data, errors } = await world.graphql('{ conversations { nodes { messages { text role } } } }');
    expect(data).toEqual({ conversations: { nodes: [{ messages: [{ text: 'x', role: null }] }] } });
    expect(errors).toMatchObject([{ extensions: { code: 'UPSTREAM_ERROR' } }]);
  });

  test('none of it counts as a bug of the gateway', () => {
    expect(world.logs.filter(({ msg }) => /internal error/.test(String(msg)))).toEqual([]);
  });
});

describe('a bug of the gateway', () => {
  let world: World;
  beforeAll(async () => {
    const sources = loadSources(sourceFolders({}));
    const route = parse('query Gateway @rest(method: GET, path: "/api/gateway") { gateway { name } }');
    const resolvers = {
      gateway: () => {
        throw new Error('off by one');
      },
    };
    world = await startWorld({ overrides: { sources: { ...sources, rest: [...sources.rest, route] }, resolvers } });
  });
  afterAll(() => world.close());

  const logged = ({ headers }: { readonly headers: Headers }) =>
    world.logs.filter(
      ({ requestId, level }) => requestId === headers.get('x-request-id') && ['error', 'fatal'].includes(String(level)),
    );

  test.each([
    ['REST', () => world.rest('GET', '/api/gateway')],
    ['GraphQL', () => world.graphql('{ gateway { name } }')],
  ])('is 500 by %s, says nothing of itself, and is logged once', async (_door, ask) => {
    const answer = await ask();
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer)).not.toContain('off by one');
    expect(JSON.stringify(answer)).toContain('INTERNAL_SERVER_ERROR');
    expect(await world.accessLine(answer)).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' });
    expect(logged(answer)).toMatchObject([{ msg: 'internal error', err: { message: 'off by one' } }]);
  });
});
