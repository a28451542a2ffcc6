import { Metadata } from '@grpc/grpc-js';
import type { TraceContext } from '../trace';

/** Who the gateway calls for. Absent for calls that belong to no session. */
export interface CallerIdentity {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * The metadata of a call: a fixed set of names, all of them set here. Nothing that a client sends becomes metadata, except
 * its trace, which is checked before.
 */
export function callMetadata(
  requestId: string,
  trace: TraceContext | undefined,
  identity: CallerIdentity | undefined,
): Metadata {
  const metadata = new Metadata();
  metadata.set('x-request-id', requestId);
  if (trace) {
    metadata.set('traceparent', trace.traceparent);
    if (trace.tracestate !== undefined) metadata.set('tracestate', trace.tracestate);
  }
  if (identity) {
    metadata.set('x-user-id', safeValue(identity.userId));
    metadata.set('x-session-id', safeValue(identity.sessionId));
  }
  return metadata;
}

/** gRPC allows printable ASCII in values (gRPC over HTTP/2, "ASCII-Value"); other characters are percent-encoded. */
function safeValue(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}
