import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { status as grpcStatus } from '@grpc/grpc-js';
import { signInAt } from '../upstreams/idp/browser';
import { startIdentityProvider } from '../upstreams/idp/provider';
import { takeProblems } from '../rest/openapi-audit';
import { startSignInWorld, type Browser, type SignInWorld } from './sign-in-fixture';

let here: SignInWorld;
beforeAll(async () => {
  here = await startSignInWorld();
});
afterAll(() => here.close());
beforeEach(() => here.world.reset());

const mel = 'mel.member@example.com';
const count = (rpc: string): number => here.world.auth.control.count(rpc);
const userOf = (id: string) => here.world.auth.state.directory.byId(id);
const s256 = (text: string): string => createHash('sha256').update(text).digest('base64url');
const authorizationUrl = (response: Response): URL => new URL(response.headers.get('location') ?? '');

describe('login', () => {
  const login = (browser: Browser = here.open()) => browser.fetch('/api/v1/auth/dev/login');

  test('sends the browser to the provider that discovery found, with state, nonce and PKCE', async () => {
    const response = await login();
    expect(response.status).toBe(302);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const url = authorizationUrl(response);
    expect(url.origin).toBe(here.idp.issuer);
    const secret = expect.stringMatching(/^[\w-]{43,}$/);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: here.idp.clientId,
      response_type: 'code',
      scope: 'openid email profile',
      redirect_uri: `${here.world.url}/api/v1/auth/dev/callback`,
      state: secret,
      nonce: secret,
      code_challenge: secret,
      code_challenge_method: 'S256',
    });
    expect(here.world.auth.control.calls('HandleSsoCallback')).toEqual([]);
  });

  test('every login has secrets of its own', async () => {
    const names = ['state', 'nonce', 'code_challenge'];
    const urls = [authorizationUrl(await login()), authorizationUrl(await login())];
    const secrets = urls.flatMap((url) => names.map((name) => url.searchParams.get(name)));
    expect(new Set(secrets).size).toBe(6);
  });

  test('keeps them in a sealed cookie of this host for ten minutes', async () => {
    const response = await login();
    const [cookie = '', ...others] = response.headers.getSetCookie();
    expect(others).toEqual([]);
    expect(cookie).toMatch(/^signin-[\w-]+=[\w.-]+; Max-Age=600; Path=\/; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$/);
    for (const value of authorizationUrl(response).searchParams.values()) expect(cookie).not.toContain(value);
  });

  test('takes the redirect URI from PUBLIC_URL, whatever the headers say', async () => {
    const answer = await here.world.raw(
      [
        'GET /api/v1/auth/dev/login HTTP/1.1',
        'Host: evil.example',
        'X-Forwarded-Host: evil.example',
        'X-Forwarded-Proto: https',
        'Forwarded: host=evil.example;proto=https',
        'Connection: close',
        '\r\n',
      ].join('\r\n'),
    );
    const url = new URL(/^location: (.*)$/im.exec(answer)?.[1]?.trim() ?? '');
    expect(url.searchParams.get('redirect_uri')).toBe(`${here.world.url}/api/v1/auth/dev/callback`);
    expect(answer).not.toContain('evil');
  });

  test.each(['login', 'callback?code=a&state=b'])('of a provider that there is not is 404: %s', async (path) => {
    const browser = here.open();
    const { status, body } = await browser.rest('GET', `/api/v1/auth/nobody/${path}`);
    expect(status).toBe(404);
    expect(body).toEqual({
      error: {
        code: 404,
        reason: 'NOT_FOUND',
        message: 'There is no such identity provider.',
        requestId: expect.any(String),
      },
    });
    const page = await browser.fetch(`/api/v1/auth/nobody/${path}`, { headers: { accept: 'text/html' } });
    expect(page.status).toBe(404);
    expect(await page.text()).not.toContain('Try again');
    expect(browser.cookies.size).toBe(0);
  });

  test.each(['login', 'callback'])('HEAD is refused, since looking at a link must not use it up: %s', async (path) => {
    const response = await here.open().fetch(`/api/v1/auth/dev/${path}`, { method: 'HEAD' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, OPTIONS');
    expect(response.headers.getSetCookie()).toEqual([]);
    const options = await here.open().fetch(`/api/v1/auth/dev/${path}`, { method: 'OPTIONS' });
    expect(options.headers.get('allow')).toBe('GET, OPTIONS');
  });
});

