import { createHash } from 'node:crypto';
import { GatewayError } from '../errors';
import type { DetachedWork, Exchange } from '../http/exchange';
import type { DoorTraits } from '../pipeline/pipeline';
import type { Gatekeeper } from '../session/gatekeeper';
import type { CounterSeries } from '../telemetry/metrics';
import type { LastEvent } from './last-event';
import { ReplayableStream, type EventReader, type ReplayableStreamOptions } from './replayable-stream';
import type { RestOperation } from './rest-operation';
import type { StreamEvent } from './stream-format';
import type { Variables } from './variable-reader';

/** Bytes, about, that the kept events of all streams may take together, with the streams that nobody reads. */
const maxTotal = 64 * 1024 * 1024;

/** Bytes, about, that a stream takes in memory beside its events, with the request that began it: 8.5 KB were measured. */
const bytesPerStream = 10 * 1024;

/** What a client asks for when it begins a stream. */
export interface StreamRequest {
  readonly operation: RestOperation;
  readonly variables: Variables;
}

export interface ReplayOptions {
  /** Bytes, about, that the kept events of one stream may take. */
  readonly size: number;
  /** Ms for which a client may come back to a stream. */
  readonly window: number;
  readonly gatekeeper: Pick<Gatekeeper, 'admit' | 'authenticate'>;
  readonly resumed: CounterSeries;
  readonly refused: CounterSeries;
}

/**
 * Keeps the last events of each stream, so that a client whose connection broke off can go on. Until the client is back, the call
 * stays open and no event is asked for, so flow control makes the service wait, as it does for a slow client.
 */
export class StreamReplays {
  private readonly streams = new Map<string, Kept>();
  /** Those that nobody reads, the one that waits longest first. */
  private readonly waiting = new Set<Kept>();
  private total = 0;

  constructor(private readonly options: ReplayOptions) {}

  /** Keeps the events of a stream that has begun. */
  begin(exchange: Exchange, request: StreamRequest, events: AsyncIterator<StreamEvent, undefined>): EventReader {
    const kept = new Kept(exchange.id, fingerprintOf(request), events, this, this.options.size);
    const reader = kept.stream.read(0, { replaced: () => exchange.abandon() });
    kept.work = exchange.detach(() => reader.leave());
    this.streams.set(kept.id, kept);
    return reader;
  }

  /**
   * Goes on with a stream after the last event that its client has.
   *
   * @throws GatewayError CONFLICT where that is not possible; what {@link Gatekeeper} throws
   */
  async resume(
    exchange: Exchange,
    { door, ...request }: StreamRequest & { readonly door: DoorTraits },
    last: LastEvent,
  ): Promise<EventReader> {
    const { gatekeeper } = this.options;
    gatekeeper.admit(exchange, door);
    exchange.facts.operation = 'subscription';
    const found = this.streams.get(last.stream);
    const session = found && (await this.sessionOf(exchange, found));
    // It may have made room for others meanwhile.
    const kept = this.streams.get(last.stream);
    const problem = problemOf(kept, session, request, last.number);
    if (problem !== undefined || !kept) {
      this.options.refused.inc();
      throw new GatewayError('CONFLICT', problem);
    }
    this.options.resumed.inc();
    this.endWait(kept);
    const { facts } = exchange;
    facts.stream = kept.id;
    const reader = kept.stream.read(last.number, {
      failed: (code) => (facts.code ??= code),
      replaced: () => exchange.abandon(),
    });
    exchange.takeOver(kept.work!, () => reader.leave());
    return reader;
  }

  /** Id of the session of a request; undefined where the stream is for none. Its window does not end meanwhile. */
  private async sessionOf(exchange: Exchange, kept: Kept): Promise<string | undefined> {
    if (kept.session === undefined) return undefined;
    const isWaiting = this.waiting.has(kept);
    clearTimeout(kept.expiry);
    try {
      return (await this.options.gatekeeper.authenticate(exchange)).session.sessionId;
    } finally {
      // Where it goes on, that ends the wait.
      if (isWaiting && this.waiting.has(kept)) this.expireAt(kept);
    }
  }

