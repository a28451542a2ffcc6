import type { IncomingMessage, RequestListener } from 'node:http';
import { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';
import type { Tracer } from '../telemetry/trace';
import { Bodies } from './bodies';
import { errorReply } from './error-reply';
import type { Reply, Route } from './exchange';
import { IncomingExchange, type IncomingOptions } from './incoming-exchange';
import { createRefuse, type Refuse } from './refuse';
import { ReplyHeads } from './reply-heads';
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
}

export interface HttpHandler {
  readonly handle: RequestListener;
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
  const heads = new ReplyHeads(strictTransport);
  const whole = new WholeReplies(heads, writeTimeout);
  const streamed = new StreamedReplies(heads, writeTimeout);
  metrics.httpStreams.read({}, () => streamed.size);
  const incoming: IncomingOptions = {
    log,
    requestTimeout,
    tracer,
    router: new Router(routes),
    bodies: new Bodies(),
    onEnd: (exchange) => recorder.end(exchange),
  };

  function send(exchange: IncomingExchange, reply: Reply): void {
    const { body } = reply;
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) whole.send(exchange, reply, body);
    else void streamed.send(exchange, reply, body);
  }

  return {
    handle(request, response) {
      const exchange = new IncomingExchange(request, response, incoming);
      recorder.begin();
      response.on('close', () => exchange.markClosed());
      try {
        requireHost(request);
        const { route, params } = exchange.match;
        const refusal = deadlineRefusal(exchange);
        if (refusal) {
          send(exchange, refusal);
          return;
        }
        const reply = route ? route.handle(exchange, params) : unroutedReply(exchange);
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
    refuse: createRefuse(whole, recorder),
    drain: () => heads.drain(),
    endStreams: (reason) => streamed.end(reason),
    settled: () => recorder.settled(),
  };
}

/** The answer to a deadline that cannot be read; undefined for any other. */
function deadlineRefusal(exchange: IncomingExchange): Reply | undefined {
  try {
    exchange.readDeadline();
    return undefined;
  } catch (error) {
    const { refuse = errorReply } = exchange.match.route ?? {};
    return refuse(error, exchange);
  }
}

/** @throws GatewayError BAD_USER_INPUT where a request does not name its host (RFC 9112, 3.2) */
function requireHost({ headers, httpVersion }: IncomingMessage): void {
  if (headers.host !== undefined || httpVersion === '1.0') return;
  throw new GatewayError('BAD_USER_INPUT', 'The header "Host" is missing.', { headers: { connection: 'close' } });
}

/**
 * The reply where no route has both path and method.
 *
 * @throws GatewayError NOT_FOUND, METHOD_NOT_ALLOWED
 */
function unroutedReply({ method, match }: IncomingExchange): Reply {
  const { path, otherMethods } = match;
  if (path === undefined) throw new GatewayError('NOT_FOUND', 'There is nothing at this path.');
  const allow = [...otherMethods, ...(otherMethods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  if (method === 'OPTIONS') return { status: 204, headers: { allow } };
  throw new GatewayError('METHOD_NOT_ALLOWED', undefined, { headers: { allow } });
}
