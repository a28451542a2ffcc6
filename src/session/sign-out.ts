import type { Exchange } from '../exchange';
import type { SessionCookie } from './cookies';
import type { SessionCredential } from './credentials';
import type { Sessions } from './sessions';

/**
 * Ends the session of a credential and clears the cookie that it came in. The caller has done the cross-site check. The
 * session need not be valid any more.
 *
 * @throws GatewayError AUTH_UNAVAILABLE where AuthService did not confirm it; the cookie is then kept for another try.
 */
export type SignOut = (exchange: Exchange, credential: SessionCredential) => Promise<void>;

export function createSignOut(options: { readonly sessions: Sessions; readonly cookie: SessionCookie }): SignOut {
  const { sessions, cookie } = options;
  return async (exchange, { token, via }) => {
    const { id: requestId, trace, deadline } = exchange;
    await sessions.revoke(token, { requestId, trace, deadline });
    if (via === 'cookie') cookie.clear(exchange);
  };
}
