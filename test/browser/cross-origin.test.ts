import type { Browser, BrowserContext, Page } from 'playwright-core';
import {
  addSession,
  describeInChromium,
  launchChromium,
  startPageSite,
  startSignInWorld,
  type PageSite,
  type SignInWorld,
} from './browser-fixture';

jest.setTimeout(90_000);

/** What a page got by fetch, as far as the browser let it see. */
interface Seen {
  readonly failed?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}

describeInChromium('pages of other origins in a browser', () => {
  let app: PageSite;
  let elsewhere: PageSite;
  let closed: SignInWorld;
  let open: SignInWorld;
  let browser: Browser;
  /** An origin of ALLOWED_ORIGINS. Ports of localhost are one site, as hosts of one domain are. */
  let appOrigin: string;
  /** Of the same site, so that the browser sends it the cookies, and of another. */
  let sibling: string;
  let stranger: string;

  beforeAll(async () => {
    [app, elsewhere] = await Promise.all([startPageSite(), startPageSite()]);
    appOrigin = `http://localhost:${app.port}`;
    sibling = `http://localhost:${elsewhere.port}`;
    stranger = `http://evil.localhost:${elsewhere.port}`;
    closed = await startSignInWorld({ ALLOWED_ORIGINS: appOrigin });
    open = await startSignInWorld({ ALLOWED_ORIGINS: appOrigin, CORS_PUBLIC: 'true' });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([closed?.close(), open?.close(), app?.close(), elsewhere?.close()]);
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    closed.world.reset();
    open.world.reset();
  });

  async function visit(origin: string, signedInAt?: SignInWorld): Promise<{ context: BrowserContext; page: Page }> {
    const context = await browser.newContext();
    if (signedInAt) await addSession(context, signedInAt, 'user-mel');
    const page = await context.newPage();
    await page.goto(`${origin}/`);
    return { context, page };
  }

  /** What a script of the page sees. The text of a stream ends with the stream. */
  function fetchFrom(page: Page, url: string, init: Readonly<Record<string, unknown>>): Promise<Seen> {
    return page.evaluate(
      async ([address, options]) => {
        try {
          const response = await fetch(address, options);
          const headers = Object.fromEntries(response.headers.entries());
          return { status: response.status, headers, text: await response.text() };
        } catch (error) {
          return { failed: String(error) };
        }
      },
      [url, init] as const,
    );
  }

  const graphql = (query: string, headers: Readonly<Record<string, string>> = { 'x-csrf': '1' }) => ({
    method: 'POST',
    credentials: 'include',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });

  test('an allowed page signs in, is signed in, and signs out, with cookies alone', async () => {
    const { context, page } = await visit(appOrigin);
    const place = `${appOrigin}/orders/7?tab=lines#top`;
    await page.goto(`${closed.url}/api/v1/auth/dev/login?${new URLSearchParams({ returnTo: place }).toString()}`);
    await page.getByLabel('E-mail address').fill('mel.member@example.com');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(place);

    const me = await fetchFrom(page, `${closed.url}/graphql`, graphql('{ me { id } }'));
    expect(me).toMatchObject({ status: 200, text: '{"data":{"me":{"id":"user-mel"}}}' });
    expect(me.headers?.['x-request-id']).toMatch(/^[\w-]{36}$/);
    const renamed = graphql('mutation { updateMe(input: { displayName: "Mel" }) { displayName } }');
    expect((await fetchFrom(page, `${closed.url}/graphql`, renamed)).text).toBe(
      '{"data":{"updateMe":{"displayName":"Mel"}}}',
    );
    const rest = await fetchFrom(page, `${closed.url}/api/v1/users/me`, { credentials: 'include' });
    expect(rest).toMatchObject({ status: 200, text: expect.stringContaining('user-mel') });
    const asked = await fetchFrom(page, `${closed.url}/graphql`, {
      ...graphql('subscription { askStream(input: { query: "count to 3" }) { textDelta } }', {
        'x-csrf': '1',
        accept: 'text/event-stream',
      }),
    });
    expect(asked.text?.match(/"textDelta":"\d "/g)?.length).toBeGreaterThanOrEqual(2);

    const out = await fetchFrom(page, `${closed.url}/api/v1/auth/logout`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'x-csrf': '1' },
    });
    expect(out.status).toBe(204);
    // The provider of the tests has cookies of its own on localhost.
    expect((await context.cookies(closed.url)).map(({ name }) => name)).not.toContain('session');
    const after = await fetchFrom(page, `${closed.url}/graphql`, graphql('{ me { id } }'));
    expect(after).toMatchObject({ status: 401, text: expect.stringContaining('UNAUTHENTICATED') });
  });

  test('an allowed page can read what went wrong, whatever it was', async () => {
    const { page } = await visit(appOrigin, closed);
    const [missing, refused, unknown] = [
      await fetchFrom(page, `${closed.url}/nothing`, {}),
      await fetchFrom(page, `${closed.url}/graphql`, graphql('{ nothing }')),
      await fetchFrom(page, `${closed.url}/graphql`, { ...graphql('{ me { id } }', {}) }),
    ];
    expect([missing.status, refused.status, unknown.status]).toEqual([404, 400, 403]);
  });

  test('a page of the gateway itself needs no header of its own', async () => {
    const { page } = await visit(`${closed.url}/graphql`, closed);
    const me = await fetchFrom(page, `${closed.url}/graphql`, graphql('{ me { id } }', {}));
    expect(me).toMatchObject({ status: 200, text: '{"data":{"me":{"id":"user-mel"}}}' });
  });

  describe.each([
    ['a sibling host', () => sibling],
    ['another site', () => stranger],
  ])('a page on %s', (_where, origin) => {
    const failed = { failed: 'TypeError: Failed to fetch' };
    const uses = (url: string): [string, Readonly<Record<string, unknown>>][] => [
      [`${url}/graphql`, graphql('{ me { id } }')],
      [`${url}/graphql`, graphql('mutation { updateMe(input: { displayName: "Evil" }) { id } }', {})],
      [`${url}/graphql`, { ...graphql('mutation { logout }'), headers: { 'content-type': 'text/plain' } }],
      [`${url}/api/v1/users/me`, { credentials: 'include' }],
      [`${url}/api/v1/auth/logout`, { method: 'POST', credentials: 'include' }],
      [`${url}/api/v1/auth/logout`, { method: 'POST', credentials: 'include', headers: { 'x-csrf': '1' } }],
    ];

    test('can neither use the session nor read an answer', async () => {
      const { page } = await visit(origin(), closed);
      for (const [url, init] of uses(closed.url)) expect(await fetchFrom(page, url, init)).toEqual(failed);
      expect(
        await fetchFrom(page, `${closed.url}/graphql`, { ...graphql('{ gateway { name } }'), credentials: 'omit' }),
      ).toEqual(failed);
      for (const rpc of ['UpdateUser', 'RevokeSession']) expect(closed.world.auth.control.count(rpc)).toBe(0);
    });

    test('can use a bearer token where CORS_PUBLIC is set, and still no session', async () => {
      const { page } = await visit(origin(), open);
      for (const [url, init] of uses(open.url)) expect(await fetchFrom(page, url, init)).toEqual(failed);
      for (const rpc of ['UpdateUser', 'RevokeSession']) expect(open.world.auth.control.count(rpc)).toBe(0);
      const authorization = `Bearer ${open.world.auth.createSession('user-mel')}`;
      const query = { ...graphql('{ me { id } }', { authorization }), credentials: 'omit' };
      const me = await fetchFrom(page, `${open.url}/graphql`, query);
      expect(me).toMatchObject({ status: 200, text: '{"data":{"me":{"id":"user-mel"}}}' });
      expect(me.headers?.['x-request-id']).toMatch(/^[\w-]{36}$/);
    });
  });
});
