import type { OutgoingHttpHeader } from 'node:http';
import type { Cors } from './cors';
import type { Reply } from './exchange';
import type { IncomingExchange } from './incoming-exchange';

/** Makes the heads of responses. */
export class ReplyHeads {
  private readonly base: readonly (readonly [name: string, value: string])[];
  private isDraining = false;

  /** @param strictTransport - Whether browsers are told to use HTTPS alone from now on. */
  constructor(
    strictTransport: boolean,
    private readonly cors: Cors,
  ) {
    this.base = [
      ['x-content-type-options', 'nosniff'],
      ['referrer-policy', 'no-referrer'],
      ...(strictTransport ? [['strict-transport-security', 'max-age=31536000; includeSubDomains'] as const] : []),
    ];
  }

  /** From now on, each head asks the client to connect anew. */
  drain(): void {
    this.isDraining = true;
  }

  /**
   * Names and values in turn, which is the cheapest form for writeHead.
   *
   * @param length - Of the body in bytes; undefined where it is not known, or where there is none.
   */
  headOf(exchange: IncomingExchange, { headers = {} }: Reply, length: number | undefined): OutgoingHttpHeader[] {
    exchange.beforeHead?.();
    const head: OutgoingHttpHeader[] = [];
    for (const [name, value] of this.base) if (headers[name] === undefined) head.push(name, value);
    // Headers, cookies and codes hold tokens, so no cache may keep one caller's answer for another.
    if (exchange.match.route && headers['cache-control'] === undefined) head.push('cache-control', 'no-store');
    for (const name in headers) {
      if (name !== 'content-length' && name !== 'vary') head.push(name, headers[name] as OutgoingHttpHeader);
    }
    // Always, since the answer to a request without Origin must not be kept for one with it (Fetch, "CORS protocol and caches").
    const { vary } = headers;
    head.push('vary', vary === undefined ? 'Origin' : `${String(vary)}, Origin`);
    for (const each of this.cors.headOf(exchange)) head.push(each);
    head.push('x-request-id', exchange.id);
    // A client that sends another request on a connection about to close would lose it.
    if (this.isDraining && headers['connection'] === undefined) head.push('connection', 'close');
    if (exchange.addedHeaders.length > 0) head.push(...exchange.addedHeaders);
    if (exchange.setCookies.length > 0) head.push('set-cookie', exchange.setCookies);
    if (length !== undefined) head.push('content-length', length);
    return head;
  }
}
