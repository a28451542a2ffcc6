import { randomUUID } from 'node:crypto';
import { ServerResponse, type IncomingMessage, type OutgoingHttpHeader, type RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { catalogue, errorHeaders, GatewayError, logBug, publicDetails, toGatewayError } from '../errors';
import { createLineLog } from '../telemetry/log';
import type { CounterSeries, HistogramSeries, Metrics } from '../telemetry/metrics';
import { continueTrace } from '../telemetry/trace';
import { Bodies } from './bodies';
import { json, type Exchange, type Reply, type Route } from './exchange';
import { IncomingExchange, type IncomingOptions } from './incoming-exchange';
import { Router, type Elsewhere } from './router';
import { refusalOf, refusalReply, refusalStatuses, writeRefusal } from './unreadable-request';

export interface HandlerOptions extends Omit<IncomingOptions, 'bodies'> {
  readonly routes: readonly Route[];
  readonly metrics: Metrics;
  /** Whether browsers are told to use HTTPS alone from now on. */
  readonly strictTransport: boolean;
  /** Ms for which a client may take nothing of what waits for it, after which its connection is closed; 30,000 by default. */
  readonly writeTimeout?: number;
}

/**
 * Refuses what node:http could not read.
 *
 * @param error - As `clientError` has it.
 * @param to - The answer to the request that could not be read to its end; the connection where no request had begun.
 */
export type Refuse = (error: NodeJS.ErrnoException, to: ServerResponse | Socket) => void;

export interface HttpHandler {
  readonly handle: RequestListener;
  /** Refuses what node:http could not read, leaving an access line and metrics behind as for any other request. */
  readonly refuse: Refuse;
  /** From now on answers ask clients to connect anew, elsewhere. */
  drain(): void;
  /** Ends every streamed answer that is open, with a last event that says why. */
  endStreams(reason: GatewayError): void;
  /** Resolves once every request that came has left its access line, metrics and spans behind. */
  settled(): Promise<void>;
}

/** Methods that metrics tell apart; clients may send any other. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Label of paths that lead nowhere, of methods that are not told apart, and of requests that could not be read. */
const other = 'other';

/** Characters up to which a body goes out in one piece with the head. Longer ones take less as bytes of their own. */
const longestInOnePiece = 16 * 1024;

/**
 * Answers that go out together at most. A write wakes whoever reads on the same machine (a sidecar, an ingress) and has nothing
 * else to do, which costs the writer more than the answer did; those that follow at once find them awake. With more of them
 * the first would wait for the last.
 */
const maxReady = 32;

/** An answer that is ready, whole. */
interface Ready {
  readonly exchange: IncomingExchange;
  readonly reply: Reply;
  readonly body: string | Uint8Array | undefined;
}

/** An answer, which knows what it is the answer to. */
type Answer = ServerResponse & { exchange?: IncomingExchange };

/** Answers HTTP requests by routes, and leaves an access line and metrics behind for each. */
export function createHttpHandler(options: HandlerOptions): HttpHandler {
  const { log, metrics, writeTimeout = 30_000 } = options;
  const router = new Router(options.routes);
  const counts = createCounts(metrics, options.routes);
  const incoming = { ...options, bodies: new Bodies() };
  const writeLine = createLineLog(log, 'request');
  const streams = new Set<IncomingExchange>();
  /** Answers that came in this turn of the event loop. */
  let ready: Ready[] = [];
  /** Why streams end, once the gateway shuts down: those that begin later end at once. */
  let ending: GatewayError | undefined;
  let isDraining = false;
  let inFlight = 0;
  const onSettled: (() => void)[] = [];
  metrics.httpInFlight.read({}, () => inFlight);
  metrics.httpStreams.read({}, () => streams.size);
  const baseHeaders: readonly (readonly [name: string, value: string])[] = [
    ['x-content-type-options', 'nosniff'],
    ['referrer-policy', 'no-referrer'],
    ...(options.strictTransport ? [['strict-transport-security', 'max-age=31536000; includeSubDomains'] as const] : []),
  ];

  /** Names and values in turn, as writeHead takes them at the least cost. */
  function headOf(exchange: IncomingExchange, { headers = {} }: Reply, length: number | undefined) {
    const head: OutgoingHttpHeader[] = [];
    for (const [name, value] of baseHeaders) if (headers[name] === undefined) head.push(name, value);
    // Tokens are in headers, cookies and codes, so nothing of one caller may be kept for another.
    if (exchange.isRouted && headers['cache-control'] === undefined) head.push('cache-control', 'no-store');
    for (const name in headers) if (name !== 'content-length') head.push(name, headers[name] as OutgoingHttpHeader);
    head.push('x-request-id', exchange.id);
    // A client that goes on using a connection which is about to close would lose a request.
    if (isDraining && headers['connection'] === undefined) head.push('connection', 'close');
    if (exchange.setCookies.length > 0) head.push('set-cookie', exchange.setCookies);
    if (length !== undefined) head.push('content-length', length);
    return head;
  }

  function sendWhole({ exchange, reply, body }: Ready): void {
    const { response } = exchange;
    // node:http sends text together with the head.
    const content = typeof body === 'string' && body.length > longestInOnePiece ? Buffer.from(body) : body;
    const length = typeof content === 'string' ? Buffer.byteLength(content) : content?.byteLength;
    response.writeHead(reply.status, headOf(exchange, reply, length ?? (reply.status === 204 ? undefined : 0)));
    response.end(exchange.method === 'HEAD' ? undefined : content);
    // What waits for its turn behind another answer has no socket yet.
    if (response.socket === null || response.socket.writableLength > 0) response.setTimeout(writeTimeout);
  }

  async function sendStream(
    exchange: IncomingExchange,
    reply: Reply,
    body: AsyncIterable<string | Uint8Array>,
  ): Promise<void> {
    const { response } = exchange;
    exchange.isStreamed = true;
    streams.add(exchange);
    if (ending) exchange.abort(ending);
    try {
      if (!response.headersSent) {
        response.writeHead(reply.status, headOf(exchange, reply, undefined));
        response.flushHeaders();
        response.setTimeout(writeTimeout);
      }
      await writeStream(exchange, body);
    } finally {
      streams.delete(exchange);
    }
  }

  /** What went wrong while an answer was sent, of which nothing more can be said then. */
  function fail(exchange: IncomingExchange, error: unknown): void {
    const cause = toGatewayError(error);
    // What a stream throws once its answer is closed comes of that.
    if (!exchange.brokenOff) logBug(cause, exchange);
    const { response } = exchange;
    if (response.socket) {
      response.destroy(cause);
      return;
    }
    // It waits for its turn. On Node 24 destroy() would close it alone, leave the connection open and its client waiting.
    response.once('socket', (socket: Socket) => {
      // Nothing of it is sent, and the response ahead of it, which is finished, gets to be closed first.
      socket.cork();
      setImmediate(() => socket.destroy(cause));
    });
  }

  /** Sends what a handler gave, or what came of it: a stream at once, anything else with what else is ready. */
  function send(exchange: IncomingExchange, reply: Reply): void {
    const { body } = reply;
    if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) {
      void sendStream(exchange, reply, body)
        .catch((error: unknown) => fail(exchange, error))
        .finally(() => handled(exchange));
      return;
    }
    if (ready.push({ exchange, reply, body }) === 1) setImmediate(sendReady);
    else if (ready.length === maxReady) sendReady();
  }

  function sendReady(): void {
    const answers = ready;
    ready = [];
    for (const answer of answers) {
      const { exchange } = answer;
      try {
        // Nothing is said twice, nor to those who have left.
        if (!exchange.response.headersSent && !exchange.isClosed) sendWhole(answer);
      } catch (error) {
        fail(exchange, error);
      }
      handled(exchange);
    }
  }

  /** Nothing more will be sent. */
  function handled(exchange: IncomingExchange): void {
    if (exchange.isHandled) return;
    exchange.isHandled = true;
    if (exchange.isClosed) record(exchange);
  }

  /**
   * The response was taken whole, or broken off. This may be called twice: when a connection closes, src/http/server.ts emits
   * 'close' for the responses that wait on it, and Node 24 does too, a tick later.
   */
  function closed(exchange: IncomingExchange, socket: Socket): void {
    if (exchange.isClosed) return;
    exchange.isClosed = true;
    // To node:http what is thrown away with the connection is finished too.
    const isComplete = exchange.response.writableFinished && !socket.destroyed && !exchange.hasLeft;
    if (!isComplete) {
      exchange.brokenOff = whyClosed(socket);
      exchange.abort(exchange.brokenOff);
    }
    if (exchange.isHandled) record(exchange);
  }

  /** Leaves access line, metrics and span behind: once, when a request is both handled and closed. */
  function record(exchange: IncomingExchange): void {
    inFlight -= 1;
    const { brokenOff, facts, refusal, isStreamed, response } = exchange;
    const method = knownMethods.has(exchange.method) ? exchange.method : other;
    // What the client has read of an answer that was broken off is not how it ended.
    const status = brokenOff?.status ?? response.statusCode;
    const now = performance.now();
    const duration = now - exchange.began;
    counts.requests(method, exchange.route, status).inc();
    if (exchange.isRouted && !isStreamed) counts.latency(method, exchange.route).observe(duration / 1000);
    const { traceId, upstreams } = exchange.trace;
    const line = {
      requestId: exchange.id,
      traceId,
      method,
      route: exchange.route,
      status,
      durationMs: toMicroseconds(duration),
      upstreamMs: toMicroseconds(upstreams.total(now)),
      upstreamCalls: upstreams.calls,
      operation: facts.operation,
      userId: facts.userId,
      code: brokenOff?.code ?? (refusal ? 'BAD_USER_INPUT' : facts.code),
      reason: refusal?.reason,
      streamed: isStreamed || undefined,
    };
    exchange.span?.end({
      requestId: line.requestId,
      method: method === other ? undefined : method,
      route: line.route === other ? undefined : line.route,
      status,
      code: line.code,
    });
    writeLine(line);
    if (inFlight === 0) for (const each of onSettled.splice(0)) each();
  }

  return {
    handle(request, response) {
      const exchange = new IncomingExchange(request, response, incoming);
      (response as Answer).exchange = exchange;
      inFlight += 1;
      const found = router.find(exchange.method, exchange.path);
      const elsewhere = found ? undefined : router.elsewhere(exchange.path);
      exchange.route = found?.route.path ?? elsewhere?.path ?? other;
      exchange.isRouted = found !== undefined;
      response.on('close', () => closed(exchange, request.socket));
      try {
        requireHost(request);
        const reply = found ? found.route.handle(exchange, found.params) : unrouted(exchange, elsewhere);
        if ('then' in reply) {
          reply.then(
            (settled) => send(exchange, settled),
            (error: unknown) => send(exchange, errorReply(error, exchange)),
          );
        } else {
          send(exchange, reply);
        }
      } catch (error) {
        send(exchange, errorReply(error, exchange));
      }
    },
    refuse(error, to) {
      const refusal = refusalOf(error);
      const { status, reason } = refusal;
      if (to instanceof ServerResponse) {
        const { exchange } = to as Answer;
        if (!exchange) return;
        // A client that left in the middle of its request may still read.
        if (refusal.reason === 'HPE_INVALID_EOF_STATE') exchange.hasLeft = true;
        else exchange.refusal = refusal;
        const reply = refusalReply(refusal);
        sendWhole({ exchange, reply, body: reply.body });
        exchange.abort(new GatewayError('CLIENT_CLOSED_REQUEST'));
        return;
      }
      const requestId = randomUUID();
      writeRefusal(to, refusal, requestId);
      // Browsers open connections ahead of any request; one that never had any is closed and that is all.
      if (to.bytesRead === 0) return;
      counts.requests(other, other, status).inc();
      const { traceId } = continueTrace(undefined, undefined);
      writeLine({ requestId, traceId, method: other, route: other, status, code: 'BAD_USER_INPUT', reason });
    },
    drain() {
      isDraining = true;
    },
    endStreams(reason) {
      ending = reason;
      for (const exchange of streams) exchange.abort(reason);
    },
    settled() {
      return new Promise((resolve) => {
        if (inFlight === 0) resolve();
        else onSettled.push(resolve);
      });
    },
  };
}

