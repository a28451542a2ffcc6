/** What is asked, and what the answer must be. Answers are made from the data of the upstreams, not from any gateway. */
import { adminToken, answer, conversations, memberToken, sessionToken, unknownToken, users } from './data.mjs';

/** Where browsers would see the gateway. */
export const publicUrl = 'https://app.example.com';

const bearer = (token) => ({ authorization: `Bearer ${token}` });
const byAdmin = bearer(adminToken);
/** With a trace that the client records (W3C Trace Context, 3.2). */
export const byTracedAdmin = { ...byAdmin, traceparent: `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01` };

/** A browser's request: the session in a cookie, with the header that proves that no foreign page sent it. */
const byCookie = {
  cookie: `theme=dark; __Host-session=${adminToken}`,
  'x-csrf': '1',
  origin: publicUrl,
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
};

const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));

function userFields(user) {
  const { userId, createdAt, updatedAt, lastLoginAt, ...rest } = user;
  return {
    id: userId,
    ...rest,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    lastLoginAt: lastLoginAt.toISOString(),
  };
}

const allFields = ['id', 'email', 'displayName', 'status', 'roles', 'createdAt', 'updatedAt', 'lastLoginAt'];
const lookupFields = ['id', 'email', 'displayName', 'status'];
const listFields = ['id', 'email', 'displayName', 'status', 'roles', 'createdAt'];

/** Reads a user as Mesh has it, in the names of the proto, back into the shape of the others. */
function fromMesh({ user_id: id, display_name: displayName, status, ...rest }) {
  const { created_at: createdAt, updated_at: updatedAt, last_login_at: lastLoginAt, ...same } = rest;
  const times = Object.entries({ createdAt, updatedAt, lastLoginAt }).filter(([, time]) => time !== undefined);
  return {
    id,
    displayName,
    ...(status === undefined ? {} : { status: status.replace('USER_STATUS_', '') }),
    ...same,
    ...Object.fromEntries(
      times.map(([name, { seconds, nanos }]) => [name, new Date(seconds * 1000 + nanos / 1e6).toISOString()]),
    ),
  };
}

const meshTime = '{ seconds nanos }';
const meshAllFields = `user_id email display_name status roles created_at ${meshTime} updated_at ${meshTime} last_login_at ${meshTime}`;

/** Five users with all fields: forty fields, and five RPCs. */
const five = ['a', 'b', 'c', 'd', 'e'];

const twoKilobytes = 'Please tell me everything that you know about the invitation of new people. '.repeat(25);

/**
 * GraphQL operations that every contestant can answer.
 *
 * - `variables(i)`, `data(i)`: the i-th of the `count` requests in rotation, and what it must answer.
 * - `mesh`: the same operation in the names that Mesh takes from the protos, and how its answer is read back.
 */
