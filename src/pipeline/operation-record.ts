import type { OperationTypeNode } from 'graphql';
import { GatewayError, type ErrorCode } from '../errors';
import type { Exchange } from '../http/exchange';
import type { OperationSpan, TraceContext } from '../telemetry/trace';

/** What is recorded of one operation: when it began, its span, and the failure that the span shows. */
export class OperationRecord {
  /** Ms by the monotonic clock. */
  readonly began = performance.now();
  /** Code of the first error that the gateway or an upstream is to blame for. */
  private failure: ErrorCode | undefined;
  private span: OperationSpan | undefined;

  constructor(private readonly exchange: Exchange) {
    this.span = exchange.trace.span?.beginOperation();
  }

  /** The parent of the spans of the operation's RPCs. */
  get trace(): TraceContext {
    return (this.span ?? this.exchange).trace;
  }

  /** Notes an error of the result. The first 5xx is what the operation failed with. */
  noteError({ countedStatus, countedAs }: GatewayError): void {
    if (countedStatus >= 500) this.failure ??= countedAs;
  }

  /** Ends the span. Only the first call counts: a stream ends by its last result or by its client leaving. */
  end(type: OperationTypeNode | undefined): void {
    if (!this.span) return;
    const { reason } = this.exchange.cancellation;
    const brokenOff = reason instanceof GatewayError && reason.status >= 500 ? reason.code : undefined;
    this.span.end({ type, failure: this.failure ?? brokenOff });
    this.span = undefined;
  }
}