describe('signing in', () => {
  test('ends with a session that answers on both doors', async () => {
    const browser = here.open();
    const { status, headers } = await browser.signIn(mel);
    expect(status).toBe(302);
    expect(headers.get('location')).toBe('/');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    const [attempt, session, ...others] = headers.getSetCookie();
    expect(attempt).toMatch(/^signin-[\w-]+=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 .*HttpOnly; SameSite=Lax$/);
    expect(session).toMatch(
      /^session=[\w-]{43}; Max-Age=(28800|28799); Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
    );
    expect(others).toEqual([]);
    expect([...browser.cookies.keys()]).toEqual(['session']);

    const me = await browser.rest('GET', '/api/v1/users/me', { 'x-csrf': '1' });
    expect(me).toMatchObject({ status: 200, body: { userId: 'user-mel', email: mel, status: 'Active' } });
    const { body } = await browser.graphql('{ me { id email } }');
    expect(body).toEqual({ data: { me: { id: 'user-mel', email: mel } } });
  });

  test('AuthService gets the code once, with the verifier, the nonce and the redirect URI that it belongs to', async () => {
    const browser = here.open();
    const url = await browser.begin();
    const callback = await signInAt(url, mel);
    await browser.comeBack(callback);
    const [call, ...others] = here.world.auth.control.calls('HandleSsoCallback');
    expect(others).toEqual([]);
    expect(call?.request).toEqual({
      provider: 'dev',
      code: callback.searchParams.get('code'),
      codeVerifier: expect.stringMatching(/^[\w-]{43}$/),
      redirectUri: url.searchParams.get('redirect_uri'),
      nonce: url.searchParams.get('nonce'),
    });
    expect(s256(call?.request['codeVerifier'] as string)).toBe(url.searchParams.get('code_challenge'));
  });

  test.each([
    ['nonce', 'another-nonce'],
    ['code_challenge', s256('another verifier, of at least forty-three characters')],
  ])('does not work where the provider was asked with another %s', async (name, value) => {
    const browser = here.open();
    const url = await browser.begin();
    url.searchParams.set(name, value);
    const { status, body } = await browser.comeBack(await signInAt(url, mel));
    expect(status).toBe(401);
    expect(body.error).toMatchObject({
      reason: 'UNAUTHENTICATED',
      message: 'The identity provider refused this sign-in. Start again.',
    });
    expect(count('HandleSsoCallback')).toBe(1);
    expect(browser.cookies.size).toBe(0);
  });

  test('the code of one attempt is no good for another of the same browser', async () => {
    const browser = here.open();
    const [first, second] = [await browser.begin(), await browser.begin()];
    const callback = await signInAt(first, mel);
    callback.searchParams.set('state', second.searchParams.get('state') ?? '');
    expect(await browser.comeBack(callback)).toMatchObject({ status: 401 });
    expect(browser.cookies.has('session')).toBe(false);
  });

  test('two tabs sign in side by side, whichever comes back first', async () => {
    const browser = here.open();
    const ada = await browser.begin({ returnTo: '/ada' });
    const max = await browser.begin({ returnTo: '/max', provider: 'twin' });
    expect(browser.attempts).toHaveLength(2);
    const second = await browser.comeBack(await signInAt(max, 'max.member@example.com'));
    expect(second.headers.get('location')).toBe('/max');
    expect((await browser.graphql('{ me { id } }')).body.data).toEqual({ me: { id: 'user-max' } });
    expect(browser.attempts).toHaveLength(1);
    const first = await browser.comeBack(await signInAt(ada, 'ada.admin@example.com'));
    expect(first.headers.get('location')).toBe('/ada');
    expect((await browser.graphql('{ me { id } }')).body.data).toEqual({ me: { id: 'user-ada' } });
    expect(browser.attempts).toEqual([]);
  });

  test('of six attempts the oldest is gone, and the others work', async () => {
    const browser = here.open();
    // Even if all of them begin within one ms.
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now);
    const oldest = await browser.begin();
    const second = await browser.begin();
    for (let attempt = 3; attempt <= 6; attempt += 1) await browser.begin();
    clock.mockRestore();
    expect(browser.attempts).toHaveLength(5);
    expect(await browser.comeBack(await signInAt(oldest, mel))).toMatchObject({ status: 400 });
    expect(count('HandleSsoCallback')).toBe(0);
    expect(await browser.comeBack(await signInAt(second, mel))).toMatchObject({ status: 302 });
  });

  test('attempts with long ways back do not outgrow the headers of a request', async () => {
    const browser = here.open();
    const returnTo = `/${'a'.repeat(2000)}`;
    for (let attempt = 1; attempt <= 5; attempt += 1) await browser.begin({ returnTo });
    expect([...browser.cookies].join().length).toBeLessThan(8192);
    expect(await browser.signIn(mel, { returnTo })).toMatchObject({ status: 302 });
  });

  test.each([
    ['many of one name', 'signin-=;'.repeat(1_700)],
    [
      'many of many names',
      Array.from({ length: 400 }, (_, index) => `signin-${`${index}`.padEnd(16, '-')}=x`).join(';'),
    ],
    ['a byte that no cookie name has', 'signin-\xe9=x'],
    ['a space in the name', 'signin-a b=x'],
    ['a tab in the name', 'signin-a\tb=x; signin-1234567890abcde\t=x'],
  ])('cookies that somebody else made do no harm: %s', async (_what, cookie) => {
    const { status, headers } = await fetch(`${here.world.url}/api/v1/auth/dev/login`, {
      headers: { cookie },
      redirect: 'manual',
    });
    expect(status).toBe(302);
    expect(headers.getSetCookie().length).toBeLessThanOrEqual(21);
  });
});