/** Every status that an error may have. */
const errorStatuses = new Set([...Object.values(catalogue).map(({ http }) => http), ...refusalStatuses]);

/**
 * The series of the metrics, each found by what is known of a request without making a set of labels for it. All that the
 * routes can answer is there from the start.
 */
function createCounts({ httpRequests, httpLatency }: Metrics, routes: readonly Route[]) {
  interface Series {
    latency?: HistogramSeries;
    readonly requests: Map<number, CounterSeries>;
  }
  const byRoute = new Map<string, Map<string, Series>>();

  function find(method: string, path: string): Series {
    const byMethod = byRoute.get(path) ?? new Map<string, Series>();
    const known = byMethod.get(method);
    if (known) return known;
    const series: Series = { requests: new Map() };
    byRoute.set(path, byMethod.set(method, series));
    return series;
  }

  function latency(method: string, path: string): HistogramSeries {
    const series = find(method, path);
    return (series.latency ??= httpLatency.series({ method, path }));
  }

  function requests(method: string, path: string, status: number): CounterSeries {
    const { requests: byStatus } = find(method, path);
    const known = byStatus.get(status);
    if (known) return known;
    const series = httpRequests.series({ method, path, status: String(status) });
    byStatus.set(status, series);
    return series;
  }

  function expect(method: string, path: string, statuses: Iterable<number>): void {
    for (const status of statuses) requests(method, path, status);
  }

  for (const { method, path, statuses = [200] } of routes) {
    for (const served of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
      expect(served, path, [...statuses, ...errorStatuses]);
      latency(served, path);
    }
  }
  // What no route answers is refused in one of three ways: for its head, for where it leads, or the client leaves.
  const always = [catalogue.BAD_USER_INPUT.http, catalogue.CLIENT_CLOSED_REQUEST.http];
  const paths = [...byRoute.keys()];
  for (const method of [...knownMethods, other]) {
    for (const path of paths) {
      if (byRoute.get(path)?.has(method)) continue;
      expect(method, path, [method === 'OPTIONS' ? 204 : catalogue.METHOD_NOT_ALLOWED.http, ...always]);
    }
    expect(method, other, [catalogue.NOT_FOUND.http, ...always]);
  }
  expect(other, other, refusalStatuses);

  return { latency, requests };
}

