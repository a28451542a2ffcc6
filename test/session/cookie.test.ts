import { startWorld, type World } from '../gateway-fixture';

const app = 'https://app.example';
const self = 'http://localhost:3000';

let world: World;
beforeAll(async () => {
  world = await startWorld({ env: { ALLOWED_ORIGINS: app, PUBLIC_URL: self } });
});
afterAll(() => world.close());
beforeEach(() => world.reset());

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly accept?: string;
}

const graphql = (query: string): Sent => ({ method: 'POST', path: '/graphql', body: { query } });

/** Every way in which a page could make a browser use its session, but for the links that REST is open to. */
const uses: Record<string, Sent> = {
  'a query of a protected field': graphql('{ me { id } }'),
  'a query of public fields': graphql('{ gateway { name } }'),
  'a query on GET': {
    method: 'GET',
    path: `/graphql?${new URLSearchParams({ query: '{ gateway { name } }' }).toString()}`,
  },
  'a mutation': graphql('mutation { updateMe(input: { displayName: "Mel" }) { id } }'),
  'the mutation logout': graphql('mutation { logout }'),
  'a subscription': {
    ...graphql('subscription { askStream(input: { query: "hello" }) { textDelta } }'),
    accept: 'text/event-stream',
  },
  'a REST write': { method: 'POST', path: '/api/ai', body: { query: 'hello' } },
  'signing out': { method: 'POST', path: '/api/v1/auth/logout' },
};
const everyUse = Object.entries(uses).map(([name, sent]) => ({ name, sent }));