export const operations = {
  lookup: {
    title: 'look-up of one user',
    count: users.length,
    operationName: 'Lookup',
    query: `query Lookup($id: ID!) { user(id: $id) { ${lookupFields.join(' ')} } }`,
    variables: (i) => ({ id: users[i].userId }),
    data: (i) => ({ user: pick(userFields(users[i]), lookupFields) }),
    mesh: {
      query:
        'query Lookup($id: String) { auth_v1_AuthService_GetUser(input: { user_id: $id }) { user_id email display_name status } }',
      read: (data) => ({ user: fromMesh(data.auth_v1_AuthService_GetUser) }),
    },
  },
  list: {
    title: 'list of 100 users, six fields',
    count: 1,
    operationName: 'List',
    query: `query List($first: Int) { users(first: $first) { nodes { ${listFields.join(' ')} } } }`,
    variables: () => ({ first: 100 }),
    data: () => ({ users: { nodes: users.map((user) => pick(userFields(user), listFields)) } }),
    mesh: {
      query: `query List($first: Int) {
        auth_v1_AuthService_ListUsers(input: { page_size: $first }) {
          users { user_id email display_name status roles created_at ${meshTime} }
        }
      }`,
      read: (data) => ({ users: { nodes: data.auth_v1_AuthService_ListUsers.users.map(fromMesh) } }),
    },
  },
  join: {
    title: 'join of 100 over 2 services',
    count: 1,
    operationName: 'Join',
    query:
      'query Join($first: Int) { conversations(first: $first) { nodes { id title owner { id email displayName } } } }',
    variables: () => ({ first: 100 }),
    data: () => ({
      conversations: {
        nodes: conversations.map(({ sessionId, title }, index) => ({
          id: sessionId,
          title,
          owner: pick(userFields(users[index]), ['id', 'email', 'displayName']),
        })),
      },
    }),
    mesh: {
      query: `query Join($first: Int) {
        ai_v1_AIService_ListConversations(input: { user_id: "user-000", page_size: $first }) {
          conversations { session_id title owner { user_id email display_name } }
        }
      }`,
      read: (data) => ({
        conversations: {
          nodes: data.ai_v1_AIService_ListConversations.conversations.map(({ session_id: id, title, owner }) => ({
            id,
            title,
            owner: fromMesh(owner),
          })),
        },
      }),
    },
  },
  mutation: {
    title: 'mutation of 2 KB',
    count: 1,
    operationName: 'Ask',
    query:
      'mutation Ask($input: AskInput!) { ask(input: $input) { conversationId plan { planId description } answer { response } } }',
    variables: () => ({ input: { query: twoKilobytes } }),
    data: () => ({
      ask: { conversationId: answer.sessionId, plan: null, answer: { response: answer.response } },
    }),
    mesh: {
      query: `mutation Ask($input: ai__v1__ProcessQueryRequest_Input) {
        ai_v1_AIService_ProcessQuery(input: $input) { session_id plan { plan_id description } answer { response } }
      }`,
      read: ({ ai_v1_AIService_ProcessQuery: { session_id: conversationId, plan, answer: said } }) => ({
        ask: { conversationId, plan, answer: said },
      }),
    },
  },
  fields: {
    title: 'operation of 40 fields, five RPCs',
    count: 20,
    operationName: 'Fields',
    query: `query Fields(${five.map((name) => `$${name}: ID!`).join(', ')}) { ${five
      .map((name) => `${name}: user(id: $${name}) { ${allFields.join(' ')} }`)
      .join(' ')} }`,
    variables: (i) => Object.fromEntries(five.map((name, k) => [name, users[i * 5 + k].userId])),
    data: (i) => Object.fromEntries(five.map((name, k) => [name, userFields(users[i * 5 + k])])),
    mesh: {
      query: `query Fields(${five.map((name) => `$${name}: String`).join(', ')}) { ${five
        .map((name) => `${name}: auth_v1_AuthService_GetUser(input: { user_id: $${name} }) { ${meshAllFields} }`)
        .join(' ')} }`,
      read: (data) => Object.fromEntries(Object.entries(data).map(([name, user]) => [name, fromMesh(user)])),
    },
  },
};

