/*
 * GraphQL over SSE, in distinct connections mode: an event `next` for each result, and one `complete` at the end.
 *
 * See https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md
 */

const complete = 'event: complete\ndata:\n\n';

/** A line that clients skip (HTML, 9.2.6). A stream begins with it, since some browsers wait for more than headers. */
const comment = ':\n\n';

/** @param json - A result, as JSON. */
function next(json: string): string {
  return `event: next\ndata: ${json}\n\n`;
}

/** The whole of a stream that has one result. */
export function streamOfOne(json: string): string {
  return `${comment}${next(json)}${complete}`;
}

type Chunk = IteratorResult<string, undefined>;

interface Reader {
  resolve(chunk: Chunk): void;
  reject(error: unknown): void;
}

const end: Chunk = { done: true, value: undefined };

/**
 * The events of a subscription as they are sent, and heartbeats while there are none. A result is asked for when its reader
 * asks for a chunk, and none is lost where a heartbeat comes first: it is the chunk after that. For one reader, who waits for
 * a chunk before asking for another.
 */
export class EventStream implements AsyncIterableIterator<string, undefined> {
  private readonly results: AsyncIterator<unknown>;
  private state: 'new' | 'open' | 'over' = 'new';
  private spoke: Spoke | undefined;
  /** Who waits for the next chunk. */
  private reader: Reader | undefined;
  /** True while a result is asked for. */
  private asking = false;
  /** What came of it while the reader had a heartbeat to send. */
  private held: ((reader: Reader) => void) | undefined;

  constructor(
    results: AsyncIterable<unknown>,
    private readonly heartbeats: Heartbeats,
  ) {
    this.results = results[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Chunk> {
    return new Promise((resolve, reject) => {
      const { held, state } = this;
      if (state === 'new') {
        this.state = 'open';
        this.spoke = this.heartbeats.join(this);
        resolve({ done: false, value: comment });
      } else if (held) {
        this.held = undefined;
        held({ resolve, reject });
      } else if (state === 'over') {
        resolve(end);
      } else {
        this.reader = { resolve, reject };
        if (!this.asking) void this.ask();
      }
    });
  }

  /** Cancels the subscription. */
  async return(): Promise<Chunk> {
    this.close();
    this.deliver((reader) => reader.resolve(end));
    await this.results.return?.();
    return end;
  }

  /** Sends a heartbeat, unless the client has yet to take what was sent before. */
  beat(): void {
    this.reader?.resolve({ done: false, value: comment });
    this.reader = undefined;
  }

  private async ask(): Promise<void> {
    this.asking = true;
    try {
      const result = await this.results.next();
      if (result.done) this.close();
      const value = result.done ? complete : next(JSON.stringify(result.value));
      this.deliver((reader) => reader.resolve({ done: false, value }));
    } catch (error) {
      this.close();
      this.deliver((reader) => reader.reject(error));
    }
    this.asking = false;
  }

  private deliver(outcome: (reader: Reader) => void): void {
    const { reader } = this;
    this.reader = undefined;
    if (reader) outcome(reader);
    else this.held = outcome;
  }

  private close(): void {
    this.state = 'over';
    if (this.spoke) this.heartbeats.leave(this, this.spoke);
    this.spoke = undefined;
  }
}

/** Ms between two heartbeats of a stream, well within what proxies take for a dead connection. */
const defaultInterval = 12_000;
const spokeCount = 12;

/** Streams whose heartbeats fall together. */
type Spoke = Set<Pick<EventStream, 'beat'>>;

/**
 * The heartbeats of all streams, by one timer: a wheel that turns once in an interval and stops at each spoke, so that many
 * streams do not all have theirs at the same time.
 */
export class Heartbeats {
  private readonly spokes: readonly Spoke[] = Array.from({ length: spokeCount }, () => new Set());
  private current = 0;
  private size = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param interval - Ms. */
  constructor(private readonly interval = defaultInterval) {}

  /** Heartbeats from now on, the first after about an interval. */
  join(stream: Pick<EventStream, 'beat'>): Spoke {
    const spoke = this.spokes[this.current]!;
    spoke.add(stream);
    this.size += 1;
    this.timer ??= setInterval(() => this.turn(), this.interval / spokeCount).unref();
    return spoke;
  }

  leave(stream: Pick<EventStream, 'beat'>, spoke: Spoke): void {
    if (!spoke.delete(stream)) return;
    this.size -= 1;
    if (this.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private turn(): void {
    this.current = (this.current + 1) % spokeCount;
    for (const stream of this.spokes[this.current]!) stream.beat();
  }
}
