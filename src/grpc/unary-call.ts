import type { PreparedCall } from './prepared-call';
import { decode, type Decoded } from './response';
import { Status, type CallEnd } from './status';
import { failure } from './transport/limits';
import type { CallListener, OpenCall, Transport } from './transport/transport';
import type { CallScope, Rpc } from './upstream';

/** Who waits for a unary call. */
export interface UnaryCaller<Response> {
  resolve(response: Response): void;
  reject(error: Error): void;
}

/** A call with one message each way. */
export class UnaryCall<Response> implements CallListener {
  private call: OpenCall | undefined;
  private answer: Buffer | undefined;
  private hasSeveral = false;
  private readonly cancel = (): void => this.call?.cancel();

  /** @param began - By the monotonic clock. */
  constructor(
    private readonly rpc: Rpc<never, Response>,
    private readonly scope: CallScope,
    private readonly prepared: PreparedCall,
    private readonly began: number,
    private readonly caller: UnaryCaller<Response>,
  ) {}

  start(transport: Transport): void {
    this.scope.trace?.upstreams.begin(this.began);
    // Before the call, which may end as it begins.
    this.scope.signal?.addEventListener('abort', this.cancel, { once: true });
    this.call = transport.call(this.prepared.request, this);
  }

  message(bytes: Buffer): void {
    if (this.answer === undefined) {
      this.answer = bytes;
    } else {
      this.hasSeveral = true;
      this.cancel();
    }
  }

  ended(end: CallEnd): void {
    const { scope, caller } = this;
    const { span, reports, onEnd } = this.prepared;
    onEnd();
    scope.signal?.removeEventListener('abort', this.cancel);
    const now = performance.now();
    scope.trace?.upstreams.end(now);
    reports.took((now - this.began) / 1000);
    const outcome = this.outcomeOf(end);
    if ('response' in outcome) {
      reports.succeeded(span);
      caller.resolve(outcome.response);
    } else {
      caller.reject(reports.failed(scope, span, outcome));
    }
  }

  private outcomeOf(end: CallEnd): Decoded<Response> {
    if (this.hasSeveral) return failure(Status.INTERNAL, 'several messages where one was to come');
    if (end.code !== Status.OK) return end;
    if (this.answer !== undefined) return decode(this.rpc, this.answer, this.prepared.maxItems);
    return failure(Status.INTERNAL, 'no message where one was to come');
  }
}
