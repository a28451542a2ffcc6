/** What the upstreams of the benchmark know. Both they and the checks of the answers are made from this. */

const first = Date.parse('2024-01-15T09:00:00.250Z');
const day = 86_400_000;

/** A hundred users: as many as a page, a batch and a join take. */
export const users = Array.from({ length: 100 }, (_, index) => ({
  userId: `user-${String(index).padStart(3, '0')}`,
  email: `person${index}@example.com`,
  displayName: `Person Number ${index}`,
  status: index % 10 === 9 ? 'INACTIVE' : 'ACTIVE',
  roles: index === 0 ? ['admin', 'member'] : ['member'],
  createdAt: new Date(first + index * day),
  updatedAt: new Date(first + index * day + 3_600_000),
  lastLoginAt: new Date(first + index * day + 7_200_000),
}));

/** A hundred conversations, each of another owner, so that a join has a hundred keys to look up. */
export const conversations = users.map(({ userId, createdAt }, index) => ({
  sessionId: `conversation-${String(index).padStart(3, '0')}`,
  userId,
  title: `What was asked in conversation ${index}`,
  messages: [
    { role: 'ROLE_USER', text: `Question ${index}`, createdAt },
    { role: 'ROLE_ASSISTANT', text: `Answer ${index}`, createdAt },
  ],
  createdAt,
}));

const permissions = {
  admin: ['admin:user:edit', 'admin:user:invite', 'admin:user:list', 'admin:user:view_permissions', 'ai:query'],
  member: ['ai:query'],
};

/** As long as a real one: 32 random bytes in base64url have 43 characters. */
const token = (name) => name.padEnd(43, 'x');

export const adminToken = token('bench-admin-');
export const memberToken = token('bench-member-');
export const unknownToken = token('bench-unknown-');
/** The token of one of any number of sessions, all of admins. */
export const sessionToken = (index) => token(`bench-session-${index}-`);

/** Whose session a token is; undefined where there is none. */
export function findSession(sought) {
  if (sought === adminToken) return { sessionId: 'session-admin', userId: 'user-000', permissions: permissions.admin };
  if (sought === memberToken) {
    return { sessionId: 'session-member', userId: 'user-001', permissions: permissions.member };
  }
  const index = /^bench-session-(\d+)-x*$/.exec(sought)?.[1];
  if (index === undefined) return undefined;
  return {
    sessionId: `session-${index}`,
    userId: users[index % users.length].userId,
    permissions: permissions.admin,
  };
}

/** What the assistant answers, whatever it is asked. */
export const answer = { sessionId: 'conversation-000', response: 'That is a good question. '.repeat(8).trim() };