/** A GraphQL request by POST. */
function post(body, headers) {
  return {
    method: 'POST',
    path: '/graphql',
    headers: {
      accept: 'application/graphql-response+json, application/json',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(body),
  };
}

/**
 * An operation's requests: the same bytes for all contestants, but for Mesh's names.
 *
 * @returns `{ title, requests: [{ ...request, status, data, read? }] }`
 */
export function operationWorkload(name, { mesh = false, headers = byAdmin } = {}) {
  const { title, count, operationName, query, variables, data, mesh: inMesh } = operations[name];
  const requests = Array.from({ length: count }, (_, i) => ({
    ...post({ operationName, query: mesh ? inMesh.query : query, variables: variables(i) }, headers),
    status: 200,
    data: data(i),
    ...(mesh ? { read: inMesh.read } : {}),
  }));
  return { title, requests };
}

/** What only the gateway answers: other doors, other credentials, refusals. */
export function doorWorkloads() {
  const restFields = ['email', 'displayName', 'createdAt', 'updatedAt', 'lastLoginAt'];
  const { id, ...me } = userFields(users[0]);
  const refused = (title, body, headers, status, code) => ({
    title,
    requests: [{ ...post(body, headers), status, includes: `"code":"${code}"` }],
  });
  const list = { query: operations.list.query, operationName: 'List', variables: { first: 100 } };
  const lookup = { query: operations.lookup.query, operationName: 'Lookup', variables: { id } };
  return {
    graphql: { ...operationWorkload('lookup'), title: 'look-up by GraphQL, bearer' },
    cookie: { ...operationWorkload('lookup', { headers: byCookie }), title: 'look-up by GraphQL, cookie' },
    rest: {
      title: 'look-up by REST, bearer',
      requests: [
        {
          method: 'GET',
          path: '/api/v1/users/me',
          headers: { accept: 'application/json', ...byAdmin },
          status: 200,
          // As clients from before GraphQL know it.
          data: { userId: id, ...pick(me, restFields), status: 'Active' },
          bare: true,
        },
      ],
    },
    public: {
      title: 'public field',
      requests: [
        {
          ...post({ query: 'query Public { gateway { name } }', operationName: 'Public' }),
          status: 200,
          data: { gateway: { name: 'api-gateway' } },
        },
      ],
    },
    refused401: refused('refused: no such session (401)', lookup, bearer(unknownToken), 401, 'UNAUTHENTICATED'),
    refused403: refused('refused: lacks the permission (403)', list, bearer(memberToken), 403, 'FORBIDDEN'),
    refused400: refused(
      'refused: no such field (400)',
      { query: 'query Wrong { user(id: "user-000") { id telephone } }', operationName: 'Wrong' },
      byAdmin,
      400,
      'GRAPHQL_VALIDATION_FAILED',
    ),
    refusedCost: refused(
      'refused: costs too much (400)',
      {
        query: `query Dear { users(first: 100) { nodes { ${Array.from({ length: 11 }, (_, i) => `p${i}: permissions`).join(' ')} } } }`,
        operationName: 'Dear',
      },
      byAdmin,
      400,
      'OPERATION_TOO_COMPLEX',
    ),
  };
}

/** As many different documents, each of them its own text, name and alias. */
export function documentsWorkload(count) {
  const fields = lookupFields.join(' ');
  return {
    title: count === 1 ? 'one document' : `${count.toLocaleString('en')} different documents`,
    requests: Array.from({ length: count }, (_, i) => {
      const user = users[i % users.length];
      const operationName = `Lookup${i}`;
      const query = `query ${operationName}($id: ID!) { user${i}: user(id: $id) { ${fields} } }`;
      return {
        ...post({ operationName, query, variables: { id: user.userId } }, byAdmin),
        status: 200,
        data: { [`user${i}`]: pick(userFields(user), lookupFields) },
      };
    }),
  };
}

/** The look-up by as many sessions, in rotation. */
export function sessionsWorkload(count) {
  const { count: ids, operationName, query, variables, data } = operations.lookup;
  return {
    title: count === 1 ? 'one session' : `${count.toLocaleString('en')} sessions`,
    requests: Array.from({ length: count }, (_, i) => ({
      ...post({ operationName, query, variables: variables(i % ids) }, bearer(sessionToken(i))),
      status: 200,
      data: data(i % ids),
    })),
  };
}

/** A subscription whose first event comes at once and whose last one never does. */
export const streamRequest = {
  ...post(
    {
      query: 'subscription Stream($input: AskInput!) { askStream(input: $input) { conversationId textDelta } }',
      operationName: 'Stream',
      variables: { input: { query: 'What is this?' } },
    },
    byAdmin,
  ),
};
streamRequest.headers.accept = 'text/event-stream';

/** The same by REST. */
export const restStreamRequest = {
  ...streamRequest,
  path: '/api/ai',
  body: JSON.stringify({ query: 'What is this?' }),
};

/** A request as bytes of HTTP/1.1. */
export function toBytes({ method, path, headers, body }) {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: gateway.test',
    'User-Agent: bench',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`);
}
