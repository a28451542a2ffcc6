/** The part of the gateway's schema that the workloads ask for, with resolvers written by hand. */
import DataLoader from 'dataloader';
import { callAi, callAuth, dateTime } from './rpc.mjs';

export const typeDefs = `
  scalar DateTime

  type Query {
    user(id: ID!): User
    users(first: Int = 25): UserConnection
    conversations(first: Int = 25): ConversationConnection
  }

  type Mutation {
    ask(input: AskInput!): AskPayload!
  }

  type User {
    id: ID!
    email: String!
    displayName: String!
    status: UserStatus
    roles: [String!]!
    createdAt: DateTime
    updatedAt: DateTime
    lastLoginAt: DateTime
  }

  enum UserStatus {
    ACTIVE
    INACTIVE
    INVITED
  }

  type UserConnection {
    nodes: [User!]!
  }

  type Conversation {
    id: ID!
    title: String!
    owner: User!
  }

  type ConversationConnection {
    nodes: [Conversation!]!
  }

  input AskInput {
    conversationId: ID
    query: String
  }

  type AskPayload {
    conversationId: ID!
    plan: Plan
    answer: Answer
  }

  type Plan {
    planId: ID!
    description: String!
  }

  type Answer {
    response: String!
  }
`;

export const resolvers = {
  Query: {
    user: (_, { id }) => callAuth('GetUser', { userId: id }),
    users: async (_, { first }) => ({ nodes: (await callAuth('ListUsers', { pageSize: first })).users }),
    conversations: async (_, { first }) => ({
      nodes: (await callAi('ListConversations', { userId: 'user-000', pageSize: first })).conversations,
    }),
  },
  Mutation: {
    ask: (_, { input }) => callAi('ProcessQuery', { sessionId: input.conversationId, query: input.query }),
  },
  User: {
    id: (user) => user.userId,
    status: (user) => user.status.slice('USER_STATUS_'.length),
    createdAt: (user) => dateTime(user.createdAt),
    updatedAt: (user) => dateTime(user.updatedAt),
    lastLoginAt: (user) => dateTime(user.lastLoginAt),
  },
  Conversation: {
    id: (conversation) => conversation.sessionId,
    owner: (conversation, _, { owners }) => owners.load(conversation.userId),
  },
  AskPayload: {
    conversationId: (payload) => payload.sessionId,
  },
};

/** Users by id, in the order of the ids. */
export async function loadUsers(userIds) {
  const { users } = await callAuth('BatchGetUsers', { userIds });
  const byId = new Map(users.map((user) => [user.userId, user]));
  return userIds.map((userId) => byId.get(userId));
}

/** What one operation keeps: users that it has looked up. */
export const createContext = () => ({ owners: new DataLoader(loadUsers) });