describe('returnTo', () => {
  test.each([
    ['/orders/7?tab=lines&q=a%2Fb#top', '/orders/7?tab=lines&q=a%2Fb#top'],
    ['/a/../search?q=two words', '/search?q=two%20words'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/.//evil.example', '/'],
    ['https://evil.example/', '/'],
    ['javascript:alert(1)', '/'],
    ['/\r\nset-cookie: a=b', '/'],
    ['', '/'],
  ])('%j leads to %j', async (returnTo, location) => {
    const { status, headers } = await here.open().signIn(mel, { returnTo });
    expect(status).toBe(302);
    expect(headers.get('location')).toBe(location);
  });

  test('may be a place of an allowed origin, and without one sign-in leads to POST_LOGIN_URL', async () => {
    const app = 'https://app.example';
    const there = await startSignInWorld({ env: { ALLOWED_ORIGINS: app, POST_LOGIN_URL: '/home' } });
    const place = `${app}/orders/7?tab=lines&q=a%2Fb#top`;
    const leadsTo = async (returnTo?: string) =>
      (await there.open().signIn(mel, returnTo === undefined ? {} : { returnTo })).headers.get('location');
    try {
      expect(await leadsTo(place)).toBe(place);
      expect(await leadsTo(`${there.world.url}/orders?a=b#c`)).toBe(`${there.world.url}/orders?a=b#c`);
      expect(await leadsTo('/orders')).toBe('/orders');
      expect(await leadsTo(`${app}@evil.example/`)).toBe('/home');
      expect(await leadsTo('https://evil.example/')).toBe('/home');
      expect(await leadsTo()).toBe('/home');
      const refused = await there
        .open()
        .fetch('/api/v1/auth/dev/callback?code=a', { headers: { accept: 'text/html' } });
      expect(await refused.text()).toContain('<a href="/home">Go back</a>');
    } finally {
      await there.close();
    }
  });

  test('more than one leads to /', async () => {
    const browser = here.open();
    const response = await browser.fetch('/api/v1/auth/dev/login?returnTo=/a&returnTo=/b');
    // The document has it once.
    expect(takeProblems()).toHaveLength(1);
    const { headers } = await browser.comeBack(await signInAt(authorizationUrl(response), mel));
    expect(headers.get('location')).toBe('/');
  });

  test('one that the callback brings does not count', async () => {
    const browser = here.open();
    const callback = await signInAt(await browser.begin({ returnTo: '/orders' }), mel);
    callback.searchParams.set('returnTo', '/elsewhere');
    const { headers } = await browser.comeBack(callback);
    expect(headers.get('location')).toBe('/orders');
  });
});

describe('who may sign in', () => {
  test.each([
    ['an inactive user', 'ina.inactive@example.com'],
    ['somebody whom AuthService does not know', 'sam.stranger@example.com'],
  ])('not %s: 403, and no session', async (_who, email) => {
    const browser = here.open();
    const { status, body } = await browser.signIn(email);
    expect(status).toBe(403);
    expect(body.error).toMatchObject({ reason: 'FORBIDDEN', message: 'This account may not sign in here.' });
    expect(browser.cookies.size).toBe(0);
    expect(count('HandleSsoCallback')).toBe(1);
  });

  test('who was invited is active from then on', async () => {
    expect(userOf('user-ivy')?.status).toBe('USER_STATUS_INVITED');
    const browser = here.open();
    expect(await browser.signIn('ivy.invited@example.com')).toMatchObject({ status: 302 });
    const { body } = await browser.graphql('{ me { status lastLoginAt } }');
    expect(body.data.me).toEqual({ status: 'ACTIVE', lastLoginAt: expect.any(String) });
  });
});

describe('a browser that is signed in already', () => {
  test('gets a fresh session, and its previous one is revoked', async () => {
    const browser = here.open();
    await browser.signIn(mel);
    const previous = browser.cookies.get('session') ?? '';
    expect((await browser.graphql('{ me { id } }')).status).toBe(200);
    await browser.signIn('ada.admin@example.com');
    expect(here.world.auth.control.calls('RevokeSession').map(({ request }) => request)).toEqual([
      { sessionToken: previous },
    ]);
    expect(here.world.auth.state.sessions.find(previous)).toBeUndefined();
    expect((await here.world.graphql('{ me { id } }', { token: previous })).status).toBe(401);
    expect((await browser.graphql('{ me { id } }')).body.data).toEqual({ me: { id: 'user-ada' } });
  });

  test('is signed in anew even where the previous session cannot be revoked', async () => {
    const browser = here.open();
    await browser.signIn(mel);
    here.world.auth.control.setFault({ method: 'RevokeSession', code: grpcStatus.UNAVAILABLE });
    expect(await browser.signIn('ada.admin@example.com')).toMatchObject({ status: 302 });
    expect((await browser.graphql('{ me { id } }')).body.data).toEqual({ me: { id: 'user-ada' } });
    expect(here.world.logs).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: 'the previous session of a browser was not revoked' }),
    );
  });

  test('keeps its session where the sign-in fails', async () => {
    const browser = here.open();
    await browser.signIn(mel);
    expect(await browser.signIn('ina.inactive@example.com')).toMatchObject({ status: 403 });
    expect((await browser.graphql('{ me { id } }')).body.data).toEqual({ me: { id: 'user-mel' } });
    expect(count('RevokeSession')).toBe(0);
  });
});

