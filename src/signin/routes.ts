import { randomBytes } from 'node:crypto';
import type { ProviderConfig } from '../config/config';
import { GatewayError, isClientClosed, toGatewayError } from '../errors';
import type { Exchange, Handler, Reply, Route } from '../http/exchange';
import type { AuthService } from '../session/auth-service';
import type { SessionCookie } from '../session/cookies';
import { isToken } from '../session/credentials';
import type { Gatekeeper } from '../session/gatekeeper';
import type { Sessions } from '../session/sessions';
import { createAttempts, type Attempt } from './attempts';
import { failurePage, prefersHtml, type WaysOn } from './failure-page';
import { acceptedCode, refusal, unknownAttempt } from './provider-answer';
import { createProviders } from './providers';
import { safeReturnTo } from './return-to';

export interface SignInOptions {
  /** Without any there is no login and no callback, only logout. */
  readonly providers: readonly ProviderConfig[];
  /** Seal sign-in attempts: the first seals, all unseal. At least one where there are providers. */
  readonly secrets: readonly string[];
  /** Where the gateway is reached, without a path. */
  readonly publicUrl: string;
  /** Whether cookies do without Secure and prefix. */
  readonly insecureCookies: boolean;
  readonly authService: Pick<AuthService, 'handleSsoCallback'>;
  readonly sessions: Pick<Sessions, 'revoke'>;
  readonly cookie: SessionCookie;
  readonly gatekeeper: Pick<Gatekeeper, 'admit' | 'signOut'>;
}

/** Templates of the paths that this door answers. */
export const signInPaths = {
  login: '/api/v1/auth/{provider}/login',
  callback: '/api/v1/auth/{provider}/callback',
  logout: '/api/v1/auth/logout',
} as const;

/** The door through which browsers sign in and out: OpenID Connect's code flow, of which AuthService does the last step. */
export function createSignInRoutes(options: SignInOptions): Route[] {
  const logout: Route = { method: 'POST', path: signInPaths.logout, statuses: [204], handle: createLogout(options) };
  if (options.providers.length === 0) return [logout];
  const { login, callback } = createSignIn(options);
  return [
    { method: 'GET', path: signInPaths.login, statuses: [302], handle: forBrowsers(login) },
    { method: 'GET', path: signInPaths.callback, statuses: [302], handle: forBrowsers(callback) },
    logout,
  ];
}

function createLogout({ gatekeeper }: SignInOptions): Handler {
  return async (exchange) => {
    gatekeeper.admit(exchange, { navigation: false });
    await gatekeeper.signOut(exchange);
    return { status: 204, headers: { 'cache-control': 'no-store' } };
  };
}

/** How a user can go on, as far as a step has got to know it. */
type Ways = { -readonly [Key in keyof WaysOn]: WaysOn[Key] };

type Step = (exchange: Exchange, provider: string, ways: Ways) => Promise<Reply>;

function createSignIn(options: SignInOptions): { login: Step; callback: Step } {
  const { authService, sessions, cookie, publicUrl } = options;
  const providers = createProviders(options);
  const attempts = createAttempts({ secrets: options.secrets, secure: !options.insecureCookies });

  async function login(exchange: Exchange, provider: string, ways: Ways): Promise<Reply> {
    const returnTo = safeReturnTo(new URLSearchParams(exchange.query).getAll('returnTo'), publicUrl);
    if (providers.has(provider)) Object.assign(ways, waysOn(provider, returnTo));
    const secrets = { state: randomSecret(), nonce: randomSecret(), codeVerifier: randomSecret() };
    const { url, issuer, issuerRequired } = await providers.authorize(provider, secrets, exchange);
    await attempts.begin(exchange, { ...secrets, provider, issuer, issuerRequired, returnTo });
    return redirect(url.href);
  }

  /**
   * Nothing is called before the answer is known to belong to an attempt of this browser and to come from the provider that
   * it was sent to: whoever can make a browser open this path must not be able to spend a code.
   */
  async function callback(exchange: Exchange, provider: string, ways: Ways): Promise<Reply> {
    const answer = new URLSearchParams(exchange.query);
    const attempt = await attempts.take(exchange, answer.getAll('state'));
    if (!providers.has(provider)) throw unknownProvider();
    Object.assign(ways, waysOn(provider, attempt?.returnTo ?? '/'));
    if (attempt?.provider !== provider) throw unknownAttempt();
    const code = acceptedCode(answer, attempt);
    const session = await redeem(exchange, attempt, code);
    const [previous, ...others] = cookie.values(exchange);
    cookie.set(exchange, session.sessionToken, session.expiresAt);
    if (previous !== undefined && others.length === 0 && previous !== session.sessionToken) {
      await endPrevious(exchange, previous);
    }
    return redirect(attempt.returnTo);
  }

  async function redeem(exchange: Exchange, { provider, codeVerifier, nonce }: Attempt, code: string) {
    const request = { provider, code, codeVerifier, nonce, redirectUri: providers.redirectUri(provider) };
    const { id: requestId, trace, deadline, clientDeadline, cancellation: signal } = exchange;
    const session = await authService
      .handleSsoCallback(request, { requestId, trace, deadline, clientDeadline, signal })
      .catch((error: unknown) => {
        throw refusal(error);
      });
    if (!isToken(session.sessionToken) || session.expiresAt <= Date.now()) {
      const cause = new Error('AuthService gave a session that is over, or whose token fits into no header');
      throw new GatewayError('UPSTREAM_ERROR', undefined, { cause });
    }
    return session;
  }

  /** The user has a new session by now, so that one which cannot be ended is no reason to fail. */
  async function endPrevious(exchange: Exchange, token: string): Promise<void> {
    if (!isToken(token)) return;
    const { id: requestId, trace, deadline } = exchange;
    try {
      await sessions.revoke(token, { requestId, trace, deadline });
    } catch (error) {
      exchange.log.warn({ err: toGatewayError(error).cause }, 'the previous session of a browser was not revoked');
    }
  }

  return { login, callback };
}

/**
 * Answers a person's browser with a page where the answer would be an error in JSON. HEAD is refused: neither step is safe
 * (RFC 9110 section 9.2.1), and what only looks at a link must not spend the attempt or the code in it.
 */
function forBrowsers(step: Step): Handler {
  return async (exchange, { provider = '' }) => {
    const ways: Ways = { again: undefined, back: '/' };
    try {
      if (exchange.method === 'HEAD') {
        throw new GatewayError('METHOD_NOT_ALLOWED', undefined, { headers: { allow: 'GET' } });
      }
      return await step(exchange, provider, ways);
    } catch (error) {
      const known = toGatewayError(error);
      if (isClientClosed(known) || !prefersHtml(exchange.headers.accept)) throw known;
      exchange.facts.code = known.code;
      if (known.status >= 500) exchange.log.error({ err: known.cause ?? known, code: known.code }, 'sign-in failed');
      return failurePage(known, exchange, ways);
    }
  };
}

function unknownProvider(): GatewayError {
  return new GatewayError('NOT_FOUND', 'There is no such identity provider.');
}

function waysOn(provider: string, returnTo: string): WaysOn {
  const again = `/api/v1/auth/${encodeURIComponent(provider)}/login?returnTo=${encodeURIComponent(returnTo)}`;
  return { again, back: returnTo };
}

/** Not cached, and without a referrer: the address that the browser comes from may hold a code. */
function redirect(location: string): Reply {
  return { status: 302, headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } };
}

/** 256 bits of chance, as 43 characters that PKCE allows (RFC 7636 section 4.1). */
function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}
