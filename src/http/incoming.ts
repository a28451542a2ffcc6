import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Exchange } from '../exchange';
import { GatewayError } from '../errors';
import type { Logger } from '../log';
import { continueTrace, type TraceContext } from '../trace';

/** Bytes of a body, at most. */
const maxBodySize = 1024 * 1024;

/** An {@link Exchange} over a request of node:http. */
export class IncomingExchange implements Exchange {
  readonly id = randomUUID();
  /** Ms since the epoch. */
  readonly received = Date.now();
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly setCookies: string[] = [];
  readonly facts: Exchange['facts'] = {};
  readonly deadline: number;
  private readonly controller = new AbortController();
  private lazyTrace: TraceContext | undefined;
  private lazyLog: Logger | undefined;

  constructor(
    private readonly request: IncomingMessage,
    response: ServerResponse,
    private readonly options: { readonly log: Logger; readonly requestTimeout: number },
  ) {
    this.method = request.method ?? 'GET';
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? '' : url.slice(mark + 1);
    this.headers = request.headers;
    this.deadline = this.deadlineFor(options.requestTimeout);
    response.once('close', () => {
      if (!response.writableFinished) this.abort(new GatewayError('CLIENT_CLOSED_REQUEST'));
    });
  }

  get headersDistinct(): NodeJS.Dict<string[]> {
    return this.request.headersDistinct;
  }

  get clientAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get trace(): TraceContext {
    const { traceparent, tracestate } = this.headers;
    this.lazyTrace ??= continueTrace(one(traceparent), one(tracestate));
    return this.lazyTrace;
  }

  get log(): Logger {
    this.lazyLog ??= this.options.log.child({ requestId: this.id, traceId: this.trace.traceId });
    return this.lazyLog;
  }

  deadlineFor(timeout: number): number {
    return this.received + Math.min(timeout, clientTimeout(this.headers) ?? timeout);
  }

  /** Ends whatever the request has started. */
  abort(reason: GatewayError): void {
    this.controller.abort(reason);
  }

  readBody(): Promise<Buffer> {
    const { request } = this;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const settle = (error?: GatewayError): void => {
        request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError);
        // What is left is read and dropped by node:http, so that the client gets to read the answer.
        if (error) reject(error);
        else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
      };
      const onData = (chunk: Buffer): void => {
        size += chunk.length;
        if (size > maxBodySize) settle(new GatewayError('PAYLOAD_TOO_LARGE'));
        else chunks.push(chunk);
      };
      const onEnd = (): void => settle();
      // A body that breaks off is the client leaving.
      const onError = (error?: Error): void =>
        settle(new GatewayError('CLIENT_CLOSED_REQUEST', undefined, { cause: error }));
      if (Number(this.headers['content-length'] ?? 0) > maxBodySize) settle(new GatewayError('PAYLOAD_TOO_LARGE'));
      else request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
    });
  }
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? undefined : header;
}

const grpcTimeoutUnits = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * How long the client wants to wait, in ms: `X-Request-Timeout-Ms`, or `Grpc-Timeout` (gRPC over HTTP/2, "Timeout").
 * What cannot be read counts as not said.
 */
function clientTimeout(headers: IncomingHttpHeaders): number | undefined {
  const own = /^\d{1,9}$/.exec(one(headers['x-request-timeout-ms']) ?? '');
  if (own) return Number(own[0]);
  const grpc = /^(\d{1,8})([HMSmun])$/.exec(one(headers['grpc-timeout']) ?? '');
  return grpc ? Number(grpc[1]) * grpcTimeoutUnits[grpc[2] as keyof typeof grpcTimeoutUnits] : undefined;
}
