import type { ServerResponse } from 'node:http';
import type { GatewayError } from '../errors';
import { connectionOf } from './connection';
import type { Reply } from './exchange';
import type { IncomingExchange } from './incoming-exchange';
import type { ReplyHeads } from './reply-heads';

/** A body that is sent as it comes. */
export type StreamedBody = AsyncIterable<string | Uint8Array>;

/** Sends replies whose body is a stream, at the client's pace. */
export class StreamedReplies {
  private readonly open = new Set<IncomingExchange>();
  /** Why streams end; set at shutdown. */
  private ending: GatewayError | undefined;

  /** @param writeTimeout - Ms. */
  constructor(
    private readonly heads: ReplyHeads,
    private readonly writeTimeout: number,
  ) {}

  /** Streams that are open now. */
  get size(): number {
    return this.open.size;
  }

  /** Ends all streams, and those that begin later. Each gets a last event that says why. */
  end(reason: GatewayError): void {
    this.ending = reason;
    for (const exchange of this.open) exchange.abort(reason);
  }

  /** Resolves once the stream has ended or failed. */
  async send(exchange: IncomingExchange, reply: Reply, body: StreamedBody): Promise<void> {
    const { response } = exchange;
    exchange.isStreamed = true;
    this.open.add(exchange);
    connectionOf(response.req.socket)?.own(response);
    try {
      if (this.ending) exchange.abort(this.ending);
      if (!response.headersSent) {
        response.writeHead(reply.status, this.heads.headOf(exchange, reply, undefined));
        response.flushHeaders();
        response.setTimeout(this.writeTimeout);
      }
      await writeStream(exchange, body);
    } catch (error) {
      exchange.fail(error);
    } finally {
      this.open.delete(exchange);
      exchange.markHandled();
    }
  }
}

async function writeStream(exchange: IncomingExchange, body: StreamedBody): Promise<void> {
  const { response } = exchange;
  for await (const chunk of body) {
    // Node before 24 does not destroy a response that waits for its turn when its connection closes.
    if (exchange.isClosed || response.writableEnded) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

/** Resolves once the client has read what was written, or the response is closed. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}
