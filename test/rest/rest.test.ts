import { startWorld, type Decoded, type RestAnswer, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

/** What every refusal of REST looks like. */
function expectEnvelope({ status, headers, body }: RestAnswer, expected: { status: number; reason: string }): void {
  expect({ status, body }).toMatchObject({
    status: expected.status,
    body: { error: { code: expected.status, reason: expected.reason, message: expect.stringMatching(/\w/) } },
  });
  expect(Object.keys(body)).toEqual(['error']);
  expect(body.error.requestId).toBe(headers.get('x-request-id'));
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-store');
}

describe.each(['/api/ai', '/api/v1/ai'])('POST %s', (path) => {
  const ask = (body: unknown) => world.rest('POST', path, { body });
  const invited = async (email: string): Promise<Decoded[]> =>
    (await world.graphql(`{ users(search: "${email}") { nodes { email status } } }`)).data.users.nodes;

  test('answers a question, leaving the plan out', async () => {
    const { status, headers, body } = await ask({ query: 'who am I' });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      sessionId: expect.stringMatching(/^conversation-/),
      answer: { response: expect.stringContaining('Ada Admin') },
    });
  });

  test('goes on with a conversation by its sessionId', async () => {
    const { sessionId } = (await ask({ query: 'count to 2' })).body;
    expect((await ask({ sessionId, query: 'count to 3' })).body).toEqual({ sessionId, answer: { response: '1 2 3' } });
    expect(world.ai.control.calls('ProcessQuery').map(({ request }) => request)).toEqual([
      { sessionId: '', query: 'count to 2', confirmation: null },
      { sessionId, query: 'count to 3', confirmation: null },
    ]);
  });

  test('offers a plan, leaving the answer out, and carries it out once it is confirmed', async () => {
    const email = `rest${path.length}.person@example.com`;
    const offered = await ask({ query: `invite ${email}` });
    expect(offered.body).toEqual({
      sessionId: expect.any(String),
      plan: { planId: expect.any(String), description: expect.stringContaining(email) },
    });
    expect(await invited(email)).toEqual([]);
    const { sessionId, plan } = offered.body;
    const confirmed = await ask({ sessionId, confirmation: { planId: plan.planId, confirmed: true } });
    expect(confirmed.status).toBe(200);
    expect(confirmed.body).toEqual({ sessionId, answer: { response: `${email} has been invited.` } });
    expect(await invited(email)).toEqual([{ email, status: 'INVITED' }]);
  });

  test('changes nothing where the plan is denied', async () => {
    const email = `denied${path.length}.person@example.com`;
    const { sessionId, plan } = (await ask({ query: `invite ${email}` })).body;
    const denied = await ask({ sessionId, confirmation: { planId: plan.planId, confirmed: false } });
    expect(denied.body).toEqual({ sessionId, answer: { response: `All right, ${email} has not been invited.` } });
    expect(await invited(email)).toEqual([]);
    expect(world.auth.control.count('InviteUser')).toBe(0);
  });

  test('refuses fields that it does not know, by name, before it asks anybody', async () => {
    const answer = await ask({ query: 'who am I', conversationId: 'x', debug: true });
    expectEnvelope(answer, { status: 400, reason: 'BAD_USER_INPUT' });
    expect(answer.body.error.fieldViolations.map(({ field }: Decoded) => field)).toEqual(['conversationId', 'debug']);
    expect(world.ai.control.count('ProcessQuery')).toBe(0);
  });

  test.each([
    ['a query that is no text', { query: 7 }],
    ['a confirmation without its plan', { confirmation: { confirmed: true } }],
    ['a confirmation that is no yes or no', { confirmation: { planId: 'p', confirmed: 'yes' } }],
    ['a confirmation with more in it', { confirmation: { planId: 'p', confirmed: true, force: true } }],
    ['a list', []],
    ['a text', 'who am I'],
    ['null', null],
  ])('refuses %s', async (_what, body) => {
    expectEnvelope(await ask(body), { status: 400, reason: 'BAD_USER_INPUT' });
    expect(world.ai.control.count('ProcessQuery')).toBe(0);
  });

  test('tells what the assistant found wrong with the fields', async () => {
    const answer = await ask({});
    expectEnvelope(answer, { status: 400, reason: 'BAD_USER_INPUT' });
    expect(answer.body.error.fieldViolations).toEqual([
      { field: 'query', description: 'must not be empty without a confirmation' },
    ]);
  });

  test('a plan that there is not is 404', async () => {
    const { sessionId } = (await ask({ query: 'who am I' })).body;
    const answer = await ask({ sessionId, confirmation: { planId: 'plan-x', confirmed: true } });
    expectEnvelope(answer, { status: 404, reason: 'NOT_FOUND' });
  });

  test("someone else's conversation is 404", async () => {
    const { sessionId } = (await ask({ query: 'who am I' })).body;
    const body = { sessionId, query: 'who am I' };
    const answer = await world.rest('POST', path, { token: world.auth.memberToken, body });
    expectEnvelope(answer, { status: 404, reason: 'NOT_FOUND' });
  });

  test('needs a session', async () => {
    const answer = await world.rest('POST', path, { token: null, body: { query: 'who am I' } });
    expectEnvelope(answer, { status: 401, reason: 'UNAUTHENTICATED' });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api-gateway"');
    expect(world.ai.control.count('ProcessQuery')).toBe(0);
  });

  test('needs X-CSRF where the session comes in a cookie', async () => {
    const cookie = `session=${world.auth.memberToken}`;
    const body = { query: 'who am I' };
    const without = await world.rest('POST', path, { token: null, body, headers: { cookie } });
    expectEnvelope(without, { status: 403, reason: 'FORBIDDEN' });
    const foreign = { cookie, 'x-csrf': '1', origin: 'https://evil.example.com' };
    const fromElsewhere = await world.rest('POST', path, { token: null, body, headers: foreign });
    expectEnvelope(fromElsewhere, { status: 403, reason: 'FORBIDDEN' });
    const own = await world.rest('POST', path, { token: null, body, headers: { cookie, 'x-csrf': '1' } });
    expect(own.status).toBe(200);
  });

  test('is named by itself in metrics and logs', async () => {
    const answer = await ask({ query: 'who am I' });
    expect(await world.accessLine(answer)).toMatchObject({
      method: 'POST',
      route: path,
      status: 200,
      operation: 'mutation',
    });
    expect(await world.metric(`http_requests_total{method="POST",path="${path}",status="200"}`)).toBeGreaterThan(0);
  });
});

