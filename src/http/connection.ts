import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Refuse } from './refuse';

/** Responses that may wait for their turn on one connection. With that many, no more is read from it. */
const maxWaiting = 100;

/** A client's connection: the responses that are still to come on it, and whether it is still read. */
export class Connection {
  /** The response to the latest request. Responses end in order, so once it is closed, all before it are. */
  private latest: ServerResponse | undefined;
  /** Responses behind another one. They have no socket yet. */
  private readonly waiting = new Set<ServerResponse>();
  /** Whether something came that cannot be read. */
  private isBroken = false;

  constructor(private readonly socket: Socket) {
    // node:http resumes the socket when the body of a waiting request is read.
    socket.on('resume', () => {
      if (this.isFull) socket.pause();
    });
  }

  /** Whether every request that came has its response. */
  get isIdle(): boolean {
    return !this.latest || this.latest.closed;
  }

  private get isFull(): boolean {
    return this.waiting.size >= maxWaiting;
  }

  /** A request came, with this as its response. */
  add(response: ServerResponse): void {
    this.latest = response;
    if (response.socket) return;
    this.waiting.add(response);
    if (this.isFull) this.socket.pause();
    response.once('socket', () => {
      const wasFull = this.isFull;
      this.waiting.delete(response);
      if (wasFull && !this.isFull) this.socket.resume();
    });
  }

  /**
   * To be called when the socket has closed. Closes the responses that waited: Node before 24 emits 'close' only for the one
   * whose turn it is, and Node 24 emits it for the others a tick later, so that they get it twice.
   */
  close(): void {
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
