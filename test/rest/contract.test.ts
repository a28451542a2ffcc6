/**
 * Every route of `schema/rest`, body by body; and the operation behind it by GraphQL, with the same variables. Both must say
 * the same, ask the upstreams for the same, and be counted alike. Each door has a world of its own, since mutations leave a mark.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status as grpc } from '@grpc/grpc-js';
import { Kind, parse, print, separateOperations } from 'graphql';
import { withoutRestDirectives } from '../../src/rest/directives';
import { startWorld, type Decoded, type RestAnswer, type World } from '../gateway-fixture';

let byRest: World;
let byGraphql: World;
beforeAll(async () => {
  const options = {
    auth: { adminToken: 'the-token-of-ada', memberToken: 'the-token-of-mel' },
    // Both ask about the session each time.
    env: { SESSION_CACHE_TTL: '0s' },
  };
  [byRest, byGraphql] = await Promise.all([startWorld(options), startWorld(options)]);
});
afterAll(() => Promise.all([byRest.close(), byGraphql.close()]));
beforeEach(() => {
  for (const world of [byRest, byGraphql]) world.reset();
});

const folder = 'schema/rest';
const documents = readdirSync(folder).map((name) => parse(readFileSync(join(folder, name), 'utf8')));

/** The operations as clients of GraphQL write them, by name. */
const operations: Readonly<Record<string, string>> = Object.fromEntries(
  documents
    .flatMap((document) => Object.entries(separateOperations(withoutRestDirectives(document))))
    .map(([name, document]) => [name, print(document)]),
);

const callers = { ada: 'the-token-of-ada', mel: 'the-token-of-mel', nobody: null, stranger: 'nobodys-token' } as const;
type CallerName = keyof typeof callers;

interface Request {
  /** By REST. */
  readonly route: string;
  readonly body?: Decoded;
  /** By GraphQL. */
  readonly operation: string;
  readonly variables?: Decoded;
}

interface Row extends Request {
  readonly as?: CallerName;
  readonly fault?: { readonly rpc: string; readonly code: grpc };
  readonly status: number;
  /** The body, or what stands under `error` there besides code and requestId. */
  readonly answer: Decoded;
  /** The requests of the RPC that the route is about. */
  readonly calls?: Readonly<Record<string, readonly Decoded[]>>;
}

/** With ids and times of now under names that are the same in both worlds. */
function steady(value: unknown): Decoded {
  const text = JSON.stringify(value ?? null)
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replace(/"(?!2024-01-15T09:00:00Z)20\d\d-\d\d-\d\dT[\d:.]+Z"/g, '"NOW"');
  return JSON.parse(text);
}

const controls = ({ auth, ai }: World) => [auth.control, ai.control];
const rpcs = [
  ['GetUser', 'ListUsers', 'UpdateUser', 'InviteUser', 'GetEffectivePermissions', 'ValidateSession', 'RevokeSession'],
  ['ProcessQuery'],
] as const;
/** Ids of requests and traces differ by nature. */
const ownIds = ['x-request-id', 'traceparent', 'tracestate', 'x-session-id'];

/** All that the upstreams were asked. */
function callsOf(world: World): Decoded {
  const calls = controls(world).flatMap((control, index) =>
    rpcs[index]!.flatMap((rpc) =>
      control.calls(rpc).map(({ request, metadata }) => ({
        rpc,
        request,
        metadata: Object.fromEntries(
          Object.entries(metadata).map(([key, value]) => [key, ownIds.includes(key) ? 'its own' : value]),
        ),
      })),
    ),
  );
  return steady(calls);
}

/** How much the counters of operations and RPCs grow, by series. */
async function counted<T>(world: World, act: () => Promise<T>): Promise<{ answer: T; growth: Record<string, number> }> {
  const read = async () =>
    new Map(
      [
        ...(await world.metrics()).matchAll(
          /^((?:graphql_envelop_\w+(?<!_bucket|_sum)|upstream_grpc_requests_total|upstream_grpc_errors_total)\{.*\}) (\d+)$/gm,
        ),
      ].map(([, series = '', value]) => [series, Number(value)]),
    );
  const before = await read();
  const answer = await act();
  const after = await read();
  const growth = [...after].map(([series, value]) => [series, value - (before.get(series) ?? 0)] as const);
  return { answer, growth: Object.fromEntries(growth.filter(([, by]) => by !== 0)) };
}

