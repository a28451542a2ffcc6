/** Secrets that are known to the test, sent through every door, and looked for in all that the gateway leaves behind. */
import { randomBytes } from 'node:crypto';
import { status as grpc } from '@grpc/grpc-js';
import { until } from '../gateway-fixture';
import { startSignInWorld, type Browser, type SignInWorld } from '../signin/sign-in-fixture';
import { signInAt } from '../upstreams/idp/browser';
import { startCollector, type Collector } from './otlp-collector';

let collector: Collector;
let signIn: SignInWorld;
beforeAll(async () => {
  collector = await startCollector();
  signIn = await startSignInWorld({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, SESSION_CACHE_TTL: '0s', REQUEST_TIMEOUT: '2s' },
  });
});
afterAll(async () => {
  await signIn.close();
  await collector.close();
});

/** Secrets by value, with what each is. */
const secrets = new Map<string, string>();

function secret(what: string): string {
  const value = `s3cr3t-${randomBytes(9).toString('base64url')}`;
  secrets.set(value, what);
  return value;
}

/** What whoever sent it may read back in the answer, and nobody else: what is wrong with a value, a link to go back to. */
const told = new Set<string>();

function own(what: string): string {
  const value = secret(what);
  told.add(value);
  return value;
}

function keep(what: string, value: string | null | undefined): void {
  if (value && value.length > 8) secrets.set(value, what);
}

/** Bodies of answers that are errors, or should be. */
const errors: string[] = [];

async function send(path: string, init: RequestInit & { readonly browser?: Browser } = {}): Promise<number> {
  const { browser, ...rest } = init;
  const response = await (browser ? browser.fetch(path, rest) : fetch(new URL(path, signIn.world.url), rest));
  const text = await response.text();
  if (response.status >= 400 || text.includes('"errors"')) errors.push(text);
  return response.status;
}

const json = { 'content-type': 'application/json' };
const bearer = (token: string): Record<string, string> => ({ ...json, authorization: `Bearer ${token}` });
const graphql = (query: string, variables: unknown, headers: Record<string, string>): RequestInit => ({
  method: 'POST',
  headers,
  body: JSON.stringify({ query, variables }),
});

/** From the login to the callback's address, with all that is secret in between. */
async function callbackFor(browser: Browser): Promise<URL> {
  const returnTo = `/somewhere?private=${own('the query of returnTo')}`;
  const login = await browser.begin({ returnTo });
  const callback = await signInAt(login, 'ada.admin@example.com');
  for (const { searchParams } of [login, callback]) {
    for (const name of ['state', 'nonce', 'code', 'code_challenge']) keep(name, searchParams.get(name));
  }
  keepCookies(browser);
  return callback;
}

function keepCookies({ cookies }: Browser): void {
  for (const [name, value] of cookies) keep(`the cookie ${name}`, value);
}

async function signInAndFail(): Promise<Browser> {
  const { world } = signIn;
  const browser = signIn.open();
  const callback = await callbackFor(browser);
  expect((await browser.comeBack(callback)).status).toBe(302);
  keepCookies(browser);
  // The same again, a state that nobody has, an issuer that is another, refusals of the provider and of AuthService.
  const path = '/api/v1/auth/dev/callback';
  await send(callback.pathname + callback.search, { browser });
  await send(`${path}?code=${secret('a made-up code')}&state=${secret('a made-up state')}`, { browser });
  for (const [name, value] of [
    ['iss', `https://${secret('another issuer')}.example`],
    ['error', secret('an error of the provider')],
    ['code', secret('a second code')],
  ] as const) {
    const changed = await callbackFor(browser);
    changed.searchParams.append(name, value);
    await send(changed.pathname + changed.search, { browser });
  }
  for (const code of [grpc.UNAVAILABLE, grpc.INTERNAL, grpc.UNAUTHENTICATED, grpc.DEADLINE_EXCEEDED]) {
    world.auth.control.setFault({ method: 'HandleSsoCallback', code, message: 'what AuthService said' });
    for (const accept of ['text/html', 'application/json']) {
      const failing = await callbackFor(browser);
      await send(failing.pathname + failing.search, { browser, headers: { accept } });
    }
  }
  world.auth.control.clearFaults();
  for (const { request } of world.auth.control.calls('HandleSsoCallback')) {
    keep('verifier', String(request['codeVerifier'] ?? request['code_verifier']));
  }
  return browser;
}

const users = 'query ($search: String, $first: Int) { users(search: $search, first: $first) { totalCount } }';

