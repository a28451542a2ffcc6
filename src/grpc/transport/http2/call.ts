import { longestTimer } from '../../../config/duration';
import { Status, type CallEnd } from '../../status';
import { failure } from '../limits';
import type { CallListener, CallRequest, OpenCall } from '../transport';
import type { Channel, Waiter } from './channel';
import type { OpenStream, StreamEnd, StreamListener } from './client-stream';
import type { Connection } from './connection';
import { ErrorCode } from './frames';
import type { Headers } from './hpack';
import { framed, MessageReader, type MessageListener } from './message-reader';
import { encodeTimeout } from './request-headers';
import { statusOfHttp, statusOfReset, statusOfTrailers } from './response-status';

/**
 * A call: one message there, any number back (gRPC over HTTP/2). It ends by itself at its deadline.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class Call implements OpenCall, StreamListener, MessageListener, Waiter {
  private stream: OpenStream | undefined;
  private connection: Connection | undefined;
  /** {@link Connection.received} when the call began. */
  private receivedBefore = 0;
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly deadline: number;
  private readonly body: Buffer;
  private readonly reader: MessageReader;
  private httpStatus: number | undefined;
  /** Why this is no response of gRPC, unless a status follows all the same. */
  private strange: string | undefined;
  /** The trailers, or the head of a response without a body. */
  private trailing: Headers | undefined;
  private wasRepeated = false;
  private hasEnded = false;

  /** @param requestHeaders - All but `grpc-timeout`. */
  constructor(
    private readonly channel: Channel,
    private readonly requestHeaders: string,
    { message, deadline }: CallRequest,
    maxMessageSize: number,
    private readonly listener: CallListener,
  ) {
    this.deadline = deadline;
    this.body = framed(message);
    this.reader = new MessageReader(maxMessageSize, this);
    const left = deadline - Date.now();
    if (left < longestTimer) this.timer = setTimeout(() => this.expire(), left);
    this.start();
  }

  cancel(): void {
    this.fail(Status.CANCELLED, 'cancelled');
  }

  /** Ends the call, here and at the server. */
  fail(code: Status, details: string): void {
    this.end(failure(code, details));
  }

  pause(): void {
    this.stream?.pause();
  }

  resume(): void {
    this.stream?.resume();
  }

  private expire(): void {
    const { connection } = this;
    if (connection?.received === this.receivedBefore) connection.doubt();
    this.fail(Status.DEADLINE_EXCEEDED, this.stream ? 'no answer in time' : this.channel.problem());
  }

  private start(): void {
    const connection = this.channel.pick();
    if (!connection || !this.open(connection)) this.channel.wait(this);
  }

  private open(connection: Connection): boolean {
    const left = this.deadline - Date.now();
    const headers = left < longestTimer ? this.requestHeaders + encodeTimeout(left) : this.requestHeaders;
    this.connection = connection;
    this.receivedBefore = connection.received;
    this.stream = connection.open(headers, this.body, this);
    return this.stream !== undefined;
  }

  /** For the channel: the wait is over. */
  connected(connection: Connection | undefined): void {
    if (!connection || !this.open(connection)) this.fail(Status.UNAVAILABLE, this.channel.problem());
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
    if (end.how === 'unsent' || (isRefusedStream(end) && !this.wasRepeated && this.httpStatus === undefined)) {
      // No server has processed the call, so it can be sent again: once where a server has refused it.
      this.wasRepeated ||= end.how !== 'unsent';
      this.start();
    } else if (end.how === 'lost') {
      this.fail(Status.UNAVAILABLE, `the connection was lost: ${end.error.message}`);
    } else if (end.how === 'broken') {
      this.fail(Status.INTERNAL, `the answer is no valid HTTP/2: ${end.error.message}`);
    } else {
      this.end(this.statusOf(end));
    }
  }

  /** The status of a response that has ended. */
  private statusOf(end: StreamEnd): CallEnd {
    const status = statusOfTrailers(this.trailing);
    if (status) {
      return status.code === Status.OK && this.reader.isWithinMessage
        ? failure(Status.INTERNAL, 'the answer breaks off within a message')
        : status;
    }
    if (this.strange !== undefined) {
      return failure(statusOfHttp(this.httpStatus), `${this.strange} instead of a gRPC answer`);
    }
    return end.how === 'reset' ? statusOfReset(end.code) : failure(Status.UNKNOWN, 'the answer has no gRPC status');
  }

  private end(end: CallEnd): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.channel.leave(this);
    this.stream?.cancel();
    this.stream = undefined;
    this.listener.ended(end);
  }
}

/** True where the server has not touched the request (RFC 9113, 8.7). */
function isRefusedStream(end: StreamEnd): boolean {
  return end.how === 'reset' && end.code === ErrorCode.REFUSED_STREAM;
}
