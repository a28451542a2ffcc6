import { startWorld, type World } from '../gateway-fixture';
import { signInAt } from '../upstreams/idp/browser';
import { startSignInWorld, type Browser, type SignInWorld } from '../signin/sign-in-fixture';
import { hold } from './session-fixture';

const mel = 'mel.member@example.com';
const hour = 3_600_000;

let here: SignInWorld;
beforeAll(async () => {
  here = await startSignInWorld({ env: { SESSION_CACHE_TTL: '60s' } });
});
afterAll(() => here.close());
beforeEach(() => here.world.reset());

/** What an answer sets, without the dates that go with Max-Age. */
const set = ({ headers }: { readonly headers: Headers }): string[] =>
  headers.getSetCookie().map((line) => line.replace(/ Expires=[^;]+;/, ''));
const tokenOf = (browser: Browser): string => browser.cookies.get('session') ?? '';

/** From now on AuthService says that the session ends in so many ms. */
function extend(token: string, ms: number, world = here.world): void {
  world.auth.state.sessions.extend(token, new Date(Date.now() + ms));
}

const uses: Record<string, (browser: Browser) => Promise<{ readonly status: number; readonly headers: Headers }>> = {
  GraphQL: (browser) => browser.graphql('{ me { id } }'),
  REST: (browser) => browser.rest('GET', '/api/v1/users/me'),
  'a stream': async (browser) => {
    const response = await browser.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'x-csrf': '1' },
      body: JSON.stringify({ query: 'subscription { askStream(input: { query: "hello" }) { textDelta } }' }),
    });
    await response.text();
    return response;
  },
};

test.each(Object.entries(uses))('%s sets no cookie while the session ends when its cookie does', async (_how, use) => {
  const browser = here.open();
  await browser.signIn(mel);
  for (let count = 0; count < 3; count += 1) {
    const answer = await use(browser);
    expect([answer.status, set(answer)]).toEqual([200, []]);
  }
  expect(here.world.auth.control.count('ValidateSession')).toBe(1);
});

test.each(Object.entries(uses))(
  '%s renews the cookie once where AuthService has extended the session',
  async (_how, use) => {
    const browser = here.open();
    await browser.signIn(mel);
    const token = tokenOf(browser);
    extend(token, 24 * hour);
    const first = await use(browser);
    expect(first.status).toBe(200);
    expect(set(first)).toEqual([
      expect.stringMatching(`^session=${token}; Max-Age=86(400|399|398); Path=/; HttpOnly; SameSite=Lax$`),
    ]);
    const expires = /Expires=([^;]+)/.exec(first.headers.getSetCookie()[0] ?? '')?.[1] ?? '';
    expect(Math.abs(Date.parse(expires) - Date.now() - 24 * hour)).toBeLessThan(30_000);
    expect(set(await use(browser))).toEqual([]);
  },
);

test('a session that ends earlier, or less than a second later, sets none', async () => {
  for (const ms of [hour, 8 * hour]) {
    const browser = here.open();
    await browser.signIn(mel);
    const end = here.world.auth.state.sessions.find(tokenOf(browser))!.expiresAt.getTime();
    here.world.auth.state.sessions.extend(tokenOf(browser), new Date(ms === hour ? Date.now() + hour : end + 999));
    expect(set(await browser.graphql('{ me { id } }'))).toEqual([]);
  }
});

test('public fields and a bearer token set none', async () => {
  const browser = here.open();
  await browser.signIn(mel);
  extend(tokenOf(browser), 24 * hour);
  expect(set(await browser.graphql('{ gateway { name } }'))).toEqual([]);
  const answer = await here.world.graphql('{ me { id } }', { token: tokenOf(browser) });
  expect([answer.status, set(answer)]).toEqual([200, []]);
  // The session is confirmed by now. The browser has yet to hear of its end.
  expect(set(await browser.graphql('{ me { id } }'))).toHaveLength(1);
});

test('signing out ends the cookie, extended or not', async () => {
  for (const signOut of ['{ me { id } }', 'mutation { logout }']) {
    const browser = here.open();
    await browser.signIn(mel);
    extend(tokenOf(browser), 24 * hour);
    const answer = await browser.graphql(signOut);
    if (signOut.startsWith('mutation')) {
      expect(set(answer)).toEqual([expect.stringMatching(/^session=; Max-Age=0;/)]);
    } else {
      expect(set(await browser.signOut())).toEqual([expect.stringMatching(/^session=; Max-Age=0;/)]);
    }
    expect(browser.cookies.has('session')).toBe(false);
  }
});

test.each([
  ['signed out', async (browser: Browser) => void (await browser.signOut())],
  [
    'signed in as another user',
    async (browser: Browser) => {
      await browser.comeBack(await signInAt(await browser.begin(), 'ada.admin@example.com'));
    },
  ],
])('an answer that comes once the browser has %s does not bring the old cookie back', async (_what, act) => {
  const browser = here.open();
  await browser.signIn(mel);
  extend(tokenOf(browser), 24 * hour);
  const release = hold(here.world.auth.control, 'GetUser');
  const late = browser.graphql('{ me { id email } }');
  await here.world.auth.control.waitForCall('GetUser');
  await act(browser);
  const kept = browser.cookies.get('session');
  release();
  expect(set(await late)).toEqual([]);
  expect(browser.cookies.get('session')).toBe(kept);
});

describe('a cookie that another replica set, whose end is not known here', () => {
  let other: World;
  beforeAll(async () => {
    other = await startWorld({ env: { SESSION_CACHE_TTL: '0s' } });
  });
  afterAll(() => other.close());

  test('is set once, and then only when the session is extended', async () => {
    const token = other.auth.createSession('user-mel');
    const ask = () =>
      other.graphql('{ me { id } }', { token: null, headers: { cookie: `session=${token}`, 'x-csrf': '1' } });
    expect(set(await ask())).toEqual([expect.stringMatching(`^session=${token}; Max-Age=`)]);
    expect(set(await ask())).toEqual([]);
    extend(token, 48 * hour, other);
    expect(set(await ask())).toEqual([expect.stringMatching(`^session=${token}; Max-Age=1728`)]);
    expect(set(await ask())).toEqual([]);
    expect(other.auth.control.count('ValidateSession')).toBe(4);
  });

  test('a user who works on stays signed in, though each answer extends the session by a little', async () => {
    const token = other.auth.createSession('user-mel');
    for (let minute = 1; minute <= 5; minute += 1) {
      extend(token, hour + minute * 60_000, other);
      const answer = await other.graphql('{ me { id } }', {
        token: null,
        headers: { cookie: `session=${token}`, 'x-csrf': '1' },
      });
      expect(set(answer)).toHaveLength(1);
    }
  });
});