/** The value of the one root field, as the route writes it. */
function shaped(data: Decoded): Decoded {
  const [value] = Object.values(data ?? {});
  return JSON.parse(JSON.stringify(value), (key, each: unknown) => {
    if (key === 'status' && typeof each === 'string') return each.slice(0, 1) + each.slice(1).toLowerCase();
    return (key === 'plan' || key === 'answer') && each === null ? undefined : each;
  });
}

function setFaults({ fault }: Row): void {
  if (!fault) return;
  for (const world of [byRest, byGraphql]) {
    const index = rpcs[0].some((rpc) => rpc === fault.rpc) ? 0 : 1;
    controls(world)[index]!.setFault({ method: fault.rpc, code: fault.code, message: 'shard 7 is gone' });
  }
}

function expectWhole(answer: RestAnswer, expected: Row): void {
  const { status, headers, body } = answer;
  expect(status).toBe(expected.status);
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('content-length')).toBe(String(Buffer.byteLength(JSON.stringify(body))));
  if (status < 400) {
    expect(steady(body)).toEqual(expected.answer);
    return;
  }
  const requestId = headers.get('x-request-id');
  expect(body).toEqual({ error: { code: status, requestId, ...expected.answer } });
  expect(headers.get('retry-after')).toBe(body.error.retryAfter === undefined ? null : String(body.error.retryAfter));
  expect(headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer realm="api-gateway"' : null);
}

const person = (first: string, last: string, more: object = {}) => ({
  userId: `user-${first.toLowerCase()}`,
  email: `${first}.${last}@example.com`.toLowerCase(),
  displayName: `${first} ${last}`,
  status: 'Active',
  createdAt: '2024-01-15T09:00:00Z',
  updatedAt: '2024-01-15T09:00:00Z',
  lastLoginAt: null,
  ...more,
});

/** The request of UpdateUser: what it changes, and the mask. */
const update = (userId: string, paths: string[], changed: object) => ({
  UpdateUser: [
    {
      user: {
        userId,
        email: '',
        displayName: '',
        status: 'USER_STATUS_UNSPECIFIED',
        roles: [],
        createdAt: null,
        updatedAt: null,
        lastLoginAt: null,
        ...changed,
      },
      updateMask: { paths },
    },
  ],
});

/** An error that names fields. */
function wrongInput(message: string, ...violations: (readonly [field: string, description: string])[]) {
  const error = { reason: 'BAD_USER_INPUT', message };
  if (violations.length === 0) return error;
  const fieldViolations = violations.map(([field, description]) => ({ field, description }));
  return { ...error, fieldViolations, details: [{ '@type': 'google.rpc.BadRequest', fieldViolations }] };
}
/** The same from an upstream. */
const refusedInput = (...violations: (readonly [field: string, description: string])[]) =>
  wrongInput(violations.map((each) => each.join(': ')).join('; '), ...violations);
const wrongValue = (variable: string, value: string, why: string) =>
  wrongInput(`Variable "$${variable}" got invalid value ${value}; ${why}`, [variable, why]);

const unauthenticated = { reason: 'UNAUTHENTICATED', message: 'Sign in to continue.' };
const forbidden = { reason: 'FORBIDDEN', message: 'You do not have permission to perform this action.' };
const notFound = (message: string) => ({ reason: 'NOT_FOUND', message });

