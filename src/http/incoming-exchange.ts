import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Canceller, whenAborted } from '../cancellation';
import { catalogue, GatewayError, logBug, toGatewayError, overloaded } from '../errors';
import type { Logger } from '../telemetry/log';
import { continueTrace, type RequestSpan, type TraceContext, type Tracer } from '../telemetry/trace';
import { readBody } from './bodies';
import { sizeOfHead } from './head-size';
import { connectionOf } from './connection';
import type { ClientAddresses } from './client-address';
import { destroyInTurn } from './destroy-in-turn';
import type { DetachedWork, Exchange } from './exchange';
import type { InFlight, Ticket } from './in-flight';
import { peerOf, type Peer } from './peers';
import type { Places } from './places';
import { RequestHolding, type RequestMemory } from './request-memory';
import { readTarget } from './request-target';
import type { Match, Router } from './router';
import { clientEnded, type UnreadableRequest } from './unreadable-request';

/** What all exchanges of a handler share. */
export interface IncomingOptions {
  readonly log: Logger;
  /** Ms. */
  readonly requestTimeout: number;
  readonly router: Router;
  readonly memory: RequestMemory;
  readonly addresses: ClientAddresses;
  readonly places: Places;
  readonly inFlight: InFlight;
  /** Records requests as spans; none where it is left out. */
  readonly tracer?: Tracer | undefined;
  /** Called once for each exchange, when its handler is done and its response is closed. */
  readonly onEnd: (exchange: IncomingExchange) => void;
}

/** An {@link Exchange} over a request of node:http. It also knows how far the request has come and how it ended. */
export class IncomingExchange implements Exchange {
  readonly id = randomUUID();
  /** Ms since the epoch. */
  readonly received = Date.now();
  /** The same by the monotonic clock. */
  readonly began = performance.now();
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly match: Match;
  readonly setCookies: string[] = [];
  readonly addedHeaders: string[] = [];
  beforeHead: (() => void) | undefined;
  readonly facts: Exchange['facts'] = {};
  readonly cancellation = new Canceller();

  /** Known once {@link readDeadline} was called. */
  clientDeadline = Infinity;

  /** Whether the reply is a stream. */
  isStreamed = false;

  /** Whether the body is read, or dropped. */
  private isBodySettled = false;
  private handled = false;
  private closed = false;
  /** Why the client did not get the whole response. Set when the response closes, if at all. */
  private brokenOff: GatewayError | undefined;
  /** Whether the client ended its side of the connection in the middle of the request. */
  private hasLeft = false;
  /** Why the rest of the request could not be read; the client was told so in place of the handler's reply. */
  private unreadable: UnreadableRequest | undefined;

  /** While the request counts as under way. */
  private ticket: Ticket | undefined;
  /** Called when the response closes, instead of cancelling the work. */
  private onLeft: (() => void) | undefined;
  /** The work of a stream that does not end with the exchange. */
  private work: StreamWork | undefined;
  private readonly holding: RequestHolding;
  private lazyTrace: TraceContext | undefined;
  private lazySpan: RequestSpan | undefined;
  private lazyLog: Logger | undefined;
  private lazyAddress: string | undefined;

  constructor(
    private readonly request: IncomingMessage,
    readonly response: ServerResponse,
    private readonly options: IncomingOptions,
  ) {
    this.method = request.method ?? 'GET';
    this.holding = new RequestHolding(options.memory);
    const { path, query } = readTarget(request.url ?? '/');
    this.path = path;
    this.query = query;
    this.match = options.router.match(this.method, this.path);
    (response as Answer).exchange = this;
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
    this.lazyAddress ??= this.findAddress();
    return this.lazyAddress;
  }

  private findAddress(): string {
    const { addresses } = this.options;
    const { address, isProxy } = this.peer;
    const forwardedFor = isProxy ? this.headers['x-forwarded-for'] : undefined;
    return forwardedFor === undefined ? address : addresses.behind(address, [forwardedFor].flat().join(','));
  }

  private get peer(): Peer {
    return peerOf(this.request.socket, this.options.addresses);
  }