test('a provider that is down is 503, and is found again once it is back', async () => {
  const { port, issuer, close } = await startIdentityProvider();
  await close();
  const there = await startSignInWorld({
    env: { SSO_PROVIDERS: 'late', SSO_LATE_ISSUER: issuer, SSO_LATE_CLIENT_ID: 'api-gateway' },
  });
  try {
    const { status, headers, body } = await there.open().rest('GET', '/api/v1/auth/late/login');
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect(body.error).toMatchObject({
      reason: 'SERVICE_UNAVAILABLE',
      message: 'The identity provider "late" cannot be reached. Try again shortly.',
    });
    expect(headers.getSetCookie()).toEqual([]);
    const late = await startIdentityProvider({ port });
    expect((await there.open().begin({ provider: 'late' })).origin).toBe(issuer);
    await late.close();
  } finally {
    await there.close();
  }
});

test('a provider whose metadata do not end is 503, and is read no further', async () => {
  let sent = 0;
  const issuer = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const send = (): void => {
      while (!response.destroyed && sent < 200 * 1024 * 1024) {
        sent += 64 * 1024;
        if (!response.write(' '.repeat(64 * 1024))) break;
      }
    };
    response.on('drain', send);
    send();
  }).listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  const { port } = issuer.address() as AddressInfo;
  const there = await startSignInWorld({
    env: { SSO_PROVIDERS: 'large', SSO_LARGE_ISSUER: `http://127.0.0.1:${port}`, SSO_LARGE_CLIENT_ID: 'api-gateway' },
  });
  try {
    const { status, body } = await there.open().rest('GET', '/api/v1/auth/large/login');
    expect([status, body.error.reason]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    // What the buffers of the sockets take comes on top of the 256 KB.
    expect(sent).toBeLessThan(26 * 1024 * 1024);
  } finally {
    await there.close();
    issuer.closeAllConnections();
    issuer.close();
  }
});