/** What every route answers where its caller is nobody, or its upstream fails. */
function failures(request: Request, rpc: string): Row[] {
  const unavailable = 'A service behind the gateway is unavailable. Try again shortly.';
  const late = 'A service behind the gateway did not answer in time.';
  const failed = 'A service behind the gateway failed.';
  const table: readonly [grpc, number, Decoded][] = [
    [grpc.UNAVAILABLE, 503, { reason: 'SERVICE_UNAVAILABLE', message: unavailable, retryAfter: 1 }],
    [grpc.INTERNAL, 502, { reason: 'UPSTREAM_ERROR', message: failed }],
    [grpc.DEADLINE_EXCEEDED, 504, { reason: 'GATEWAY_TIMEOUT', message: late }],
    [grpc.NOT_FOUND, 404, notFound('shard 7 is gone')],
    [grpc.FAILED_PRECONDITION, 400, wrongInput('shard 7 is gone')],
    [grpc.PERMISSION_DENIED, 403, forbidden],
  ];
  return [
    { ...request, as: 'nobody', status: 401, answer: unauthenticated, calls: { [rpc]: [] } },
    { ...request, as: 'stranger', status: 401, answer: unauthenticated, calls: { [rpc]: [] } },
    ...table.map(([code, status, answer]) => ({ ...request, fault: { rpc, code }, status, answer })),
  ];
}

const denied = (request: Request, rpc: string): Row => ({
  ...request,
  as: 'mel',
  status: 403,
  answer: forbidden,
  calls: { [rpc]: [] },
});

const me: Request = { route: 'GET /api/v1/users/me', operation: 'Me' };
const user: Request = { route: 'GET /api/v1/users/user-mel', operation: 'GetUser', variables: { userId: 'user-mel' } };
const users = (query: string, variables: Decoded): Request => ({
  route: `GET /api/v1/users${query}`,
  operation: 'ListUsers',
  variables,
});
const invite = (body: Decoded): Request => ({
  route: 'POST /api/v1/users/invite',
  body,
  operation: 'InviteUser',
  variables: body,
});
const permissions = (userId: string): Request => ({
  route: `GET /api/v1/users/${userId}/effective-permissions`,
  operation: 'EffectivePermissions',
  variables: { userId },
});
const ask = (path: string, body: Decoded): Request => ({
  route: `POST ${path}`,
  body,
  operation: 'AskAssistant',
  variables: body,
});
const noMessage = 'must not be empty without a confirmation';

const reads: Row[] = [
  { ...me, status: 200, answer: person('Ada', 'Admin'), calls: { GetUser: [{ userId: 'user-ada' }] } },
  { ...me, as: 'mel', status: 200, answer: person('Mel', 'Member') },
  ...failures(me, 'GetUser'),

  { ...user, status: 200, answer: person('Mel', 'Member'), calls: { GetUser: [{ userId: 'user-mel' }] } },
  {
    ...user,
    route: 'GET /api/v1/users/a%2Fb%00',
    variables: { userId: 'a/b\0' },
    status: 404,
    answer: notFound('no such user'),
    calls: { GetUser: [{ userId: 'a/b\0' }] },
  },
  denied(user, 'GetUser'),
  ...failures(user, 'GetUser'),

  {
    ...users('?pageSize=2', { pageSize: 2 }),
    status: 200,
    answer: {
      users: [person('Ada', 'Admin'), person('Bo', 'Builder')],
      nextPageToken: expect.stringMatching(/^\S+$/),
      totalSize: 10,
    },
    calls: { ListUsers: [{ pageSize: 2, pageToken: '', status: 'USER_STATUS_UNSPECIFIED', search: '' }] },
  },
  {
    ...users('?status=Invited', { status: 'INVITED' }),
    status: 200,
    answer: { users: [person('Ivy', 'Invited', { status: 'Invited' })], nextPageToken: null, totalSize: 1 },
    calls: { ListUsers: [{ pageSize: 25, pageToken: '', status: 'USER_STATUS_INVITED', search: '' }] },
  },
  {
    ...users('?status=INACTIVE&search=%20Z%C3%A9+%26', { status: 'INACTIVE', search: ' Zé &' }),
    status: 200,
    answer: { users: [], nextPageToken: null, totalSize: 0 },
    calls: { ListUsers: [{ pageSize: 25, pageToken: '', status: 'USER_STATUS_INACTIVE', search: ' Zé &' }] },
  },
  {
    ...users('?pageSize=&pageToken=&status=&search=&other=1', {}),
    status: 200,
    answer: { users: expect.any(Array), nextPageToken: null, totalSize: 10 },
    calls: { ListUsers: [{ pageSize: 25, pageToken: '', status: 'USER_STATUS_UNSPECIFIED', search: '' }] },
  },
  {
    ...users('?pageSize=-1', { pageSize: -1 }),
    status: 400,
    answer: wrongInput('first must be at least 1.', ['first', 'must be at least 1']),
    calls: { ListUsers: [] },
  },
  {
    ...users('?pageToken=made-up', { pageToken: 'made-up' }),
    status: 400,
    answer: wrongInput('after is not a cursor of this list.', ['after', 'is not a cursor of this list']),
    calls: { ListUsers: [] },
  },
  denied(users('', {}), 'ListUsers'),
  ...failures(users('', {}), 'ListUsers'),

  {
    ...permissions('user-mel'),
    status: 200,
    answer: { permissions: ['ai:query'] },
    calls: { GetEffectivePermissions: [{ userId: 'user-mel' }] },
  },
  { ...permissions('user-ina'), status: 200, answer: { permissions: [] } },
  { ...permissions('user-none'), status: 404, answer: notFound('no such user') },
  denied(permissions('user-ada'), 'GetEffectivePermissions'),
  ...failures(permissions('user-mel'), 'GetEffectivePermissions'),
];