  /**
   * Counts the request as under way until it ends.
   *
   * @throws GatewayError RATE_LIMITED, OVERLOADED
   */
  admit(): void {
    const { inFlight, places } = this.options;
    const { socket, headers } = this.request;
    const { sent, held } = sizeOfHead(this.request);
    connectionOf(socket)?.noteHead(sent, headers);
    if (!this.holding.grow(held)) {
      throw overloaded('head_memory');
    }
    this.ticket = inFlight.begin(this.peer.place ?? places.find(this.clientAddress));
  }

  beginStream(session: string | undefined): GatewayError | undefined {
    return this.ticket && this.options.inFlight.beginStream(this.ticket, session);
  }

  detach(onLeft: () => void): DetachedWork {
    this.work = new StreamWork(this.options.inFlight, this.ticket, this.cancellation);
    this.ticket = undefined;
    this.whenLeft(onLeft);
    return this.work;
  }

  abandon(): void {
    if (!this.closed) this.request.socket.destroy(new GatewayError('CLIENT_CLOSED_REQUEST'));
  }

  takeOver(work: DetachedWork, onLeft: () => void): void {
    if (!this.closed) whenAborted(this.cancellation, () => work.cancel(this.cancellation.reason as GatewayError));
    if (this.ticket && (work as StreamWork).continueIn(this.ticket)) this.ticket = undefined;
    this.whenLeft(onLeft);
  }

  private whenLeft(listener: () => void): void {
    // Not at once: the caller has yet to store what detach() gives it.
    if (this.closed) queueMicrotask(listener);
    else this.onLeft = listener;
  }

  get trace(): TraceContext {
    this.lazyTrace ??= this.beginTrace();
    return this.lazyTrace;
  }

  /** What records the request as a span; undefined where it is not recorded. */
  get span(): RequestSpan | undefined {
    this.lazyTrace ??= this.beginTrace();
    return this.lazySpan;
  }

