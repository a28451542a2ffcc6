import { Browser as ProviderBrowser, signInAt, signOutAt } from '../upstreams/idp/browser';
import { startIdentityProvider } from '../upstreams/idp/provider';
import { startSignInWorld, type Answer, type Browser, type SignInWorld } from './sign-in-fixture';

const mel = 'mel.member@example.com';

const worlds: SignInWorld[] = [];
async function open(env: Record<string, string>, twoProviders = false): Promise<SignInWorld> {
  const world = await startSignInWorld({ env, twoProviders });
  worlds.push(world);
  return world;
}
afterAll(() => Promise.all(worlds.map((world) => world.close())));

/** That nothing is left of a session, here and at AuthService. */
function expectOver({ world }: SignInWorld, token: string): void {
  expect(world.auth.state.sessions.find(token)).toBeUndefined();
}
const tokenOf = (browser: Browser): string => browser.cookies.get('session') ?? '';
const urlOf = ({ body }: Answer): URL => new URL(body.endSessionUrl);

describe('with one provider that is to be signed out at', () => {
  let here: SignInWorld;
  beforeAll(async () => {
    here = await open({ SSO_PROVIDERS: 'dev', SSO_DEV_LOGOUT: 'true' });
  });

  test('logout tells where, and going there ends the session at the provider and leads back', async () => {
    const [browser, atProvider] = [here.open(), new ProviderBrowser()];
    await browser.comeBack(await signInAt(await browser.begin(), mel, atProvider));
    expect([...browser.cookies.keys()]).toEqual(['session']);
    expect(atProvider.has('_session')).toBe(true);
    const token = tokenOf(browser);

    const out = await browser.signOut();
    expect(out.status).toBe(200);
    expect(out.headers.get('cache-control')).toBe('no-store');
    expect(Object.keys(out.body)).toEqual(['endSessionUrl']);
    expect(urlOf(out).origin).toBe(here.idp.issuer);
    expect(Object.fromEntries(urlOf(out).searchParams)).toEqual({
      client_id: here.idp.clientId,
      post_logout_redirect_uri: `${here.world.url}/`,
    });
    expect(browser.cookies.size).toBe(0);
    expectOver(here, token);

    expect((await signOutAt(atProvider, urlOf(out))).href).toBe(`${here.world.url}/`);
    expect(atProvider.has('_session')).toBe(false);
  });

  test('the mutation signOut has the same as a field, and logout stays as it is', async () => {
    const browser = here.open();
    await browser.signIn(mel);
    const { body } = await browser.graphql('mutation { signOut { endSessionUrl } }');
    expect(new URL(body.data.signOut.endSessionUrl).origin).toBe(here.idp.issuer);
    expect(browser.cookies.size).toBe(0);

    await browser.signIn(mel);
    expect((await browser.graphql('mutation { logout }')).body).toEqual({ data: { logout: true } });
    expect(browser.cookies.size).toBe(0);
  });

  test('it takes no session to ask, and then nothing is told', async () => {
    const nobody = await here.open().signOut();
    expect([nobody.status, nobody.body.endSessionUrl]).toEqual([401, undefined]);
    const browser = here.open();
    await browser.signIn(mel);
    const foreign = await browser.rest('POST', '/api/v1/auth/logout', {
      origin: 'https://evil.example',
      'x-csrf': '1',
    });
    expect([foreign.status, foreign.body.endSessionUrl]).toEqual([403, undefined]);
    expect(browser.cookies.has('session')).toBe(true);
  });
});

describe('with two providers', () => {
  test('logout leads to the one that the browser has signed in at', async () => {
    const here = await open({ SSO_DEV_LOGOUT: 'true', SSO_TWIN_LOGOUT: 'true' }, true);
    for (const [name, provider] of [
      ['dev', here.idp],
      ['twin', here.twin],
    ] as const) {
      const browser = here.open();
      await browser.signIn(mel, { provider: name });
      const out = await browser.signOut();
      expect([out.status, urlOf(out).origin]).toEqual([200, provider.issuer]);
      expect(urlOf(out).searchParams.get('client_id')).toBe(provider.clientId);
      expect(browser.cookies.size).toBe(0);
    }
  });

  test('the later sign-in counts, and where it is not known there is none', async () => {
    const here = await open({ SSO_DEV_LOGOUT: 'true', SSO_TWIN_LOGOUT: 'true' }, true);
    const browser = here.open();
    await browser.signIn(mel, { provider: 'dev' });
    await browser.signIn(mel, { provider: 'twin' });
    expect(urlOf(await browser.signOut()).origin).toBe(here.twin.issuer);

    for (const planted of [undefined, 'nobody', 'https://evil.example', '__proto__', '']) {
      await browser.signIn(mel);
      if (planted === undefined) browser.cookies.delete('provider');
      else browser.cookies.set('provider', planted);
      const out = await browser.signOut();
      expect([planted, out.status, out.body]).toEqual([planted, 204, undefined]);
      browser.cookies.clear();
    }
  });

  test('logout is 204 for the one that is not to be signed out at', async () => {
    const here = await open({ SSO_DEV_LOGOUT: 'true' }, true);
    const browser = here.open();
    await browser.signIn(mel, { provider: 'twin' });
    const token = tokenOf(browser);
    expect(await browser.signOut()).toMatchObject({ status: 204, body: undefined });
    expect(browser.cookies.size).toBe(0);
    expectOver(here, token);
    await browser.signIn(mel, { provider: 'twin' });
    const { body } = await browser.graphql('mutation { signOut { endSessionUrl } }');
    expect(body).toEqual({ data: { signOut: { endSessionUrl: null } } });
  });
});

test('without SSO_<NAME>_LOGOUT no cookie tells of the provider, and logout is 204', async () => {
  const here = await open({});
  const browser = here.open();
  await browser.signIn(mel);
  expect([...browser.cookies.keys()]).toEqual(['session']);
  expect(await browser.signOut()).toMatchObject({ status: 204, body: undefined });
});

test('a provider that is away does not keep the session here from ending', async () => {
  const gone = await startIdentityProvider();
  await gone.close();
  const here = await open({
    SSO_PROVIDERS: 'late',
    SSO_LATE_ISSUER: gone.issuer,
    SSO_LATE_CLIENT_ID: 'api-gateway',
    SSO_LATE_LOGOUT: 'true',
  });
  const browser = here.open();
  const token = here.world.auth.createSession('user-mel');
  browser.cookies.set('session', token);
  expect(await browser.signOut()).toMatchObject({ status: 204, body: undefined });
  expect(browser.cookies.size).toBe(0);
  expectOver(here, token);
  expect(here.world.logs).toContainEqual(
    expect.objectContaining({ level: 'warn', msg: 'where to sign out at the identity provider is not known' }),
  );
});
