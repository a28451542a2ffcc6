import type { Reply } from './exchange';
import type { IncomingExchange } from './incoming-exchange';
import type { ReplyHeads } from './reply-heads';

/** A body that is sent whole. */
export type WholeBody = string | Uint8Array | undefined;

/** Longest text, in characters, that is sent in one piece with the head. Longer text is encoded first, which costs less. */
const longestInOnePiece = 16 * 1024;

/**
 * Replies that are sent together at most. A write wakes a reader on the same machine (a sidecar, an ingress) that was idle, which
 * costs the writer more than the reply did; writes that follow at once find the reader awake. With a larger batch, the first
 * reply would wait too long for the last.
 */
const maxReady = 32;

interface ReadyReply {
  readonly exchange: IncomingExchange;
  readonly reply: Reply;
  readonly body: WholeBody;
}

/** Sends replies whose body is known whole. Those that become ready in one turn of the event loop are sent together. */
export class WholeReplies {
  private ready: ReadyReply[] = [];

  /** @param writeTimeout - Ms. */
  constructor(
    private readonly heads: ReplyHeads,
    private readonly writeTimeout: number,
  ) {}

  send(exchange: IncomingExchange, reply: Reply, body: WholeBody): void {
    const count = this.ready.push({ exchange, reply, body });
    if (count === 1) setImmediate(this.sendReady);
    else if (count === maxReady) this.sendReady();
  }

  /** Sends a reply without waiting for others. */
  sendNow(exchange: IncomingExchange, reply: Reply, body: WholeBody): void {
    const { response } = exchange;
    // node:http sends text together with the head.
    const content = typeof body === 'string' && body.length > longestInOnePiece ? Buffer.from(body) : body;
    const length = typeof content === 'string' ? Buffer.byteLength(content) : content?.byteLength;
    const contentLength = length ?? (reply.status === 204 ? undefined : 0);
    response.writeHead(reply.status, this.heads.headOf(exchange, reply, contentLength));
    response.end(exchange.method === 'HEAD' ? undefined : content);
    // A response that waits for its turn behind another has no socket yet.
    if (response.socket === null || response.socket.writableLength > 0) response.setTimeout(this.writeTimeout);
  }

  private readonly sendReady = (): void => {
    const replies = this.ready;
    this.ready = [];
    for (const { exchange, reply, body } of replies) {
      try {
        // Not where the client was told something else meanwhile, or has left.
        if (!exchange.response.headersSent && !exchange.isClosed) this.sendNow(exchange, reply, body);
      } catch (error) {
        exchange.fail(error);
      }
      exchange.markHandled();
    }
  };
}