  /** How many streams nobody reads now: those that are still open, and those that have ended. */
  get idle(): { readonly open: number; readonly ended: number } {
    let open = 0;
    for (const { stream } of this.waiting) if (!stream.hasEnded) open += 1;
    return { open, ended: this.waiting.size - open };
  }

  /** Cancels the streams that nobody reads. */
  end(reason: GatewayError): void {
    for (const kept of this.waiting) this.forget(kept, reason);
  }

  /** Nobody reads a stream any more. */
  wait(kept: Kept): void {
    this.waiting.add(kept);
    kept.expiresAt = performance.now() + this.options.window;
    this.expireAt(kept);
    this.resized(kept, bytesPerStream);
  }

  private expireAt(kept: Kept): void {
    clearTimeout(kept.expiry);
    const left = Math.max(0, kept.expiresAt - performance.now());
    kept.expiry = setTimeout(() => this.forget(kept), left).unref();
  }

  private endWait(kept: Kept): void {
    clearTimeout(kept.expiry);
    if (this.waiting.delete(kept)) this.total -= bytesPerStream;
  }

  private forget(kept: Kept, reason = new GatewayError('CLIENT_CLOSED_REQUEST')): void {
    this.endWait(kept);
    this.streams.delete(kept.id);
    kept.stream.close();
    kept.work?.cancel(reason);
    kept.work?.end();
  }

  /** The events that are kept of a stream take more room, or less. */
  resized(grown: Kept, bytes: number): void {
    this.total += bytes;
    while (this.total > maxTotal) {
      const victim = this.leastNeeded(grown.session);
      if (victim?.stream.hasEnded !== true && grown.stream.dropOldest()) continue;
      if (!victim) return;
      this.forget(victim);
    }
  }

  /**
   * Of the streams that nobody reads, the one to give up: one that has ended, whose client may have all of it; else one of the
   * session that takes more room; else any. Of several, the one that waits longest.
   */
  private leastNeeded(session: string | undefined): Kept | undefined {
    let own: Kept | undefined;
    let any: Kept | undefined;
    for (const kept of this.waiting) {
      if (kept.stream.hasEnded) return kept;
      any ??= kept;
      if (kept.session === session) own ??= kept;
    }
    return own ?? any;
  }
}

/**
 * A stream that a client may come back to. A class and not closures, which would keep everything that was in reach when they were
 * made: the exchange, and with it the request and its body.
 */
class Kept implements ReplayableStreamOptions {
  readonly stream: ReplayableStream;
  work: DetachedWork | undefined;
  /** When its client may no longer come back, by the monotonic clock. */
  expiresAt = Infinity;
  expiry: NodeJS.Timeout | undefined;

  /** @param fingerprint - A hash of the {@link StreamRequest}, which may be large. */
  constructor(
    readonly id: string,
    readonly fingerprint: string,
    events: AsyncIterator<StreamEvent, undefined>,
    private readonly replays: StreamReplays,
    readonly maxSize: number,
  ) {
    this.stream = new ReplayableStream(events, this);
  }

  /** Id of the session that it is for; undefined where it is for none. */
  get session(): string | undefined {
    return this.work?.session;
  }

  onResized(bytes: number): void {
    this.replays.resized(this, bytes);
  }

  onEnded(): void {
    this.work?.end();
  }

  onLeft(): void {
    this.replays.wait(this);
  }
}

function problemOf(
  kept: Kept | undefined,
  session: string | undefined,
  request: StreamRequest,
  after: number,
): string | undefined {
  // Another session is not told that the stream exists.
  if (!kept || kept.session !== session) return unknown;
  if (kept.fingerprint !== fingerprintOf(request)) return 'The stream was begun by another request.';
  const { stream } = kept;
  // The last event has another id than a number.
  const last = stream.hasEnded ? stream.lastNumber - 1 : stream.lastNumber;
  if (after > last) return 'That event was never sent.';
  return stream.keepsAfter(after) ? undefined : 'The events after that one are no longer kept.';
}

const unknown =
  'The stream cannot go on here: it ended a while ago, or another replica of the gateway has it. Begin a new one.';

function fingerprintOf({ operation: { name }, variables }: StreamRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([name, Object.entries(variables).sort(([one], [other]) => (one < other ? -1 : 1))]))
    .digest('base64url');
}
