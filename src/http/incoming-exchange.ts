import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Canceller } from '../cancellation';
import type { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import { continueTrace, type RequestSpan, type TraceContext, type Tracer } from '../telemetry/trace';
import type { Bodies } from './bodies';
import type { Exchange } from './exchange';
import type { UnreadableRequest } from './unreadable-request';

export interface IncomingOptions {
  readonly log: Logger;
  /** Ms. */
  readonly requestTimeout: number;
  readonly bodies: Bodies;
  /** Records requests; none is recorded where it is left out. */
  readonly tracer?: Tracer | undefined;
}

/** An {@link Exchange} over a request of node:http, and what the HTTP layer itself has to remember of it. */
export class IncomingExchange implements Exchange {
  readonly id = randomUUID();
  /** Ms since the epoch. */
  readonly received = Date.now();
  /** The same by the monotonic clock. */
  readonly began = performance.now();
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly setCookies: string[] = [];
  readonly facts: Exchange['facts'] = {};
  readonly cancellation = new Canceller();

  /** Template of the route, for labels and logs. */
  route = '';
  /** Whether the path and the method led to a route. */
  isRouted = false;
  /** Whether the answer is a stream. */
  isStreamed = false;
  /** Why the answer was closed before it was sent and taken whole; undefined where it was, and until it is closed. */
  brokenOff: GatewayError | undefined;
  /** Whether the client said that no more would come before the request was whole. */
  hasLeft = false;
  /** Whether the handler's reply was sent, or can no longer be. */
  isHandled = false;
  /** Whether the response is closed. */
  isClosed = false;
  /** What the client was told instead of the handler's reply, where the rest of the request could not be read. */
  refusal: UnreadableRequest | undefined;
  /** What records the request, if it is recorded; known once {@link trace} was asked for. */
  span: RequestSpan | undefined;

  private lazyTrace: TraceContext | undefined;
  private lazyLog: Logger | undefined;

  constructor(
    private readonly request: IncomingMessage,
    readonly response: ServerResponse,
    private readonly options: IncomingOptions,
  ) {
    this.method = request.method ?? 'GET';
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? '' : url.slice(mark + 1);
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  headerLines(name: string): string[] {
    const { rawHeaders } = this.request;
    const values: string[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const each = rawHeaders[index]!;
      if (each.length === name.length && each.toLowerCase() === name) values.push(rawHeaders[index + 1]!);
    }
    return values;
  }

  get clientAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get trace(): TraceContext {
    this.lazyTrace ??= this.beginTrace();
    return this.lazyTrace;
  }

  private beginTrace(): TraceContext {
    const { tracer } = this.options;
    const { traceparent, tracestate } = this.headers;
    return continueTrace(
      one(traceparent),
      one(tracestate),
      tracer && ((traceId, parent) => (this.span = tracer.beginRequest(traceId, parent, this))?.trace),
    );
  }

  get log(): Logger {
    this.lazyLog ??= this.options.log.child({ requestId: this.id, traceId: this.trace.traceId });
    return this.lazyLog;
  }

  get deadline(): number {
    return this.deadlineFor(this.options.requestTimeout);
  }

  deadlineFor(timeout: number): number {
    return Math.min(this.received + timeout, this.clientDeadline);
  }

  get clientDeadline(): number {
    return this.received + clientTimeout(this.headers);
  }

  /** Ends whatever the request has started. The first reason counts. */
  abort(reason: GatewayError): void {
    this.cancellation.abort(reason);
  }

  readBody(): Promise<Buffer> {
    return this.options.bodies.read(this.request, this.cancellation);
  }
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? undefined : header;
}

const grpcTimeoutUnits = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * How long the client wants to wait, in ms: `X-Request-Timeout-Ms`, or `Grpc-Timeout` (gRPC over HTTP/2, "Timeout").
 * Infinity where it does not say, or what it says cannot be read.
 */
function clientTimeout(headers: IncomingHttpHeaders): number {
  const ownHeader = headers['x-request-timeout-ms'];
  const grpcHeader = headers['grpc-timeout'];
  if (ownHeader === undefined && grpcHeader === undefined) return Infinity;
  const own = /^\d{1,9}$/.exec(one(ownHeader) ?? '');
  if (own) return Number(own[0]);
  const grpc = /^(\d{1,8})([HMSmun])$/.exec(one(grpcHeader) ?? '');
  return grpc ? Number(grpc[1]) * grpcTimeoutUnits[grpc[2] as keyof typeof grpcTimeoutUnits] : Infinity;
}
