import { signInAt } from '../upstreams/idp/browser';
import { startSignInWorld, type Browser, type SignInWorld } from './sign-in-fixture';

const ada = 'ada.admin@example.com';
const mel = 'mel.member@example.com';

/** Two providers, each with its own issuer, keys and client id. */
let here: SignInWorld;
beforeAll(async () => {
  here = await startSignInWorld({ twoProviders: true, env: { AUTH_SERVICE_DEADLINE: '2s' } });
});
afterAll(() => here.close());
beforeEach(() => here.world.reset());

const count = (rpc: string): number => here.world.auth.control.count(rpc);
const whoIs = async (browser: Browser): Promise<string | undefined> =>
  (await browser.graphql('{ me { id } }')).body.data?.me?.id;

describe('two providers side by side', () => {
  test('each is asked with its own client id, and sends back to its own callback', async () => {
    const browser = here.open();
    for (const [name, provider] of [
      ['dev', here.idp],
      ['twin', here.twin],
    ] as const) {
      const url = await browser.begin({ provider: name });
      expect(url.origin).toBe(provider.issuer);
      expect(url.searchParams.get('client_id')).toBe(provider.clientId);
      const callback = await signInAt(url, mel);
      expect(callback.pathname).toBe(`/api/v1/auth/${name}/callback`);
      expect(callback.searchParams.get('iss')).toBe(provider.issuer);
      expect((await browser.comeBack(callback)).status).toBe(302);
    }
    expect(here.world.auth.control.calls('HandleSsoCallback').map(({ request }) => request['provider'])).toEqual([
      'dev',
      'twin',
    ]);
  });

  test.each([
    ['in the order they began', [0, 1]],
    ['the other way round', [1, 0]],
  ])('attempts in two tabs do not disturb each other: %s', async (_order, order) => {
    const browser = here.open();
    const tabs = [
      { url: await browser.begin({ provider: 'dev', returnTo: '/ada' }), email: ada, id: 'user-ada', to: '/ada' },
      { url: await browser.begin({ provider: 'twin', returnTo: '/mel' }), email: mel, id: 'user-mel', to: '/mel' },
    ];
    const callbacks = await Promise.all(tabs.map(({ url, email }) => signInAt(url, email)));
    for (const index of order) {
      const { headers } = await browser.comeBack(callbacks[index]!);
      expect(headers.get('location')).toBe(tabs[index]!.to);
      expect(await whoIs(browser)).toBe(tabs[index]!.id);
    }
    expect(browser.attempts).toEqual([]);
    // The session of the first tab is over with the second.
    expect(count('RevokeSession')).toBe(1);
  });

  test('the answer of one is no answer to an attempt at the other (mix-up)', async () => {
    const mixUps: [string, (dev: URL, twin: URL) => URL][] = [
      ['as it came, at the other callback', (dev, twin) => new URL(dev.pathname + twin.search, dev)],
      [
        'with the state of the other attempt',
        (dev, twin) => withParameters(twin, { state: dev.searchParams.get('state') ?? '' }),
      ],
      [
        'with state and path of the other attempt',
        (dev, twin) =>
          withParameters(dev, { iss: twin.searchParams.get('iss') ?? '', code: twin.searchParams.get('code') ?? '' }),
      ],
    ];
    for (const [how, mix] of mixUps) {
      const browser = here.open();
      const dev = await signInAt(await browser.begin({ provider: 'dev' }), mel);
      const twin = await signInAt(await browser.begin({ provider: 'twin' }), mel);
      const answer = await browser.comeBack(mix(dev, twin));
      expect([how, answer.status, browser.cookies.has('session')]).toEqual([how, 400, false]);
    }
    expect(count('HandleSsoCallback')).toBe(0);
  });

  test('the code of one, passed off as one of the other, is refused by the other', async () => {
    const browser = here.open();
    const dev = await signInAt(await browser.begin({ provider: 'dev' }), mel);
    const twin = await signInAt(await browser.begin({ provider: 'twin' }), mel);
    const answer = await browser.comeBack(withParameters(dev, { code: twin.searchParams.get('code') ?? '' }));
    expect([answer.status, browser.cookies.has('session'), count('HandleSsoCallback')]).toEqual([401, false, 1]);
  });
});

function withParameters(url: URL, parameters: Readonly<Record<string, string>>): URL {
  const changed = new URL(url);
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value);
  return changed;
}

