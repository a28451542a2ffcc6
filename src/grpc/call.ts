import type { Headers } from '../http2/hpack';
import { ErrorCode, type OpenStream, type StreamEnd, type StreamListener } from '../http2/session';
import type { Channel } from './channel';
import type { Connection } from './connection';
import { timeoutHeader } from './metadata';
import { Status, type CallEnd } from './status';

/** Bytes of a message, at most, either way, unless a call says otherwise. */
const maxMessageSize = 8 * 1024 * 1024;

/** What a call tells. */
export interface CallListener {
  /** A message of the response, without its frame. Not called any more once the call has ended. */
  message(bytes: Buffer): void;
  /** The last, once. */
  ended(end: CallEnd): void;
}

export interface CallRequest {
  /** Those of the RPC and of the call, as a part of a header block. */
  readonly headers: string;
  readonly message: Uint8Array;
  /** Ms since the epoch; Infinity for a call without. */
  readonly deadline: number;
  /** Bytes of a message of the response, at most. */
  readonly maxSize?: number;
}

/** Timers of Node count in 32 bits, and fire at once beyond that. Ms. */
const longestTimer = 2 ** 31 - 1;

/**
 * One call: a single message there, any number back (gRPC over HTTP/2). It ends by itself at its deadline.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class Call implements StreamListener {
  private stream: OpenStream | undefined;
  private stopWaiting: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly body: Buffer;
  private readonly reader: MessageReader;
  private httpStatus: number | undefined;
  /** What came behind the messages, or the head of a response without any. */
  private trailing: Headers | undefined;
  private wasRepeated = false;
  private hasEnded = false;

  constructor(
    private readonly channel: Channel,
    private readonly request: CallRequest,
    private readonly listener: CallListener,
  ) {
    this.body = framed(request.message);
    this.reader = new MessageReader(request.maxSize ?? maxMessageSize, (message) => {
      if (!this.hasEnded) listener.message(message);
    });
    if (request.message.length > maxMessageSize) {
      this.end(Status.RESOURCE_EXHAUSTED, `the request is over ${maxMessageSize} bytes`);
      return;
    }
    const left = request.deadline - Date.now();
    if (left <= 0) {
      this.end(Status.DEADLINE_EXCEEDED, 'the deadline has passed');
      return;
    }
    if (left < longestTimer) this.timer = setTimeout(() => this.expire(), left);
    this.start();
  }

  /** Ends the call with CANCELLED. */
  cancel(): void {
    this.end(Status.CANCELLED, 'cancelled');
  }

  pause(): void {
    this.stream?.pause();
  }

  resume(): void {
    this.stream?.resume();
  }

  private expire(): void {
    this.end(Status.DEADLINE_EXCEEDED, this.stream ? 'no answer in time' : this.channel.problem());
  }

  private start(): void {
    const connection = this.channel.pick();
    if (connection && this.open(connection)) return;
    this.stopWaiting = this.channel.wait((found) => {
      this.stopWaiting = undefined;
      if (this.hasEnded || (found && this.open(found))) return;
      this.end(Status.UNAVAILABLE, this.channel.problem());
    });
    // It may have ended before there was anything to stop.
    if (this.hasEnded) this.stopWaiting?.();
  }

  private open(connection: Connection): boolean {
    const { headers, deadline } = this.request;
    const left = deadline - Date.now();
    const timed = left < longestTimer ? headers + timeoutHeader(left) : headers;
    this.stream = connection.open(timed, this.body, this);
    return this.stream !== undefined;
  }

  headers(headers: Headers, isLast: boolean): void {
    this.httpStatus = Number(headers[':status']);
    if (isLast) this.trailing = headers;
  }

  data(chunk: Buffer): void {
    const problem = this.hasEnded || this.httpStatus !== 200 ? undefined : this.reader.push(chunk);
    if (problem) this.end(problem.code, problem.details);
  }

  trailers(headers: Headers): void {
    this.trailing = headers;
  }

  closed(how: StreamEnd): void {
    this.stream = undefined;
    if (this.hasEnded) return;
    const { trailing } = this;
    if (trailing?.['grpc-status'] !== undefined) {
      const code = statusCode(trailing['grpc-status']);
      if (code === Status.OK && this.reader.isWithinMessage) {
        this.end(Status.INTERNAL, 'the answer breaks off within a message');
      } else {
        this.end(code, decodeMessage(trailing['grpc-message']), decodeBinary(trailing['grpc-status-details-bin']));
      }
    } else if (how.code === ErrorCode.REFUSED_STREAM && !this.wasRepeated) {
      // The server says that it has not touched the call: it is as if it had not been made (RFC 9113, 8.7).
      this.wasRepeated = true;
      this.start();
    } else if (how.lost) {
      this.end(Status.UNAVAILABLE, `the connection was lost: ${how.lost.message}`);
    } else if (this.httpStatus !== undefined && this.httpStatus !== 200) {
      this.end(statusOfHttp(this.httpStatus), `HTTP status ${this.httpStatus} instead of a gRPC answer`);
    } else if (how.code !== 0) {
      this.end(statusOfReset(how.code), `the call was reset with HTTP/2 error code ${how.code}`);
    } else {
      this.end(Status.UNKNOWN, 'the answer has no gRPC status');
    }
  }

  private end(code: Status, details: string, statusDetails?: Buffer): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.stopWaiting?.();
    this.stream?.cancel();
    this.listener.ended({ code, details, statusDetails });
  }
}