describe('GET /api/v1/users/me', () => {
  const path = '/api/v1/users/me';
  const mel = {
    userId: 'user-mel',
    email: 'mel.member@example.com',
    displayName: 'Mel Member',
    status: 'Active',
    createdAt: '2024-01-15T09:00:00Z',
    updatedAt: '2024-01-15T09:00:00Z',
    lastLoginAt: null,
  };
  const asMel = () => ({ token: world.auth.memberToken });

  test('answers the user as legacy clients know it', async () => {
    const { status, headers, body } = await world.rest('GET', path, asMel());
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual(mel);
  });

  test('opens as a link does: with the cookie alone', async () => {
    const headers = { cookie: `session=${world.auth.memberToken}`, 'sec-fetch-site': 'cross-site' };
    expect((await world.rest('GET', path, { token: null, headers })).body).toEqual(mel);
  });

  test.each(['?', '?verbose=1', '?userId=user-ada&id=user-ada', '?__proto__=1&constructor=2', '?%', '?a=%zz&a[]=1'])(
    'ignores query parameters that it does not know: %s',
    async (query) => {
      const { status, body } = await world.rest('GET', `${path}${query}`, asMel());
      expect(status).toBe(200);
      expect(body).toEqual(mel);
    },
  );

  test('without a session is 401', async () => {
    const answer = await world.rest('GET', path, { token: null });
    expectEnvelope(answer, { status: 401, reason: 'UNAUTHENTICATED' });
  });

  test('with two credentials is 400', async () => {
    const headers = { cookie: `session=${world.auth.memberToken}` };
    expectEnvelope(await world.rest('GET', path, { headers }), { status: 400, reason: 'BAD_USER_INPUT' });
  });

  test('of a user who is gone is 404', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: 5, message: 'no such user' });
    const answer = await world.rest('GET', path);
    expectEnvelope(answer, { status: 404, reason: 'NOT_FOUND' });
    expect(answer.body.error.message).toBe('no such user');
  });

  test('that AuthService refuses is 403', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: 7, message: 'this needs audit:read' });
    const answer = await world.rest('GET', path);
    expectEnvelope(answer, { status: 403, reason: 'FORBIDDEN' });
    expect(answer.body.error.message).toBe('You do not have permission to perform this action.');
  });

  test('HEAD tells the length of what GET answers, and nothing more', async () => {
    const get = await world.rest('GET', path, asMel());
    const head = await world.rest('HEAD', path, asMel());
    expect(head.status).toBe(200);
    expect(head.body).toBeUndefined();
    for (const name of ['content-type', 'content-length', 'cache-control']) {
      expect(head.headers.get(name)).toBe(get.headers.get(name));
    }
    expect((await world.rest('HEAD', path, { token: null })).status).toBe(401);
  });
});

