import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { SessionCookie } from './cookies';
import { SessionRefused, unauthenticated } from './session-errors';

/** The credential that a request carries. */
export interface SessionCredential {
  /** Secret; never logged, never kept. */
  readonly token: string;
  /** Browsers attach cookies by themselves, so `cookie` needs the cross-site check; `bearer` does not. */
  readonly via: 'cookie' | 'bearer';
}

/**
 * The session credentials of requests. `Authorization` of another scheme than Bearer is none: it is meant for a proxy in front of
 * the gateway, such as the basic authentication of a staging site.
 */
export interface Credentials {
  /**
   * Where a request carries its credential, well-formed or not; undefined where it has none.
   *
   * @throws GatewayError BAD_USER_INPUT where it carries more than one credential.
   */
  via(exchange: Exchange): SessionCredential['via'] | undefined;
  /**
   * The credential of a request. Call it only for operations that need a session: public ones then work even with a
   * credential that is malformed.
   *
   * @throws GatewayError BAD_USER_INPUT where it carries more than one; UNAUTHENTICATED where it carries none or a
   * malformed one. A malformed cookie is cleared.
   */
  read(exchange: Exchange): SessionCredential;
}

const longestToken = 4096;
/** b64token of RFC 6750 section 2.1; all of its characters may be in a cookie too. */
const tokenPattern = /^[A-Za-z0-9\-._~+/]+=*$/;
const bearerPattern = /^bearer +(\S+)$/i;
const bearerScheme = /^bearer(?![^ \t])/i;

/** True for text that may be a token: it fits into a cookie and into `Authorization: Bearer`. */
export function isToken(value: string): boolean {
  return value.length <= longestToken && tokenPattern.test(value);
}

export function createCredentials({ cookie }: { readonly cookie: SessionCookie }): Credentials {
  /** The one credential of a request, unchecked. */
  function carried(exchange: Exchange): { via: SessionCredential['via']; value: string } | undefined {
    const { headers } = exchange;
    if (headers.authorization === undefined && headers.cookie === undefined) return undefined;
    // Of several lines node:http keeps the first.
    const bearers =
      headers.authorization === undefined
        ? []
        : exchange.headerLines('authorization').filter((line) => bearerScheme.test(line));
    const cookies = cookie.values(exchange);
    if (bearers.length + cookies.length > 1) {
      throw new GatewayError(
        'BAD_USER_INPUT',
        `Send one session credential: either the cookie "${cookie.name}" or "Authorization: Bearer", once.`,
      );
    }
    if (bearers[0] !== undefined) return { via: 'bearer', value: bearers[0] };
    return cookies[0] === undefined ? undefined : { via: 'cookie', value: cookies[0] };
  }

  return {
    via: (exchange) => carried(exchange)?.via,
    read(exchange) {
      const credential = carried(exchange);
      if (!credential) throw unauthenticated(exchange.headers.authorization === undefined ? undefined : otherScheme);
      const { via, value } = credential;
      if (via === 'bearer') return { token: bearerToken(value), via };
      if (isToken(value)) return { token: value, via };
      cookie.clear(exchange);
      throw unauthenticated(undefined, new SessionRefused('the session cookie holds no token', true));
    },
  };
}

const otherScheme = 'Sign in to continue. Of "Authorization", only the scheme "Bearer" is read.';

function bearerToken(authorization: string): string {
  const token = bearerPattern.exec(authorization)?.[1];
  if (token !== undefined && isToken(token)) return token;
  throw unauthenticated('Authorization must be "Bearer" and a session token.');
}
