import { ConnectionError, ErrorCode } from './frames';
import type { Headers } from './hpack';
import type { StreamEntry } from './streams';

/** What a request hears, in this order. Nothing more comes once it was cancelled. */
export interface StreamListener {
  /** The response's head; all of it where `isLast`. Informational ones (1xx) are left out. */
  headers(headers: Headers, isLast: boolean): void;
  /** A part of the body: a slice of what the socket has read. */
  data(chunk: Buffer): void;
  trailers(headers: Headers): void;
  /** Called last, once. */
  closed(how: StreamEnd): void;
}

/**
 * How a request ended.
 *
 * - `complete`: the response has ended.
 * - `reset`: by the server, with a code (RFC 9113, 7). With REFUSED_STREAM it has not touched the request (8.7).
 * - `broken`: the server violated the protocol, and the request was reset from here.
 * - `lost`: with the connection.
 * - `unsent`: nothing of it was sent, so that it can be sent elsewhere.
 */
export type StreamEnd =
  | { readonly how: 'complete' | 'unsent' }
  | { readonly how: 'reset'; readonly code: number }
  | { readonly how: 'broken' | 'lost'; readonly error: Error };

/** A request under way. */
export interface OpenStream {
  /** Extends the window of the stream no further, until {@link resume}: the server may send 64 KB at most. */
  pause(): void;
  resume(): void;
  /** Resets the stream. Its listener hears nothing more. */
  cancel(): void;
}

/** What a stream needs of its session. */
export interface StreamOwner {
  /**
   * Forgets a stream.
   *
   * @param code - Error code to reset it with; undefined where the server has ended it.
   * @returns false for one that was forgotten before
   */
  drop(stream: ClientStream, code: number | undefined): boolean;
  /** Lets the server send more. */
  grant(streamId: number, increment: number): void;
}

/** Initial flow-control window of streams and of the connection (RFC 9113, 6.9.2). */
export const initialWindow = 65_535;

/** A request of a session, sent or waiting for its turn. */
export class ClientStream implements OpenStream, StreamEntry<ClientStream> {
  /** 0 until it is sent. */
  id = 0;
  /** Bytes that it may send beyond the initial window: what it was granted, less what was sent. */
  credit = 0;
  /** Bytes of the body that were sent. */
  sent = 0;
  hasHeaders = false;
  previous: ClientStream | undefined = undefined;
  next: ClientStream | undefined = undefined;
  private receiveWindow = initialWindow;
  private isPaused = false;

  constructor(
    private readonly session: StreamOwner,
    readonly headers: string,
    readonly body: Buffer,
    readonly listener: StreamListener,
  ) {}

  /** @throws ConnectionError where more came than was allowed */
  received(size: number, isLast: boolean): void {
    this.receiveWindow -= size;
    if (this.receiveWindow < 0) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more was sent than was allowed');
    }
    if (!isLast) this.replenish();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.replenish();
  }

  cancel(): void {
    this.session.drop(this, ErrorCode.CANCEL);
  }

  private replenish(): void {
    if (this.isPaused || this.receiveWindow > initialWindow / 2) return;
    this.session.grant(this.id, initialWindow - this.receiveWindow);
    this.receiveWindow = initialWindow;
  }
}
