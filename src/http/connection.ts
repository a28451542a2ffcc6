import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Refuse } from './unreadable-request';

/** Bytes of the longest head that is read; longer ones are 431 (RFC 6585). */
export const longestHead = 16 * 1024;

/** Responses that may wait for their turn on one connection. With that many, no more is read from it. */
const maxWaiting = 100;

/** Bytes behind a stream that are read and dropped, so that the end of the connection behind them is seen. */
const maxDropped = 64 * 1024;

/** Ms between two looks at a connection that is not read. */
const watchInterval = 50;

/** A client's connection: the responses that are still to come on it, and whether it is still read. */
export class Connection {
  /** When it became idle last, by the monotonic clock. */
  idleSince = performance.now();
  /** The response to the latest request. Responses end in order, so once it is closed, all before it are. */
  private latest: ServerResponse | undefined;
  /** Responses behind another one, in their order. They have no socket yet. */
  private readonly waiting = new Set<ServerResponse>();
  /** The first stream on the connection that has begun and not ended. */
  private owner: ServerResponse | undefined;
  /** Responses behind the owner, which are never sent. */
  private readonly behind = new Set<ServerResponse>();
  /** What reads requests off the connection, while that is put aside for a stream. */
  private readers: ((chunk: Buffer) => void)[] | undefined;
  private hasResumed = false;
  private dropped = 0;
  /** Bytes of requests whose heads have come: of the heads, about, and of the bodies that they announce. */
  private announced = 0;
  /** Whether it had a body that came in chunks, of which it is not known where it ended. */
  private hadChunks = false;
  private watching: NodeJS.Timeout | undefined;
  /** Whether something came that cannot be read. */
  private isBroken = false;

  constructor(readonly socket: Socket) {
    (socket as Known).connection = this;
    // node:http resumes the socket when the body of a waiting request is read.
    socket.on('resume', () => {
      if (this.isFull) socket.pause();
    });
    // node:http pauses it too, where much waits to be sent.
    socket.on('pause', () => this.watch());
    socket.on('end', () => {
      if (this.owner) socket.destroy();
    });
  }

  /** Whether every request that came has its response. */
  get isIdle(): boolean {
    return !this.latest || this.latest.closed;
  }

  private get isFull(): boolean {
    return this.owner ? this.dropped > maxDropped : this.waiting.size >= maxWaiting;
  }

  /** A request came, with this as its response. */
  add(response: ServerResponse): void {
    this.latest = response;
    if (response.socket) return;
    this.waiting.add(response);
    if (this.owner) this.behind.add(response);
    if (this.isFull) this.socket.pause();
    response.once('socket', () => {
      const wasFull = this.isFull;
      this.waiting.delete(response);
      if (this.behind.has(response)) this.endBehindStream();
      else if (wasFull && !this.isFull) this.socket.resume();
    });
  }

  /**
   * The head of a request has come.
   *
   * @param bytes - Of the head as it was sent, about.
   */
  noteHead(bytes: number, { 'content-length': length, 'transfer-encoding': coding }: IncomingHttpHeaders): void {
    this.announced += bytes + Number(length ?? 0);
    if (coding !== undefined) this.hadChunks = true;
  }

  /** Bytes of a head that has come in part, about; as many as it may have where that cannot be told. */
  get unfinishedBytes(): number {
    if (this.hadChunks) return longestHead;
    const { bytesRead } = this.socket;
    if (this.isIdle && this.announced > bytesRead) this.announced = bytesRead;
    return Math.min(longestHead, bytesRead - this.announced);
  }

  /** A response has closed. */
  noteIdle(): void {
    this.idleSince = performance.now();
  }

  /**
   * A stream begins. It owns the connection: it may never end, so nothing behind it is read as a request any more, and what was
   * read already is closed with it. What comes is dropped, so that the client's leaving behind it is seen.
   */
  own(response: ServerResponse): void {
    if (this.owner || response.closed) return;
    this.owner = response;
    // The stream itself may wait for its turn.
    let isBehind = !this.waiting.has(response);
    for (const each of this.waiting) {
      if (isBehind) this.behind.add(each);
      if (each === response) isBehind = true;
    }
    response.once('close', () => this.disown());
    const { req } = response;
    if (req.complete) {
      this.putReadersAside();
    } else {
      req.once('end', () => this.putReadersAside());
      // Where nobody reads the body.
      req.resume();
    }
  }

  private putReadersAside(): void {
    const { socket } = this;
    if (!this.owner || socket.destroyed) return;
    if (socket.isPaused()) {
      // Only while node:http still reads the connection can reading be resumed. It may pause it again, where much waits to be sent.
      socket.once('resume', () => this.putReadersAside());
      if (!this.hasResumed) socket.resume();
      this.hasResumed = true;
      return;
    }
    this.readers = socket.listeners('data') as ((chunk: Buffer) => void)[];
    socket.removeAllListeners('data');
    // node:http hands the connection over to whoever listens for its data.
    socket.on('data', this.drop);
  }

  private readonly drop = (chunk: Buffer): void => {
    this.dropped += chunk.length;
    if (this.isFull) this.socket.pause();
  };

  /** The stream has ended. Where nothing came behind it, the connection is as before. */
  private disown(): void {
    const { socket, readers } = this;
    this.owner = undefined;
    this.readers = undefined;
    if (socket.destroyed || this.behind.size > 0) return;
    if (this.dropped > 0) {
      socket.destroySoon();
    } else if (readers) {
      socket.off('data', this.drop);
      for (const reader of readers) socket.on('data', reader);
    }
  }

  /** Closes the connection in place of the response that comes next, once the stream ahead of it has closed. */
  private endBehindStream(): void {
    this.socket.cork();
    setImmediate(() => this.socket.destroy());
  }

  /**
   * Looks whether the client has left while the connection is not read: to write nothing fails once it was reset. Where something
   * is being written, that fails by itself.
   */
  private watch(): void {
    const { socket } = this;
    this.watching ??= setInterval(() => {
      if (!socket.isPaused()) this.stopWatching();
      else if (socket.writable && socket.writableLength === 0) socket.write('');
    }, watchInterval).unref();
  }

  private stopWatching(): void {
    clearInterval(this.watching);
    this.watching = undefined;
  }

  /**
   * To be called when the socket has closed. Closes the responses that waited: Node before 24 emits 'close' only for the one
   * whose turn it is, and Node 24 emits it for the others a tick later, so that they get it twice.
   */
  close(): void {
    this.stopWatching();
    for (const response of this.waiting) response.emit('close');
  }

  /**
   * Ends a connection that sent something unreadable. Responses go out in the order of the requests, so those that are under
   * way come first.
   *
   * @param error - From node:http's event `clientError`.
   */
  stopReading(error: NodeJS.ErrnoException, refuse: Refuse): void {
    const { socket, latest } = this;
    const wasBroken = this.isBroken;
    this.isBroken = true;
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
    } else if (!latest || (latest.closed && latest.req.complete)) {
      refuse(error, socket);
    } else if (latest.closed) {
      // The unreadable part belongs to a request that has its response.
      socket.destroySoon();
    } else if (!latest.req.complete && !latest.headersSent) {
      refuse(error, latest);
    } else if (!wasBroken) {
      latest.once('close', () => {
        if (socket.writable) this.stopReading(error, refuse);
      });
    }
  }
}

type Known = Socket & { connection?: Connection };

/** The connection of a socket; undefined where no listener of ours has accepted it. */
export function connectionOf(socket: Socket): Connection | undefined {
  return (socket as Known).connection;
}