/** What PUT and PATCH answer alike. A body leaves alone what it does not name. */
const changes = (method: string): Row[] => {
  const mine = (body: Decoded): Request => ({
    route: `${method} /api/v1/users/me`,
    body,
    operation: 'UpdateMe',
    variables: body,
  });
  const theirs = (body: Decoded, userId = 'user-bo'): Request => ({
    route: `${method} /api/v1/users/${userId}`,
    body,
    operation: 'UpdateUser',
    variables: { userId, ...body },
  });
  const noMask = (fields: string) => refusedInput(['update_mask', `must name some of ${fields}`]);
  const emptyName = refusedInput(['user.display_name', 'must not be empty']);
  const noText = 'String cannot represent a non string value: 7';
  const bo = (more: object) => person('Bo', 'Builder', { updatedAt: 'NOW', ...more });
  const allFields = 'display_name, email, roles, status';
  return [
    {
      ...mine({ displayName: 'Mel M.' }),
      as: 'mel',
      status: 200,
      answer: person('Mel', 'Member', { displayName: 'Mel M.', updatedAt: 'NOW' }),
      calls: update('user-mel', ['display_name'], { displayName: 'Mel M.' }),
    },
    { ...mine({}), as: 'mel', status: 400, answer: noMask(allFields), calls: update('user-mel', [], {}) },
    {
      ...mine({ displayName: null }),
      as: 'mel',
      status: 400,
      answer: emptyName,
      calls: update('user-mel', ['display_name'], {}),
    },
    {
      ...mine({ displayName: 7 }),
      status: 400,
      answer: wrongValue('displayName', '7', noText),
      calls: { UpdateUser: [] },
    },
    ...failures(mine({ displayName: 'Ada' }), 'UpdateUser'),

    {
      ...theirs({ displayName: 'Bo B.' }),
      status: 200,
      answer: bo({ displayName: 'Bo B.' }),
      calls: update('user-bo', ['display_name'], { displayName: 'Bo B.' }),
    },
    {
      ...theirs({ roles: null }),
      status: 200,
      answer: bo({ displayName: 'Bo B.' }),
      calls: update('user-bo', ['roles'], {}),
    },
    {
      ...theirs({ displayName: 'Bo Builder', status: 'ACTIVE', roles: ['member'] }),
      status: 200,
      answer: bo({}),
      calls: update('user-bo', ['display_name', 'status', 'roles'], {
        displayName: 'Bo Builder',
        status: 'USER_STATUS_ACTIVE',
        roles: ['member'],
      }),
    },
    {
      ...theirs({ status: null, displayName: null }),
      status: 400,
      answer: refusedInput(
        ['user.display_name', 'must not be empty'],
        ['user.status', 'must be USER_STATUS_ACTIVE or USER_STATUS_INACTIVE'],
      ),
      calls: update('user-bo', ['display_name', 'status'], {}),
    },
    {
      ...theirs({ roles: ['member', 1] }),
      status: 400,
      answer: wrongInput(
        'Variable "$roles" got invalid value 1 at "roles[1]"; String cannot represent a non string value: 1',
        ['roles[1]', 'String cannot represent a non string value: 1'],
      ),
      calls: { UpdateUser: [] },
    },
    { ...theirs({ displayName: 'X' }, 'nobody'), status: 404, answer: notFound('no such user') },
    denied(theirs({ displayName: 'X' }), 'UpdateUser'),
    ...failures(theirs({ displayName: 'X' }), 'UpdateUser'),
  ];
};

