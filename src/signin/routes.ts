import { randomBytes } from 'node:crypto';
import type { Config } from '../config/config';
import { GatewayError, isClientClosed, toGatewayError } from '../errors';
import { placeOf } from '../http/client-address';
import { noteFailure } from '../http/error-reply';
import { json, type Exchange, type Handler, type Reply, type Route } from '../http/exchange';
import type { AuthService } from '../session/auth-service';
import type { SessionCookie } from '../session/cookies';
import { isToken } from '../session/credentials';
import type { Gatekeeper } from '../session/gatekeeper';
import { rateLimited, tellQuotas, type RateLimits } from '../session/rate-limits';
import type { Sessions } from '../session/sessions';
import { createAttempts, type Attempt } from './attempts';
import { failurePage, prefersHtml, type WaysOn } from './failure-page';
import { acceptedCode, callbackError, unknownAttempt } from './provider-answer';
import { unknownProvider, type Providers } from './providers';
import { safeReturnTo } from './return-to';
import type { SignOut } from './sign-out';

export interface SignInOptions {
  /** Without any there is only logout. */
  readonly providers: Providers;
  /** Seal sign-in attempts: the first seals, all unseal. At least one where there are providers. */
  readonly secrets: readonly string[];
  /** Where the gateway is reached, without a path. */
  readonly publicUrl: string;
  /** Other origins whose pages may send users here and get them back. */
  readonly allowedOrigins: readonly string[];
  /** Where users go who came from no page that is allowed. */
  readonly postLoginUrl: string;
  /** Whether cookies do without Secure and prefix. */
  readonly insecureCookies: boolean;
  readonly authService: Pick<AuthService, 'handleSsoCallback'>;
  readonly sessions: Pick<Sessions, 'revoke' | 'noteIssued'>;
  readonly cookie: SessionCookie;
  readonly gatekeeper: Pick<Gatekeeper, 'admit'>;
  readonly signOut: SignOut;
  readonly counts: Pick<RateLimits, 'spend'>;
  /** Of one address, in a minute; 0 for any number. */
  readonly rateLimits: Pick<Config['rateLimits'], 'logins' | 'callbacks'>;
}

/** Templates of the paths that these routes answer. */
export const signInPaths = {
  login: '/api/v1/auth/{provider}/login',
  callback: '/api/v1/auth/{provider}/callback',
  logout: '/api/v1/auth/logout',
} as const;

/** Neither step is safe (RFC 9110, 9.2.1): a link preview must not use up the attempt or the code. */
const signInRoute = { method: 'GET', statuses: [302], servesHead: false } as const;

/** The routes that browsers sign in and out by: OpenID Connect's code flow, whose code AuthService exchanges. */
export function createSignInRoutes(options: SignInOptions): Route[] {
  const { providers } = options;
  const statuses = providers.names.some((name) => providers.endsSessions(name)) ? [200, 204] : [204];
  const logout: Route = { method: 'POST', path: signInPaths.logout, statuses, handle: createLogout(options) };
  if (providers.names.length === 0) return [logout];
  const { login, callback } = createSignIn(options);
  return [
    { ...signInRoute, path: signInPaths.login, handle: forBrowsers(login, options) },
    { ...signInRoute, path: signInPaths.callback, handle: forBrowsers(callback, options) },
    logout,
  ];
}

function createLogout({ gatekeeper, signOut }: SignInOptions): Handler {
  return async (exchange) => {
    gatekeeper.admit(exchange, { navigation: false });
    const endSessionUrl = await signOut.signOut(exchange);
    if (endSessionUrl !== undefined) return json(200, { endSessionUrl });
    return { status: 204, headers: { 'cache-control': 'no-store' } };
  };
}

/** The links of the failure page. A step fills them in as it learns them. */
type Ways = { -readonly [Key in keyof WaysOn]: WaysOn[Key] };

type SignInStep = (exchange: Exchange, provider: string, ways: Ways) => Promise<Reply>;