  private beginTrace(): TraceContext {
    const { tracer } = this.options;
    const { traceparent, tracestate } = this.headers;
    return continueTrace(
      one(traceparent),
      one(tracestate),
      tracer && ((traceId, parent) => (this.lazySpan = tracer.beginRequest(traceId, parent, this))?.trace),
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

  readBody(): Promise<Buffer> {
    if (this.isBodySettled) throw new Error('the body is to be read once, and before anything is awaited');
    this.isBodySettled = true;
    return readBody(this.request, this.cancellation, this.holding);
  }

  /** Drops a body that the handler did not ask for: a connection on which one waits to be read does not tell of its end. */
  dropUnreadBody(): void {
    const { headers } = this.request;
    if (this.isBodySettled) return;
    this.isBodySettled = true;
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) this.request.resume();
  }

  /** @throws GatewayError BAD_USER_INPUT for a deadline of the client that cannot be read */
  readDeadline(): void {
    const { 'x-request-timeout-ms': milliseconds, 'grpc-timeout': timeout } = this.headers;
    if (milliseconds === undefined && timeout === undefined) return;
    this.clientDeadline = this.received + Math.min(ownTimeout(milliseconds), grpcTimeout(timeout));
  }

  /** Cancels all work for the request. The first reason counts. */
  abort(reason: GatewayError): void {
    this.cancellation.abort(reason);
  }

  /** Remembers that the rest of the request could not be read. */
  markUnreadable(unreadable: UnreadableRequest): void {
    if (unreadable.reason === clientEnded) this.hasLeft = true;
    else this.unreadable = unreadable;
    if (unreadable.limit) this.facts.limit ??= unreadable.limit;
  }

  /** Sending the reply failed, so no other can be sent: logs the error and ends the connection. */
  fail(error: unknown): void {
    const cause = toGatewayError(error);
    // A stream may throw because its response is closed; that is no bug.
    if (!this.brokenOff) logBug(cause, this);
    destroyInTurn(this.response, cause);
  }

  /** Nothing more will be sent. */
  markHandled(): void {
    if (this.handled) return;
    this.handled = true;
    if (this.closed) this.end();
  }

  /**
   * The response is closed, whether the client got all of it or not. Called twice where a connection closes under responses
   * that wait for their turn on it: src/http/connection.ts emits 'close' for them, and Node 24 does again a tick later.
   */
  markClosed(): void {
    if (this.closed) return;
    this.closed = true;
    const { socket } = this.request;
    connectionOf(socket)?.noteIdle();
    // node:http also calls a response finished that was discarded with its connection.
    if (!this.response.writableFinished || socket.destroyed || this.hasLeft) {
      this.brokenOff = closeReason(socket);
      if (!this.onLeft) this.abort(this.brokenOff);
    }
    this.onLeft?.();
    if (this.handled) this.end();
  }

  private end(): void {
    if (this.ticket) this.options.inFlight.end(this.ticket);
    this.options.onEnd(this);
    if (this.work) this.work.hold(this.holding);
    else this.holding.release();
    // node:http keeps the request for as long as the rest of its body may come; a stream, for as long as it is open.
    if (!this.request.complete || this.work) {
      this.request.rawHeaders = [];
      this.request.headers = {};
    }
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Status for the access line and metrics. A response that was broken off counts with the reason, not with what it said. */
  get status(): number {
    return this.brokenOff?.status ?? this.facts.countedStatus ?? this.response.statusCode;
  }

  /** Code of the catalogue for the access line; undefined where nothing went wrong. */
  get code(): string | undefined {
    return this.brokenOff?.code ?? (this.unreadable ? 'BAD_USER_INPUT' : this.facts.code);
  }

  /** For the access line: why the rest of the request could not be read, or that the client's own deadline has passed. */
  get reason(): string | undefined {
    if (this.unreadable) return this.unreadable.reason;
    const isCutShort = this.facts.countedStatus === catalogue.CLIENT_CLOSED_REQUEST.http;
    return isCutShort && !this.brokenOff ? 'client deadline' : undefined;
  }
}

/** The work of a stream, and its place among the streams. */
class StreamWork implements DetachedWork {
  readonly session: string | undefined;
  private holding: RequestHolding | undefined;

  /**
   * @param ticket - Undefined once the place is given back.
   * @param cancellation - Of the work; undefined once it has ended, since it leads to all that the work has used.
   */
  constructor(
    private readonly inFlight: InFlight,
    private ticket: Ticket | undefined,
    private cancellation: Canceller | undefined,
  ) {
    this.session = ticket?.session;
  }

  /** Counts by the ticket of another request from now on. False where the stream has ended, so that nothing is left to count. */
  continueIn(ticket: Ticket): boolean {
    if (!this.ticket) return false;
    this.inFlight.continueStream(ticket, this.ticket);
    this.ticket = ticket;
    return true;
  }

  /** Holds what the request holds that it began with, until it ends. */
  hold(holding: RequestHolding): void {
    if (this.cancellation) this.holding = holding;
    else holding.release();
  }

  cancel(reason: GatewayError): void {
    this.cancellation?.abort(reason);
  }

  end(): void {
    if (this.ticket) this.inFlight.end(this.ticket);
    this.ticket = undefined;
    this.holding?.release();
    this.holding = undefined;
    this.cancellation = undefined;
  }
}

/** A response that knows its exchange. */
type Answer = ServerResponse & { exchange?: IncomingExchange };

/** The exchange of a response; undefined where no HTTP handler has seen its request. */
export function exchangeOf(response: ServerResponse): IncomingExchange | undefined {
  return (response as Answer).exchange;
}

/** The gateway closes connections with its reason as their error. Otherwise the client has left. */
function closeReason({ errored }: Socket): GatewayError {
  return errored instanceof GatewayError ? errored : new GatewayError('CLIENT_CLOSED_REQUEST');
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? undefined : header;
}

const grpcTimeoutUnits = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** `X-Request-Timeout-Ms`, in ms; Infinity where it is not there. */
function ownTimeout(header: string | string[] | undefined): number {
  if (header === undefined) return Infinity;
  if (/^\d{1,9}$/.test(one(header) ?? '')) return Number(header);
  throw new GatewayError(
    'BAD_USER_INPUT',
    'The header "X-Request-Timeout-Ms" is not a number of milliseconds: one to nine digits.',
  );
}

/** `Grpc-Timeout` (gRPC over HTTP/2, "Timeout"), in ms; Infinity where it is not there. */
function grpcTimeout(header: string | string[] | undefined): number {
  if (header === undefined) return Infinity;
  const found = /^(\d{1,8})([HMSmun])$/.exec(one(header) ?? '');
  if (found) return Number(found[1]) * grpcTimeoutUnits[found[2] as keyof typeof grpcTimeoutUnits];
  throw new GatewayError(
    'BAD_USER_INPUT',
    'The header "Grpc-Timeout" is not a time: one to eight digits and a unit, H, M, S, m, u or n.',
  );
}
