import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';

/** Who may use a browser's session. Origins as browsers write them: scheme, host, and a port that is not the default. */
export interface CrossSitePolicy {
  /** Where the gateway is reached. */
  readonly publicOrigin: string;
  /** Other origins whose pages may use the session, one by one. */
  readonly allowedOrigins: readonly string[];
}

export interface CrossSiteRequest {
  /**
   * Whether the route is one that a user may open by following a link. Its GET and HEAD then need no header, which a
   * link cannot send; they change nothing.
   */
  readonly navigation: boolean;
}

/**
 * Refuses a request that a foreign page may have made the browser send. For requests that carry the session cookie; those
 * with a bearer token are made by code that knows the token.
 *
 * Three marks, of which only the first is always there: `X-CSRF`, which no form and no link can send and which makes
 * every cross-origin request ask first (Fetch, "CORS-preflight"); `Sec-Fetch-Site`, which every current browser sends; and
 * `Origin`, which older ones send too. Marks that are absent, as with curl, do not count against a request.
 *
 * @throws GatewayError FORBIDDEN, saying which header is missing or does not fit.
 */
export function checkCrossSite(
  exchange: Pick<Exchange, 'method' | 'headers'>,
  { publicOrigin, allowedOrigins }: CrossSitePolicy,
  { navigation }: CrossSiteRequest,
): void {
  if (navigation && (exchange.method === 'GET' || exchange.method === 'HEAD')) return;
  if (exchange.headers['x-csrf'] !== '1') {
    throw new GatewayError('FORBIDDEN', 'Requests with the session cookie need the header "X-CSRF: 1".');
  }
  // Of two Origins Node makes one value that nobody is called by.
  const { origin } = exchange.headers;
  const allowed = origin !== undefined && allowedOrigins.includes(origin);
  if (origin !== undefined && origin !== publicOrigin && !allowed) {
    throw new GatewayError('FORBIDDEN', 'The page that "Origin" names may not use the session cookie here.');
  }
  const site = exchange.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !allowed) {
    throw new GatewayError(
      'FORBIDDEN',
      '"Sec-Fetch-Site" says that another site sent this, and "Origin" names none that may use the session cookie here.',
    );
  }
}
