import { encodeHeader, encodePrivateName, encodeString } from '../http2/hpack';
import type { TraceContext } from '../telemetry/trace';

/** Who the gateway calls for. Absent for calls that belong to no session. */
export interface CallerIdentity {
  readonly userId: string;
  readonly sessionId: string;
}

/** The beginning of every request to a server: where it goes. Part of a header block, as all of these. */
export function serverHeaders(authority: string, scheme: 'http' | 'https'): string {
  return encodeHeader(':method', 'POST') + encodeHeader(':scheme', scheme) + encodeHeader(':authority', authority);
}

/** What every call of an RPC goes on with. */
export function rpcHeaders(service: string, method: string): string {
  return (
    encodeHeader(':path', `/${service}/${method}`) +
    encodeHeader('te', 'trailers') +
    encodeHeader('content-type', 'application/grpc+proto') +
    encodeHeader('user-agent', 'api-gateway') +
    encodeHeader('grpc-accept-encoding', 'identity')
  );
}

const requestIdName = encodePrivateName('x-request-id');
const traceparentName = encodePrivateName('traceparent');
const tracestateName = encodePrivateName('tracestate');
const userIdName = encodePrivateName('x-user-id');
const sessionIdName = encodePrivateName('x-session-id');
const timeoutName = encodePrivateName('grpc-timeout');

/**
 * The headers of one call: a fixed set of names, all of them set here. Nothing that a client sends becomes one, except its
 * trace, which is checked before.
 */
export function callHeaders(
  requestId: string,
  trace: TraceContext | undefined,
  identity: CallerIdentity | undefined,
): string {
  let headers = requestIdName + encodeString(requestId);
  if (trace) {
    headers += traceparentName + encodeString(trace.traceparent);
    if (trace.tracestate !== undefined) headers += tracestateName + encodeString(trace.tracestate);
  }
  if (identity) {
    headers += userIdName + encodeString(safeValue(identity.userId));
    headers += sessionIdName + encodeString(safeValue(identity.sessionId));
  }
  return headers;
}

/**
 * gRPC allows printable ASCII in values (gRPC over HTTP/2, "ASCII-Value"), HTTP/2 no space at their ends (RFC 9113, 8.2.1);
 * what has other characters is percent-encoded.
 */
function safeValue(value: string): string {
  return /^(?! )[\x20-\x7e]*(?<! )$/.test(value) ? value : encodeURIComponent(value);
}

/** How long a call may take: at most eight digits, and their unit (gRPC over HTTP/2, "Timeout"). */
export function timeoutHeader(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return timeoutName + encodeString(whole < 100_000_000 ? `${whole}m` : `${Math.ceil(whole / 1000)}S`);
}
