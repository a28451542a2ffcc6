import { hash } from 'node:crypto';
import { stringifySetCookie, type SetCookie } from 'cookie';
import { LRUCache } from 'lru-cache';
import type { Exchange } from '../http/exchange';
import type { Session } from './auth-service';

/** One cookie of a request. */
export interface RequestCookie {
  readonly name: string;
  /** Neither decoded nor unquoted: the gateway writes its cookies without encoding and quotes. */
  readonly value: string;
}

/** The cookies of a request in their order. Keeps several of one name, which parsers such as `cookie` drop. */
export function requestCookies({ headers }: Pick<Exchange, 'headers'>): RequestCookie[] {
  // Node joins several Cookie headers with "; ".
  return (headers.cookie ?? '')
    .split(';')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? undefined : { name: trimmed(pair.slice(0, at)), value: trimmed(pair.slice(at + 1)) };
    })
    .filter((cookie) => cookie !== undefined);
}

/**
 * Without the white space that cookies know, which is SP and HTAB (RFC 6265bis, section 5.6). `trim()` takes off more, such as
 * the byte A0: browsers take a name with it for another one, so a sibling host could set a cookie that counts as `__Host-`.
 */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/**
 * Writes the value of a `Set-Cookie` header. Always HttpOnly, SameSite=Lax and for every path of this host alone. Lax, so
 * that a link from another site finds the user signed in, and the identity provider's redirect finds its sign-in attempt.
 *
 * @param cookie.value - Characters of RFC 6265's cookie-octet only.
 * @param cookie.secure - What the `__Host-` prefix requires; off only where the configuration has `insecureCookies`.
 */
export function setCookie(cookie: {
  readonly name: string;
  readonly value: string;
  readonly secure: boolean;
  readonly expiresAt: number;
}): string {
  const { name, value, secure, expiresAt } = cookie;
  const written: SetCookie = {
    name,
    value,
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure,
    maxAge: Math.max(0, Math.ceil((expiresAt - Date.now()) / 1000)),
    expires: new Date(Math.max(0, expiresAt)),
  };
  return stringifySetCookie(written, { encode: (text) => text });
}

/** The cookie that carries a session's token. */
export interface SessionCookie {
  readonly name: string;
  /** @param expiresAt - When the session ends, in ms since the epoch. */
  set(exchange: Exchange, token: string, expiresAt: number): void;
  /**
   * Whether the cookie of a token ends before its session does: AuthService may extend sessions.
   *
   * @param session - As AuthService confirmed it. Asking again about the same object costs next to nothing.
   */
  endsBefore(token: string, session: Session): boolean;
  clear(exchange: Exchange): void;
  /** Every value that the request carries. More than one is a client's mistake or an attack. */
  values(exchange: Exchange): string[];
}

/** Of how many cookies it is remembered when they end. Beyond that, one is set again without need. */
const capacity = 50_000;
/** Ms. Cookies end at whole seconds, and AuthService may round as well. */
const leastGain = 1_000;

/** @param options.secure - Whether it is Secure and prefixed `__Host-`; see {@link setCookie}. */
export function createSessionCookie({ secure }: { readonly secure: boolean }): SessionCookie {
  const name = secure ? '__Host-session' : 'session';
  /**
   * When the cookies end that were set here, by the hash of their token, in ms since the epoch. No request tells: browsers send
   * neither Expires nor Max-Age. Of a cookie that another replica set, or this one before a restart, it is not known; it is then
   * set once more.
   */
  const ends = new LRUCache<string, number>({ max: capacity });
  /** Those whose cookies last as long as they do, so that a hash of the token is not needed to know it. */
  const inTime = new WeakSet<Session>();

  /** The last call wins: a response should not set one cookie twice (RFC 6265 section 4.1.1). */
  function put(exchange: Exchange, value: string, expiresAt: number): void {
    const earlier = exchange.setCookies.findIndex((cookie) => cookie.startsWith(`${name}=`));
    if (earlier >= 0) exchange.setCookies.splice(earlier, 1);
    exchange.setCookies.push(setCookie({ name, value, secure, expiresAt }));
  }

  function set(exchange: Exchange, token: string, expiresAt: number): void {
    ends.set(hash('sha256', token, 'base64url'), expiresAt);
    put(exchange, token, expiresAt);
  }

  return {
    name,
    set,
    endsBefore(token, session) {
      if (inTime.has(session)) return false;
      const end = ends.get(hash('sha256', token, 'base64url')) ?? 0;
      if (session.expiresAt - end >= leastGain) return true;
      inTime.add(session);
      return false;
    },
    clear: (exchange) => put(exchange, '', 0),
    values(exchange) {
      // Cheap way out: most requests with cookies do not carry this one.
      if (!exchange.headers.cookie?.includes(name)) return [];
      return requestCookies(exchange)
        .filter((cookie) => cookie.name === name)
        .map((cookie) => cookie.value);
    },
  };
}
