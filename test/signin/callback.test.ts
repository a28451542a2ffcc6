import { status as grpcStatus } from '@grpc/grpc-js';
import { until } from '../gateway-fixture';
import { signInAt } from '../upstreams/idp/browser';
import { startSignInWorld, type Answer, type Browser, type SignInWorld } from './sign-in-fixture';

let here: SignInWorld;
beforeAll(async () => {
  here = await startSignInWorld();
});
afterAll(() => here.close());
beforeEach(() => here.world.reset());
afterEach(() => {
  jest.restoreAllMocks();
});

const mel = 'mel.member@example.com';
const exchanges = (): number => here.world.auth.control.count('HandleSsoCallback');

/**
 * A browser that has signed in at the provider, and the callback that it is about to open.
 *
 * @param options.begunAgo - Ms since the login was opened.
 */
async function backFromProvider({ begunAgo = 0 } = {}): Promise<{ browser: Browser; callback: URL }> {
  const browser = here.open();
  const then = Date.now() - begunAgo;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => then);
  const url = await browser.begin({ returnTo: '/orders' });
  clock.mockRestore();
  return { browser, callback: await signInAt(url, mel) };
}

/** One sentence for every mismatch, and nobody is asked. */
function expectUnknown({ status, body }: Answer): void {
  expect(status).toBe(400);
  expect(body).toEqual({
    error: {
      code: 400,
      reason: 'BAD_USER_INPUT',
      message: 'This sign-in attempt is not known here or has expired. Start again.',
      requestId: expect.any(String),
    },
  });
}

describe('nothing is asked of AuthService where the answer', () => {
  const changed: [string, (answer: URLSearchParams) => void][] = [
    ['has another state', (answer) => answer.set('state', 'A'.repeat(43))],
    ['has no state', (answer) => answer.delete('state')],
    ['has a state twice', (answer) => answer.append('state', answer.get('state') ?? '')],
    ['has an empty state', (answer) => answer.set('state', '')],
    ['comes from another issuer', (answer) => answer.set('iss', 'https://evil.example')],
    ['does not say who it comes from, as this provider does', (answer) => answer.delete('iss')],
    ['has two issuers', (answer) => answer.append('iss', 'https://evil.example')],
    ['has no code', (answer) => answer.delete('code')],
    ['has an empty code', (answer) => answer.set('code', '')],
    ['has two codes', (answer) => answer.append('code', 'another')],
    [
      'is an error of another issuer',
      (answer) => {
        answer.set('error', 'access_denied');
        answer.set('iss', 'https://evil.example');
      },
    ],
  ];
  test.each(changed)('%s', async (_what, change) => {
    const { browser, callback } = await backFromProvider();
    change(callback.searchParams);
    expectUnknown(await browser.comeBack(callback));
    expect(exchanges()).toBe(0);
    expect(browser.cookies.has('session')).toBe(false);
  });

  test('comes back to a browser without the cookie of the attempt', async () => {
    const { browser, callback } = await backFromProvider();
    browser.cookies.clear();
    expectUnknown(await browser.comeBack(callback));
    expect(exchanges()).toBe(0);
  });

  test('comes back to another browser, which has attempts of its own', async () => {
    const { callback } = await backFromProvider();
    const other = await backFromProvider();
    expectUnknown(await other.browser.comeBack(callback));
    expect(exchanges()).toBe(0);
    // And is none the worse for it.
    expect(await other.browser.comeBack(other.callback)).toMatchObject({ status: 302 });
  });

  test("finds another attempt's content in the cookie of its own", async () => {
    const { browser, callback } = await backFromProvider();
    const [name = ''] = browser.attempts;
    await browser.begin();
    browser.cookies.set(name, browser.cookies.get(browser.attempts.at(-1) ?? '') ?? '');
    expectUnknown(await browser.comeBack(callback));
    expect(browser.cookies.has(name)).toBe(false);
    expect(exchanges()).toBe(0);
  });

  test.each([
    ['changed in one character', (value: string) => value.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))],
    ['cut', (value: string) => value.slice(0, -8)],
    ['made up', () => 'e30..e30.e30.e30'],
    ['empty', () => ''],
  ])('finds a cookie that is %s', async (_what, change) => {
    const { browser, callback } = await backFromProvider();
    const [name = ''] = browser.attempts;
    browser.cookies.set(name, change(browser.cookies.get(name) ?? ''));
    expectUnknown(await browser.comeBack(callback));
    expect(browser.attempts).toEqual([]);
    expect(exchanges()).toBe(0);
  });

  test('comes back to the callback of another provider', async () => {
    const { browser, callback } = await backFromProvider();
    callback.pathname = '/api/v1/auth/twin/callback';
    expectUnknown(await browser.comeBack(callback));
    expect(browser.attempts).toEqual([]);
    expect(exchanges()).toBe(0);
  });

  test('comes back after ten minutes', async () => {
    const { browser, callback } = await backFromProvider({ begunAgo: 600_000 });
    expectUnknown(await browser.comeBack(callback));
    expect(browser.attempts).toEqual([]);
    expect(exchanges()).toBe(0);
  });
});

