/** Development only. An AIService for tests and development: a real gRPC server that acts through AuthService. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { takePage } from '../paging';
import { createRpcClient, type RpcClient } from '../rpc-client';
import { RpcError, invalidArgument } from '../rpc-error';
import { startUpstream, type CallContext, type Upstream } from '../server';
import { toTimestamp } from '../timestamp';
import { describe, introduce, listPeople, reportDone, reportDropped, understand, type Person } from './assistant';
import { Conversations, say, type Action, type Conversation, type Plan } from './conversations';
import { createDocs, type AnswerFromDocs } from './docs';

const maxQueryLength = 10_000;
/** What goes on to AuthService as it came: who asks, and what ties the logs together. */
const passedOn = ['x-user-id', 'x-session-id', 'x-request-id', 'traceparent', 'tracestate'];

/** How to start an AIService. */
export interface AiServiceOptions {
  /** Default 0: any free port. */
  port?: number | undefined;
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** Host and port of AuthService. It need not be there yet. */
  authAddress: string;
  /** Whether StreamQuery is served; UNIMPLEMENTED where not. Default true. */
  streamQuery?: boolean | undefined;
  /** How long the assistant takes for each word of a stream. Default 0. */
  wordDelayMs?: number | undefined;
}

/** A running AIService. */
export interface AiService extends Upstream {
  /**
   * Adds conversations that `listedFor` can list and read. They belong to the same user, or to the owners in turn,
   * which no real service would do but which shows joins. Gives their ids, in the order of a list: newest first.
   */
  seedConversations(listedFor: string, count: number, owners?: readonly string[]): string[];
}

/** Starts the development AIService. Rejects where the port is taken. */
export async function startAiService(options: AiServiceOptions): Promise<AiService> {
  const auth = createRpcClient(options.authAddress, 'auth/v1/auth.proto', 'auth.v1.AuthService');
  const conversations = new Conversations();
  const desk: Desk = { auth, conversations, docs: createDocs(readReadme()), wordDelayMs: options.wordDelayMs ?? 0 };
  try {
    const upstream = await startUpstream({
      proto: 'ai/v1/ai.proto',
      service: 'ai.v1.AIService',
      host: options.host,
      port: options.port,
      handlers: {
        ...queryHandlers(desk),
        ...(options.streamQuery === false ? {} : streamHandlers(desk)),
        ...readHandlers(conversations),
      },
    });
    const close = async () => {
      await upstream.close();
      auth.close();
    };
    const seedConversations = (listedFor: string, count: number, owners: readonly string[] = [listedFor]) =>
      seed(conversations, listedFor, count, owners);
    return { ...upstream, seedConversations, close };
  } catch (error) {
    auth.close();
    throw error;
  }
}

/** What the assistant works with. */
interface Desk {
  auth: RpcClient;
  conversations: Conversations;
  docs: AnswerFromDocs;
  wordDelayMs: number;
}

/** As ai.v1.ProcessQueryRequest and StreamQueryRequest. */
interface QueryRequest {
  sessionId: string;
  query: string;
  confirmation: { planId: string; confirmed: boolean } | null;
}

/** Exactly one of the two. */
type Reply = { plan: Plan } | { answer: { response: string } };

function queryHandlers(desk: Desk) {
  return {
    ProcessQuery: async (request: QueryRequest, call: CallContext) => {
      const { sessionId, reply } = await converse(desk, request, call);
      return { sessionId, ...reply };
    },
  };
}

function streamHandlers(desk: Desk) {
  return {
    async *StreamQuery(request: QueryRequest, call: CallContext) {
      const { sessionId, reply } = await converse(desk, request, call);
      if ('answer' in reply) {
        for (const textDelta of reply.answer.response.split(/(?<=\s)(?=\S)/)) {
          if (desk.wordDelayMs > 0) await sleep(desk.wordDelayMs, undefined, { signal: call.signal });
          yield { sessionId, textDelta };
        }
      }
      yield { sessionId, ...reply };
    },
  };
}

function readHandlers(conversations: Conversations) {
  return {
    GetConversation: ({ sessionId }: { sessionId: string }, call: CallContext) =>
      toConversation(findConversation(conversations, sessionId, callerId(call))),
    ListConversations: (request: { userId: string; pageSize: number; pageToken: string }, call: CallContext) => {
      if (request.userId !== callerId(call)) {
        throw new RpcError(status.PERMISSION_DENIED, 'these are the conversations of someone else');
      }
      const { page, nextPageToken } = takePage(
        {
          items: conversations.listFor(request.userId),
          keyOf: ({ serial }) => String(serial),
          // Newest first: what comes later in the list is older.
          isAfter: (serial, lastSerial) => Number(serial) < Number(lastSerial),
          scope: `conversations\n${request.userId}`,
        },
        request,
      );
      return { conversations: page.map(toConversation), nextPageToken };
    },
  };
}

/** One turn of a conversation. It is recorded once there is a reply, so that a failed turn can simply be tried again. */
async function converse(desk: Desk, request: QueryRequest, call: CallContext) {
  const userId = callerId(call);
  checkQuery(request);
  const conversation =
    request.sessionId === ''
      ? desk.conversations.begin(userId)
      : findConversation(desk.conversations, request.sessionId, userId);
  const { said, reply } = request.confirmation
    ? await decide(desk, conversation, request.confirmation, call)
    : { said: request.query, reply: await respond(desk, conversation, request.query, call) };
  say(conversation, 'ROLE_USER', request.query.trim() || said);
  say(conversation, 'ROLE_ASSISTANT', 'plan' in reply ? reply.plan.description : reply.answer.response);
  desk.conversations.keep(conversation);
  return { sessionId: conversation.sessionId, reply };
}

