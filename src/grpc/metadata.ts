import type { TraceContext } from '../trace';
import type { RequestHeaders } from './connection';

/** Who the gateway calls for. Absent for calls that belong to no session. */
export interface CallerIdentity {
  readonly userId: string;
  readonly sessionId: string;
}

/** What every call of an RPC begins with. */
export function rpcHeaders(service: string, method: string): RequestHeaders {
  return {
    ':method': 'POST',
    ':path': `/${service}/${method}`,
    te: 'trailers',
    'content-type': 'application/grpc+proto',
    'user-agent': 'api-gateway',
    'grpc-accept-encoding': 'identity',
  };
}

/**
 * The headers of a call: a fixed set of names, all of them set here. Nothing that a client sends becomes one, except its
 * trace, which is checked before.
 */
export function callHeaders(
  fixed: RequestHeaders,
  requestId: string,
  trace: TraceContext | undefined,
  identity: CallerIdentity | undefined,
): RequestHeaders {
  const headers: Record<string, string> = { ...fixed, 'x-request-id': requestId };
  if (trace) {
    headers['traceparent'] = trace.traceparent;
    if (trace.tracestate !== undefined) headers['tracestate'] = trace.tracestate;
  }
  if (identity) {
    headers['x-user-id'] = safeValue(identity.userId);
    headers['x-session-id'] = safeValue(identity.sessionId);
  }
  return headers;
}

/** gRPC allows printable ASCII in values (gRPC over HTTP/2, "ASCII-Value"); other characters are percent-encoded. */
function safeValue(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}
