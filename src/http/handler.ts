import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { json, type Exchange, type Reply, type Route } from '../exchange';
import { errorHeaders, GatewayError, isClientClosed, logBug, publicDetails, toGatewayError } from '../errors';
import type { Logger } from '../log';
import type { Metrics } from '../metrics';
import { IncomingExchange } from './incoming';
import { Router, type Elsewhere, type Found } from './router';

export interface HandlerOptions {
  readonly routes: readonly Route[];
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Ms. */
  readonly requestTimeout: number;
  /** Whether browsers are told to use HTTPS alone from now on. */
  readonly strictTransport: boolean;
}

export interface HttpHandler {
  readonly handle: RequestListener;
  /** From now on answers ask clients to connect anew, elsewhere. */
  drain(): void;
  /** Ends every streamed answer that is open, with a last event that says why. */
  endStreams(reason: GatewayError): void;
}

/** Methods that metrics tell apart; clients may send any other. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Label of paths that lead nowhere. */
const unknownPath = 'other';

/** Answers HTTP requests by routes, and leaves an access line and metrics behind for each. */
export function createHttpHandler(options: HandlerOptions): HttpHandler {
  const { log, metrics, requestTimeout } = options;
  const router = new Router(options.routes);
  const streams = new Set<IncomingExchange>();
  /** Why streams end, once the gateway shuts down: those that begin later end at once. */
  let ending: GatewayError | undefined;
  let isDraining = false;
  const baseHeaders: Record<string, string> = {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...(options.strictTransport ? { 'strict-transport-security': 'max-age=31536000; includeSubDomains' } : {}),
  };

  async function answer(
    exchange: IncomingExchange,
    found: Found | undefined,
    elsewhere: Elsewhere | undefined,
  ): Promise<Reply> {
    try {
      return await dispatch(exchange, found, elsewhere);
    } catch (error) {
      return errorReply(error, exchange);
    }
  }

  async function send(exchange: IncomingExchange, response: ServerResponse, reply: Reply): Promise<void> {
    const { body } = reply;
    response.statusCode = reply.status;
    for (const [name, value] of Object.entries({ ...baseHeaders, ...reply.headers })) response.setHeader(name, value);
    response.setHeader('x-request-id', exchange.id);
    // A client that goes on using a connection which is about to close would lose a request.
    if (isDraining) response.setHeader('connection', 'close');
    if (exchange.setCookies.length > 0) response.setHeader('set-cookie', exchange.setCookies);
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      if (bytes) response.setHeader('content-length', bytes.byteLength);
      else if (reply.status !== 204) response.setHeader('content-length', 0);
      response.end(exchange.method === 'HEAD' ? undefined : bytes);
      return;
    }
    streams.add(exchange);
    if (ending) exchange.abort(ending);
    metrics.httpStreams.inc();
    try {
      await sendStream(response, body, exchange.signal);
    } finally {
      streams.delete(exchange);
      metrics.httpStreams.dec();
    }
  }

  function finish(
    exchange: IncomingExchange,
    response: ServerResponse,
    path: string,
    begin: number,
    streamed: boolean,
  ): void {
    // 499 is never sent: it marks answers that nobody waited for.
    const status = response.writableFinished ? response.statusCode : 499;
    const method = knownMethods.has(exchange.method) ? exchange.method : unknownPath;
    const seconds = (performance.now() - begin) / 1000;
    metrics.httpRequests.series({ method, path, status: String(status) }).inc();
    if (!streamed) metrics.httpLatency.series({ method, path }).observe(seconds);
    const line = { method, route: path, status, durationMs: Math.round(seconds * 1e6) / 1e3, ...exchange.facts };
    exchange.log.info(streamed ? { ...line, streamed } : line, 'request');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const begin = performance.now();
    const exchange = new IncomingExchange(request, response, { log, requestTimeout });
    const found = router.find(exchange.method, exchange.path);
    const elsewhere = found ? undefined : router.elsewhere(exchange.path);
    const closed = new Promise((resolve) => response.once('close', resolve));
    const reply = await answer(exchange, found, elsewhere);
    const streamed = typeof reply.body === 'object' && !(reply.body instanceof Uint8Array);
    try {
      await send(exchange, response, reply);
    } catch (error) {
      exchange.log.error({ err: error }, 'internal error while answering');
      response.destroy();
    }
    await closed;
    finish(exchange, response, found?.route.path ?? elsewhere?.path ?? unknownPath, begin, streamed);
  }

  return {
    handle(request, response) {
      void serve(request, response);
    },
    drain() {
      isDraining = true;
    },
    endStreams(reason) {
      ending = reason;
      for (const exchange of streams) exchange.abort(reason);
    },
  };
}

async function dispatch(
  exchange: Exchange,
  found: Found | undefined,
  elsewhere: Elsewhere | undefined,
): Promise<Reply> {
  if (found) {
    // Tokens are in headers, cookies and codes, so nothing of one caller may be kept for another.
    const reply = await found.route.handle(exchange, found.params);
    return { ...reply, headers: { 'cache-control': 'no-store', ...reply.headers } };
  }
  if (!elsewhere) throw new GatewayError('NOT_FOUND', 'There is nothing at this path.');
  const { methods } = elsewhere;
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  if (exchange.method === 'OPTIONS') return { status: 204, headers: { allow } };
  throw new GatewayError('METHOD_NOT_ALLOWED', undefined, { headers: { allow } });
}

/** The REST error envelope. */
export function errorReply(thrown: unknown, exchange: Exchange): Reply {
  const error = toGatewayError(thrown);
  exchange.facts.code = error.code;
  logBug(error, exchange.log);
  const { status, message, code } = error;
  return json(
    status,
    { error: { code: status, message, reason: code, requestId: exchange.id, ...publicDetails(error) } },
    errorHeaders(error),
  );
}

/** Writes a stream at the client's pace; stops asking for more while the client does not read. */
async function sendStream(
  response: ServerResponse,
  body: AsyncIterable<string | Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  response.flushHeaders();
  try {
    for await (const chunk of body) {
      if (response.destroyed) return;
      if (!response.write(chunk)) await drained(response);
    }
    response.end();
  } catch (error) {
    if (!isClientClosed(error) && !isClientClosed(signal.reason)) throw error;
    response.destroy();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}
