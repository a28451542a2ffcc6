import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';

/** Whose pages may use a browser's session. Origins as browsers write them: scheme, host, and a port unless it is the default. */
export interface CrossSitePolicy {
  /** The gateway's own origin. */
  readonly publicOrigin: string;
  /** Other origins whose pages may use the session. No wildcards. */
  readonly allowedOrigins: readonly string[];
}

export interface CrossSiteRequest {
  /**
   * Whether a user may open the route by following a link. Links cannot send headers, so its GET and HEAD need none; they
   * change nothing.
   */
  readonly navigation: boolean;
}

/**
 * Refuses a request with the session cookie that another site's page may have made the browser send. Requests with a bearer
 * token need no check: their sender knows the token.
 *
 * It must say by itself that no other site made it: by `X-CSRF`, which no form and no link can send, and which across origins
 * forces a preflight (Fetch, "CORS-preflight"), or by `Sec-Fetch-Site: same-origin`, which pages can neither set nor change
 * (Fetch Metadata). `Origin` and `Sec-Fetch-Site` must fit besides, where they are there; curl sends neither.
 *
 * @throws GatewayError FORBIDDEN, saying which header is missing or does not fit.
 */
export function checkCrossSite(
  exchange: Pick<Exchange, 'method' | 'headers'>,
  { publicOrigin, allowedOrigins }: CrossSitePolicy,
  { navigation }: CrossSiteRequest,
): void {
  if (navigation && (exchange.method === 'GET' || exchange.method === 'HEAD')) return;
  // Node joins two headers of one name into one value, which is none of these.
  const site = exchange.headers['sec-fetch-site'];
  if (exchange.headers['x-csrf'] !== '1' && site !== 'same-origin') {
    throw new GatewayError(
      'FORBIDDEN',
      'Requests with the session cookie need the header "X-CSRF: 1", or "Sec-Fetch-Site: same-origin", as browsers send it.',
    );
  }
  const { origin } = exchange.headers;
  const allowed = origin !== undefined && allowedOrigins.includes(origin);
  if (origin !== undefined && origin !== publicOrigin && !allowed) {
    throw new GatewayError('FORBIDDEN', 'The page that "Origin" names may not use the session cookie here.');
  }
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !allowed) {
    throw new GatewayError(
      'FORBIDDEN',
      '"Sec-Fetch-Site" says that another site sent this, and "Origin" names none that may use the session cookie here.',
    );
  }
}
