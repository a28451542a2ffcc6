import type { TraceContext } from '../telemetry/trace';
import type { Metadata } from './transport/transport';

/** Who the gateway calls for. Absent for calls that belong to no session. */
export interface CallerIdentity {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * The metadata of one call: a fixed set of names, all of them set here. Nothing that a client sends becomes one, except its
 * trace, which is checked before.
 */
export function callMetadata(
  requestId: string,
  trace: TraceContext | undefined,
  identity: CallerIdentity | undefined,
): Metadata {
  const metadata: [name: string, value: string][] = [['x-request-id', requestId]];
  if (trace) {
    metadata.push(['traceparent', trace.traceparent]);
    if (trace.tracestate !== undefined) metadata.push(['tracestate', trace.tracestate]);
  }
  if (identity) {
    metadata.push(['x-user-id', safeValue(identity.userId)], ['x-session-id', safeValue(identity.sessionId)]);
  }
  return metadata;
}

/**
 * gRPC allows printable ASCII in values (gRPC over HTTP/2, "ASCII-Value"), HTTP/2 no space at their ends (RFC 9113, 8.2.1);
 * what has other characters is percent-encoded.
 */
function safeValue(value: string): string {
  return /^(?! )[\x20-\x7e]*(?<! )$/.test(value) ? value : encodeURIComponent(value);
}
