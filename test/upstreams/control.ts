/** Development only. Faults to order, and a record of what an upstream was asked: how failure is tested for real. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { RpcError, invalidArgument } from './rpc-error';
import { toTimestamp, type Timestamp } from './timestamp';

/** How many calls of a method are remembered with their requests; older ones are only counted. */
const maxRemembered = 2_000;
/** How many calls of a method `GetCalls` tells about, so that its answer stays below gRPC's message limit. */
const maxTold = 100;
const everyMethod = '*';

/** What shall go wrong with calls of one method: first the delay, then hang or code if set, else business as usual. */
export interface Fault {
  /** The method's bare name, such as `GetUser`, or `*` for every method that has no fault of its own. */
  method: string;
  /** How long to wait first. */
  delayMs?: number;
  /** The gRPC status to fail with; 0 does not fail. */
  code?: status;
  /** The status message to fail with. */
  message?: string;
  /** Never to answer, until the caller gives up. */
  hang?: boolean;
  /** How many calls are affected; 0, the default, means all until cleared. */
  times?: number;
  /** The trailer `grpc-status-details-bin` of the failure: an encoded google.rpc.Status. */
  errorDetails?: Uint8Array;
  /** For streams: wait, hang or fail only after this many messages have been sent. */
  failAfter?: number;
  /** What to wait for before hanging, failing or going on. Only in the same process. */
  waitFor?: Promise<unknown>;
}

/** One call as it came in. */
export interface RecordedCall {
  /** The decoded request. */
  readonly request: Record<string, unknown>;
  /** Keys in lower case; binary values in base64. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Turns true once the caller gives up before the answer, by cancelling or because its deadline passed. */
  cancelled: boolean;
  /** When the caller's patience ends or ended; null where it set none. */
  readonly deadline: Date | null;
  /** How many messages have been sent in answer so far. */
  sent: number;
}

interface MethodRecord {
  count: number;
  calls: RecordedCall[];
}

/** The fault that one call runs into. */
export interface Trouble {
  /** Runs the part that comes before message number `sent`: returns, throws an RpcError, or hangs until the signal. */
  strike(sent: number, signal: AbortSignal): Promise<void>;
}

/** The control of one upstream, in the same process. Over gRPC it is the service `dev.v1.Control`. */
export class Control {
  readonly #records: Map<string, MethodRecord>;
  readonly #faults = new Map<string, { fault: Fault; left: number }>();
  readonly #changes = new EventEmitter().setMaxListeners(0);

  constructor(methods: readonly string[]) {
    this.#records = new Map(methods.map((method) => [method, { count: 0, calls: [] }]));
  }

  /** Sets what happens to calls of a method, in place of what was set for it before. */
  setFault(fault: Fault): void {
    if (fault.method !== everyMethod) this.#record(fault.method);
    this.#faults.set(fault.method, { fault, left: fault.times || Infinity });
  }

  /** Makes every method behave again. Calls that hang already stay so. */
  clearFaults(): void {
    this.#faults.clear();
  }

  /** The last calls of a method, oldest first. Their `cancelled` goes on changing while they run. */
  calls(method: string): RecordedCall[] {
    return [...this.#record(method).calls];
  }

  /** How often a method was called since the start or the last reset. */
  count(method: string): number {
    return this.#record(method).count;
  }

  /** Forgets the calls so far; faults stay. */
  reset(): void {
    for (const record of this.#records.values()) Object.assign(record, { count: 0, calls: [] });
  }

  /** Resolves to the first call of a method that passes the test, now or later; rejects after the timeout. */
  async waitForCall(
    method: string,
    test: (call: RecordedCall) => boolean = () => true,
    timeoutMs = 5_000,
  ): Promise<RecordedCall> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const call = this.#record(method).calls.find(test);
      if (call) return call;
      await once(this.#changes, 'change', { signal }).catch(() => {
        throw new Error(`no such call of ${method} within ${timeoutMs} ms`);
      });
    }
  }

  /** Notes a call. For the wrapper around the handlers. */
  record(method: string, call: RecordedCall): void {
    const record = this.#record(method);
    record.count += 1;
    record.calls.push(call);
    if (record.calls.length > maxRemembered) record.calls.shift();
    this.#changes.emit('change');
  }

  /** Notes that the caller of a recorded call gave up. For the wrapper around the handlers. */
  cancel(call: RecordedCall): void {
    call.cancelled = true;
    this.#changes.emit('change');
  }

  /** Takes the fault that the next call of a method runs into, if any. For the wrapper around the handlers. */
  takeTrouble(method: string): Trouble | undefined {
    const name = this.#faults.has(method) ? method : everyMethod;
    const entry = this.#faults.get(name);
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#faults.delete(name);
    return { strike: (sent, signal) => strike(entry.fault, sent, signal) };
  }

  #record(method: string): MethodRecord {
    const record = this.#records.get(method);
    if (record) return record;
    const known = [...this.#records.keys()].join(', ');
    throw invalidArgument({ field: 'method', description: `${JSON.stringify(method)} is none of ${known}` });
  }
}

async function strike(fault: Fault, sent: number, signal: AbortSignal): Promise<void> {
  if (sent === 0 && fault.delayMs) await sleep(fault.delayMs, undefined, { signal });
  if (sent !== (fault.failAfter ?? 0)) return;
  await fault.waitFor;
  if (fault.hang) await aborted(signal);
  if (fault.code) throw new RpcError(fault.code, fault.message || 'fault set by dev.v1.Control', fault.errorDetails);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => reject(new RpcError(status.CANCELLED, 'the caller gave up'));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}

/** As SetFaultRequest in control.proto, decoded. */
interface SetFaultRequest extends Required<Omit<Fault, 'errorDetails' | 'waitFor'>> {
  errorDetails?: Uint8Array;
}

/** The handlers of `dev.v1.Control` for one control. */
export function controlHandlers(control: Control, methods: readonly string[]) {
  return {
    SetFault: ({ errorDetails, ...fault }: SetFaultRequest) => {
      control.setFault(errorDetails?.length ? { ...fault, errorDetails } : fault);
      return {};
    },
    ClearFaults: () => {
      control.clearFaults();
      return {};
    },
    GetCalls: ({ method }: { method: string }) => ({
      methods: (method === '' ? methods : [method]).map((name) => ({
        method: name,
        count: control.count(name),
        calls: control.calls(name).slice(-maxTold).map(describeCall),
      })),
    }),
    ResetCalls: () => {
      control.reset();
      return {};
    },
  };
}

function describeCall({ metadata, cancelled, deadline, sent }: RecordedCall): {
  metadata: Readonly<Record<string, string>>;
  cancelled: boolean;
  deadline: Timestamp | null;
  sent: number;
} {
  return { metadata, cancelled, deadline: deadline && toTimestamp(deadline), sent };
}
