import type { Exchange } from '../exchange';
import type { Session } from './auth-service';
import type { SessionCookie } from './cookies';
import type { ReadCredential, SessionCredential } from './credentials';
import { checkCrossSite, type CrossSitePolicy, type CrossSiteRequest } from './csrf';
import { endsCookie, unauthenticated } from './refusals';
import type { Sessions } from './sessions';

/** A request that was let in. */
export interface Authenticated {
  readonly session: Session;
  readonly credential: SessionCredential;
}

export interface AuthenticateOptions extends CrossSitePolicy {
  readonly readCredential: ReadCredential;
  readonly cookie: SessionCookie;
  readonly sessions: Sessions;
}

/**
 * Lets a request in: reads its credential, checks a cookie's request for another site's hand in it, then asks whose session
 * it is. For operations that need a session; the others must not call it. Clears the cookie of a session that is over.
 *
 * @throws GatewayError what reading, checking and validating throw; UNAUTHENTICATED where there is no credential.
 */
export type Authenticate = (exchange: Exchange, request: CrossSiteRequest) => Promise<Authenticated>;

export function createAuthenticate(options: AuthenticateOptions): Authenticate {
  const { readCredential, cookie, sessions, publicOrigin, allowedOrigins } = options;

  return async (exchange, { navigation }) => {
    const credential = readCredential(exchange);
    if (!credential) throw unauthenticated();
    if (credential.via === 'cookie') checkCrossSite(exchange, { navigation, publicOrigin, allowedOrigins });
    const { id: requestId, trace, deadline, signal } = exchange;
    try {
      const session = await sessions.validate(credential.token, { requestId, trace, deadline, signal });
      exchange.facts.userId = session.userId;
      return { session, credential };
    } catch (error) {
      if (credential.via === 'cookie' && endsCookie(error)) cookie.clear(exchange);
      throw error;
    }
  };
}
