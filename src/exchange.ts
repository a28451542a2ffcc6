import type { IncomingHttpHeaders } from 'node:http';
import type { Logger } from './log';
import type { TraceContext } from './trace';

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
  /** Values of every header line, for headers that must not come twice. */
  readonly headersDistinct: NodeJS.Dict<string[]>;
  /** The peer's address. */
  readonly clientAddress: string;
  /** Aborted when the client leaves before the answer is complete, with a CLIENT_CLOSED_REQUEST error as reason. */
  readonly signal: AbortSignal;
  /** When the time budget of the request is spent, in ms since the epoch. */
  readonly deadline: number;
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
  readonly handle: Handler;
  /** Time budget in ms where it is not the common one. */
  readonly timeout?: number;
}

/** A reply with a JSON body. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(value),
  };
}