/** @throws GatewayError BAD_USER_INPUT where a request does not say what host it is for (RFC 9112, 3.2) */
function requireHost({ headers, httpVersion }: IncomingMessage): void {
  if (headers.host !== undefined || httpVersion === '1.0') return;
  throw new GatewayError('BAD_USER_INPUT', 'The header "Host" is missing.', { headers: { connection: 'close' } });
}

/** Ms with three digits. */
function toMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e3) / 1e3;
}

/** The answer where no route has both path and method. */
function unrouted(exchange: Exchange, elsewhere: Elsewhere | undefined): Reply {
  if (!elsewhere) throw new GatewayError('NOT_FOUND', 'There is nothing at this path.');
  const { methods } = elsewhere;
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  if (exchange.method === 'OPTIONS') return { status: 204, headers: { allow } };
  throw new GatewayError('METHOD_NOT_ALLOWED', undefined, { headers: { allow } });
}

/** The REST error envelope. */
function errorReply(thrown: unknown, exchange: Exchange): Reply {
  const error = toGatewayError(thrown);
  exchange.facts.code = error.code;
  logBug(error, exchange);
  const { status, message, code } = error;
  return json(
    status,
    { error: { code: status, message, reason: code, requestId: exchange.id, ...publicDetails(error) } },
    errorHeaders(error),
  );
}

/** What the gateway closed a connection for, which is then the connection's error. Else it was the client. */
function whyClosed({ errored }: Socket): GatewayError {
  return errored instanceof GatewayError ? errored : new GatewayError('CLIENT_CLOSED_REQUEST');
}

/** Writes a stream at the client's pace; stops asking for more while the client does not read. */
async function writeStream(exchange: IncomingExchange, body: AsyncIterable<string | Uint8Array>): Promise<void> {
  const { response } = exchange;
  for await (const chunk of body) {
    // node:http before 24 does not destroy a response that waits for its turn when the connection closes.
    if (exchange.isClosed || response.writableEnded) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
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
