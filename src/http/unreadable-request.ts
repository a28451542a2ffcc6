import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { LimitName } from '../limits';
import type { Reply } from './exchange';

/** A request that node:http could not read: why, and what its client is told. */
export interface UnreadableRequest {
  readonly status: (typeof unreadableStatuses)[number];
  /** Node's error code, such as `HPE_INVALID_METHOD`, or {@link connectRefused}. Never holds what the client sent. */
  readonly reason: string;
  readonly message: string;
  /** The limit that it is over. */
  readonly limit?: LimitName;
}

/**
 * Answers a request that node:http could not read.
 *
 * @param error - From node:http's event `clientError`.
 * @param to - The response where the request had begun, otherwise the connection.
 */
export type Refuse = (error: NodeJS.ErrnoException, to: ServerResponse | Socket) => void;

const phrases = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' } as const;

/** Statuses of requests that could not be read. */
export const unreadableStatuses = [400, 408, 431] as const;

/**
 * Lines of a head, at most. A line of five bytes takes over a hundred in memory, so that bytes alone would not bound what a head
 * takes.
 */
export const maxHeaderLines = 100;

/** Node's error code of a head that is too large; Node 24 also has it for one of too many lines, of which Node 20 drops the rest. */
export const headOverflow = 'HPE_HEADER_OVERFLOW';

/** Error code of a CONNECT request: this server is no proxy (RFC 9110, 9.3.6). */
export const connectRefused = 'CONNECT_REFUSED';

/** Node's error code where the client ends its side of the connection in the middle of a request. It may still read. */
export const clientEnded = 'HPE_INVALID_EOF_STATE';

/** @param error - From node:http's event `clientError`. */
export function toUnreadableRequest({ code = 'UNKNOWN' }: NodeJS.ErrnoException): UnreadableRequest {
  if (code === headOverflow) {
    const message = `The headers are over 16 KB, or more than ${maxHeaderLines} lines.`;
    return { status: 431, reason: code, message, limit: 'head_size' };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { status: 408, reason: code, message: 'The request took too long to arrive.' };
  }
  if (code === connectRefused) return { status: 400, reason: code, message: 'There is no tunnel through here.' };
  return { status: 400, reason: code, message: 'This is not valid HTTP.' };
}

const contentType = 'application/json; charset=utf-8';

/** The reply where the request had begun. The connection closes after it. */
export function unreadableReply(unreadable: UnreadableRequest, requestId: string): Reply & { readonly body: string } {
  const headers = { 'content-type': contentType, connection: 'close' };
  return { status: unreadable.status, headers, body: bodyOf(unreadable, requestId) };
}

/** Writes the reply where no request had begun, so that node:http has no response, and ends the connection. */
export function writeUnreadableReply(socket: Socket, unreadable: UnreadableRequest, requestId: string): void {
  const { status } = unreadable;
  const body = bodyOf(unreadable, requestId);
  const head = [
    `HTTP/1.1 ${status} ${phrases[status]}`,
    'Connection: close',
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Vary: Origin',
    `X-Request-Id: ${requestId}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function bodyOf({ status, message }: UnreadableRequest, requestId: string): string {
  return JSON.stringify({ error: { code: status, message, reason: 'BAD_USER_INPUT', requestId } });
}
