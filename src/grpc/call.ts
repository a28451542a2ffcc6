import { ErrorCode } from '../http2/frames';
import type { Headers } from '../http2/hpack';
import type { OpenStream, StreamEnd, StreamListener } from '../http2/session';
import type { Channel, Waiter } from './channel';
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
export class Call implements StreamListener, Waiter {
  private stream: OpenStream | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly body: Buffer;
  private readonly reader: MessageReader;
  private httpStatus: number | undefined;
  /** Why what comes cannot be an answer of gRPC, unless a status follows on it. */
  private strange: string | undefined;
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
    this.reader = new MessageReader(request.maxSize ?? maxMessageSize, this);
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

  /** Ends the call, whatever the server may say yet. */
  fail(code: Status, details: string): void {
    this.end(code, details);
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
    if (!connection || !this.open(connection)) this.channel.wait(this);
  }

  private open(connection: Connection): boolean {
    const { headers, deadline } = this.request;
    const left = deadline - Date.now();
    const timed = left < longestTimer ? headers + timeoutHeader(left) : headers;
    this.stream = connection.open(timed, this.body, this);
    return this.stream !== undefined;
  }

  connected(connection: Connection | undefined): void {
    if (!connection || !this.open(connection)) this.end(Status.UNAVAILABLE, this.channel.problem());
  }

  headers(headers: Headers, isLast: boolean): void {
    this.httpStatus = Number(headers[':status']);
    if (isLast) this.trailing = headers;
    const type = headers['content-type'];
    if (this.httpStatus !== 200) this.strange = `HTTP status ${this.httpStatus}`;
    else if (type !== undefined && !type.startsWith('application/grpc')) this.strange = `content of type ${type}`;
  }

  data(chunk: Buffer): void {
    if (this.strange === undefined) this.reader.push(chunk);
  }

  /** For the reader: a message has come. */
  message(bytes: Buffer): void {
    if (!this.hasEnded) this.listener.message(bytes);
  }

  trailers(headers: Headers): void {
    this.trailing = headers;
  }

  closed(end: StreamEnd): void {
    this.stream = undefined;
    if (this.hasEnded) return;
    if (end.how === 'unsent' || (isRefusal(end) && !this.wasRepeated && this.httpStatus === undefined)) {
      // No server has touched the call, so that it is as if it had not been made. What a server has seen is repeated once.
      this.wasRepeated ||= end.how !== 'unsent';
      this.start();
    } else if (end.how === 'lost') {
      this.end(Status.UNAVAILABLE, `the connection was lost: ${end.error.message}`);
    } else if (end.how === 'broken') {
      this.end(Status.INTERNAL, `the answer is no valid HTTP/2: ${end.error.message}`);
    } else {
      this.conclude(end);
    }
  }

  /** The end that the server has given the call. */
  private conclude(end: StreamEnd): void {
    const { trailing } = this;
    if (trailing?.['grpc-status'] !== undefined) {
      const code = statusCode(trailing['grpc-status']);
      if (code === Status.OK && this.reader.isWithinMessage) {
        this.end(Status.INTERNAL, 'the answer breaks off within a message');
      } else {
        this.end(code, decodeMessage(trailing['grpc-message']), decodeBinary(trailing['grpc-status-details-bin']));
      }
    } else if (this.strange !== undefined) {
      this.end(statusOfHttp(this.httpStatus), `${this.strange} instead of a gRPC answer`);
    } else if (end.how === 'reset') {
      this.end(statusOfReset(end.code), `the call was reset with HTTP/2 error code ${end.code}`);
    } else {
      this.end(Status.UNKNOWN, 'the answer has no gRPC status');
    }
  }

  private end(code: Status, details: string, statusDetails?: Buffer): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.channel.leave(this);
    this.stream?.cancel();
    this.stream = undefined;
    this.listener.ended({ code, details, statusDetails });
  }
}

/** True where the server has not touched the request (RFC 9113, 8.7). */
function isRefusal(end: StreamEnd): boolean {
  return end.how === 'reset' && end.code === ErrorCode.REFUSED_STREAM;
}

/** Length-Prefixed-Message: a byte that says "not compressed", and the length. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Takes messages out of the bytes of an answer. */
class MessageReader {
  /**
   * What has come of a message, or of its frame, that has not come whole. In memory of its own: chunks may be of a byte each,
   * and each would keep what came beside it.
   */
  private kept = nothing;
  /** Bytes of it. */
  private size = 0;
  /** How many bytes must be there before anything can be done. */
  private needed = 5;

  constructor(
    private readonly maxSize: number,
    private readonly call: Pick<Call, 'message' | 'fail'>,
  ) {}

  get isWithinMessage(): boolean {
    return this.size > 0;
  }

  /** Fails the call where its answer is not as it must be. */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.size > 0) {
      this.keep(chunk);
      bytes = this.kept.subarray(0, this.size);
    }
    if (bytes.length >= this.needed) this.take(bytes);
    else if (this.size === 0) this.keep(bytes);
  }

  /** Takes all messages that are whole, and keeps the rest. */
  private take(bytes: Buffer): void {
    let at = 0;
    while (bytes.length - at >= 5) {
      if (bytes[at] !== 0) {
        this.call.fail(Status.INTERNAL, 'a message is compressed, which was not offered');
        return;
      }
      const length = bytes.readUInt32BE(at + 1);
      if (length > this.maxSize) {
        this.call.fail(Status.RESOURCE_EXHAUSTED, `a message of ${length} bytes is over ${this.maxSize} bytes`);
        return;
      }
      const end = at + 5 + length;
      if (bytes.length < end) break;
      this.call.message(bytes.subarray(at + 5, end));
      at = end;
    }
    const rest = bytes.subarray(at);
    this.needed = rest.length < 5 ? 5 : 5 + rest.readUInt32BE(1);
    // The messages that were taken have their bytes in what was kept.
    this.kept = nothing;
    this.size = 0;
    if (rest.length > 0) this.keep(rest);
  }

  private keep(chunk: Buffer): void {
    const size = this.size + chunk.length;
    if (size > this.kept.length) {
      // As much again as there is, so that bytes are not copied over and over; no more than came, whatever a frame says.
      const larger = Buffer.allocUnsafe(Math.max(size, Math.min(2 * size, this.needed)));
      larger.set(this.kept.subarray(0, this.size));
      this.kept = larger;
    }
    this.kept.set(chunk, this.size);
    this.size = size;
  }
}

const nothing: Buffer = Buffer.alloc(0);

function statusCode(text: string): Status {
  const code = /^\d{1,2}$/.test(text) ? Number(text) : Status.UNKNOWN;
  return code in Status ? code : Status.UNKNOWN;
}

/** Percent-decodes a Status-Message; what is no code stays as it came, what is no UTF-8 becomes U+FFFD. */
function decodeMessage(message = ''): string {
  return message.replace(/(?:%[\da-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString());
}

/** Binary-Header: base64, with or without padding; the first of several, which are joined by commas. */
function decodeBinary(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text.split(',', 1)[0]!, 'base64');
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
function statusOfHttp(status: number | undefined): Status {
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