describe('POST /api/v1/auth/logout', () => {
  test('ends the session: 204, and the token is good for nothing any more', async () => {
    const token = world.auth.createSession('user-max');
    const { status, body } = await world.rest('POST', '/api/v1/auth/logout', { token });
    expect(status).toBe(204);
    expect(body).toBeUndefined();
    expectEnvelope(await world.rest('GET', '/api/v1/users/me', { token }), { status: 401, reason: 'UNAUTHENTICATED' });
    expect(world.auth.control.count('RevokeSession')).toBe(1);
  });
});

describe('methods and paths', () => {
  test.each([
    ['/api/v1/users/me', 'GET, PUT, PATCH, HEAD, OPTIONS'],
    ['/api/ai', 'POST, OPTIONS'],
    ['/graphql', 'GET, POST, HEAD, OPTIONS'],
  ])('OPTIONS %s tells what it takes: %s', async (path, allow) => {
    const { status, headers, body } = await world.rest('OPTIONS', path, { token: null });
    expect(status).toBe(204);
    expect(headers.get('allow')).toBe(allow);
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(body).toBeUndefined();
  });

  test.each([
    ['GET', '/api/ai', 'POST, OPTIONS'],
    ['DELETE', '/api/ai', 'POST, OPTIONS'],
    ['POST', '/api/v1/users/me', 'GET, PUT, PATCH, HEAD, OPTIONS'],
    ['DELETE', '/graphql', 'GET, POST, HEAD, OPTIONS'],
  ])('%s %s is 405 and names what is allowed', async (method, path, allow) => {
    const answer = await world.rest(method, path);
    expectEnvelope(answer, { status: 405, reason: 'METHOD_NOT_ALLOWED' });
    expect(answer.headers.get('allow')).toBe(allow);
  });

  test('HEAD where there is no GET is 405 without a body', async () => {
    const { status, headers, body } = await world.rest('HEAD', '/api/ai');
    expect(status).toBe(405);
    expect(headers.get('allow')).toBe('POST, OPTIONS');
    expect(body).toBeUndefined();
  });

  test.each([
    '/api',
    '/api/ai/',
    '/api/AI',
    '/API/ai',
    '/api//ai',
    '/api/v2/users/me',
    '/api/v1/users/me/',
    '/api/%61i',
    '/api/v1/users%2fme',
    '/metrics',
    '/livez',
    '/graphql/',
    '/health',
  ])('GET %s is 404 in the envelope', async (path) => {
    expectEnvelope(await world.rest('GET', path), { status: 404, reason: 'NOT_FOUND' });
  });
});

describe('bodies', () => {
  const send = async (body: string | Blob, headers: Record<string, string>): Promise<RestAnswer> => {
    const response = await fetch(`${world.url}/api/ai`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.auth.adminToken}`, ...headers },
      body,
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const question = JSON.stringify({ query: 'who am I' });

  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])(
    'of the type %s are taken',
    async (type) => {
      expect((await send(question, { 'content-type': type })).status).toBe(200);
    },
  );

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/jsonp',
    'application/graphql',
    'application/json, text/plain',
  ])('of the type %s are 415', async (type) => {
    expectEnvelope(await send(question, { 'content-type': type }), { status: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  test('without a type are 415', async () => {
    expectEnvelope(await send(new Blob([question]), {}), { status: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  test.each(['gzip', 'br', 'identity, gzip'])('in the encoding %s are 415', async (encoding) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
    expectEnvelope(await send(question, headers), { status: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  test('over 1 MB are 413, and one of just 1 MB is read', async () => {
    const padded = (length: number) => question.padEnd(length, ' ');
    const headers = { 'content-type': 'application/json' };
    expect((await send(padded(1024 * 1024), headers)).status).toBe(200);
    expectEnvelope(await send(padded(1024 * 1024 + 1), headers), { status: 413, reason: 'PAYLOAD_TOO_LARGE' });
    expect(world.ai.control.count('ProcessQuery')).toBe(1);
  });

  test.each(['', '{', '{"query":}', "{'query':'x'}", 'undefined', '\u0000', '{"query":"a"}}'])(
    'that are not JSON are 400: %j',
    async (body) => {
      const answer = await send(body, { 'content-type': 'application/json' });
      expectEnvelope(answer, { status: 400, reason: 'BAD_USER_INPUT' });
    },
  );
});
