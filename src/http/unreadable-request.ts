import type { Socket } from 'node:net';
import type { Reply } from './exchange';

/** Why node:http did not read a request, and what its client is told. */
export interface UnreadableRequest {
  readonly status: (typeof refusalStatuses)[number];
  /** Node's name for it, such as `HPE_INVALID_METHOD`, or {@link tunnelRefused}; holds nothing of what was sent. */
  readonly reason: string;
  readonly message: string;
}

const phrases = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' } as const;

/** What a request may be refused with that cannot be read. */
export const refusalStatuses = [400, 408, 431] as const;

/** Code of the error that stands for a request to be connected to somewhere else (RFC 9110, 9.3.6). */
export const tunnelRefused = 'CONNECT_REFUSED';

/** @param error - As `clientError` has it. */
export function refusalOf({ code = 'UNKNOWN' }: NodeJS.ErrnoException): UnreadableRequest {
  if (code === 'HPE_HEADER_OVERFLOW') return { status: 431, reason: code, message: 'The headers are over 16 KB.' };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { status: 408, reason: code, message: 'The request took too long to arrive.' };
  }
  if (code === tunnelRefused) return { status: 400, reason: code, message: 'There is no tunnel through here.' };
  return { status: 400, reason: code, message: 'This is not valid HTTP.' };
}

function bodyOf({ status, message }: UnreadableRequest): string {
  return JSON.stringify({ error: { code: status, message, reason: 'BAD_USER_INPUT' } });
}

const contentType = 'application/json; charset=utf-8';

/** A refusal as the answer to a request that did begin, after which the connection is closed. */
export function refusalReply(refusal: UnreadableRequest): Reply & { readonly body: string } {
  const headers = { 'content-type': contentType, connection: 'close' };
  return { status: refusal.status, headers, body: bodyOf(refusal) };
}

/** Writes a refusal where there is no request to answer, and ends the connection. */
export function writeRefusal(socket: Socket, refusal: UnreadableRequest, requestId: string): void {
  const { status } = refusal;
  const body = bodyOf(refusal);
  const head = [
    `HTTP/1.1 ${status} ${phrases[status]}`,
    'Connection: close',
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
