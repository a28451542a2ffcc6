import { GatewayError } from '../errors';
import type { Exchange } from '../exchange';
import type { SessionCookie } from './cookies';
import { SessionRefused, unauthenticated } from './refusals';

/** What a request shows to be let in. */
export interface SessionCredential {
  /** Secret; never logged, never kept. */
  readonly token: string;
  /** A browser sends its cookie unasked, so that only `cookie` needs the cross-site check. */
  readonly via: 'cookie' | 'bearer';
}

/**
 * Reads the session credential of a request. Called only for operations that need a session, so that an `Authorization`
 * which is meant for something in front of the gateway does no harm to the others.
 *
 * @returns undefined where the request carries none.
 * @throws GatewayError BAD_USER_INPUT where it carries more than one; UNAUTHENTICATED where it cannot be a token, and a
 * cookie that cannot be one is then cleared.
 */
export type ReadCredential = (exchange: Exchange) => SessionCredential | undefined;

const longestToken = 4096;
/** b64token of RFC 6750 section 2.1; all of its characters may be in a cookie too. */
const tokenPattern = /^[A-Za-z0-9\-._~+/]+=*$/;
const bearerPattern = /^bearer +(\S+)$/i;

/** True for what can be sent as a session's token, in a cookie and in `Authorization: Bearer`. */
export function isToken(value: string): boolean {
  return value.length <= longestToken && tokenPattern.test(value);
}

export function createReadCredential({ cookie }: { readonly cookie: SessionCookie }): ReadCredential {
  return (exchange) => {
    const authorizations = exchange.headersDistinct['authorization'] ?? [];
    const cookies = cookie.values(exchange);
    if (authorizations.length + cookies.length > 1) {
      throw new GatewayError(
        'BAD_USER_INPUT',
        `Send one session credential: either the cookie "${cookie.name}" or "Authorization: Bearer", once.`,
      );
    }
    if (authorizations[0] !== undefined) return { token: bearerToken(authorizations[0]), via: 'bearer' };
    if (cookies[0] === undefined) return undefined;
    if (isToken(cookies[0])) return { token: cookies[0], via: 'cookie' };
    cookie.clear(exchange);
    throw unauthenticated(undefined, new SessionRefused('the session cookie holds no token', true));
  };
}

function bearerToken(authorization: string): string {
  const token = bearerPattern.exec(authorization)?.[1];
  if (token !== undefined && isToken(token)) return token;
  throw unauthenticated('Authorization must be "Bearer" and a session token.');
}