function checkQuery({ query, confirmation }: QueryRequest): void {
  if (query.length > maxQueryLength) {
    throw invalidArgument({ field: 'query', description: `must have at most ${maxQueryLength} characters` });
  }
  if (confirmation === null && query.trim() === '') {
    throw invalidArgument({ field: 'query', description: 'must not be empty without a confirmation' });
  }
  if (confirmation?.planId === '') {
    throw invalidArgument({ field: 'confirmation.plan_id', description: 'must not be empty' });
  }
}

async function respond(desk: Desk, conversation: Conversation, query: string, call: CallContext): Promise<Reply> {
  const intent = understand(query, desk.docs);
  switch (intent.kind) {
    case 'plan':
      return { plan: propose(conversation, intent.action) };
    case 'reply':
      return answer(intent.text);
    case 'who-am-i':
      return answer(introduce(await askAuth<Person>(desk, 'GetUser', { userId: callerId(call) }, call)));
    case 'list-users':
      return answer(await listUsers(desk, call));
    default:
      return intent satisfies never;
  }
}

function answer(response: string): Reply {
  return { answer: { response } };
}

function propose(conversation: Conversation, action: Action): Plan {
  const plan = { planId: `plan-${randomUUID()}`, description: describe(action), action };
  conversation.plans.set(plan.planId, plan);
  return plan;
}

async function decide(
  desk: Desk,
  conversation: Conversation,
  { planId, confirmed }: { planId: string; confirmed: boolean },
  call: CallContext,
): Promise<{ said: string; reply: Reply }> {
  const plan = conversation.plans.get(planId);
  if (!plan) throw new RpcError(status.NOT_FOUND, 'no such plan in this conversation');
  // Taken away before anything happens: two confirmations at once must not both carry it out.
  conversation.plans.delete(planId);
  if (!confirmed) return { said: `No. (${plan.description})`, reply: answer(reportDropped(plan.action)) };
  try {
    return { said: `Yes. (${plan.description})`, reply: answer(await carryOut(desk, plan.action, call)) };
  } catch (error) {
    conversation.plans.set(planId, plan);
    throw error;
  }
}

async function carryOut(desk: Desk, action: Action, call: CallContext): Promise<string> {
  try {
    const person =
      action.kind === 'invite'
        ? await askAuth<Person>(desk, 'InviteUser', { ...action, roles: ['member'] }, call)
        : await askAuth<Person>(desk, 'UpdateUser', renameRequest(action.displayName, call), call);
    return reportDone(action, person);
  } catch (error) {
    const politely = explain(error);
    if (politely === undefined) throw error;
    return politely;
  }
}

function renameRequest(displayName: string, call: CallContext): object {
  return { user: { userId: callerId(call), displayName }, updateMask: { paths: ['display_name'] } };
}

async function listUsers(desk: Desk, call: CallContext): Promise<string> {
  try {
    const { users, totalSize } = await askAuth<{ users: Person[]; totalSize: number }>(desk, 'ListUsers', {}, call);
    return listPeople(users, totalSize);
  } catch (error) {
    const politely = explain(error);
    if (politely === undefined) throw error;
    return politely;
  }
}

/** What AuthService refused, as something to say. Undefined where it failed rather than refused. */
function explain(error: unknown): string | undefined {
  if (!(error instanceof RpcError)) return undefined;
  if (error.code === status.PERMISSION_DENIED) return 'I am sorry, you do not have permission for that.';
  if (error.code === status.ALREADY_EXISTS) return 'There is already a user with this e-mail address.';
  if (error.code === status.INVALID_ARGUMENT) return `I am sorry, that is not possible: ${error.message}.`;
  return undefined;
}

/** Calls AuthService as the caller, within the caller's patience. */
async function askAuth<Response>(desk: Desk, method: string, request: object, call: CallContext): Promise<Response> {
  const entries = passedOn.flatMap((key) => (call.metadata[key] === undefined ? [] : [[key, call.metadata[key]]]));
  const { signal, deadline } = call;
  try {
    return await desk.auth.call<Response>(method, request, { metadata: Object.fromEntries(entries), signal, deadline });
  } catch (error) {
    // That AuthService does not accept this service's call is not the caller's fault.
    if (error instanceof RpcError && error.code === status.UNAUTHENTICATED) {
      throw new RpcError(status.INTERNAL, `AuthService: ${error.message}`);
    }
    throw error;
  }
}

function callerId({ metadata }: CallContext): string {
  const userId = metadata['x-user-id'];
  if (!userId) throw new RpcError(status.UNAUTHENTICATED, 'the metadata x-user-id is missing');
  return userId;
}

function findConversation(conversations: Conversations, sessionId: string, userId: string): Conversation {
  const conversation = conversations.find(sessionId, userId);
  if (!conversation) throw new RpcError(status.NOT_FOUND, 'no such conversation');
  return conversation;
}

function toConversation({ sessionId, ownerId, title, messages, createdAt }: Conversation) {
  return {
    sessionId,
    userId: ownerId,
    title,
    messages: messages.map((message) => ({ ...message, createdAt: toTimestamp(message.createdAt) })),
    createdAt: toTimestamp(createdAt),
  };
}

function seed(conversations: Conversations, listedFor: string, count: number, owners: readonly string[]): string[] {
  const ids = Array.from({ length: count }, (_, index) => {
    const conversation = conversations.begin(listedFor, owners[index % owners.length]);
    say(conversation, 'ROLE_USER', `Question ${index + 1}`);
    say(conversation, 'ROLE_ASSISTANT', `Answer ${index + 1}`);
    conversations.keep(conversation);
    return conversation.sessionId;
  });
  return ids.toReversed();
}

/** The README of the project, or nothing where there is none yet. */
function readReadme(): string {
  try {
    return readFileSync(join(__dirname, '../../../README.md'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