const invitations: Row[] = [
  {
    ...invite({ email: 'New@Example.com', displayName: 'New', roles: ['member'] }),
    status: 201,
    answer: {
      userId: 'user-ID',
      email: 'new@example.com',
      displayName: 'New',
      status: 'Invited',
      createdAt: 'NOW',
      updatedAt: 'NOW',
      lastLoginAt: null,
    },
    calls: { InviteUser: [{ email: 'New@Example.com', displayName: 'New', roles: ['member'] }] },
  },
  {
    ...invite({ email: 'new@example.com' }),
    status: 409,
    answer: { reason: 'CONFLICT', message: 'this e-mail address is taken' },
    calls: { InviteUser: [{ email: 'new@example.com', displayName: '', roles: [] }] },
  },
  {
    ...invite({ email: 'nonsense', roles: ['king'] }),
    status: 400,
    answer: refusedInput(
      ['email', 'must be an e-mail address such as name@example.com'],
      ['roles', 'king: none of admin, member'],
    ),
  },
  {
    ...invite({}),
    status: 400,
    answer: wrongInput('Variable "$email" of required type "String!" was not provided.', ['email', 'is required']),
    calls: { InviteUser: [] },
  },
  {
    ...invite({ email: null }),
    status: 400,
    answer: wrongInput('Variable "$email" of non-null type "String!" must not be null.', ['email', 'must not be null']),
    calls: { InviteUser: [] },
  },
  denied(invite({ email: 'other@example.com' }), 'InviteUser'),
  ...failures(invite({ email: 'other@example.com' }), 'InviteUser'),
];

const questions = (path: string): Row[] => [
  {
    ...ask(path, { query: 'count to 3' }),
    status: 200,
    answer: { sessionId: 'conversation-ID', answer: { response: '1 2 3' } },
    calls: { ProcessQuery: [{ sessionId: '', query: 'count to 3', confirmation: null }] },
  },
  {
    ...ask(path, { query: 'invite guest@example.com', sessionId: null, confirmation: null }),
    status: 200,
    answer: {
      sessionId: 'conversation-ID',
      plan: {
        planId: 'plan-ID',
        description: 'Invite guest@example.com as a member. They will get an invitation.',
      },
    },
  },
  { ...ask(path, {}), status: 400, answer: refusedInput(['query', noMessage]) },
  {
    ...ask(path, { confirmation: { planId: 'p' } }),
    status: 400,
    answer: wrongValue(
      'confirmation',
      '{ planId: "p" }',
      'Field "confirmed" of required type "Boolean!" was not provided.',
    ),
    calls: { ProcessQuery: [] },
  },
  {
    ...ask(path, { confirmation: { planId: 'p', confirmed: 'yes' } }),
    status: 400,
    answer: wrongInput(
      'Variable "$confirmation" got invalid value "yes" at "confirmation.confirmed"; Boolean cannot represent a non boolean value: "yes"',
      ['confirmation.confirmed', 'Boolean cannot represent a non boolean value: "yes"'],
    ),
    calls: { ProcessQuery: [] },
  },
  {
    ...ask(path, { sessionId: 'conversation-x', query: 'count to 3' }),
    status: 404,
    answer: notFound('no such conversation'),
  },
  ...failures(ask(path, { query: 'count to 3' }), 'ProcessQuery'),
];

const rows: Row[] = [
  ...reads,
  ...['PUT', 'PATCH'].flatMap(changes),
  ...invitations,
  ...['/api/ai', '/api/v1/ai'].flatMap(questions),
];

const titled = rows.map((row, index) => {
  const { route, body, as = 'ada', fault, status } = row;
  const where = fault ? `, where ${fault.rpc} is ${grpc[fault.code]}` : '';
  const what = body === undefined ? '' : ` ${JSON.stringify(body)}`;
  return [`${index + 1}. ${route}${what} as ${as}${where}: ${status}`, row] as const;
});