test('an attempt that is nearly ten minutes old still counts', async () => {
  const { browser, callback } = await backFromProvider({ begunAgo: 590_000 });
  expect(await browser.comeBack(callback)).toMatchObject({ status: 302 });
});

test('a callback that is opened again is not known any more', async () => {
  const { browser, callback } = await backFromProvider();
  expect(await browser.comeBack(callback)).toMatchObject({ status: 302 });
  const session = browser.cookies.get('session');
  expectUnknown(await browser.comeBack(callback));
  expect(exchanges()).toBe(1);
  expect(browser.cookies.get('session')).toBe(session);
});

test('whoever kept the cookie of the attempt has a code that the provider does not take twice', async () => {
  const { browser, callback } = await backFromProvider();
  const kept = new Map(browser.cookies);
  await browser.comeBack(callback);
  const thief = here.open();
  for (const [name, value] of kept) thief.cookies.set(name, value);
  expect(await thief.comeBack(callback)).toMatchObject({ status: 401, body: { error: { reason: 'UNAUTHENTICATED' } } });
  expect(thief.cookies.size).toBe(0);
});

test('a code that was tampered with is refused by the provider', async () => {
  const { browser, callback } = await backFromProvider();
  callback.searchParams.set('code', 'made-up');
  const { status, headers, body } = await browser.comeBack(callback);
  expect(status).toBe(401);
  expect(headers.get('www-authenticate')).toBe('Bearer realm="api-gateway"');
  expect(body.error.message).toBe('The identity provider refused this sign-in. Start again.');
  expect(exchanges()).toBe(1);
  expect(browser.cookies.size).toBe(0);
});

describe('an error that the provider reports', () => {
  test.each([
    ['access_denied', 401, 'UNAUTHENTICATED', 'The sign-in was cancelled, or the identity provider refused it.'],
    ['login_required', 401, 'UNAUTHENTICATED', 'The sign-in was cancelled, or the identity provider refused it.'],
    [
      'temporarily_unavailable',
      503,
      'SERVICE_UNAVAILABLE',
      'The identity provider "dev" is not available right now. Try again shortly.',
    ],
    ['invalid_scope', 502, 'UPSTREAM_ERROR', 'The identity provider "dev" could not handle the request.'],
    ['<script>', 502, 'UPSTREAM_ERROR', 'The identity provider "dev" could not handle the request.'],
  ])('%s is %d, and ends the attempt', async (error, status, reason, message) => {
    const { browser, callback } = await backFromProvider();
    callback.searchParams.delete('code');
    callback.searchParams.set('error', error);
    callback.searchParams.set('error_description', 'told by <b>the provider</b>');
    const answer = await browser.comeBack(callback);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ reason, message });
    expect(browser.cookies.size).toBe(0);
    expect(exchanges()).toBe(0);
    expect(JSON.stringify([answer.body, here.world.logs])).not.toMatch(/script|told by/);
  });
});

describe('where AuthService fails', () => {
  test.each([
    ['UNAVAILABLE', 503, 'AUTH_UNAVAILABLE'],
    ['INTERNAL', 503, 'AUTH_UNAVAILABLE'],
    ['UNKNOWN', 503, 'AUTH_UNAVAILABLE'],
    ['DEADLINE_EXCEEDED', 503, 'AUTH_UNAVAILABLE'],
    ['UNIMPLEMENTED', 503, 'AUTH_UNAVAILABLE'],
    ['ABORTED', 503, 'AUTH_UNAVAILABLE'],
    ['RESOURCE_EXHAUSTED', 429, 'RATE_LIMITED'],
    ['FAILED_PRECONDITION', 400, 'BAD_USER_INPUT'],
    ['INVALID_ARGUMENT', 400, 'BAD_USER_INPUT'],
  ] as const)('with %s the answer is %d %s, and it is not asked again', async (code, status, reason) => {
    const { browser, callback } = await backFromProvider();
    here.world.auth.control.setFault({ method: 'HandleSsoCallback', code: grpcStatus[code], message: 'secret detail' });
    const answer = await browser.comeBack(callback);
    expect(answer.status).toBe(status);
    expect(answer.body.error.reason).toBe(reason);
    expect(answer.body.error.message).not.toContain('secret detail');
    expect(answer.headers.has('retry-after')).toBe(status === 503 || status === 429);
    expect(exchanges()).toBe(1);
    const line = await here.world.accessLine(answer);
    const failures = here.world.logs.filter(({ msg }) => msg === 'sign-in failed');
    expect(failures.filter(({ requestId }) => requestId === line['requestId'])).toHaveLength(status === 503 ? 1 : 0);
    expect(browser.cookies.size).toBe(0);
  });

  test('while it is down the answer is 503, the attempt is gone, and the next works once it is back', async () => {
    const { browser, callback } = await backFromProvider();
    await here.world.auth.close();
    const answer = await browser.comeBack(callback);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(answer.body.error).toMatchObject({
      reason: 'AUTH_UNAVAILABLE',
      message: 'Signing in is not possible right now. Try again shortly.',
    });
    expect(browser.cookies.size).toBe(0);
    await here.world.restartAuth();
    await until(
      () => here.open().signIn(mel),
      ({ status }) => status === 302,
    );
  });

  test('its answer with a session that fits into no header is 502, and sets no cookie', async () => {
    const { browser, callback } = await backFromProvider();
    const create = here.world.auth.state.sessions.create.bind(here.world.auth.state.sessions);
    jest
      .spyOn(here.world.auth.state.sessions, 'create')
      .mockImplementation((user, ttl) => ({ ...create(user, ttl), token: 'a\r\nset-cookie: b=c' }));
    expect(await browser.comeBack(callback)).toMatchObject({
      status: 502,
      body: { error: { reason: 'UPSTREAM_ERROR' } },
    });
    expect(browser.cookies.size).toBe(0);
  });
});

