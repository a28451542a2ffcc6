/** Development only. An AuthService for tests and development: a real gRPC server over users and sessions in memory. */
import { status } from '@grpc/grpc-js';
import { takePage } from '../paging';
import { RpcError, invalidArgument, type FieldViolation } from '../rpc-error';
import { startUpstream, type CallContext, type Handler, type Upstream } from '../server';
import { toTimestamp } from '../timestamp';
import { checkDisplayName, checkEmail, checkMask, checkRoles, readChange, type UserInput } from './change';
import { Directory, permissionsOf, type UserRecord } from './directory';
import { Sessions, newToken, type Revocation } from './sessions';
import { createCodeExchange, type CodeExchange, type ExchangeCode, type Provider } from './sign-in';

const maxBatchSize = 100;
const defaultSessionTtlSeconds = 8 * 60 * 60;

/** What an AuthService knows. Handed to the next one, it survives a restart. */
export interface AuthState {
  readonly directory: Directory;
  readonly sessions: Sessions;
  /** The token of a session of `user-ada`, who is an admin. */
  readonly adminToken: string;
  /** The token of a session of `user-mel`, who is a member. */
  readonly memberToken: string;
}

/** The first state: all users, and one session each for the admin and for Mel. */
export interface AuthStateOptions {
  /** Default: random. */
  adminToken?: string | undefined;
  /** Default: random. */
  memberToken?: string | undefined;
  /** How long sessions last, in seconds. Default: eight hours. */
  sessionTtlSeconds?: number | undefined;
}

/** How to start an AuthService. */
export interface AuthServiceOptions extends AuthStateOptions {
  /** Default 0: any free port. */
  port?: number | undefined;
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** What an earlier AuthService knew. The tokens are then its tokens. */
  state?: AuthState | undefined;
  /** Where codes are exchanged, by the provider's name. Default: nowhere. */
  providers?: Readonly<Record<string, Provider>> | undefined;
  /** Whether WatchRevocations is served; UNIMPLEMENTED where not. Default true. */
  watchRevocations?: boolean | undefined;
}

/** A running AuthService. */
export interface AuthService extends Upstream {
  readonly adminToken: string;
  readonly memberToken: string;
  readonly state: AuthState;
  /** Begins one more session for a user, past every check, and gives its token. */
  createSession(userId: string, ttlSeconds?: number): string;
}

/** Everything an AuthService knows at first. */
function createAuthState(options: AuthStateOptions = {}): AuthState {
  const { adminToken = newToken(), memberToken = newToken() } = options;
  const ttlSeconds = options.sessionTtlSeconds ?? defaultSessionTtlSeconds;
  const sessions = new Sessions();
  sessions.create('user-ada', ttlSeconds, adminToken);
  sessions.create('user-mel', ttlSeconds, memberToken);
  return { directory: new Directory(), sessions, adminToken, memberToken };
}

/** Starts the development AuthService. Rejects where the port is taken. */
export async function startAuthService(options: AuthServiceOptions = {}): Promise<AuthService> {
  const state = options.state ?? createAuthState(options);
  const ttlSeconds = options.sessionTtlSeconds ?? defaultSessionTtlSeconds;
  const exchange = createCodeExchange(options.providers ?? {});
  const upstream = await startUpstream({
    proto: 'auth/v1/auth.proto',
    service: 'auth.v1.AuthService',
    host: options.host,
    port: options.port,
    handlers: {
      ...signInHandlers(state, exchange, ttlSeconds),
      ...(options.watchRevocations === false ? {} : watchHandlers(state)),
      ...readHandlers(state),
      ...writeHandlers(state),
    },
  });
  return {
    ...upstream,
    adminToken: state.adminToken,
    memberToken: state.memberToken,
    state,
    createSession: (userId, ttl = ttlSeconds) => state.sessions.create(userId, ttl).token,
  };
}

function signInHandlers({ directory, sessions }: AuthState, exchange: ExchangeCode, ttlSeconds: number) {
  return {
    HandleSsoCallback: async (request: CodeExchange) => {
      const identity = await exchange(request);
      const user = identity.emailVerified ? directory.byEmail(identity.email) : undefined;
      if (!user || user.status === 'USER_STATUS_INACTIVE') {
        throw new RpcError(status.PERMISSION_DENIED, 'this user may not sign in');
      }
      directory.change(user, { status: 'USER_STATUS_ACTIVE', lastLoginAt: new Date() });
      const { token, session } = sessions.create(user.userId, ttlSeconds);
      return { sessionToken: token, expiresAt: toTimestamp(session.expiresAt), user: toUser(user) };
    },
    ValidateSession: ({ sessionToken }: { sessionToken: string }) => {
      const session = sessions.find(sessionToken);
      const user = session && directory.byId(session.userId);
      // One message for every reason: whoever guesses tokens learns nothing from it.
      if (!session || user?.status !== 'USER_STATUS_ACTIVE') {
        throw new RpcError(status.UNAUTHENTICATED, 'no such session');
      }
      const { sessionId, userId, expiresAt } = session;
      return { sessionId, userId, permissions: permissionsOf(user), expiresAt: toTimestamp(expiresAt) };
    },
    RevokeSession: ({ sessionToken }: { sessionToken: string }) => {
      sessions.revoke(sessionToken);
      return {};
    },
  };
}

function watchHandlers({ sessions }: AuthState): Record<string, Handler> {
  return {
    WatchRevocations: (_request: object, { signal }): AsyncIterable<Revocation> => sessions.watch(signal),
  };
}

interface ListUsersRequest {
  pageSize: number;
  pageToken: string;
  status: string;
  search: string;
}