function createSignIn(options: SignInOptions): { login: SignInStep; callback: SignInStep } {
  const { authService, sessions, cookie, postLoginUrl, providers, counts, rateLimits } = options;
  const attempts = createAttempts({ secrets: options.secrets, secure: !options.insecureCookies });

  async function login(exchange: Exchange, provider: string, ways: Ways): Promise<Reply> {
    const returnTo = safeReturnTo(new URLSearchParams(exchange.query).getAll('returnTo'), options);
    if (providers.has(provider)) Object.assign(ways, waysOn(provider, returnTo));
    const secrets = { state: randomSecret(), nonce: randomSecret(), codeVerifier: randomSecret() };
    const { url, issuer, issuerRequired } = await providers.authorize(provider, secrets, exchange);
    await attempts.begin(exchange, { ...secrets, provider, issuer, issuerRequired, returnTo });
    return redirect(url.href);
  }

  /**
   * Makes no call before the answer is known to belong to an attempt of this browser, and to come from the provider of that
   * attempt: another site can make a browser open this path, and must not be able to use up a code.
   */
  async function callback(exchange: Exchange, provider: string, ways: Ways): Promise<Reply> {
    const answer = new URLSearchParams(exchange.query);
    const attempt = await attempts.take(exchange, answer.getAll('state'));
    if (!providers.has(provider)) throw unknownProvider();
    Object.assign(ways, waysOn(provider, attempt?.returnTo ?? postLoginUrl));
    if (attempt?.provider !== provider) throw unknownAttempt();
    const code = acceptedCode(answer, attempt);
    const session = await redeem(exchange, attempt, code);
    const [previous, ...others] = cookie.values(exchange);
    sessions.noteIssued(session.sessionToken);
    cookie.set(exchange, session.sessionToken, session.expiresAt);
    options.signOut.remember(exchange, provider);
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
        throw callbackError(error);
      });
    if (!isToken(session.sessionToken) || session.expiresAt <= Date.now()) {
      const cause = new Error('AuthService gave a session that is over, or whose token fits into no header');
      throw new GatewayError('UPSTREAM_ERROR', undefined, { cause });
    }
    return session;
  }

  /** Only logs a failure: the user has a new session by now. */
  async function endPrevious(exchange: Exchange, token: string): Promise<void> {
    if (!isToken(token)) return;
    const { id: requestId, trace, deadline } = exchange;
    try {
      await sessions.revoke(token, { requestId, trace, deadline }, exchange.clientAddress);
    } catch (error) {
      exchange.log.warn({ err: toGatewayError(error).cause }, 'the previous session of a browser was not revoked');
    }
  }

  /** Refuses a step before it reads anything, where its client has taken too many of them. */
  function limited(step: SignInStep, limit: 'login' | 'callback', most: number): SignInStep {
    if (most === 0) return step;
    const rateLimit = { name: limit, limit: most, window: 60 };
    return async (exchange, provider, ways) => {
      const quota = await counts.spend(rateLimit, placeOf(exchange.clientAddress), 1);
      tellQuotas(exchange, [quota]);
      if (quota.isOver) throw rateLimited(quota, limit, 'sign-ins from this address');
      return step(exchange, provider, ways);
    };
  }

  return {
    login: limited(login, 'login', rateLimits.logins),
    callback: limited(callback, 'callback', rateLimits.callbacks),
  };
}

/** Answers browsers with a page where the answer would be a JSON error. */
function forBrowsers(step: SignInStep, { postLoginUrl }: SignInOptions): Handler {
  return async (exchange, { provider = '' }) => {
    const ways: Ways = { again: undefined, back: postLoginUrl };
    try {
      return await step(exchange, provider, ways);
    } catch (error) {
      const known = toGatewayError(error);
      if (isClientClosed(known)) throw known;
      if (known.countedStatus >= 500 && known.code !== 'INTERNAL_SERVER_ERROR') {
        exchange.log.error({ err: known.cause ?? known, code: known.code, provider }, 'sign-in failed');
      }
      if (!prefersHtml(exchange.headers.accept)) throw known;
      noteFailure(known, exchange);
      return failurePage(known, exchange, ways);
    }
  };
}

function waysOn(provider: string, returnTo: string): WaysOn {
  const again = `/api/v1/auth/${encodeURIComponent(provider)}/login?returnTo=${encodeURIComponent(returnTo)}`;
  return { again, back: returnTo };
}

/** Not cached, and without a referrer: the browser's current address may hold a code. */
function redirect(location: string): Reply {
  return { status: 302, headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } };
}

/** 256 random bits, as 43 characters that PKCE allows (RFC 7636 section 4.1). */
function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}
