import type { Root } from 'protobufjs';
import { findService, rpcOf } from '../grpc/protos';
import type { CallScope, Upstream } from '../grpc/upstream';

/** A session that AuthService has confirmed. */
export interface Session {
  readonly sessionId: string;
  readonly userId: string;
  readonly permissions: readonly string[];
  /** Ms since the epoch. */
  readonly expiresAt: number;
}

/** What the provider sent back, and what the sign-in began with. */
export interface SsoCallback {
  readonly provider: string;
  readonly code: string;
  readonly codeVerifier: string;
  readonly redirectUri: string;
  readonly nonce: string;
}

/** The one service that the gateway calls by name: for sign-in and sessions, nothing else. */
export interface AuthService {
  /** @throws GatewayError UPSTREAM_ERROR with the cause's status UNAUTHENTICATED where the provider refused the code. */
  handleSsoCallback(request: SsoCallback, scope: CallScope): Promise<{ sessionToken: string; expiresAt: number }>;
  /** @throws GatewayError with the cause's status UNAUTHENTICATED where the session is not valid. */
  validateSession(token: string, scope: CallScope): Promise<Session>;
  revokeSession(token: string, scope: CallScope): Promise<void>;
  watchRevocations(scope: CallScope): AsyncIterable<{ sessionId?: string; userId?: string }>;
}

/** Name of the upstream, and of the service, that sign-in and sessions need. */
export const authUpstream = 'auth';
export const authServiceName = 'auth.v1.AuthService';

/** Ms; the code exchange takes a round trip to the identity provider. */
const timeouts = { signIn: 15_000, session: 2_000, watch: 24 * 3_600_000 };

interface Timestamp {
  readonly seconds: { toNumber(): number } | number;
  readonly nanos: number;
}

/** Binds {@link AuthService} to the upstream's channel. */
export function createAuthService(upstream: Upstream, protos: Root): AuthService {
  const service = findService(protos, authServiceName);
  if (!service) throw new Error(`sign-in and sessions need ${authServiceName}, which no proto defines`);
  const rpc = <Req, Res>(method: string) =>
    rpcOf<Req, Res>(service.methodsArray.find((m) => m.name === method) ?? missing(method));

  const handleSsoCallback = rpc<object, { session_token: string; expires_at: Timestamp | null }>('HandleSsoCallback');
  const validateSession = rpc<
    object,
    { session_id: string; user_id: string; permissions: string[]; expires_at: Timestamp | null }
  >('ValidateSession');
  const revokeSession = rpc<object, object>('RevokeSession');
  const watchRevocations = rpc<object, { session_id?: string; user_id?: string }>('WatchRevocations');

  return {
    async handleSsoCallback({ provider, code, codeVerifier, redirectUri, nonce }, scope) {
      const request = { provider, code, code_verifier: codeVerifier, redirect_uri: redirectUri, nonce };
      const response = await upstream.unary(handleSsoCallback, request, scope, timeouts.signIn);
      return { sessionToken: response.session_token, expiresAt: milliseconds(response.expires_at) };
    },
    async validateSession(token, scope) {
      const response = await upstream.unary(validateSession, { session_token: token }, scope, timeouts.session);
      return {
        sessionId: response.session_id,
        userId: response.user_id,
        permissions: response.permissions,
        expiresAt: milliseconds(response.expires_at),
      };
    },
    async revokeSession(token, scope) {
      await upstream.unary(revokeSession, { session_token: token }, scope, timeouts.session);
    },
    async *watchRevocations(scope) {
      for await (const { session_id, user_id } of upstream.stream(watchRevocations, {}, scope, timeouts.watch)) {
        yield { ...(session_id ? { sessionId: session_id } : {}), ...(user_id ? { userId: user_id } : {}) };
      }
    },
  };
}

function missing(method: string): never {
  throw new Error(`sign-in and sessions need ${authServiceName}.${method}, which the proto does not define`);
}

/** Ms since the epoch; a session without an end is one that ended. */
function milliseconds(timestamp: Timestamp | null): number {
  if (!timestamp) return 0;
  const seconds = typeof timestamp.seconds === 'number' ? timestamp.seconds : timestamp.seconds.toNumber();
  return seconds * 1000 + Math.floor(timestamp.nanos / 1e6);
}
