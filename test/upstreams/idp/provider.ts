/** Development only. An OpenID Connect provider for tests and development: oidc-provider with a page to sign in at. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type * as OidcProvider from 'oidc-provider';
import { demandFreePort } from '../ports';
import { developmentAccounts, type Account } from './accounts';
import { pageHeaders, renderErrorPage, renderSignInPage, renderSignOutPage } from './sign-in-page';
import { createStore } from './store';

const maxFormBytes = 10_000;
const scopes = 'openid email profile';

/** How to start an identity provider. */
export interface IdentityProviderOptions {
  /** Default 0: any free port. */
  port?: number | undefined;
  /** The interface to listen on. Default 127.0.0.1. */
  listenOn?: string | undefined;
  /** The name in the issuer, `http://HOST:PORT`. Default localhost. */
  host?: string | undefined;
  /** The issuer as a whole, where it is reached by another address than it listens on. */
  issuer?: string | undefined;
  /** The one public client. Default api-gateway. */
  clientId?: string | undefined;
  /** Where a sign-in may lead. More can be added later with `addRedirectUri`. */
  redirectUris?: readonly string[] | undefined;
  /** Where a sign-out may lead. More can be added later with `addPostLogoutRedirectUri`. */
  postLogoutRedirectUris?: readonly string[] | undefined;
  /** Who has an account. Default: the development users. */
  accounts?: readonly Account[] | undefined;
  /** Asked about addresses that are not among the accounts. */
  findAccount?: ((email: string) => Promise<Account | undefined>) | undefined;
}

/** A running identity provider. */
export interface IdentityProvider {
  issuer: string;
  port: number;
  clientId: string;
  /** Lets a sign-in lead to one more address. */
  addRedirectUri(uri: string): void;
  /** Lets a sign-out lead to one more address. */
  addPostLogoutRedirectUri(uri: string): void;
  readonly close: () => Promise<void>;
}

type FindAccount = (email: string) => Promise<Account | undefined>;

/** Starts the development identity provider. Rejects where the port is taken. */
export async function startIdentityProvider(options: IdentityProviderOptions = {}): Promise<IdentityProvider> {
  const { listenOn = '127.0.0.1', host = 'localhost', clientId = 'api-gateway' } = options;
  const accounts = options.accounts ?? developmentAccounts;
  const redirectUris = [...(options.redirectUris ?? [])];
  const postLogoutRedirectUris = [...(options.postLogoutRedirectUris ?? [])];
  const server = createServer();
  // The issuer has to be known before the provider is made, and with port 0 it is known only now.
  const port = await listen(server, listenOn, options.port ?? 0);
  const issuer = options.issuer ?? `http://${host}:${port}`;
  const findAccount = createAccountSearch(accounts, options.findAccount);
  const client = () => ({
    client_id: clientId,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [...redirectUris],
    post_logout_redirect_uris: [...postLogoutRedirectUris],
  });
  const provider = createProvider(issuer, (id) => (id === clientId ? client() : undefined), findAccount);
  server.on('request', createRequestHandler(provider, accounts, findAccount));
  return {
    issuer,
    port,
    clientId,
    addRedirectUri: (uri) => void redirectUris.push(uri),
    addPostLogoutRedirectUri: (uri) => void postLogoutRedirectUris.push(uri),
    close: () => shutDown(server),
  };
}

function createAccountSearch(
  accounts: readonly Account[],
  findElsewhere: FindAccount = async () => undefined,
): FindAccount {
  return async (email) => {
    const wanted = email.trim().toLowerCase();
    return accounts.find((account) => account.email === wanted) ?? (await findElsewhere(wanted));
  };
}

function createProvider(
  issuer: string,
  findClient: Parameters<typeof createStore>[0],
  findAccount: FindAccount,
): OidcProvider.Provider {
  const { Provider } = loadOidcProvider();
  return new Provider(issuer, {
    adapter: createStore(findClient),
    jwks: { keys: [createSigningKey()] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    // The claims of the scopes go into the ID token as well and not only into userinfo, as most providers have it.
    conformIdTokenClaims: false,
    findAccount: (_context: unknown, sub: string) => toOidcAccount(findAccount, sub),
    loadExistingGrant: grantEverything,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true, logoutSource: showSignOut } },
    interactions: { url: (_context: unknown, { uid }: OidcProvider.Interaction) => `/sign-in/${uid}` },
    renderError: showError,
    clientBasedCORS: () => false,
    // Nothing outlives a working day; said here because oidc-provider advises whoever leaves them to their defaults.
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 28_800, IdToken: 600, Interaction: 3_600, Session: 28_800 },
  });
}

