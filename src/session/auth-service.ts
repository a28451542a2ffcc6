import type { Root } from 'protobufjs';
import type { AuthServiceRpcs, Timestamp } from '../generated/auth-service';
import type { StatusName } from '../grpc/status';
import type { CallScope, Rpc, Upstream } from '../grpc/upstream';
import { findService, rpcOf } from '../proto/protos';

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
  /** Whether a user has a permission. There only where it was asked for. */
  readonly checkPermission?: (userId: string, permission: string, scope: CallScope) => Promise<boolean>;
  watchRevocations(scope: CallScope): AsyncIterable<{ sessionId?: string; userId?: string }>;
}

/** Name of the upstream, and of the service, that sign-in and sessions need. */
export const authUpstream = 'auth';
export const authServiceName = 'auth.v1.AuthService';

type RpcNeeds = {
  readonly [Name in keyof AuthServiceRpcs]: {
    /** What does not work without this RPC. */
    readonly purpose: 'sign-in' | 'sign-out' | 'sessions' | 'early revocation' | 'policies';
    readonly request: readonly (keyof AuthServiceRpcs[Name]['request'])[];
    readonly response: readonly (keyof AuthServiceRpcs[Name]['response'])[];
  };
};

/** The RPCs that sign-in, sessions and, where the schema has any, policies need, each with the fields that are written and read. */
export const authServiceNeeds: RpcNeeds = {
  HandleSsoCallback: {
    purpose: 'sign-in',
    request: ['provider', 'code', 'code_verifier', 'redirect_uri', 'nonce'],
    response: ['session_token', 'expires_at'],
  },
  ValidateSession: {
    purpose: 'sessions',
    request: ['session_token'],
    response: ['session_id', 'user_id', 'permissions', 'expires_at'],
  },
  RevokeSession: { purpose: 'sign-out', request: ['session_token'], response: [] },
  CheckPermission: { purpose: 'policies', request: ['user_id', 'permission'], response: ['allowed'] },
  WatchRevocations: { purpose: 'early revocation', request: [], response: ['session_id', 'user_id'] },
};

/** Ms that a ValidateSession, RevokeSession or CheckPermission may take. */
export const sessionTimeout = 2_000;
/** Ms. It takes a round trip to the identity provider. */
const signInTimeout = 15_000;
/** Ms after which the watch is opened again. */
const watchTimeout = 24 * 3_600_000;

/**
 * Binds {@link AuthService} to the upstream's channel.
 *
 * @param options.deadline - Ms that any unary call may take at most.
 * @param options.policies - Whether permissions are asked about.
 */
export function createAuthService(
  upstream: Upstream,
  protos: Root,
  {
    deadline = Infinity,
    policies = false,
  }: { readonly deadline?: number | undefined; readonly policies?: boolean } = {},
): AuthService {
  const service = findService(protos, authServiceName);
  if (!service) throw new Error(`sign-in and sessions need ${authServiceName}, which no proto defines`);
  /**
   * @param expected - Statuses that are ordinary answers, and so are not logged as failures.
   * @param isOwn - Whether it is the gateway that asks.
   */
  function rpc<Name extends keyof AuthServiceRpcs>(name: Name, expected: readonly StatusName[] = [], isOwn = true) {
    const method = service?.methodsArray.find((each) => each.name === name);
    if (!method) {
      throw new Error(`sign-in and sessions need ${authServiceName}.${name}, which the proto does not define`);
    }
    const found = {
      ...rpcOf<AuthServiceRpcs[Name]['request'], AuthServiceRpcs[Name]['response']>(method),
      expected,
      isOwn,
    };
    upstream.expect(found);
    return found;
  }
  // What is wrong with its request, a browser has sent.
  const handleSsoCallback = rpc('HandleSsoCallback', ['UNAUTHENTICATED', 'PERMISSION_DENIED'], false);
  const validateSession = requiringFields(rpc('ValidateSession', ['UNAUTHENTICATED', 'NOT_FOUND']), [
    'session_id',
    'user_id',
    'expires_at',
  ]);
  const revokeSession = rpc('RevokeSession');
  const checkPermission = policies ? rpc('CheckPermission') : undefined;
  const watchRevocations = rpc('WatchRevocations', ['UNIMPLEMENTED', 'DEADLINE_EXCEEDED', 'CANCELLED']);
  const unary: Upstream['unary'] = (called, request, scope, timeout) =>
    upstream.unary(called, request, scope, Math.min(timeout, deadline));

  return {
    async handleSsoCallback({ provider, code, codeVerifier, redirectUri, nonce }, scope) {
      const request = { provider, code, code_verifier: codeVerifier, redirect_uri: redirectUri, nonce };
      const response = await unary(handleSsoCallback, request, scope, signInTimeout);
      return { sessionToken: response.session_token, expiresAt: milliseconds(response.expires_at) };
    },
    async validateSession(token, scope) {
      const response = await unary(validateSession, { session_token: token }, scope, sessionTimeout);
      return {
        sessionId: response.session_id,
        userId: response.user_id,
        permissions: response.permissions,
        expiresAt: milliseconds(response.expires_at),
      };
    },
    async revokeSession(token, scope) {
      await unary(revokeSession, { session_token: token }, scope, sessionTimeout);
    },
    ...(checkPermission
      ? {
          async checkPermission(userId: string, permission: string, scope: CallScope) {
            const { allowed } = await unary(
              checkPermission,
              { user_id: userId, permission, resource: '' },
              scope,
              sessionTimeout,
            );
            return allowed;
          },
        }
      : {}),
    async *watchRevocations(scope) {
      for await (const { session_id, user_id } of upstream.stream(
        watchRevocations,
        {},
        scope,
        watchTimeout,
        'subscribe',
      )) {
        yield { ...(session_id ? { sessionId: session_id } : {}), ...(user_id ? { userId: user_id } : {}) };
      }
    },
  };
}

/** Makes an answer without one of these fields fail like one that cannot be decoded: the service failed, the session did not end. */
function requiringFields<Request, Response extends object>(
  rpc: Rpc<Request, Response>,
  fields: readonly (keyof Response & string)[],
): Rpc<Request, Response> {
  return {
    ...rpc,
    decode(bytes) {
      const response = rpc.decode(bytes);
      const missing = fields.filter((field) => !response[field]);
      if (missing.length > 0) throw new Error(`it has no ${missing.join(', ')}`);
      return response;
    },
  };
}

/** Ms since the epoch; 0 for no time at all. */
function milliseconds(timestamp: Timestamp | null): number {
  if (!timestamp) return 0;
  const seconds = typeof timestamp.seconds === 'number' ? timestamp.seconds : timestamp.seconds.toNumber();
  return seconds * 1000 + Math.floor(timestamp.nanos / 1e6);
}
