import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { Session } from './auth-service';
import type { SessionCookie } from './cookies';
import { createCredentials, type SessionCredential } from './credentials';
import { checkCrossSite, type CrossSitePolicy, type CrossSiteRequest } from './cross-site';
import type { SessionGuard } from './guards';
import { endsCookie } from './session-errors';
import type { Sessions } from './sessions';

/** A request that was let in. */
export interface Authenticated {
  readonly session: Session;
  readonly credential: SessionCredential;
}

/** Everything between a request and its session: lets requests in, guards the sessions of streams, and signs out. */
export interface Gatekeeper {
  /**
   * Checks every request that runs an operation or signs out, even one for public fields alone. Makes no call.
   *
   * @throws GatewayError BAD_USER_INPUT where it carries more than one credential; FORBIDDEN where it carries the cookie and
   * may come from another site's page.
   */
  admit(exchange: Exchange, request: CrossSiteRequest): void;
  /**
   * The session of an admitted request. Call it only for operations that need one. Clears the cookie of a session that is
   * over. A promise only where AuthService has to be asked.
   *
   * @throws GatewayError UNAUTHENTICATED where there is no credential; what reading and validating it throw.
   */
  authenticate(exchange: Exchange): Authenticated | Promise<Authenticated>;
  /** Watches over the session of a stream. */
  guard(authenticated: Authenticated, exchange: Exchange): SessionGuard;
  /**
   * Ends the session of an admitted request and clears its cookie. The session may have ended already.
   *
   * @throws GatewayError UNAUTHENTICATED where there is no credential; AUTH_UNAVAILABLE where AuthService did not confirm
   * it: the cookie is then kept for another try.
   */
  signOut(exchange: Exchange): Promise<void>;
}

export interface GatekeeperOptions extends CrossSitePolicy {
  readonly cookie: SessionCookie;
  readonly sessions: Sessions;
}

export function createGatekeeper({ cookie, sessions, ...policy }: GatekeeperOptions): Gatekeeper {
  const credentials = createCredentials({ cookie });

  function letIn(exchange: Exchange, credential: SessionCredential, session: Session): Authenticated {
    exchange.facts.userId = session.userId;
    if (credential.via === 'cookie') renewCookie(exchange, credential.token, session);
    return { session, credential };
  }

  /**
   * Decided when the answer is sent: by then the browser may have signed out, or in as another user, and must not get its old
   * cookie back.
   */
  function renewCookie(exchange: Exchange, token: string, session: Session): void {
    if (!cookie.endsBefore(token, session)) return;
    exchange.beforeHead = () => {
      if (!sessions.isOver(token) && cookie.endsBefore(token, session)) cookie.set(exchange, token, session.expiresAt);
    };
  }

  function refuse(exchange: Exchange, { via }: SessionCredential, error: unknown): never {
    if (via === 'cookie' && endsCookie(error)) cookie.clear(exchange);
    throw error;
  }

  function ask(exchange: Exchange, credential: SessionCredential): Promise<Authenticated> {
    const { id: requestId, trace, deadline, clientDeadline, cancellation: signal } = exchange;
    const scope = { requestId, trace, deadline, clientDeadline, signal };
    return sessions.validate(credential.token, scope, exchange.clientAddress).then(
      (session) => letIn(exchange, credential, session),
      (error: unknown) => refuse(exchange, credential, error),
    );
  }

  return {
    admit(exchange, request) {
      if (credentials.via(exchange) === 'cookie') checkCrossSite(exchange, policy, request);
    },

    authenticate(exchange) {
      const credential = credentials.read(exchange);
      const known = sessions.known(credential.token);
      if (!known) return ask(exchange, credential);
      return known instanceof GatewayError ? refuse(exchange, credential, known) : letIn(exchange, credential, known);
    },

    guard: ({ session, credential }, { id: requestId, trace }) =>
      sessions.guard(credential.token, session, { requestId, trace }),

    async signOut(exchange) {
      const { token, via } = credentials.read(exchange);
      const { id: requestId, trace, deadline } = exchange;
      await sessions.revoke(token, { requestId, trace, deadline }, exchange.clientAddress);
      if (via === 'cookie') cookie.clear(exchange);
    },
  };
}