async function send(sent: Sent, headers: Record<string, string>, to = world) {
  const response = await fetch(`${to.url}${sent.path}`, {
    method: sent.method,
    headers: {
      ...(sent.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(sent.accept === undefined ? {} : { accept: sent.accept }),
      ...headers,
    },
    ...(sent.body === undefined ? {} : { body: JSON.stringify(sent.body) }),
  });
  const text = await response.text();
  const { extensions, reason, message } = firstError(text);
  return { status: response.status, headers: response.headers, text, code: extensions?.code ?? reason, message };
}

/** The error of a GraphQL answer, of an event of a stream, or of the REST envelope. */
function firstError(text: string): { extensions?: { code: string }; reason?: string; message?: string } {
  const body = JSON.parse(/^data: (\{.*)$/m.exec(text)?.[1] ?? (text.startsWith('{') ? text : '{}'));
  return body.errors?.[0] ?? body.error ?? {};
}

const cookie = (token = world.auth.createSession('user-mel')): Record<string, string> => ({
  cookie: `theme=dark; session=${token}`,
});
/** That nothing was done, nor anybody asked. */
const expectNothingDone = (): void => {
  const { auth, ai } = world;
  for (const rpc of ['ValidateSession', 'RevokeSession', 'UpdateUser']) expect(auth.control.count(rpc)).toBe(0);
  for (const rpc of ['ProcessQuery', 'StreamQuery']) expect(ai.control.count(rpc)).toBe(0);
};

describe.each(everyUse)('with the session cookie, $name', ({ sent }) => {
  test('works with X-CSRF, from where that is all there is', async () => {
    expect((await send(sent, { ...cookie(), 'x-csrf': '1' })).status).toBeLessThan(300);
  });

  test('is refused where nothing says that no other site sent it, before anybody is asked', async () => {
    const { status, code, message } = await send(sent, cookie());
    expect(status).toBe(403);
    expect(code).toBe('FORBIDDEN');
    expect(message).toBe(
      'Requests with the session cookie need the header "X-CSRF: 1", or "Sec-Fetch-Site: same-origin", as browsers send it.',
    );
    expectNothingDone();
  });

  test.each([
    ['with an Origin', { origin: self }],
    ['without, as on GET', {}],
    ['beside the credential of a proxy', { authorization: 'Basic c3RhZ2luZzpzZWNyZXQ=' }],
  ])('works by Sec-Fetch-Site: same-origin alone, %s', async (_how, headers: Record<string, string>) => {
    expect((await send(sent, { ...cookie(), 'sec-fetch-site': 'same-origin', ...headers })).status).toBeLessThan(300);
  });

  test.each([
    ['of the address bar', { 'sec-fetch-site': 'none' }],
    ['of an allowed origin', { origin: app, 'sec-fetch-site': 'cross-site' }],
    ['of a sibling host', { 'sec-fetch-site': 'same-site' }],
    ['of two values', { 'sec-fetch-site': 'same-origin, cross-site' }],
    ['in capitals', { 'sec-fetch-site': 'Same-Origin' }],
    ['that an Origin elsewhere contradicts', { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }],
    ['that the Origin "null" contradicts', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
  ])('without X-CSRF is refused with a Sec-Fetch-Site %s', async (_what, headers: Record<string, string>) => {
    const { status, code } = await send(sent, { ...cookie(), ...headers });
    expect([status, code]).toEqual([403, 'FORBIDDEN']);
    expectNothingDone();
  });

  test.each([
    ['from a page of the gateway itself', { origin: self, 'sec-fetch-site': 'same-origin' }],
    ['from a page of the gateway, in a browser without Sec-Fetch-Site', { origin: self }],
    ['from a page of the gateway, by a GET without Origin', { 'sec-fetch-site': 'same-origin' }],
    ['from the address bar', { 'sec-fetch-site': 'none' }],
    ['from an allowed origin', { origin: app, 'sec-fetch-site': 'cross-site' }],
  ])('works %s', async (_where, headers: Record<string, string>) => {
    expect((await send(sent, { ...cookie(), 'x-csrf': '1', ...headers })).status).toBeLessThan(300);
  });

  test.each([
    ['from a page elsewhere', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['from a page elsewhere, in a browser without Sec-Fetch-Site', { origin: 'https://evil.example' }],
    ['from a page elsewhere that sends no Origin', { 'sec-fetch-site': 'cross-site' }],
    ['from a page on another subdomain', { 'sec-fetch-site': 'same-site' }],
    ['from a page without an origin', { origin: 'null' }],
    ['from an origin that only begins like an allowed one', { origin: `${app}.evil.example` }],
    ['from an allowed host without TLS', { origin: 'http://app.example' }],
    ['from another port of this host', { origin: 'http://localhost:4000', 'sec-fetch-site': 'same-site' }],
    ['with another value of X-CSRF', { 'x-csrf': 'true' }],
  ])('is refused %s', async (_where, headers: Record<string, string>) => {
    const { status, code } = await send(sent, { ...cookie(), 'x-csrf': '1', ...headers });
    expect([status, code]).toEqual([403, 'FORBIDDEN']);
    expectNothingDone();
  });

  test('is a bad request with a bearer token beside it, or another cookie', async () => {
    const token = world.auth.createSession('user-mel');
    const answers = await Promise.all([
      send(sent, { ...cookie(token), authorization: `Bearer ${token}` }),
      send(sent, { ...cookie(token), authorization: `Bearer ${token}`, 'x-csrf': '1' }),
      send(sent, { cookie: `session=${token}; session=${token}`, 'x-csrf': '1' }),
    ]);
    for (const { status, code } of answers) expect([status, code]).toEqual([400, 'BAD_USER_INPUT']);
    expectNothingDone();
  });

  test('needs neither with a bearer token instead', async () => {
    const authorization = `Bearer ${world.auth.createSession('user-mel')}`;
    const { status } = await send(sent, {
      authorization,
      cookie: 'theme=dark',
      origin: 'https://evil.example',
      'sec-fetch-site': 'cross-site',
    });
    expect(status).toBeLessThan(300);
  });
});

test('a REST route that reads opens by a link from anywhere', async () => {
  for (const method of ['GET', 'HEAD']) {
    const { status } = await send(
      { method, path: '/api/v1/users/me' },
      { ...cookie(), 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', referer: 'https://evil.example/' },
    );
    expect(status).toBe(200);
  }
});

test('GraphiQL opens by a link from anywhere', async () => {
  const { status, headers } = await send(
    { method: 'GET', path: '/graphql', accept: 'text/html' },
    { ...cookie(), 'sec-fetch-site': 'cross-site' },
  );
  expect(status).toBe(200);
  expect(headers.get('content-type')).toContain('text/html');
});

test('without a session, public fields answer pages from anywhere', async () => {
  const { status, text } = await send(graphql('{ gateway { name } }'), {
    cookie: 'theme=dark; __Host-session=abc',
    origin: 'https://evil.example',
    'sec-fetch-site': 'cross-site',
  });
  expect(status).toBe(200);
  expect(JSON.parse(text)).toEqual({ data: { gateway: { name: 'api-gateway' } } });
});

test.each([
  ['two Origins, one of them allowed', [`Origin: ${app}`, 'Origin: https://evil.example'], 403],
  ['an Origin of the gateway and one of another', [`Origin: ${self}`, 'Origin: https://evil.example'], 403],
  ['two lines of cookies with a session each', ['Cookie: session=a'], 400],
])('%s', async (_what, lines, status) => {
  const head = ['POST /graphql HTTP/1.1', 'Host: gateway', 'Connection: close', 'Content-Type: application/json'];
  const body = '{"query":"{ gateway { name } }"}';
  const own = [`Content-Length: ${body.length}`, 'X-CSRF: 1', `Cookie: session=${world.auth.memberToken}`];
  const answer = await world.raw(`${[...head, ...own, ...lines].join('\r\n')}\r\n\r\n${body}`);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

test('a cookie of a sibling host whose name only looks like the session is none, whatever byte is around it', async () => {
  const mine = world.auth.createSession('user-mel');
  const head = ['GET /api/v1/users/me HTTP/1.1', 'Host: gateway', 'Connection: close', 'X-CSRF: 1'];
  const ask = (cookies: string) =>
    world.raw(Buffer.from(`${[...head, `Cookie: ${cookies}`].join('\r\n')}\r\n\r\n`, 'latin1'));
  for (let code = 0x21; code <= 0xff; code += 1) {
    const byte = String.fromCharCode(code);
    if (';='.includes(byte) || code === 0x7f) continue;
    const answers = await Promise.all(
      [`${byte}session=planted`, `session${byte}=planted`].map((planted) => ask(`${planted}; session=${mine}`)),
    );
    expect([code, ...answers.map((answer) => answer.slice(9, 12))]).toEqual([code, '200', '200']);
  }
});

test('two bearer tokens are a bad request', async () => {
  const bearer = `Authorization: Bearer ${world.auth.memberToken}`;
  const head = ['GET /api/v1/users/me HTTP/1.1', 'Host: gateway', 'Connection: close'];
  expect(await world.raw(`${[...head, bearer].join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /);
  expect(await world.raw(`${[...head, bearer, bearer].join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
});

test('a cookie that holds no token is no session, and is cleared', async () => {
  const { status, headers } = await send(uses['a query of a protected field']!, {
    cookie: 'session="quoted"',
    'x-csrf': '1',
  });
  expect(status).toBe(401);
  expect(headers.getSetCookie()).toEqual([expect.stringMatching(/^session=; Max-Age=0; /)]);
  expectNothingDone();
});

test('in production the cookie is Secure and bound to this host, on loopback too', async () => {
  const there = await startWorld({ env: { NODE_ENV: 'production', SHUTDOWN_DELAY: '0s', PUBLIC_URL: self } });
  try {
    const token = there.auth.createSession('user-mel');
    const query = graphql('{ me { id } }');
    const plain = await send(query, { cookie: `session=${token}`, 'x-csrf': '1' }, there);
    expect(plain.status).toBe(401);
    const prefixed = await send(query, { cookie: `__Host-session=${token}`, 'x-csrf': '1' }, there);
    expect(prefixed.status).toBe(200);
    const out = await send(uses['signing out']!, { cookie: `__Host-session=${token}`, 'x-csrf': '1' }, there);
    expect(out.status).toBe(204);
    expect(out.headers.getSetCookie()).toEqual([
      '__Host-session=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    ]);
  } finally {
    await there.close();
  }
});
