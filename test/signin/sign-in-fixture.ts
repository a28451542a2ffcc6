import { startWorld, type Decoded, type World, type WorldOptions } from '../gateway-fixture';
import { signInAt } from '../upstreams/idp/browser';
import { startIdentityProvider, type IdentityProvider } from '../upstreams/idp/provider';
import { freePort } from '../free-ports';

/** A gateway that people can sign in at, with a real identity provider and AuthService behind it. */
export interface SignInWorld {
  readonly world: World;
  readonly idp: IdentityProvider;
  /** The provider that is called `twin`: the same one, unless there are two. */
  readonly twin: IdentityProvider;
  /** A browser without any cookies. */
  open(): Browser;
  close(): Promise<void>;
}

export interface SignInWorldOptions {
  /** Environment variables beside those that the fixture sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the gateway is said to be reached; the address that it listens on where this is left out. */
  readonly publicUrl?: string;
  /** Whether `twin` is a provider of its own. */
  readonly twoProviders?: boolean;
  readonly auth?: WorldOptions['auth'];
}

/** Starts a gateway with two names for one provider, or with two providers: `dev` and `twin`. */
export async function startSignInWorld(options: SignInWorldOptions = {}): Promise<SignInWorld> {
  const idp = await startIdentityProvider();
  const twin = options.twoProviders ? await startIdentityProvider({ clientId: 'twin-client' }) : idp;
  const { issuer, clientId } = idp;
  const world = await startAt(options, {
    env: {
      SSO_PROVIDERS: 'dev,twin',
      SSO_DEV_ISSUER: issuer,
      SSO_DEV_CLIENT_ID: clientId,
      SSO_TWIN_ISSUER: twin.issuer,
      SSO_TWIN_CLIENT_ID: twin.clientId,
      ...options.env,
    },
    auth: {
      providers: { dev: { issuer, clientId }, twin: { issuer: twin.issuer, clientId: twin.clientId } },
      ...options.auth,
    },
  }).catch(async (error: unknown) => {
    await Promise.all([idp.close(), twin.close()]);
    throw error;
  });
  const publicUrl = options.publicUrl ?? world.url;
  for (const [name, provider] of Object.entries({ dev: idp, twin })) {
    provider.addRedirectUri(`${publicUrl}/api/v1/auth/${name}/callback`);
    provider.addPostLogoutRedirectUri(`${publicUrl}/`);
  }
  return {
    world,
    idp,
    twin,
    open: () => new Browser(world.url),
    async close() {
      await world.close();
      await Promise.all([idp.close(), twin.close()]);
    },
  };
}

/** The gateway has to know its address before it listens there. A port that looked free may be taken by then. */
async function startAt(
  { publicUrl }: SignInWorldOptions,
  { env, ...rest }: Required<Pick<WorldOptions, 'env' | 'auth'>>,
): Promise<World> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const address = { PORT: String(port), PUBLIC_URL: publicUrl ?? `http://127.0.0.1:${port}` };
    try {
      return await startWorld({ ...rest, env: { ...address, ...env } });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === 5) throw error;
    }
  }
}

/** What a browser does at the gateway: keeps its cookies, follows no redirect, and goes through the provider's page. */
export class Browser {
  /** By name. What has been set with a date in the past is gone; what runs out later is not watched. */
  readonly cookies = new Map<string, string>();

  constructor(private readonly url: string) {}

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const pairs = [...this.cookies].map(([name, value]) => `${name}=${value}`);
    if (pairs.length > 0) headers.set('cookie', pairs.join('; '));
    const response = await fetch(new URL(path, this.url), { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = '', expires = ''] = /^([^=]*)=([^;]*);.*Expires=([^;]*)/.exec(line) ?? [];
      if (Date.parse(expires) > Date.now()) this.cookies.set(name, value);
      else this.cookies.delete(name);
    }
    return response;
  }

  /** Runs an operation as the pages of the gateway's own origin do. */
  async graphql(query: string, headers: Readonly<Record<string, string>> = { 'x-csrf': '1' }): Promise<Answer> {
    const response = await this.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query }),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  async rest(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const response = await this.fetch(path, { method, headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  signOut(): Promise<Answer> {
    return this.rest('POST', '/api/v1/auth/logout', { 'x-csrf': '1' });
  }

  /** Opens the login, and gives the address at the provider that it leads to. */
  async begin({ provider = 'dev', returnTo }: { provider?: string; returnTo?: string } = {}): Promise<URL> {
    const query = returnTo === undefined ? '' : `?${new URLSearchParams({ returnTo }).toString()}`;
    const response = await this.fetch(`/api/v1/auth/${provider}/login${query}`);
    if (response.status !== 302) throw new Error(`no login: ${response.status} ${await response.text()}`);
    return new URL(response.headers.get('location') ?? '');
  }

  /** Opens the address that the provider sent it back to, through whatever stands in front of the gateway. */
  async comeBack(callback: URL, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const response = await this.fetch(callback.pathname + callback.search, { headers });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** From the login to where the callback leads. */
  async signIn(email: string, options: { provider?: string; returnTo?: string } = {}): Promise<Answer> {
    return this.comeBack(await signInAt(await this.begin(options), email));
  }

  /** The names of the cookies that hold sign-ins under way, the oldest first. */
  get attempts(): string[] {
    return [...this.cookies.keys()].filter((name) => /^(__Host-)?signin-/.test(name));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Decoded;
}