/**
 * Loads oidc-provider, quietly on Node 20. There it announces that it supports Node 22 and later only. It does work on
 * Node 20, as the tests show, and the announcement would stand at the top of every development session and test.
 */
function loadOidcProvider(): typeof OidcProvider {
  const { warn } = console;
  console.warn = (...parts: unknown[]) => {
    if (!String(parts[0]).includes('Unsupported runtime')) warn(...parts);
  };
  try {
    return require('oidc-provider') as typeof OidcProvider;
  } finally {
    console.warn = warn;
  }
}

function createSigningKey(): object {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'development' };
}

async function toOidcAccount(findAccount: FindAccount, sub: string): Promise<OidcProvider.Account | undefined> {
  const account = await findAccount(sub);
  if (!account) return undefined;
  const { email, name } = account;
  return { accountId: email, claims: async () => ({ sub: email, email, email_verified: true, name }) };
}

/** Consent without a question: the only client is the gateway that one came from. */
async function grantEverything({ oidc }: OidcProvider.KoaContextWithOIDC): Promise<OidcProvider.Grant> {
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope(scopes);
  await grant.save();
  return grant;
}

/** @param form - Of oidc-provider: hidden fields, and an id that the button names. */
async function showSignOut(context: OidcProvider.KoaContextWithOIDC, form: string): Promise<void> {
  context.type = 'html';
  context.set(pageHeaders);
  context.body = renderSignOutPage(form);
}

async function showError(context: OidcProvider.KoaContextWithOIDC, out: Record<string, unknown>): Promise<void> {
  context.type = 'html';
  context.set(pageHeaders);
  context.body = renderErrorPage(Object.values(out).join(': '));
}

function createRequestHandler(
  provider: OidcProvider.Provider,
  accounts: readonly Account[],
  findAccount: FindAccount,
): (request: IncomingMessage, response: ServerResponse) => void {
  const serveProtocol = provider.callback();
  return (request, response) => {
    if (!request.url?.startsWith('/session/end')) forgetEarlierSignIn(request);
    if (!request.url?.startsWith('/sign-in/')) return serveProtocol(request, response);
    serveSignIn(request, response, { provider, accounts, findAccount }).catch((error: unknown) => {
      console.error(error);
      send(response, 500, renderErrorPage('A bug in the development identity provider; see its log.'));
    });
  };
}

/** Drops the provider's own session from the cookies, so that every sign-in asks who one is, and one can be another. */
function forgetEarlierSignIn(request: IncomingMessage): void {
  const cookies = request.headers.cookie?.split(';').filter((cookie) => !/^\s*_session(\.|=)/.test(cookie));
  if (cookies) request.headers.cookie = cookies.join(';');
}

interface SignInContext {
  provider: OidcProvider.Provider;
  accounts: readonly Account[];
  findAccount: FindAccount;
}

async function serveSignIn(
  request: IncomingMessage,
  response: ServerResponse,
  { provider, accounts, findAccount }: SignInContext,
): Promise<void> {
  const interaction = await provider.interactionDetails(request, response).catch(() => undefined);
  if (!interaction) return send(response, 400, renderErrorPage('This sign-in has expired. Please begin again.'));
  if (request.method !== 'POST') {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const hint = interaction.params['login_hint'];
    const login = searchParams.get('login') ?? (typeof hint === 'string' ? hint : accounts[0]?.email) ?? '';
    return send(response, 200, renderSignInPage({ accounts, login }));
  }
  const login = (await readForm(request)).get('login') ?? '';
  const account = await findAccount(login);
  if (!account) {
    const error = `Nobody here has the address ${JSON.stringify(login)}.`;
    return send(response, 400, renderSignInPage({ accounts, login, error }));
  }
  await provider.interactionFinished(request, response, { login: { accountId: account.email } });
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > maxFormBytes) break;
  }
  return new URLSearchParams(text.slice(0, maxFormBytes));
}

function send(response: ServerResponse, status: number, html: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { ...pageHeaders }).end(html);
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await demandFreePort(port, host);
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function shutDown(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