/** Requests that succeed, that are refused, and that fail. */
async function ask(browser: Browser): Promise<void> {
  const { world } = signIn;
  const { adminToken, memberToken } = world.auth;
  keep('bearer', adminToken);
  keep('bearer', memberToken);
  const admin = bearer(adminToken);
  const odd = {
    'user-agent': secret('the user agent'),
    referer: `https://a.example/?${secret('the referer')}`,
    cookie: `other=${secret('another cookie')}`,
  };
  expect(await send('/graphql', graphql(users, { search: secret('a variable') }, { ...admin, ...odd }))).toBe(200);
  expect(await send(`/api/v1/users/me?x=${secret('a query string')}`, { headers: admin })).toBe(200);
  expect(await send('/graphql', { browser, ...graphql(users, {}, { ...json, 'x-csrf': '1' }) })).toBe(200);
  expect(
    await send('/api/ai', { method: 'POST', headers: admin, body: JSON.stringify({ query: secret('a question') }) }),
  ).toBe(200);

  // Refused.
  const wrong = (variables: unknown) => send('/graphql', graphql(users, variables, admin));
  const refused = [
    send(
      '/graphql',
      graphql(users, { search: secret('a variable of a stranger') }, bearer(secret('a made-up bearer'))),
    ),
    send('/graphql', graphql(users, { search: secret('a variable without a permission') }, bearer(memberToken))),
    send('/graphql', { browser, ...graphql(users, { search: secret('a variable from elsewhere') }, json) }),
    send('/graphql', { browser, ...graphql(users, {}, { ...admin, 'x-csrf': '1' }) }),
    send('/graphql', graphql(`{ users(search: "${secret('a literal')}") { nothing } }`, {}, admin)),
    send('/graphql', { method: 'POST', headers: admin, body: `{"query": "${secret('broken JSON')}` }),
    send('/graphql', { method: 'POST', headers: { ...admin, 'content-type': secret('a type') }, body: 'x' }),
    send(`/graphql?query=${encodeURIComponent('mutation { logout }')}&x=${secret('a query string')}`, {
      headers: admin,
    }),
    send(`/${secret('a path')}?y=${secret('a query string')}`, { headers: admin }),
    send('/api/ai', {
      method: 'POST',
      headers: admin,
      body: JSON.stringify({ query: 5, sessionId: secret('a field') }),
    }),
    send('/api/ai', { method: 'DELETE', headers: { ...admin, 'x-request-timeout-ms': '5' } }),
    send('/api/v1/users/me', { headers: { ...admin, 'x-request-timeout-ms': secret('a deadline') } }),
    wrong({ first: own('a wrong value') }),
    wrong({ first: { deep: [own('a wrong value, deep')] } }),
    wrong({ search: { [own('the name of a wrong field')]: 1 } }),
    wrong([secret('variables that are a list')]),
  ];
  for (const status of await Promise.all(refused)) expect(status).toBeGreaterThanOrEqual(400);
  await world.raw(`GET /?${secret('a query string that cannot be read')} HTTP/1.1\r\nBad Header: x\r\n\r\n`);
  await world.raw(`${secret('what is no HTTP')}\r\n\r\n`);

  // Failing.
  for (const code of [grpc.UNAVAILABLE, grpc.INTERNAL, grpc.DEADLINE_EXCEEDED, grpc.PERMISSION_DENIED]) {
    for (const control of [world.auth.control, world.ai.control]) {
      control.setFault({ method: '*', code, message: 'what an upstream said' });
    }
    await send('/graphql', graphql(users, { search: secret('a variable of what fails') }, admin));
    await send('/api/ai', {
      method: 'POST',
      headers: admin,
      body: JSON.stringify({ query: secret('a failing question') }),
    });
    await send('/api/v1/auth/logout', { method: 'POST', browser, headers: { 'x-csrf': '1' } });
    world.reset();
  }
  world.ai.control.setFault({ method: '*', hang: true });
  await send('/graphql', graphql('{ conversations { nodes { id } } }', {}, { ...admin, 'grpc-timeout': '100m' }));
  world.reset();
  const stream = world.askStream(secret('the question of a stream'));
  for await (const event of stream) if (JSON.stringify(event).includes('"errors"')) errors.push(JSON.stringify(event));
  expect(await send('/api/v1/auth/logout', { method: 'POST', browser, headers: { 'x-csrf': '1' } })).toBeLessThan(500);
}

test('no secret is in a log line, a metric, a span or the body of an error', async () => {
  const { world } = signIn;
  await ask(await signInAndFail());
  await until(
    () => world.metric('http_requests_in_flight'),
    (count) => count === 0,
  );
  await world.gateway.flush();
  const places = {
    log: world.lines.join('\n'),
    metrics: await world.metrics(),
    spans: collector.text(),
    errors: errors.join('\n'),
  };
  // What is looked through is there, and so is what is looked for.
  expect(places.log).toContain('"userId":"user-ada"');
  expect(places.metrics).toContain('http_requests_total{method="GET",path="/api/v1/auth/{provider}/callback"');
  expect(collector.spans.length).toBeGreaterThan(100);
  expect(errors.length).toBeGreaterThan(35);
  const kinds = new Set(secrets.values());
  for (const kind of [
    'bearer',
    'code',
    'state',
    'nonce',
    'verifier',
    'a variable',
    'a query string',
    'a wrong value',
  ]) {
    expect(kinds).toContain(kind);
  }
  expect([...kinds].filter((kind) => kind.startsWith('the cookie')).length).toBeGreaterThan(1);

  const found: string[] = [];
  for (const [place, text] of Object.entries(places)) {
    for (const [value, what] of secrets) {
      if (place === 'errors' && told.has(value)) continue;
      const written = [value, encodeURIComponent(value), Buffer.from(value).toString('base64')];
      if (written.some((each) => text.includes(each))) found.push(`${what} is in ${place}`);
    }
  }
  expect([...new Set(found)]).toEqual([]);
});
