import type { ErrorCode } from '../errors';
import type { StreamEvent } from './stream-format';

type Next = IteratorResult<StreamEvent, undefined>;

const end: Next = { done: true, value: undefined };

const noEvents: AsyncIterator<StreamEvent, undefined> = { next: () => Promise.resolve(end) };

/** What a reader tells. */
export interface ReaderListener {
  /** The error that has ended the stream was read. */
  failed?(code: ErrorCode): void;
  /** Another reader has come. */
  replaced(): void;
}

/** Bytes, about, that an event takes in memory besides its texts. */
const bytesPerEvent = 200;

export interface ReplayableStreamOptions {
  /** Bytes, about, that the kept events may take. Events that were not read yet are kept whatever their size. */
  readonly maxSize: number;
  /** Called when events are kept or dropped, with the change in bytes: negative for dropped ones. */
  onResized(bytes: number): void;
  /** Called when the last event has come, or the stream has failed. */
  onEnded(): void;
  /** Called when the reader has left, and no other has come. */
  onLeft(): void;
}

/**
 * A stream whose last events are kept, so that a client can go on where its connection broke off. Has one reader at a time. While
 * it has none, no event is asked for, and none that is kept is dropped.
 */
export class ReplayableStream {
  /** The oldest first. */
  private kept: StreamEvent[] = [];
  private size = 0;
  private newest = 0;
  private isOver = false;
  private isAsking = false;
  private failure: { readonly error: unknown } | undefined;
  private reader: EventReader | undefined;

  constructor(
    private events: AsyncIterator<StreamEvent, undefined>,
    private readonly options: ReplayableStreamOptions,
  ) {}

  /** Whether no event will come any more. */
  get hasEnded(): boolean {
    return this.isOver;
  }

  /** Number of the newest event, 1 for the first of a stream. */
  get lastNumber(): number {
    return this.newest;
  }

  /** Whether every event after a given one is still kept, or has yet to come. */
  keepsAfter(number: number): boolean {
    return number >= this.newest - this.kept.length;
  }

  /**
   * Reads on after an event. The reader before, if any, comes to its end.
   *
   * @param after - Number of the event; 0 to begin with the first.
   */
  read(after: number, listener: ReaderListener): EventReader {
    this.reader?.replace();
    this.reader = new EventReader(this, after, listener);
    return this.reader;
  }

  /** The event of a number; undefined where it has yet to come. */
  at(number: number): StreamEvent | undefined {
    return this.kept[number - 1 - (this.newest - this.kept.length)];
  }

  /** To be called when a reader leaves. Does nothing where another one has come. */
  leave(reader: EventReader): void {
    if (this.reader !== reader) return;
    this.reader = undefined;
    this.options.onLeft();
  }

  /** Asks for an event, unless one is asked for already. */
  async ask(): Promise<void> {
    if (this.isAsking || this.isOver) return;
    this.isAsking = true;
    try {
      const next = await this.events.next();
      // Closed meanwhile: nobody would drop what is kept now.
      if (this.isOver) return;
      if (!next.done) this.keep(next.value);
      if (next.done || next.value.isLast) this.over();
    } catch (error) {
      if (this.isOver) return;
      this.failure = { error };
      this.over();
    }
    this.isAsking = false;
    this.reader?.wake();
  }

  /** What the stream has failed with; undefined where it has not. */
  get failed(): { readonly error: unknown } | undefined {
    return this.failure;
  }

  /**
   * Drops the oldest event, if the reader has it. Without a reader none is dropped: the client may come back for it.
   *
   * @returns whether one was dropped
   */
  dropOldest(): boolean {
    const [oldest] = this.kept;
    if (!oldest || !this.reader || this.newest - this.kept.length >= this.reader.lastRead) return false;
    this.kept.shift();
    this.resize(-sizeOf(oldest));
    return true;
  }

  /** Asks for no more events, and drops those that are kept. */
  close(): void {
    this.kept = [];
    this.resize(-this.size);
    this.letGo();
  }

  private keep(event: StreamEvent): void {
    this.kept.push(event);
    this.newest += 1;
    this.resize(sizeOf(event));
    while (this.size > this.options.maxSize && this.dropOldest());
  }

  private resize(bytes: number): void {
    this.size += bytes;
    this.options.onResized(bytes);
  }

  private over(): void {
    this.letGo();
    this.options.onEnded();
  }

  /** Forgets where the events came from, which leads to the request, its body and what the service has sent. */
  private letGo(): void {
    this.isOver = true;
    void this.events.return?.();
    this.events = noEvents;
  }
}

/** The events of a {@link ReplayableStream} from some point on. Ends early where another reader comes. */
export class EventReader implements AsyncIterableIterator<StreamEvent, undefined> {
  private isOver = false;
  private waiting: { resolve(next: Next): void; reject(error: unknown): void } | undefined;

  /** @param position - Number of the last event that its client has. */
  constructor(
    private readonly stream: ReplayableStream,
    private position: number,
    private readonly listener: ReaderListener,
  ) {}

  /** Number of the last event that was read. */
  get lastRead(): number {
    return this.position;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Next> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.wake();
      if (this.waiting) void this.stream.ask();
    });
  }

  return(): Promise<Next> {
    this.leave();
    return Promise.resolve(end);
  }

  /** To be called when the client has left. */
  leave(): void {
    this.end();
    this.stream.leave(this);
  }

  /** To be called when another reader has come. */
  replace(): void {
    this.end();
    this.listener.replaced();
  }

  private end(): void {
    this.isOver = true;
    this.wake();
  }

  /** Answers {@link next} if it waits, and there is something to answer with. */
  wake(): void {
    const { waiting, stream } = this;
    if (!waiting) return;
    const event = this.isOver ? undefined : stream.at(this.position + 1);
    if (!event && !this.isOver && !stream.hasEnded) return;
    this.waiting = undefined;
    if (event) {
      this.position += 1;
      if (event.code) this.listener.failed?.(event.code);
      waiting.resolve({ done: false, value: event });
    } else if (stream.failed && !this.isOver) {
      waiting.reject(stream.failed.error);
    } else {
      waiting.resolve(end);
    }
  }
}

/** Text takes two bytes for each character, unless all of it is Latin. */
function sizeOf({ data, name, id }: StreamEvent): number {
  return 2 * (data.length + name.length + id.length) + bytesPerEvent;
}
