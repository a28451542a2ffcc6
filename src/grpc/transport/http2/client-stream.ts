import { ConnectionError, ErrorCode } from './frames';
import type { Headers } from './hpack';
import type { StreamEntry } from './streams';

/** What a request hears, in this order. Nothing more comes once it was cancelled. */
export interface StreamListener {
  /** The response's head; all of it where `isLast`. Informational ones (1xx) are left out. */
  headers(headers: Headers, isLast: boolean): void;
  /** A part of the body. Its memory is shared with what came beside it. */
  data(chunk: Buffer): void;
  trailers(headers: Headers): void;
  /** The last, once. */
  closed(how: StreamEnd): void;
}

/**
 * How a request ended.
 *
 * - `complete`: the server has said all that it had to say.
 * - `reset`: by the server, with a code (RFC 9113, 7). With REFUSED_STREAM it has not touched the request (8.7).
 * - `broken`: the server sent what it must not, and the request was reset from here.
 * - `lost`: with the connection.
 * - `unsent`: nothing of it was sent, so that it can be sent elsewhere.
 */
export type StreamEnd =
  | { readonly how: 'complete' | 'unsent' }
  | { readonly how: 'reset'; readonly code: number }
  | { readonly how: 'broken' | 'lost'; readonly error: Error };

/** A request under way. */
export interface OpenStream {
  /** Lets the server send no more than it was allowed before, 64 KB at most, until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Gives it up, without another word to its listener. */
  cancel(): void;
}

/** What a stream needs of its session. */
export interface StreamOwner {
  /**
   * Forgets a stream.
   *
   * @param code - What the server is told; undefined where it need not be.
   * @returns false where that was done before
   */
  drop(stream: ClientStream, code: number | undefined): boolean;
  /** Lets the server send more. */
  grant(streamId: number, increment: number): void;
}

/** Flow-control windows at first, of streams and of the connection (RFC 9113, 6.9.2). */
export const initialWindow = 65_535;

/** A request of a session, sent or waiting for its turn. */
export class ClientStream implements OpenStream, StreamEntry<ClientStream> {
  /** 0 until it was begun. */
  id = 0;
  /** Bytes that it may send beside the window that all begin with: what it was granted, less what was sent. */
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
