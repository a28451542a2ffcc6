/** How the results of a stream are written. */
export interface EventFormat {
  /** What the stream begins with; empty for nothing. */
  readonly opening: string;
  readonly heartbeat: string;
  /** A result, and whether it is the last thing of the stream. */
  write(result: unknown): { readonly text: string; readonly isLast: boolean };
  /** What the stream ends with, unless a result has ended it. */
  readonly closing: string;
}

type Chunk = IteratorResult<string, undefined>;

interface Reader {
  resolve(chunk: Chunk): void;
  reject(error: unknown): void;
}

const end: Chunk = { done: true, value: undefined };

/**
 * The results of a subscription as they are sent, and heartbeats while there are none. A result is asked for when its reader
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
    private readonly format: EventFormat,
    private readonly heartbeats: Heartbeats,
  ) {
    this.results = results[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Chunk> {
    return new Promise((resolve, reject) => {
      const { held, format } = this;
      const isNew = this.state === 'new';
      if (isNew) {
        this.state = 'open';
        this.spoke = this.heartbeats.join(this);
      }
      if (isNew && format.opening !== '') {
        resolve({ done: false, value: format.opening });
      } else if (held) {
        this.held = undefined;
        held({ resolve, reject });
      } else if (this.state === 'over') {
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
    this.reader?.resolve({ done: false, value: this.format.heartbeat });
    this.reader = undefined;
  }

  private async ask(): Promise<void> {
    this.asking = true;
    try {
      const result = await this.results.next();
      const { text, isLast } = result.done
        ? { text: this.format.closing, isLast: true }
        : this.format.write(result.value);
      if (isLast) this.close();
      this.deliver((reader) => reader.resolve({ done: false, value: text }));
      if (isLast && !result.done) await this.results.return?.();
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