test.each(titled)('%s, by GraphQL too', async (_title, row) => {
  const { route, body, operation, variables = {}, as = 'ada', answer, calls = {} } = row;
  const [method = '', path = ''] = route.split(' ');
  const token = callers[as];
  setFaults(row);
  const rest = await counted(byRest, () => byRest.rest(method, path, { token, body }));
  expectWhole(rest.answer, row);
  const asked = callsOf(byRest);
  for (const [rpc, requests] of Object.entries(calls)) {
    const own = asked.filter((call: Decoded) => call.rpc === rpc);
    expect([rpc, own.map(({ request }: Decoded) => request)]).toEqual([rpc, requests]);
  }

  const graphql = await counted(byGraphql, () => byGraphql.graphql(operations[operation]!, { token, variables }));
  const { status, data, errors, headers } = graphql.answer;
  if (rest.answer.status < 400) {
    expect([status, errors]).toEqual([200, undefined]);
    expect(steady(shaped(data))).toEqual(steady(rest.answer.body));
  } else {
    expect(status).toBe(rest.answer.status);
    const [error] = errors ?? [];
    const { code, requestId: _, ...more } = error!.extensions;
    expect({ reason: code, message: error!.message, ...more }).toEqual(answer);
    for (const name of ['retry-after', 'www-authenticate']) {
      expect([name, headers.get(name)]).toEqual([name, rest.answer.headers.get(name)]);
    }
  }
  expect(callsOf(byGraphql)).toEqual(asked);
  expect(graphql.growth).toEqual(rest.growth);
  expect(Object.keys(rest.growth).join()).toMatch(/graphql_envelop_request\{/);
});

test('every operation of a route with one answer is among these, by each method and path', () => {
  const mounted = documents.flatMap(({ definitions }) =>
    definitions.flatMap((definition) => {
      if (definition.kind !== Kind.OPERATION_DEFINITION || definition.operation === 'subscription') return [];
      const mount = definition.directives?.find(({ name }) => name.value === 'rest');
      const words = (name: string): string[] => {
        const value = mount?.arguments?.find((argument) => argument.name.value === name)?.value;
        const values = value?.kind === Kind.LIST ? value.values : [value];
        return values.flatMap((each) => (each && 'value' in each ? [String(each.value)] : []));
      };
      const paths = [...words('path'), ...words('alias')];
      return words('method').flatMap((method) => paths.map((path) => `${definition.name?.value}: ${method} ${path}`));
    }),
  );
  const asked = new Set(
    rows.map(({ operation, route }) => {
      const path = route.replace(/\?.*/, '').replace(/\/users\/(?!me$|invite$)[^/]+/, '/users/{userId}');
      return `${operation}: ${path}`;
    }),
  );
  expect([...asked].toSorted()).toEqual(mounted.toSorted());
});

describe('what the door itself refuses, before anybody is asked', () => {
  const unknown = (field: string) => wrongInput(`The body has unknown fields: ${field}.`, [field, 'is not known']);
  const query = (field: string, description: string) => wrongInput(`${field} ${description}.`, [field, description]);
  const type = {
    reason: 'UNSUPPORTED_MEDIA_TYPE',
    message: 'Send JSON, with Content-Type: application/json.',
  };
  const allow = { reason: 'METHOD_NOT_ALLOWED', message: 'This method is not allowed here.' };
  test.each<[route: string, body: Decoded, status: number, answer: Decoded]>([
    ['GET /api/v1/users?pageSize=two', undefined, 400, query('pageSize', 'must be a whole number')],
    ['GET /api/v1/users?pageSize=1&pageSize=2', undefined, 400, query('pageSize', 'is there more than once')],
    ['GET /api/v1/users?status=Gone', undefined, 400, query('status', 'must be one of Active, Inactive, Invited')],
    ['GET /api/v1/users?status=active', undefined, 400, query('status', 'must be one of Active, Inactive, Invited')],
    ['GET /api/v1/users?search=%ff', undefined, 400, query('search', 'is not UTF-8')],
    ['PATCH /api/v1/users/me', { status: 'Active' }, 400, unknown('status')],
    ['PUT /api/v1/users/user-bo', { display_name: 'Bo' }, 400, unknown('display_name')],
    ['PATCH /api/v1/users/user-bo', { userId: 'user-mel' }, 400, unknown('userId')],
    [
      'PATCH /api/v1/users/user-bo',
      { status: 'active' },
      400,
      query('status', 'must be one of Active, Inactive, Invited'),
    ],
    ['POST /api/v1/users/invite', { email: 'a@example.com', status: 'Active' }, 400, unknown('status')],
    ['POST /api/ai', { conversationId: 'x' }, 400, unknown('conversationId')],
    ['POST /api/v1/users/invite', [], 400, wrongInput('The body must be a JSON object.')],
    ['PUT /api/v1/users/me', undefined, 415, type],
    ['DELETE /api/v1/users/me', undefined, 405, allow],
    ['GET /api/v1/users/me/', undefined, 404, notFound('There is nothing at this path.')],
    ['GET /api/v1/users/%ff', undefined, 404, notFound('There is nothing at this path.')],
  ])('%s %j: %d', async (route, body, status, answer) => {
    const [method = '', path = ''] = route.split(' ');
    expectWhole(await byRest.rest(method, path, { body }), { route, operation: '', status, answer });
    expect(callsOf(byRest)).toEqual([]);
  });
});

test('a merge patch says so by its type, and is read as any other PATCH', async () => {
  const headers = { 'content-type': 'application/merge-patch+json' };
  const body = { roles: ['member'] };
  expect((await byRest.rest('PATCH', '/api/v1/users/user-bo', { body, headers })).status).toBe(200);
  const requests = byRest.auth.control.calls('UpdateUser').map(({ request }) => request);
  expect(requests).toEqual(update('user-bo', ['roles'], { roles: ['member'] }).UpdateUser);
});

describe('POST /api/v1/auth/logout', () => {
  const path = '/api/v1/auth/logout';
  const signedIn = (world: World): string => world.auth.createSession('user-max');

  test('is 204 without a body, and asks for what the mutation logout does', async () => {
    const answer = await byRest.rest('POST', path, { token: signedIn(byRest) });
    expect([answer.status, answer.body, answer.headers.get('content-length')]).toEqual([204, undefined, null]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { data } = await byGraphql.graphql('mutation { logout }', { token: signedIn(byGraphql) });
    expect(data).toEqual({ logout: true });
    for (const world of [byRest, byGraphql]) expect(world.auth.control.count('RevokeSession')).toBe(1);
  });

  test.each<[what: string, status: number, options: Decoded, answer: Decoded]>([
    ['no session', 401, { token: null }, unauthenticated],
    [
      'a cookie that another site may have sent',
      403,
      { token: null, headers: { cookie: 'session=the-token-of-mel' } },
      {
        reason: 'FORBIDDEN',
        message:
          'Requests with the session cookie need the header "X-CSRF: 1", or "Sec-Fetch-Site: same-origin", as browsers send it.',
      },
    ],
    [
      'two credentials',
      400,
      { headers: { cookie: 'session=the-token-of-mel', 'x-csrf': '1' } },
      wrongInput('Send one session credential: either the cookie "session" or "Authorization: Bearer", once.'),
    ],
  ])('%s: %d', async (_what, status, options, answer) => {
    expectWhole(await byRest.rest('POST', path, options), { route: path, operation: '', status, answer });
    expect(callsOf(byRest).map(({ rpc }: Decoded) => rpc)).not.toContain('RevokeSession');
  });

  test('is 503 where AuthService is away, so that nobody takes the session for ended', async () => {
    const message = 'Signing out is not possible right now. Try again shortly.';
    const answer = { reason: 'AUTH_UNAVAILABLE', message, retryAfter: 1 };
    const token = signedIn(byRest);
    byRest.auth.control.setFault({ method: 'RevokeSession', code: grpc.UNAVAILABLE });
    expectWhole(await byRest.rest('POST', path, { token }), { route: path, operation: '', status: 503, answer });
  });
});
