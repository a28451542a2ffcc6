import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { SessionCookie } from './cookies';
import { SessionRefused, unauthenticated } from './session-errors';

/** What a request shows to be let in. */
export interface SessionCredential {
  /** Secret; never logged, never kept. */
  readonly token: string;
  /** A browser sends its cookie unasked, so that only `cookie` needs the cross-site check. */
  readonly via: 'cookie' | 'bearer';
}

/** The session credentials of requests. */
export interface Credentials {
  /**
   * How a request shows whose it is, whether or not that can be a token; undefined where it does not.
   *
   * @throws GatewayError BAD_USER_INPUT where it carries more than one credential.
   */
  via(exchange: Exchange): SessionCredential['via'] | undefined;
  /**
   * The credential of a request. Called only for operations that need a session, so that an `Authorization` which is meant
   * for something in front of the gateway does no harm to the others.
   *
   * @throws GatewayError BAD_USER_INPUT where it carries more than one; UNAUTHENTICATED where it carries none, or what
   * cannot be a token, and a cookie that cannot be one is then cleared.
   */
  read(exchange: Exchange): SessionCredential;
}

const longestToken = 4096;
/** b64token of RFC 6750 section 2.1; all of its characters may be in a cookie too. */
const tokenPattern = /^[A-Za-z0-9\-._~+/]+=*$/;
const bearerPattern = /^bearer +(\S+)$/i;

/** True for what can be sent as a session's token, in a cookie and in `Authorization: Bearer`. */
export function isToken(value: string): boolean {
  return value.length <= longestToken && tokenPattern.test(value);
}

export function createCredentials({ cookie }: { readonly cookie: SessionCookie }): Credentials {
  /** The one value that a request carries, as it came. */
  function carried(exchange: Exchange): { via: SessionCredential['via']; value: string } | undefined {
    const { headers } = exchange;
    if (headers.authorization === undefined && headers.cookie === undefined) return undefined;
    // Of several lines node:http keeps the first.
    const authorizations = headers.authorization === undefined ? [] : exchange.headerLines('authorization');
    const cookies = cookie.values(exchange);
    if (authorizations.length + cookies.length > 1) {
      throw new GatewayError(
        'BAD_USER_INPUT',
        `Send one session credential: either the cookie "${cookie.name}" or "Authorization: Bearer", once.`,
      );
    }
    if (authorizations[0] !== undefined) return { via: 'bearer', value: authorizations[0] };
    return cookies[0] === undefined ? undefined : { via: 'cookie', value: cookies[0] };
  }

  return {
    via: (exchange) => carried(exchange)?.via,
    read(exchange) {
      const credential = carried(exchange);
      if (!credential) throw unauthenticated();
      const { via, value } = credential;
      if (via === 'bearer') return { token: bearerToken(value), via };
      if (isToken(value)) return { token: value, via };
      cookie.clear(exchange);
      throw unauthenticated(undefined, new SessionRefused('the session cookie holds no token', true));
    },
  };
}

function bearerToken(authorization: string): string {
  const token = bearerPattern.exec(authorization)?.[1];
  if (token !== undefined && isToken(token)) return token;
  throw unauthenticated('Authorization must be "Bearer" and a session token.');
}
