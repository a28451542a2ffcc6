/**
 * The cheapest thing that could work: node:http, grpc-js and JSON written by hand. No GraphQL, no session, no limits, no
 * metrics, no log. It reads the same requests as the others and looks only at the operation's name and its variables.
 */
import { createServer } from 'node:http';
import { listen } from './listen.mjs';
import { callAi, callAuth, dateTime } from './rpc.mjs';
import { loadUsers } from './schema.mjs';

const status = (user) => user.status.slice('USER_STATUS_'.length);

const operations = {
  async Lookup({ id }) {
    const user = await callAuth('GetUser', { userId: id });
    return { user: { id: user.userId, email: user.email, displayName: user.displayName, status: status(user) } };
  },
  async List({ first }) {
    const { users } = await callAuth('ListUsers', { pageSize: first });
    const nodes = users.map((user) => ({
      id: user.userId,
      email: user.email,
      displayName: user.displayName,
      status: status(user),
      roles: user.roles,
      createdAt: dateTime(user.createdAt),
    }));
    return { users: { nodes } };
  },
  async Join({ first }) {
    const { conversations } = await callAi('ListConversations', { userId: 'user-000', pageSize: first });
    const owners = await loadUsers(conversations.map(({ userId }) => userId));
    const nodes = conversations.map(({ sessionId, title }, index) => {
      const { userId, email, displayName } = owners[index];
      return { id: sessionId, title, owner: { id: userId, email, displayName } };
    });
    return { conversations: { nodes } };
  },
  async Ask({ input }) {
    const { sessionId, plan, answer } = await callAi('ProcessQuery', { query: input.query });
    return { ask: { conversationId: sessionId, plan: plan ?? null, answer: answer && { response: answer.response } } };
  },
  async Fields(ids) {
    const entries = Object.entries(ids).map(async ([name, userId]) => {
      const user = await callAuth('GetUser', { userId });
      const all = {
        id: user.userId,
        email: user.email,
        displayName: user.displayName,
        status: status(user),
        roles: user.roles,
        createdAt: dateTime(user.createdAt),
        updatedAt: dateTime(user.updatedAt),
        lastLoginAt: dateTime(user.lastLoginAt),
      };
      return [name, all];
    });
    return Object.fromEntries(await Promise.all(entries));
  },
};

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    try {
      const { operationName, variables } = JSON.parse(Buffer.concat(chunks).toString());
      const body = Buffer.from(JSON.stringify({ data: await operations[operationName](variables) }));
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
      response.end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
});
listen(server);