describe('a person reads a page', () => {
  const asPerson = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

  test('with what went wrong and the ways on', async () => {
    const { browser, callback } = await backFromProvider();
    callback.searchParams.set('code', 'made-up');
    const { status, headers, body } = await browser.comeBack(callback, asPerson);
    expect(status).toBe(401);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(body).toContain('The identity provider refused this sign-in. Start again.');
    expect(body).toContain('href="/api/v1/auth/dev/login?returnTo=%2Forders"');
    expect(body).toContain('href="/orders"');
    expect(body).toContain(headers.get('x-request-id'));
    expect(browser.attempts).toEqual([]);
  });

  test('in which nothing of the address is written', async () => {
    const answer = await here
      .open()
      .comeBack(
        new URL('/api/v1/auth/dev/callback?state=<script>&code=<script>&iss=<script>', here.world.url),
        asPerson,
      );
    expect(answer.status).toBe(400);
    expect(answer.body).not.toMatch(/script/i);
  });

  test('that leads to returnTo only, quoted, from a login that did not work', async () => {
    const there = await startSignInWorld({ env: { SSO_PROVIDERS: 'dev', SSO_DEV_ISSUER: 'http://127.0.0.1:9' } });
    const returnTo = `/"><img src=x>?a=1&lt;b`;
    const response = await there
      .open()
      .fetch(`/api/v1/auth/dev/login?${new URLSearchParams({ returnTo }).toString()}`, { headers: asPerson });
    const page = await response.text();
    await there.close();
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(page).not.toContain('<img');
    expect(page).toContain('<a href="/%22%3E%3Cimg%20src=x%3E?a=1&amp;lt;b">Go back</a>');
  });
});

test('no token, code, state, verifier, nonce or cookie is in a log line', async () => {
  const secrets = new Set<string>();
  const remember = (...values: (string | null | undefined)[]): void => {
    for (const value of values) if (value) secrets.add(value);
  };
  const walk = async (change: (callback: URL, browser: Browser) => unknown): Promise<void> => {
    const browser = here.open();
    const url = await browser.begin({ returnTo: '/private?of=mel' });
    remember(
      ...['state', 'nonce', 'code_challenge'].map((name) => url.searchParams.get(name)),
      ...browser.cookies.values(),
    );
    const callback = await signInAt(url, mel);
    remember(callback.searchParams.get('code'));
    await change(callback, browser);
    await browser.comeBack(callback);
    remember(...browser.cookies.values());
    await browser.graphql('{ me { id } }');
    await browser.rest('GET', '/api/v1/users/me');
    await browser.signOut();
    await browser.graphql('{ me { id } }');
    here.world.auth.control.clearFaults();
  };
  const { control } = here.world.auth;
  await walk(() => undefined);
  await walk((callback) => callback.searchParams.set('code', 'made-up-code'));
  await walk((callback) => callback.searchParams.set('iss', 'https://evil.example'));
  for (const method of ['HandleSsoCallback', 'ValidateSession', 'RevokeSession']) {
    await walk(() => control.setFault({ method, code: grpcStatus.UNAVAILABLE }));
    await walk(() => control.setFault({ method, code: grpcStatus.INTERNAL }));
  }
  for (const { request } of control.calls('HandleSsoCallback')) remember(request['codeVerifier'] as string);
  for (const { request } of control.calls('ValidateSession')) remember(request['sessionToken'] as string);
  expect(secrets.size).toBeGreaterThan(40);
  const log = JSON.stringify(here.world.logs);
  expect([...secrets].filter((secret) => log.includes(secret))).toEqual([]);
  expect(log).not.toMatch(/made-up-code|of=mel/);
  expect(here.world.logs.filter(({ msg }) => msg === 'request').length).toBeGreaterThan(40);
});