function readHandlers({ directory }: AuthState) {
  return {
    CheckPermission: (request: { userId: string; permission: string; resource: string }) => {
      const user = directory.byId(request.userId);
      // No permission of this small world depends on the resource.
      return { allowed: user !== undefined && permissionsOf(user).includes(request.permission) };
    },
    GetUser: ({ userId }: { userId: string }) => toUser(findUser(directory, userId)),
    BatchGetUsers: ({ userIds }: { userIds: string[] }) => {
      if (userIds.length > maxBatchSize) {
        throw invalidArgument({ field: 'user_ids', description: `must be at most ${maxBatchSize}` });
      }
      const users = [...new Set(userIds)].flatMap((userId) => directory.byId(userId) ?? []);
      // Never in the order of the request: whoever matches by position instead of by id shall notice.
      return { users: users.toReversed().map(toUser) };
    },
    ListUsers: (request: ListUsersRequest, { metadata }: CallContext) => {
      // Without a caller it is the platform itself that asks.
      if (metadata['x-user-id'] !== undefined) demand(directory, metadata, 'admin:user:list');
      return listUsers(directory, request);
    },
    GetEffectivePermissions: ({ userId }: { userId: string }, { metadata }: CallContext) => {
      if (callerId(metadata) !== userId) demand(directory, metadata, 'admin:user:view_permissions');
      return { permissions: permissionsOf(findUser(directory, userId)) };
    },
  };
}

function listUsers(directory: Directory, request: ListUsersRequest) {
  const search = request.search.toLowerCase();
  const matches = (user: UserRecord) =>
    (request.status === 'USER_STATUS_UNSPECIFIED' || user.status === request.status) &&
    (user.email.includes(search) || user.displayName.toLowerCase().includes(search));
  const items = directory.all().filter(matches);
  const { page, nextPageToken } = takePage(
    {
      items,
      keyOf: (user) => user.email,
      isAfter: (email, lastEmail) => email > lastEmail,
      scope: `users\n${request.status}\n${search}`,
    },
    request,
  );
  return { users: page.map(toUser), nextPageToken, totalSize: items.length };
}

interface UpdateUserRequest {
  user: UserInput | null;
  updateMask: { paths: string[] } | null;
}

interface InviteUserRequest {
  email: string;
  displayName: string;
  roles: string[];
}

function writeHandlers({ directory, sessions }: AuthState) {
  return {
    UpdateUser: ({ user: input, updateMask }: UpdateUserRequest, { metadata }: CallContext) => {
      if (!input?.userId) throw invalidArgument({ field: 'user.user_id', description: 'must not be empty' });
      const paths = updateMask?.paths ?? [];
      checkMask(paths);
      const ownName = callerId(metadata) === input.userId && paths.every((path) => path === 'display_name');
      demand(directory, metadata, ownName ? undefined : 'admin:user:edit');
      const user = findUser(directory, input.userId);
      const change = readChange(paths, input, user);
      if (change.email !== undefined) demandFree(directory, change.email, user);
      directory.change(user, change);
      if (change.status === 'USER_STATUS_INACTIVE') sessions.revokeUser(user.userId);
      return toUser(user);
    },
    InviteUser: (request: InviteUserRequest, { metadata }: CallContext) => {
      demand(directory, metadata, 'admin:user:invite');
      const invited = readInvitation(request);
      demandFree(directory, invited.email);
      // This is where a real AuthService sends a message.
      return toUser(directory.add({ ...invited, status: 'USER_STATUS_INVITED' }));
    },
  };
}

function readInvitation(request: InviteUserRequest): Pick<UserRecord, 'email' | 'displayName' | 'roles'> {
  const email = checkEmail(request.email);
  const displayName = checkDisplayName(request.displayName.trim() || (request.email.split('@')[0] ?? ''));
  const roles = checkRoles(request.roles.length > 0 ? request.roles : ['member']);
  const violations: FieldViolation[] = [];
  if ('wrong' in email) violations.push({ field: 'email', description: email.wrong });
  // Without a good address there is no good name to take from it either: one complaint is enough.
  else if ('wrong' in displayName) violations.push({ field: 'display_name', description: displayName.wrong });
  if ('wrong' in roles) violations.push({ field: 'roles', description: roles.wrong });
  if ('wrong' in email || 'wrong' in displayName || 'wrong' in roles) throw invalidArgument(...violations);
  return { email: email.value, displayName: displayName.value, roles: roles.value };
}

function findUser(directory: Directory, userId: string): UserRecord {
  const user = directory.byId(userId);
  if (!user) throw new RpcError(status.NOT_FOUND, 'no such user');
  return user;
}

function callerId(metadata: CallContext['metadata']): string {
  const userId = metadata['x-user-id'];
  if (!userId) throw new RpcError(status.UNAUTHENTICATED, 'the metadata x-user-id is missing');
  return userId;
}

/** Refuses callers who are not active users, or lack the permission where one is named. */
function demand(directory: Directory, metadata: CallContext['metadata'], permission: string | undefined): void {
  const caller = directory.byId(callerId(metadata));
  const allowed =
    caller?.status === 'USER_STATUS_ACTIVE' && (permission === undefined || permissionsOf(caller).includes(permission));
  if (!allowed) throw new RpcError(status.PERMISSION_DENIED, `this needs ${permission ?? 'an active user'}`);
}

function demandFree(directory: Directory, email: string, owner?: UserRecord): void {
  const taken = directory.byEmail(email);
  if (taken && taken !== owner) throw new RpcError(status.ALREADY_EXISTS, 'this e-mail address is taken');
}

function toUser(user: UserRecord) {
  const { createdAt, updatedAt, lastLoginAt, ...rest } = user;
  return {
    ...rest,
    createdAt: toTimestamp(createdAt),
    updatedAt: toTimestamp(updatedAt),
    lastLoginAt: lastLoginAt && toTimestamp(lastLoginAt),
  };
}