describe('a session cookie that was there before', () => {
  const begin = async (preset: string | undefined) => {
    const browser = here.open();
    if (preset !== undefined) browser.cookies.set('session', preset);
    return { browser, callback: await signInAt(await browser.begin(), mel) };
  };

  test.each([
    ['that nobody knows', () => 'planted'],
    ['of somebody else', () => here.world.auth.createSession('user-ada')],
    ['that is no token', () => '"planted"'],
  ])('is never adopted: %s', async (_what, preset) => {
    const planted = preset();
    const { browser, callback } = await begin(planted);
    const { status } = await browser.comeBack(callback);
    expect([status, await whoIs(browser)]).toEqual([302, 'user-mel']);
    expect(browser.cookies.get('session')).not.toBe(planted);
    // Whoever planted it has nothing: not even the session that they planted, if it was one.
    expect((await here.world.graphql('{ me { id } }', { token: planted })).status).toBe(401);
  });

  test('is not adopted where it comes twice either', async () => {
    const { browser, callback } = await begin(undefined);
    const [attempt = ''] = browser.attempts;
    const answer = await here.world.raw(
      [
        `GET ${callback.pathname}${callback.search} HTTP/1.1`,
        'Host: gateway',
        `Cookie: session=planted; ${attempt}=${browser.cookies.get(attempt) ?? ''}; session=planted-too`,
        'Connection: close\r\n\r\n',
      ].join('\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1.1 302 /);
    expect(answer).toMatch(/^set-cookie: session=(?!planted)[\w-]{43};/im);
    expect(count('RevokeSession')).toBe(0);
  });

  test('is kept where the sign-in fails', async () => {
    const mine = here.world.auth.createSession('user-ada');
    const { browser, callback } = await begin(mine);
    await browser.comeBack(withParameters(callback, { code: 'made-up' }));
    expect([browser.cookies.get('session'), await whoIs(browser)]).toEqual([mine, 'user-ada']);
  });
});

test('hostile Host and forwarding headers change nothing, at the login and at the callback', async () => {
  const hostile = [
    'Host: evil.example',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 444',
    'X-Forwarded-Prefix: /evil',
    'X-Forwarded-Server: evil.example',
    'X-Original-URL: https://evil.example/',
    'X-Rewrite-URL: //evil.example/',
    'X-Host: evil.example',
    'Forwarded: host=evil.example;proto=https',
    'Referer: https://evil.example/',
  ];
  const get = async (target: string, cookies: string): Promise<string> =>
    here.world.raw(
      [`GET ${target} HTTP/1.1`, ...hostile, `Cookie: ${cookies}`, 'Connection: close\r\n\r\n'].join('\r\n'),
    );
  const locationOf = (answer: string): string => /^location: (.*)$/im.exec(answer)?.[1]?.trim() ?? '';

  const login = await get('/api/v1/auth/dev/login?returnTo=/orders', 'a=b');
  const url = new URL(locationOf(login));
  expect(url.searchParams.get('redirect_uri')).toBe(`${here.world.url}/api/v1/auth/dev/callback`);
  const [, attempt = ''] = /^set-cookie: ([^;]+);/im.exec(login) ?? [];
  const callback = await signInAt(url, mel);
  const answer = await get(callback.pathname + callback.search, attempt);
  expect(locationOf(answer)).toBe('/orders');
  expect(login + answer).not.toContain('evil');
  expect(answer).not.toMatch(/domain=/i);
  const [call] = here.world.auth.control.calls('HandleSsoCallback');
  expect(call?.request['redirectUri']).toBe(`${here.world.url}/api/v1/auth/dev/callback`);
});

describe('AuthService at the callback', () => {
  const arrive = async () => {
    const browser = here.open();
    return { browser, callback: await signInAt(await browser.begin({ provider: 'twin' }), mel) };
  };

  test('that answers nothing is 503 in its time, was asked once, and sets no cookie', async () => {
    const { browser, callback } = await arrive();
    here.world.auth.control.setFault({ method: 'HandleSsoCallback', hang: true });
    const { status, headers, body } = await browser.comeBack(callback);
    expect([status, body.error.reason]).toEqual([503, 'AUTH_UNAVAILABLE']);
    expect(headers.get('retry-after')).toMatch(/^\d+$/);
    expect(headers.getSetCookie().filter((line) => !/^signin-[\w-]+=; Max-Age=0;/.test(line))).toEqual([]);
    expect([count('HandleSsoCallback'), browser.cookies.size]).toEqual([1, 0]);
  });

  test('that is away is 503, and sets no cookie', async () => {
    const { browser, callback } = await arrive();
    await here.world.auth.close();
    const { status, body } = await browser.comeBack(callback);
    expect([status, body.error.reason, browser.cookies.size]).toEqual([503, 'AUTH_UNAVAILABLE', 0]);
    await here.world.restartAuth();
  });
});
