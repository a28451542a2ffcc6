/**
 * AuthService and AIService of the benchmark, as one process with a port for each. They speak gRPC over node:http2
 * directly and send answers that were encoded beforehand, so that they need a fraction of the CPU time that a gateway
 * does and are never what a measurement waits for. Over IPC the parent hears the two addresses.
 */
import { createServer } from 'node:http2';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { answer, conversations, findSession, users } from './data.mjs';
import { protoDir } from './paths.mjs';

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (protobuf.common.get(target) ? target : join(protoDir, target));
root.loadSync(['auth/v1/auth.proto', 'ai/v1/ai.proto']);

const timestamp = (date) => ({
  seconds: Math.floor(date.getTime() / 1000),
  nanos: (date.getTime() % 1000) * 1_000_000,
});
const encode = (name, message) => {
  const type = root.lookupType(name);
  return Buffer.from(type.encode(type.fromObject(message)).finish());
};
const reader = (name) => {
  const type = root.lookupType(name);
  return (bytes) => type.decode(bytes);
};

const encodedUsers = new Map(
  users.map((user) => [
    user.userId,
    encode('auth.v1.User', {
      ...user,
      status: `USER_STATUS_${user.status}`,
      createdAt: timestamp(user.createdAt),
      updatedAt: timestamp(user.updatedAt),
      lastLoginAt: timestamp(user.lastLoginAt),
    }),
  ]),
);
const encodedConversations = conversations.map((conversation) =>
  encode('ai.v1.Conversation', {
    ...conversation,
    createdAt: timestamp(conversation.createdAt),
    messages: conversation.messages.map((message) => ({ ...message, createdAt: timestamp(message.createdAt) })),
  }),
);

/** A message whose first field, a repeated one, holds these messages. */
function repeated(messages, rest = Buffer.alloc(0)) {
  const parts = messages.flatMap((message) => {
    const head = protobuf.Writer.create().uint32(0x0a).uint32(message.length).finish();
    return [head, message];
  });
  return Buffer.concat([...parts, rest]);
}

const pageOf = (items, size) => items.slice(0, Math.min(size || 25, 100));
const memoized = (make) => {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, make(key));
    return known.get(key);
  };
};
const userPage = memoized((size) =>
  repeated(pageOf([...encodedUsers.values()], size), encode('auth.v1.ListUsersResponse', { totalSize: users.length })),
);
const conversationPage = memoized((size) => repeated(pageOf(encodedConversations, size)));
const session = memoized((token) => {
  const found = findSession(token);
  const expiresAt = timestamp(new Date(Date.now() + 30 * 86_400_000));
  return found && encode('auth.v1.ValidateSessionResponse', { ...found, expiresAt });
});
const asked = encode('ai.v1.ProcessQueryResponse', {
  sessionId: answer.sessionId,
  answer: { response: answer.response },
});
const firstWord = encode('ai.v1.StreamQueryResponse', { sessionId: answer.sessionId, textDelta: 'That ' });

const readGetUser = reader('auth.v1.GetUserRequest');
const readBatch = reader('auth.v1.BatchGetUsersRequest');
const readListUsers = reader('auth.v1.ListUsersRequest');
const readToken = reader('auth.v1.ValidateSessionRequest');
const readConversations = reader('ai.v1.ListConversationsRequest');
const readQuery = reader('ai.v1.ProcessQueryRequest');

const notFound = { status: 5, message: 'no such user' };
const unauthenticated = { status: 16, message: 'no such session' };
const invalid = { status: 3, message: 'must not be empty' };

/** RPCs that answer once: bytes of the answer, or a status. */
const unary = {
  '/auth.v1.AuthService/GetUser': (bytes) => encodedUsers.get(readGetUser(bytes).userId) ?? notFound,
  '/auth.v1.AuthService/BatchGetUsers': (bytes) =>
    repeated(
      // Not in the order of the request: who matches by position gives wrong answers.
      [...new Set(readBatch(bytes).userIds)].toReversed().flatMap((userId) => encodedUsers.get(userId) ?? []),
    ),
  '/auth.v1.AuthService/ListUsers': (bytes) => userPage(readListUsers(bytes).pageSize),
  '/auth.v1.AuthService/ValidateSession': (bytes) => session(readToken(bytes).sessionToken) ?? unauthenticated,
  '/ai.v1.AIService/ListConversations': (bytes) => conversationPage(readConversations(bytes).pageSize),
  '/ai.v1.AIService/ProcessQuery': (bytes) => (readQuery(bytes).query === '' ? invalid : asked),
};

/** RPCs that answer with a stream: its first message, if any. They stay open until the caller leaves. */
const streaming = {
  '/auth.v1.AuthService/WatchRevocations': undefined,
  '/ai.v1.AIService/StreamQuery': firstWord,
};

const frame = (message) => {
  const framed = Buffer.allocUnsafe(message.length + 5);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, 5);
  return framed;
};
const head = { ':status': 200, 'content-type': 'application/grpc+proto' };
const ok = { 'grpc-status': '0' };

function fail(stream, { status, message }) {
  stream.respond({ ...head, 'grpc-status': String(status), 'grpc-message': message }, { endStream: true });
}

/** When each streaming call was sent its first message and when it was cancelled, in ns of the machine's clock. */
const streamTimes = [];

function serve(stream, path) {
  if (Object.hasOwn(streaming, path)) {
    stream.resume();
    stream.respond(head);
    const message = streaming[path];
    if (!message) return;
    const times = { sent: Number(process.hrtime.bigint()) };
    streamTimes.push(times);
    stream.on('close', () => (times.cancelled = Number(process.hrtime.bigint())));
    stream.write(frame(message));
    return;
  }
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => {
    const handle = Object.hasOwn(unary, path) ? unary[path] : undefined;
    const result = handle ? handle(Buffer.concat(chunks).subarray(5)) : { status: 12, message: path };
    if (!Buffer.isBuffer(result)) {
      fail(stream, result);
      return;
    }
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(ok));
    stream.end(frame(result));
  });
}

function listen() {
  const server = createServer({ settings: { maxConcurrentStreams: 100_000 } });
  // A caller that leaves or is stopped is no fault of anybody.
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    serve(stream, headers[':path']);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${server.address().port}`)));
}

process.on('disconnect', () => process.exit(0));
process.on('message', () => process.send(streamTimes.splice(0)));
process.send({ auth: await listen(), ai: await listen() });