/** Length-Prefixed-Message: a byte that says "not compressed", and the length. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

interface Problem {
  readonly code: Status;
  readonly details: string;
}

/** Takes messages out of the bytes of an answer. */
class MessageReader {
  /** Bytes of a message, or of its frame, that has not come whole. */
  private readonly parts: Buffer[] = [];
  private size = 0;
  /** How many bytes must be there before anything can be done. */
  private needed = 5;

  constructor(
    private readonly maxSize: number,
    private readonly onMessage: (message: Buffer) => void,
  ) {}

  get isWithinMessage(): boolean {
    return this.size > 0;
  }

  /** @returns what is wrong with the answer, if anything */
  push(chunk: Buffer): Problem | undefined {
    this.size += chunk.length;
    if (this.size < this.needed) {
      this.parts.push(chunk);
      return undefined;
    }
    let bytes = chunk;
    if (this.parts.length > 0) {
      bytes = Buffer.concat([...this.parts, chunk], this.size);
      this.parts.length = 0;
    }
    let at = 0;
    while (bytes.length - at >= 5) {
      if (bytes[at] !== 0) return { code: Status.INTERNAL, details: 'a message is compressed, which was not offered' };
      const length = bytes.readUInt32BE(at + 1);
      if (length > this.maxSize) {
        return {
          code: Status.RESOURCE_EXHAUSTED,
          details: `a message of ${length} bytes is over ${this.maxSize} bytes`,
        };
      }
      const end = at + 5 + length;
      if (bytes.length < end) break;
      this.onMessage(bytes.subarray(at + 5, end));
      at = end;
    }
    this.size = bytes.length - at;
    if (this.size > 0) this.parts.push(bytes.subarray(at));
    this.needed = this.size < 5 ? 5 : 5 + bytes.readUInt32BE(at + 1);
    return undefined;
  }
}

function statusCode(text: string): Status {
  const code = /^\d{1,2}$/.test(text) ? Number(text) : Status.UNKNOWN;
  return code in Status ? code : Status.UNKNOWN;
}

/** Percent-decodes a Status-Message; what cannot be decoded stays as it came. */
function decodeMessage(message = ''): string {
  if (!message.includes('%')) return message;
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

/** Binary-Header: base64, with or without padding. */
function decodeBinary(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'base64');
}

/** @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors */
function statusOfReset(code: number): Status {
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return Status.UNAVAILABLE;
    case ErrorCode.CANCEL:
      return Status.CANCELLED;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return Status.RESOURCE_EXHAUSTED;
    case ErrorCode.INADEQUATE_SECURITY:
      return Status.PERMISSION_DENIED;
    default:
      return Status.INTERNAL;
  }
}

/** @see https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
function statusOfHttp(status: number): Status {
  switch (status) {
    case 400:
      return Status.INTERNAL;
    case 401:
      return Status.UNAUTHENTICATED;
    case 403:
      return Status.PERMISSION_DENIED;
    case 404:
      return Status.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return Status.UNAVAILABLE;
    default:
      return Status.UNKNOWN;
  }
}
