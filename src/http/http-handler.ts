import type { RequestListener } from 'node:http';
import { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';
import type { Tracer } from '../telemetry/trace';
import { Cors, type CorsPolicy } from './cors';
import { checkHead } from './check-head';
import { ClientAddresses } from './client-address';
import { ConnectionGate, type ConnectionLimits } from './connection-gate';
import { errorReply } from './error-reply';
import type { Reply, Route } from './exchange';
import { IncomingExchange, type IncomingOptions } from './incoming-exchange';
import { createRefuse } from './refuse';
import { headOverflow, maxHeaderLines, type Refuse } from './unreadable-request';
import { InFlight, type InFlightLimits } from './in-flight';
import { Places } from './places';
import { ReplyHeads } from './reply-heads';
import { RequestMemory } from './request-memory';
import { RequestRecorder } from './request-recorder';
import { Router } from './router';
import { StreamedReplies } from './streamed-replies';
import { WholeReplies } from './whole-replies';

export interface HandlerOptions {
  readonly routes: readonly Route[];
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Records requests as spans; none where it is left out. */
  readonly tracer?: Tracer | undefined;
  /** Ms from a request's arrival to its deadline, where the handler asks for no other. */
  readonly requestTimeout: number;
  /** Ms for which a client may read nothing of what waits for it before its connection is closed; 30,000 by default. */
  readonly writeTimeout?: number;
  /** Whether browsers are told to use HTTPS alone from now on. */
  readonly strictTransport: boolean;
  /** Which other pages may read answers; none where it is left out. */
  readonly cors?: CorsPolicy;
  /** Addresses and networks of the proxies whose `X-Forwarded-For` counts; none where it is left out. */
  readonly trustedProxies?: readonly string[];
  /** Bytes that requests may hold together, beyond a few KB each; as many as come where it is left out. */
  readonly requestMemory?: number;
  /** How many connections may be open at a time; as many as come where it is left out. */
  readonly connections?: ConnectionLimits;
  /** How much may be under way at a time; as much as comes where it is left out. */
  readonly inFlight?: InFlightLimits;
}

const unlimited: InFlightLimits = {
  requests: Infinity,
  requestsPerAddress: Infinity,
  streams: Infinity,
  streamsPerAddress: Infinity,
  streamsPerSession: Infinity,
};

export interface HttpHandler {
  readonly handle: RequestListener;
  /** Decides which connections are let in. */
  readonly gate: ConnectionGate;
  /** Answers what node:http could not read, and records it as any other request is. */
  readonly refuse: Refuse;
  /** From now on, each response asks its client to connect anew. */
  drain(): void;
  /** Ends every stream, each with a last event that says why. */
  endStreams(reason: GatewayError): void;
  /** Resolves once every request that came is recorded: access line, metrics and span. */
  settled(): Promise<void>;
}

/** Answers HTTP requests by routes, and records each. */
export function createHttpHandler(options: HandlerOptions): HttpHandler {
  const { routes, log, metrics, tracer, requestTimeout, writeTimeout = 30_000, strictTransport } = options;
  const recorder = new RequestRecorder(log, metrics, routes);
  const cors = new Cors(options.cors ?? { origins: [], isPublic: false });
  const heads = new ReplyHeads(strictTransport, cors);
  const whole = new WholeReplies(heads, writeTimeout);
  const streamed = new StreamedReplies(heads, writeTimeout);
  metrics.httpStreams.read({}, () => streamed.size);
  const places = new Places();
  const memory = new RequestMemory(options.requestMemory ?? Infinity);
  const addresses = new ClientAddresses(options.trustedProxies ?? []);
  const gate = new ConnectionGate({
    limits: options.connections ?? { max: Infinity, maxPerAddress: Infinity },
    addresses,
    places,
    memory,
    refusals: (limit) => metrics.limitRefusals.series({ limit }),
  });
  metrics.httpConnections.read({}, () => gate.size);
  const incoming: IncomingOptions = {
    log,
    requestTimeout,
    tracer,
    router: new Router(routes),
    memory,
    places,
    inFlight: new InFlight(options.inFlight ?? unlimited, places),
    addresses,
    onEnd: (exchange) => recorder.end(exchange),
  };

  const refuse = createRefuse(whole, recorder);

  function send(exchange: IncomingExchange, reply: Reply): void {
    const { body } = reply;
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) whole.send(exchange, reply, body);
    else void streamed.send(exchange, reply, body);
  }

  return {
    gate,
    handle(request, response) {
      const exchange = new IncomingExchange(request, response, incoming);
      recorder.begin();
      response.on('close', () => exchange.markClosed());
      if (request.rawHeaders.length > 2 * maxHeaderLines) {
        refuse(Object.assign(new Error('too many header lines'), { code: headOverflow }), response);
        exchange.markHandled();
        return;
      }
      const { route, params } = exchange.match;
      try {
        checkHead(request);
        exchange.readDeadline();
        exchange.admit();
      } catch (error) {
        send(exchange, (route?.refuse ?? errorReply)(error, exchange));
        return;
      }
      try {
        const reply = route ? route.handle(exchange, params) : unroutedReply(exchange, cors);
        exchange.dropUnreadBody();
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
    refuse,
    drain: () => heads.drain(),
    endStreams: (reason) => streamed.end(reason),
    settled: () => recorder.settled(),
  };
}

/**
 * The reply where no route has both path and method.
 *
 * @throws GatewayError NOT_FOUND, METHOD_NOT_ALLOWED
 */
function unroutedReply(exchange: IncomingExchange, cors: Cors): Reply {
  const { method, match } = exchange;
  const { path, otherMethods } = match;
  if (path === undefined) throw new GatewayError('NOT_FOUND', 'There is nothing at this path.');
  const methods = otherMethods.join(', ');
  const allow = `${methods}, OPTIONS`;
  if (method === 'OPTIONS') return { status: 204, headers: { allow, ...cors.preflightHeaders(exchange, methods) } };
  throw new GatewayError('METHOD_NOT_ALLOWED', undefined, { headers: { allow } });
}
