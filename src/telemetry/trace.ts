import { randomFillSync } from 'node:crypto';

/** The trace that a request belongs to (W3C Trace Context, level 2), as what is called from here has to continue it. */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** Value of `traceparent` for what is called from here. */
  readonly traceparent: string;
  /** Value of `tracestate`, passed on untouched. */
  readonly tracestate: string | undefined;
  /** What records what happens from here on; undefined where the request is not recorded. */
  readonly span: Span | undefined;
  /** What the request spends on upstreams; one for all of the request. */
  readonly upstreams: UpstreamTime;
}

/** A part of a trace that is recorded, in which others can begin. */
export interface Span {
  beginOperation(): OperationSpan;
  beginCall(call: CallFacts): CallSpan;
}

/** A request that is recorded. */
export interface RequestSpan {
  /** For all that happens in the request. */
  readonly trace: TraceContext;
  /** To be called once. */
  end(facts: RequestFacts): void;
}

/** An operation of GraphQL that is recorded. */
export interface OperationSpan {
  /** For what the operation calls. */
  readonly trace: TraceContext;
  /** To be called once. */
  end(facts: OperationFacts): void;
}

/** An RPC that is recorded. */
export interface CallSpan {
  /** For the service that is called. */
  readonly trace: TraceContext;
  /**
   * To be called once.
   *
   * @param code - Number of the gRPC status.
   * @param failure - Name of that status; undefined where it is an answer and no failure.
   */
  end(code: number, failure: string | undefined): void;
}

/** What is recorded of a request. */
export interface RequestFacts {
  readonly requestId: string;
  /** Upper case; undefined for one that is not told apart from others. */
  readonly method: string | undefined;
  /** Template of the path, never the path itself; undefined where it leads nowhere. */
  readonly route: string | undefined;
  readonly status: number;
  /** Code of the catalogue where something went wrong. */
  readonly code: string | undefined;
}

/** What is recorded of an operation: never the document, its variables, or a name that a client made up. */
export interface OperationFacts {
  /** `query`, `mutation` or `subscription`; undefined where the document is none that runs. */
  readonly type: string | undefined;
  /** Code of the catalogue where the gateway or an upstream failed. */
  readonly failure: string | undefined;
}

/** What is recorded of an RPC. */
export interface CallFacts {
  /** Full name of the service, such as `auth.v1.AuthService`. */
  readonly service: string;
  readonly method: string;
  /** Host and port of the upstream, as configured. */
  readonly authority: string;
}

/** Records requests. */
export interface Tracer {
  /**
   * @param parent - The client's part of the trace, where the request belongs to one.
   * @returns undefined where the request is not to be recorded
   */
  beginRequest(traceId: string, parent: ParentSpan | undefined, arrival: Arrival): RequestSpan | undefined;
  /** Exports what has been recorded. Resolves once that is done or has failed; never rejects. */
  flush(): Promise<void>;
}

/** The client's part of a trace. */
export interface ParentSpan {
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** Of `traceFlags`. */
  readonly flags: number;
  readonly tracestate: string | undefined;
}

/** When a request came, by two clocks. */
export interface Arrival {
  /** Ms since the epoch. */
  readonly received: number;
  /** The same by the monotonic clock (`performance.now()`). */
  readonly began: number;
}

/** What level 2 of W3C Trace Context knows; what it does not has to be zero in what is sent (3.2.2.5). */
export const traceFlags = { sampled: 0x01, random: 0x02 } as const;
const knownFlags = traceFlags.sampled | traceFlags.random;

const traceparentPattern = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const tracestatePattern = /^[\x20-\x7e]{1,512}$/;

/**
 * Goes on with the client's trace where its headers are valid, or begins one. Where the request is not recorded here, the
 * client's span stays the parent of what is called: with the id of one that nobody ever sees, the trace would fall apart.
 *
 * @param record - Begins to record the request, or does not. Left out where no request is recorded: whether others record
 * it is then none of our business.
 * @see https://www.w3.org/TR/trace-context-2/#processing-model
 */
export function continueTrace(
  traceparent: string | undefined,
  tracestate: string | undefined,
  record?: (traceId: string, parent: ParentSpan | undefined) => TraceContext | undefined,
): TraceContext {
  const match = traceparent === undefined ? null : traceparentPattern.exec(traceparent);
  const known = match?.[1] && !/^0+$/.test(match[1]) && !/^0+$/.test(match[2] ?? '0') ? match : null;
  // Version 00 has exactly four fields; later versions may have more.
  if (!known || (traceparent?.startsWith('00-') && known[4] !== undefined)) {
    const traceId = randomHex(16);
    return record?.(traceId, undefined) ?? unrecorded(traceId, randomHex(8), 0, undefined);
  }
  const [, traceId = '', spanId = '', hexFlags = '00'] = known;
  const flags = Number.parseInt(hexFlags, 16) & knownFlags;
  const state = tracestate !== undefined && tracestatePattern.test(tracestate) ? tracestate : undefined;
  if (!record) return unrecorded(traceId, spanId, flags, state);
  return (
    record(traceId, { spanId, flags, tracestate: state }) ??
    unrecorded(traceId, spanId, flags & traceFlags.random, state)
  );
}

/** @param flags - Of `traceFlags`. */
export function formatTraceparent(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags}`;
}

function unrecorded(traceId: string, spanId: string, flags: number, tracestate: string | undefined): TraceContext {
  return {
    traceId,
    traceparent: formatTraceparent(traceId, spanId, flags),
    tracestate,
    span: undefined,
    upstreams: new UpstreamTime(),
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
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}
