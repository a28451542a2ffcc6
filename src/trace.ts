import { randomFillSync } from 'node:crypto';

/** The trace that a request belongs to (W3C Trace Context, level 1). */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** Value of `traceparent` for calls that this request makes. */
  readonly traceparent: string;
  /** Value of `tracestate`, passed on untouched. */
  readonly tracestate: string | undefined;
  /** What the request spends on upstreams; one for all of the request. */
  readonly upstreams: UpstreamTime;
}

const traceparentPattern = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const tracestatePattern = /^[\x20-\x7e]{1,512}$/;

/**
 * Goes on with the client's trace where its headers are valid, or begins one. The client's span stays the parent of what is
 * called, since no span of this request is recorded: by the id of one that nobody ever sees, the trace would fall apart.
 *
 * @see https://www.w3.org/TR/trace-context/#processing-model
 */
export function continueTrace(traceparent: string | undefined, tracestate: string | undefined): TraceContext {
  const upstreams = new UpstreamTime();
  const match = traceparent === undefined ? null : traceparentPattern.exec(traceparent);
  const known = match?.[1] && !/^0+$/.test(match[1]) && !/^0+$/.test(match[2] ?? '0') ? match : null;
  // Version 00 has exactly four fields; later versions may have more.
  if (!known || (traceparent?.startsWith('00-') && known[4] !== undefined)) {
    const traceId = randomHex(16);
    return { traceId, traceparent: `00-${traceId}-${randomHex(8)}-00`, tracestate: undefined, upstreams };
  }
  const traceId = known[1] ?? '';
  return {
    traceId,
    traceparent: `00-${traceId}-${known[2] ?? ''}-${known[3] ?? '00'}`,
    tracestate: tracestate !== undefined && tracestatePattern.test(tracestate) ? tracestate : undefined,
    upstreams,
  };
}

/** Time in which a request waits for upstreams: what it waits for at once counts once. */
export class UpstreamTime {
  /** RPCs made for the request. */
  calls = 0;
  private milliseconds = 0;
  /** What it waits for now, and since when. */
  private waiting = 0;
  private since = 0;

  /** @param now - By the monotonic clock, as everywhere here. */
  begin(now: number): void {
    if (this.waiting === 0) this.since = now;
    this.waiting += 1;
  }

  end(now: number): void {
    this.waiting -= 1;
    if (this.waiting === 0) this.milliseconds += now - this.since;
  }

  /** Ms up to now. */
  total(now: number): number {
    return this.waiting === 0 ? this.milliseconds : this.milliseconds + now - this.since;
  }
}

const pool = Buffer.allocUnsafe(4096);
let used = pool.length;

/** Random bytes as hex, drawn from the system in larger portions: asking it costs more than the bytes. */
function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}
