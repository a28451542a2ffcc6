import type { Exchange, Reply } from './exchange';

/** Which other pages may read the gateway's answers (Fetch, "CORS protocol"). */
export interface CorsPolicy {
  /** Origins, as browsers write them, whose pages may use the browser's cookies too. */
  readonly origins: readonly string[];
  /** Whether pages of all other origins may read answers to requests without cookies, as those with a bearer token are. */
  readonly isPublic: boolean;
  /** Headers of answers that pages may read, besides those of every answer. */
  readonly exposedHeaders?: readonly string[];
}

/** Names and values in turn. */
type Head = readonly string[];

/**
 * Headers that no page may send without being asked for: those that the gateway reads, and Last-Event-ID, which libraries for
 * event streams send.
 */
const requestHeaders = [
  'content-type',
  'authorization',
  'x-csrf',
  'x-request-timeout-ms',
  'traceparent',
  'tracestate',
  'last-event-id',
  'grpc-timeout',
].join(', ');

/** Headers that pages may read, besides those that any page may. */
const responseHeaders = ['x-request-id', 'retry-after', 'ratelimit', 'ratelimit-policy'];

/** Seconds for which a preflight counts. Chromium keeps none for longer. */
const maxAge = '7200';

const none: Head = [];

/** Tells browsers which pages may read an answer. Nothing that a request says is ever repeated. */
export class Cors {
  /** By origin, what its answers carry. */
  private readonly heads: ReadonlyMap<string, Head>;
  private readonly toAnyone: Head | undefined;

  constructor({ origins, isPublic, exposedHeaders = [] }: CorsPolicy) {
    const exposed: Head = ['access-control-expose-headers', [...responseHeaders, ...exposedHeaders].join(', ')];
    if (isPublic) this.toAnyone = ['access-control-allow-origin', '*', ...exposed];
    this.heads = new Map(
      origins.map((origin) => [
        origin,
        ['access-control-allow-origin', origin, 'access-control-allow-credentials', 'true', ...exposed],
      ]),
    );
  }

  /** What an answer carries; `Vary: Origin` comes on top, whatever this is. */
  headOf({ headers, setCookies }: Pick<Exchange, 'headers' | 'setCookies'>): Head {
    // Node joins two Origin headers into one value, which is no origin.
    const { origin } = headers;
    if (origin === undefined) return none;
    const head = this.heads.get(origin);
    if (head) return head;
    // Pages on a sibling host can make a browser send its cookies. No answer to those is for everyone.
    return (headers.cookie === undefined && setCookies.length === 0 && this.toAnyone) || none;
  }

  /**
   * What the answer to an OPTIONS request carries besides, so that it serves as one to a preflight.
   *
   * @param methods - Those that the path takes.
   */
  preflightHeaders(exchange: Pick<Exchange, 'headers' | 'setCookies'>, methods: string): NonNullable<Reply['headers']> {
    if (this.headOf(exchange) === none) return {};
    return {
      'access-control-allow-methods': methods,
      'access-control-allow-headers': requestHeaders,
      'access-control-max-age': maxAge,
    };
  }
}