test('behind TLS, cookies are Secure and only for this host, and the redirect URI is the public one', async () => {
  const there = await startSignInWorld({ publicUrl: 'https://gateway.example' });
  try {
    const browser = there.open();
    const url = await browser.begin();
    expect(url.searchParams.get('redirect_uri')).toBe('https://gateway.example/api/v1/auth/dev/callback');
    expect(browser.attempts).toEqual([expect.stringMatching(/^__Host-signin-/)]);
    const { status, headers } = await browser.comeBack(await signInAt(url, mel));
    expect(status).toBe(302);
    const cookies = headers.getSetCookie();
    expect(cookies.map((cookie) => cookie.split('=')[0])).toEqual([
      expect.stringMatching(/^__Host-signin-/),
      '__Host-session',
    ]);
    for (const cookie of cookies) expect(cookie).toMatch(/; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/);
    expect((await browser.graphql('{ me { id } }')).body.data).toEqual({ me: { id: 'user-mel' } });
  } finally {
    await there.close();
  }
});

describe('sign-ins of one address', () => {
  let limited: SignInWorld;
  beforeAll(async () => {
    limited = await startSignInWorld({ env: { LOGIN_RATE_LIMIT: '3', CALLBACK_RATE_LIMIT: '2' } });
  });
  afterAll(() => limited.close());

  test('begin so often in a minute, and the answers say how often', async () => {
    const login = () => limited.open().fetch('/api/v1/auth/dev/login');
    for (const left of [2, 1, 0]) {
      const response = await login();
      expect(response.status).toBe(302);
      expect(response.headers.get('ratelimit-policy')).toBe('"login";q=3;w=60');
      expect(response.headers.get('ratelimit')).toMatch(new RegExp(`^"login";r=${left};t=\\d+$`));
    }
    const refused = await login();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.getSetCookie()).toEqual([]);
    expect(await refused.json()).toMatchObject({
      error: { reason: 'RATE_LIMITED', message: expect.stringContaining('4 within 60 s, and 3 are allowed') },
    });
    expect(await limited.world.accessLine(refused)).toMatchObject({ limit: 'login' });
    // Whatever provider it names, and whatever it says of itself.
    const forged = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' };
    const other = await fetch(`${limited.world.url}/api/v1/auth/twin/login`, { headers: forged, redirect: 'manual' });
    expect(other.status).toBe(429);
  });

  test('come back so often, and people read a page', async () => {
    const callback = () => limited.open().fetch('/api/v1/auth/dev/callback?code=a&state=b');
    for (const _ of [1, 2]) expect((await callback()).status).toBe(400);
    const refused = await fetch(`${limited.world.url}/api/v1/auth/dev/callback?code=a&state=b`, {
      headers: { accept: 'text/html' },
    });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('content-type')).toContain('text/html');
    expect(refused.headers.get('ratelimit')).toMatch(/^"callback";r=0;t=\d+$/);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(limited.world.auth.control.count('HandleSsoCallback')).toBe(0);
    const line = { code: 'RATE_LIMITED', limit: 'callback', address: '127.0.0.1' };
    expect(await limited.world.accessLine(refused)).toMatchObject(line);
  });
});
