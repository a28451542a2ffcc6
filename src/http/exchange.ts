import type { IncomingHttpHeaders } from 'node:http';
import type { Cancellation } from '../cancellation';
import { GatewayError } from '../errors';
import type { LimitName } from '../limits';
import type { Logger } from '../telemetry/log';
import type { TraceContext } from '../telemetry/trace';

/**
 * One HTTP request, as the doors see it. The doors return a {@link Reply} and never touch the socket.
 */
export interface Exchange {
  /** Names the request in logs, errors and `x-request-id`; made here, never taken from the client. */
  readonly id: string;
  readonly trace: TraceContext;
  /** Upper case. */
  readonly method: string;
  /** The path as the client sent it, percent-encoded, without the query. */
  readonly path: string;
  /** The query as the client sent it, without the question mark; empty where there is none. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /**
   * The value of every line of a header, for those that must not be sent twice: {@link headers} joins or drops further lines.
   *
   * @param name - Lower case.
   */
  headerLines(name: string): readonly string[];
  /**
   * The client's address: the peer's, or what a proxy says that is trusted. Empty where the connection is gone before anybody asks.
   * IPv4 and IPv6 in one way of writing them each, without a zone.
   */
  readonly clientAddress: string;
  /**
   * Aborted when the response ends before it is complete. The reason is a GatewayError: CLIENT_CLOSED_REQUEST where the client
   * left, otherwise the gateway's reason to end it.
   */
  readonly cancellation: Cancellation;
  /**
   * Deadline of the request, in ms since the epoch. Work with a timeout of its own asks {@link deadlineFor}.
   */
  readonly deadline: number;
  /** Deadline of work that may take `timeout` ms from the request's arrival; never later than {@link clientDeadline}. */
  deadlineFor(timeout: number): number;
  /** Deadline that the client sets, in ms since the epoch; Infinity where it sets none. */
  readonly clientDeadline: number;
  readonly log: Logger;
  /** Values of `Set-Cookie`, sent with whatever the reply is. */
  readonly setCookies: string[];
  /** Names, in lower case, and values of further headers in turn, sent with whatever the reply is. */
  readonly addedHeaders: string[];
  /** Called when the head of the answer is about to be written, for what must be decided as late as that. */
  beforeHead?: (() => void) | undefined;
  /** Facts for the access line. */
  readonly facts: {
    operation?: string;
    code?: string;
    userId?: string;
    limit?: LimitName;
    cost?: number;
    /** The root fields of an operation, as the schema calls them, separated by spaces. In the line where it is over a limit. */
    fields?: string;
    /** Id of the request that a stream began with, where this one goes on with it. */
    stream?: string;
    /** The status that the answer counts with, where that is not the one that the client reads. */
    countedStatus?: number;
  };
  /**
   * Counts the exchange as a stream until it ends. To be called before any work for the stream is done. Gives back
   * why it must not begin, where too many are open: RATE_LIMITED or OVERLOADED.
   *
   * @param session - The id of the session that the stream is for; undefined where it is for none.
   */
  beginStream(session: string | undefined): GatewayError | undefined;
  /**
   * Lets the work of a stream go on after its client has left: it is not cancelled then, and keeps its place among the streams. To
   * be called for a stream that has begun.
   *
   * @param onLeft - Called when the response closes, whether the client got all of it or not.
   */
  detach(onLeft: () => void): DetachedWork;
  /** Closes the connection of a stream whose client goes on with it elsewhere. */
  abandon(): void;
  /**
   * Goes on with the stream of another exchange: counts as a stream in its place, and cancels its work when it is cancelled itself.
   *
   * @param onLeft - As of {@link detach}.
   */
  takeOver(work: DetachedWork, onLeft: () => void): void;
  /**
   * Reads the body, at most 1 MB (PAYLOAD_TOO_LARGE). To be called once, before the handler awaits anything: a body that nobody
   * has asked for by then is dropped.
   */
  readBody(): Promise<Buffer>;
}

/** The work of a stream that does not end with its exchange. */
export interface DetachedWork {
  /** Id of the session that the stream is for; undefined where it is for none. */
  readonly session: string | undefined;
  /** Cancels it. The first reason counts. */
  cancel(reason: GatewayError): void;
  /** Gives back its place among the streams. Only the first call counts. */
  end(): void;
}

/** The answer to an {@link Exchange}. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Text and bytes are sent whole, with Content-Length; an iterable is streamed as it comes, at the client's pace. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

/** Headers of a stream of events. */
export const eventHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // nginx would otherwise hold events back.
  'x-accel-buffering': 'no',
};

/** Answers the requests of a route. What it throws becomes the REST error envelope. */
export type Handler = (exchange: Exchange, params: Readonly<Record<string, string>>) => Promise<Reply> | Reply;

/** What a door mounts. */
export interface Route {
  /** Upper case. HEAD is served by GET, see {@link servesHead}. */
  readonly method: string;
  /** A path template such as `/api/v1/users/{userId}`; also its label in metrics and logs. */
  readonly path: string;
  /** Statuses of its replies besides those of errors; 200 alone where left out. Their metrics exist from the start. */
  readonly statuses?: readonly number[];
  /**
   * For GET. False where HEAD is 405, since the handler would begin what a client that wants no body must not begin: a step that
   * is not safe, or a stream. True where left out.
   */
  readonly servesHead?: boolean;
  readonly handle: Handler;
  /** Writes an error that comes up before the handler is called; the REST error envelope where left out. */
  readonly refuse?: (error: unknown, exchange: Exchange) => Reply;
}

/** Headers of a JSON body, which is for one caller alone. */
export const jsonHeaders = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };

/** A reply with a JSON body. */
export function json(status: number, value: unknown, headers?: Readonly<Record<string, string>>): Reply {
  return {
    status,
    headers: headers === undefined ? jsonHeaders : { ...jsonHeaders, ...headers },
    body: JSON.stringify(value),
  };
}

/** Invalid UTF-8 is an error. With U+FFFD in its place, a document would run that nobody has written. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a JSON body (RFC 8259, UTF-8; a byte order mark is skipped, 8.1).
 *
 * @throws GatewayError UNSUPPORTED_MEDIA_TYPE for anything but plain application/json; PAYLOAD_TOO_LARGE; BAD_USER_INPUT for
 * invalid JSON
 */
export async function readJson(exchange: Exchange): Promise<unknown> {
  requireJson(exchange);
  const body = await exchange.readBody();
  try {
    return JSON.parse(utf8.decode(body));
  } catch {
    throw new GatewayError('BAD_USER_INPUT', 'The body is not valid JSON.');
  }
}

const jsonType = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?$/i;
/** RFC 7396: members that are left out stay as they are. */
const jsonOrPatchType = /^application\/(merge-patch\+)?json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?$/i;

/** @throws GatewayError UNSUPPORTED_MEDIA_TYPE for a body that is compressed, or not application/json in UTF-8 */
function requireJson({ headers, method }: Exchange): void {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  const isJson = type === 'application/json' || (method === 'PATCH' ? jsonOrPatchType : jsonType).test(type);
  if (!isJson) throw new GatewayError('UNSUPPORTED_MEDIA_TYPE');
  // Names of codings are case-insensitive (RFC 9110, 8.4.1).
  if (encoding.toLowerCase() !== 'identity') {
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'Bodies are taken as they are, without Content-Encoding.');
  }
}
