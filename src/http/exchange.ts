import type { IncomingHttpHeaders } from 'node:http';
import type { Cancellation } from '../cancellation';
import { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { TraceContext } from '../telemetry/trace';

/**
 * One HTTP request and what belongs to it, as the doors see it. Made by the HTTP layer; the doors give a {@link Reply}
 * back and never touch the socket.
 */
export interface Exchange {
  /** Names the request in logs, errors and `x-request-id`; made here, never taken from the client. */
  readonly id: string;
  readonly trace: TraceContext;
  /** Upper case. */
  readonly method: string;
  /** The path as it came, still percent-encoded, without the query. */
  readonly path: string;
  /** The query as it came, without the question mark; empty where there is none. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /**
   * The value of every line of a header, for headers that must not come twice.
   *
   * @param name - Lower case.
   */
  headerLines(name: string): readonly string[];
  /** The peer's address. */
  readonly clientAddress: string;
  /**
   * Aborted when the answer ends before it is complete, with a GatewayError as reason: CLIENT_CLOSED_REQUEST where the client
   * left, else what the gateway ended it for.
   */
  readonly cancellation: Cancellation;
  /**
   * When the time budget of the request is spent, in ms since the epoch. Work that may take longer than the common budget
   * asks with {@link deadlineFor}.
   */
  readonly deadline: number;
  /** The deadline for work that may take so many ms from the request's arrival; never later than {@link clientDeadline}. */
  deadlineFor(timeout: number): number;
  /** Until when the client wants to wait, in ms since the epoch; Infinity where it does not say. */
  readonly clientDeadline: number;
  readonly log: Logger;
  /** Cookies to set with the answer, whatever the answer is. */
  readonly setCookies: string[];
  /** Facts for the access line. */
  readonly facts: { operation?: string; code?: string; userId?: string };
  /** Reads the body, at most 1 MB (PAYLOAD_TOO_LARGE). Call it once. */
  readBody(): Promise<Buffer>;
}

/** The answer to an {@link Exchange}. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Text and bytes are sent whole, with Content-Length; an iterable is streamed as it comes, at the client's pace. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

/** Something that answers requests: a route of a door. A thrown error becomes the REST error envelope. */
export type Handler = (exchange: Exchange, params: Readonly<Record<string, string>>) => Promise<Reply> | Reply;

/** What a door mounts. */
export interface Route {
  /** Upper case. HEAD is served by GET. */
  readonly method: string;
  /** A path template such as `/api/v1/users/{userId}`; also its label in metrics and logs. */
  readonly path: string;
  /** Statuses of its answers, beside those of errors; 200 alone where they are left out. Metrics begin with them. */
  readonly statuses?: readonly number[];
  readonly handle: Handler;
}

/** Of an answer in JSON, which is for one caller. */
export const jsonHeaders = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };

/** A reply with a JSON body. */
export function json(status: number, value: unknown, headers?: Readonly<Record<string, string>>): Reply {
  return {
    status,
    headers: headers === undefined ? jsonHeaders : { ...jsonHeaders, ...headers },
    body: JSON.stringify(value),
  };
}

/** To put U+FFFD for what is not UTF-8 would run what nobody has written. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a JSON body (RFC 8259, UTF-8; a byte order mark is skipped, 8.1).
 *
 * @throws GatewayError UNSUPPORTED_MEDIA_TYPE for anything but plain application/json; PAYLOAD_TOO_LARGE; BAD_USER_INPUT for
 * what is not JSON
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

/** @throws GatewayError UNSUPPORTED_MEDIA_TYPE for a body that is not application/json in UTF-8 as it is */
function requireJson({ headers }: Exchange): void {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  const isJson = type === 'application/json' || /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type);
  if (!isJson) throw new GatewayError('UNSUPPORTED_MEDIA_TYPE');
  if (encoding !== 'identity') {
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'Bodies are taken as they are, without Content-Encoding.');
  }
}
