import { createHash } from 'node:crypto';
import { GatewayError } from '../errors';
import type { DetachedWork, Exchange } from '../http/exchange';
import type { DoorTraits } from '../pipeline/pipeline';
import type { Gatekeeper } from '../session/gatekeeper';
import type { CounterSeries } from '../telemetry/metrics';
import type { LastEvent } from './last-event';
import { ReplayableStream, type EventReader } from './replayable-stream';
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

/** A stream that a client may come back to. */
interface Kept {
  readonly id: string;
  readonly stream: ReplayableStream;
  readonly work: DetachedWork;
  /** A hash of the {@link StreamRequest}, which may be large. */
  readonly fingerprint: string;
  expiry: NodeJS.Timeout | undefined;
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
    const stream = new ReplayableStream(events, {
      maxSize: this.options.size,
      onResized: (bytes) => this.resized(kept, bytes),
      onEnded: () => work.end(),
      onLeft: () => this.wait(kept),
    });
    const reader = stream.read(0);
    const work = exchange.detach(() => reader.leave());
    const kept: Kept = { id: exchange.id, stream, work, fingerprint: fingerprintOf(request), expiry: undefined };
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
    const isOwned = this.streams.get(last.stream)?.work.session !== undefined;
    const session = isOwned ? (await gatekeeper.authenticate(exchange)).session.sessionId : undefined;
    // It may have been forgotten meanwhile.
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
    const reader = kept.stream.read(last.number, (code) => (facts.code ??= code));
    exchange.takeOver(kept.work, () => reader.leave());
    return reader;
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

  private wait(kept: Kept): void {
    this.waiting.add(kept);
    kept.expiry = setTimeout(() => this.forget(kept), this.options.window).unref();
    this.resized(kept, bytesPerStream);
  }

  private endWait(kept: Kept): void {
    clearTimeout(kept.expiry);
    if (this.waiting.delete(kept)) this.total -= bytesPerStream;
  }

  private forget(kept: Kept, reason = new GatewayError('CLIENT_CLOSED_REQUEST')): void {
    this.endWait(kept);
    this.streams.delete(kept.id);
    kept.stream.close();
    kept.work.cancel(reason);
    kept.work.end();
  }

  private resized(grown: Kept, bytes: number): void {
    this.total += bytes;
    while (this.total > maxTotal) {
      const [oldest] = this.waiting;
      if (oldest) this.forget(oldest);
      else if (!grown.stream.dropOldest()) return;
    }
  }
}

function problemOf(
  kept: Kept | undefined,
  session: string | undefined,
  request: StreamRequest,
  after: number,
): string | undefined {
  // Another session is not told that the stream exists.
  if (!kept || kept.work.session !== session) return unknown;
  if (kept.fingerprint !== fingerprintOf(request)) return 'The stream was begun by another request.';
  if (after > kept.stream.lastNumber) return 'That event was never sent.';
  return kept.stream.keepsAfter(after) ? undefined : 'The events after that one are no longer kept.';
}

const unknown =
  'The stream cannot go on here: it ended a while ago, or another replica of the gateway has it. Begin a new one.';

function fingerprintOf({ operation: { name }, variables }: StreamRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([name, Object.entries(variables).sort(([one], [other]) => (one < other ? -1 : 1))]))
    .digest('base64url');
}
