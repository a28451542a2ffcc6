import { startWorld, testConfig, type Decoded, type World } from '../gateway-fixture';

/** Everything that the gateway may ask AuthService while it answers. */
const authRpcs = [
  'HandleSsoCallback',
  'ValidateSession',
  'RevokeSession',
  'CheckPermission',
  'GetUser',
  'BatchGetUsers',
  'ListUsers',
  'UpdateUser',
  'InviteUser',
  'GetEffectivePermissions',
] as const;

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const authCalls = (): number => authRpcs.reduce((sum, rpc) => sum + world.auth.control.count(rpc), 0);
const requestsOf = (rpc: string): Decoded[] => world.auth.control.calls(rpc).map(({ request }) => request);
const newUser = (name: string): string =>
  world.auth.state.directory.add({
    email: `${name}@example.com`,
    displayName: name,
    status: 'USER_STATUS_ACTIVE',
    roles: ['member'],
  }).userId;

describe('who may ask', () => {
  const document = '{ me { id email } users(first: 2) { edges { node { email status } } } }';

  test('an admin reads who they are and lists users', async () => {
    const { status, data, errors } = await world.graphql(document);
    expect(errors).toBeUndefined();
    expect(status).toBe(200);
    expect(data).toEqual({
      me: { id: 'user-ada', email: 'ada.admin@example.com' },
      users: {
        edges: [
          { node: { email: 'ada.admin@example.com', status: 'ACTIVE' } },
          { node: { email: 'bo.builder@example.com', status: 'ACTIVE' } },
        ],
      },
    });
  });

  test('a member reads who they are and may not list users', async () => {
    const { status, data, errors } = await world.graphql(document, { token: world.auth.memberToken });
    expect(status).toBe(200);
    expect(data).toEqual({ me: { id: 'user-mel', email: 'mel.member@example.com' }, users: null });
    expect(errors).toMatchObject([{ path: ['users'], extensions: { code: 'FORBIDDEN' } }]);
    expect(world.auth.control.count('ListUsers')).toBe(0);
  });

  test('a member who asks only for what is not theirs reads 403', async () => {
    const { status, data } = await world.graphql('{ users { totalCount } }', { token: world.auth.memberToken });
    expect(status).toBe(403);
    expect(data).toEqual({ users: null });
  });

  test('without a session the answer is 401 with a challenge, and nobody is asked', async () => {
    const { status, headers, data, errors } = await world.graphql(document, { token: null });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer realm="api-gateway"');
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([
      { path: ['me'], extensions: { code: 'UNAUTHENTICATED' } },
      { path: ['users'], extensions: { code: 'UNAUTHENTICATED' } },
    ]);
    expect(authCalls()).toBe(0);
  });

  test('a token that AuthService does not know is UNAUTHENTICATED', async () => {
    const { status, errors } = await world.graphql('{ me { id } }', { token: 'made-up' });
    expect(status).toBe(401);
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    expect(world.auth.control.count('GetUser')).toBe(0);
  });

  test.each([
    ['nobody', null],
    ['a token that nobody knows', 'made-up'],
    ['what is no token at all', '"; DROP'],
  ])('public fields answer %s without a call to AuthService', async (_who, token) => {
    const { status, data } = await world.graphql('{ gateway { name version } __typename }', { token });
    expect(status).toBe(200);
    expect(data).toEqual({
      gateway: { name: 'api-gateway', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      __typename: 'Query',
    });
    expect(authCalls()).toBe(0);
  });

  test('next to a protected field a public one still answers nobody in particular', async () => {
    const { status, data, errors } = await world.graphql('{ gateway { name } me { id } }', { token: null });
    expect(status).toBe(200);
    expect(data).toEqual({ gateway: { name: 'api-gateway' }, me: null });
    expect(errors).toMatchObject([{ path: ['me'], extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  test('a session is validated once for many operations', async () => {
    const token = world.auth.createSession('user-max');
    const answers = await Promise.all(Array.from({ length: 5 }, () => world.graphql('{ me { id } }', { token })));
    expect(answers.map(({ data }) => data.me.id)).toEqual(Array(5).fill('user-max'));
    expect(world.auth.control.count('ValidateSession')).toBe(1);
  });

  test('the session cookie works with X-CSRF and not without', async () => {
    const cookie = { cookie: `session=${world.auth.memberToken}` };
    const without = await world.graphql('{ me { id } }', { token: null, headers: cookie });
    expect(without.status).toBe(403);
    expect(without.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    const both = await world.graphql('{ me { id } }', { token: null, headers: { ...cookie, 'x-csrf': '1' } });
    expect(both.data).toEqual({ me: { id: 'user-mel' } });
  });
});

describe('users', () => {
  test('every field of a user is read', async () => {
    const { data, errors } = await world.graphql(
      '{ user(id: "user-ivy") { id email displayName status roles createdAt updatedAt lastLoginAt permissions } }',
    );
    expect(errors).toBeUndefined();
    expect(data.user).toEqual({
      id: 'user-ivy',
      email: 'ivy.invited@example.com',
      displayName: 'Ivy Invited',
      status: 'INVITED',
      roles: ['member'],
      createdAt: '2024-01-15T09:00:00Z',
      updatedAt: '2024-01-15T09:00:00Z',
      lastLoginAt: null,
      permissions: [],
    });
  });

  test('a user that does not exist is null and NOT_FOUND', async () => {
    const { status, data, errors } = await world.graphql('{ user(id: "user-nobody") { email } }');
    expect(data).toEqual({ user: null });
    expect(errors).toMatchObject([{ path: ['user'], extensions: { code: 'NOT_FOUND' } }]);
    expect(status).toBe(404);
  });

  test('what is found next to a user that does not exist is answered', async () => {
    const { status, data } = await world.graphql('{ me { id } user(id: "user-nobody") { email } }');
    expect(status).toBe(200);
    expect(data).toEqual({ me: { id: 'user-ada' }, user: null });
  });

  test('users are found by status and by search', async () => {
    const { data } = await world.graphql(
      '{ inactive: users(status: INACTIVE) { nodes { email } totalCount } found: users(search: "MEL.") { nodes { email } } }',
    );
    expect(data).toEqual({
      inactive: { nodes: [{ email: 'ina.inactive@example.com' }], totalCount: 1 },
      found: { nodes: [{ email: 'mel.member@example.com' }] },
    });
  });

  test('updateMe sends a mask of exactly what the client gave', async () => {
    const id = newUser('uma');
    const { data, errors } = await world.graphql(
      'mutation ($input: UpdateMeInput!) { updateMe(input: $input) { id displayName email } }',
      { token: world.auth.createSession(id), variables: { input: { displayName: 'Uma Updated' } } },
    );
    expect(errors).toBeUndefined();
    expect(data.updateMe).toEqual({ id, displayName: 'Uma Updated', email: 'uma@example.com' });
    expect(requestsOf('UpdateUser')).toMatchObject([
      {
        user: { userId: id, displayName: 'Uma Updated', email: '', roles: [] },
        updateMask: { paths: ['display_name'] },
      },
    ]);
  });

  test('updateMe cannot be pointed at someone else', async () => {
    const { status, errors } = await world.graphql(
      'mutation { updateMe(input: { displayName: "x", userId: "user-mel" }) { id } }',
    );
    expect(status).toBe(400);
    expect(errors).toMatchObject([{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }]);
    expect(world.auth.control.count('UpdateUser')).toBe(0);
  });

  test.each([
    ['one field', { roles: ['admin'] }, ['roles']],
    ['several fields', { status: 'INACTIVE', displayName: 'New' }, ['display_name', 'status']],
    ['an empty list, which is a value', { roles: [] }, ['roles']],
    ['nothing', {}, []],
  ])('updateUser sends a mask of %s', async (_what, input, paths) => {
    const id = newUser(`target-${paths.join('-')}-${JSON.stringify(input).length}`);
    await world.graphql('mutation ($id: ID!, $input: UpdateUserInput!) { updateUser(id: $id, input: $input) { id } }', {
      variables: { id, input },
    });
    const [request] = requestsOf('UpdateUser');
    expect(request.user.userId).toBe(id);
    expect(new Set(request.updateMask.paths)).toEqual(new Set(paths));
  });

  test('a variable that the client leaves out is not in the mask', async () => {
    const id = newUser('vera');
    const { data } = await world.graphql(
      `mutation ($id: ID!, $name: String, $status: UserStatus) {
        updateUser(id: $id, input: { displayName: $name, status: $status }) { displayName status }
      }`,
      { variables: { id, status: 'INACTIVE' } },
    );
    expect(data.updateUser).toEqual({ displayName: 'vera', status: 'INACTIVE' });
    expect(requestsOf('UpdateUser')).toMatchObject([{ updateMask: { paths: ['status'] } }]);
  });

  test('inviteUser invites, and the user is listed as INVITED', async () => {
    const { data, errors } = await world.graphql(
      'mutation { inviteUser(input: { email: "gus.guest@example.com", displayName: "Gus" }) { id email displayName status } }',
    );
    expect(errors).toBeUndefined();
    expect(data.inviteUser).toMatchObject({ email: 'gus.guest@example.com', displayName: 'Gus', status: 'INVITED' });
    expect(requestsOf('InviteUser')).toEqual([{ email: 'gus.guest@example.com', displayName: 'Gus', roles: [] }]);
    const listed = await world.graphql('{ users(status: INVITED, search: "gus.guest") { nodes { id status } } }');
    expect(listed.data.users.nodes).toEqual([{ id: data.inviteUser.id, status: 'INVITED' }]);
  });

  test('inviting somebody who is there already is a CONFLICT', async () => {
    const { status, errors } = await world.graphql(
      'mutation { inviteUser(input: { email: "mel.member@example.com" }) { id } }',
    );
    expect(status).toBe(409);
    expect(errors).toMatchObject([{ extensions: { code: 'CONFLICT' } }]);
  });

  test('a member may not invite: the mutation is refused whole', async () => {
    const { status, data, errors } = await world.graphql(
      'mutation { updateMe(input: { displayName: "x" }) { id } inviteUser(input: { email: "a@example.com" }) { id } }',
      { token: world.auth.memberToken },
    );
    expect(status).toBe(403);
    expect(data ?? null).toBeNull();
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    expect(world.auth.control.count('UpdateUser')).toBe(0);
    expect(world.auth.control.count('InviteUser')).toBe(0);
  });

  test('permissions are told to oneself, and of others to whoever may view them', async () => {
    const document = 'query ($id: ID!) { user(id: $id) { email permissions } me { permissions } }';
    const admin = await world.graphql(document, { variables: { id: 'user-mel' } });
    expect(admin.data).toEqual({
      user: { email: 'mel.member@example.com', permissions: ['ai:query'] },
      me: { permissions: expect.arrayContaining(['admin:user:list']) },
    });
    const member = await world.graphql('{ me { permissions } }', { token: world.auth.memberToken });
    expect(member.errors).toBeUndefined();
    expect(member.data).toEqual({ me: { permissions: ['ai:query'] } });
  });

  test("someone else's permissions are refused without the right to view them", async () => {
    const [id] = world.ai.seedConversations('user-mel', 1, ['user-ada']);
    const { data, errors } = await world.graphql(
      'query ($id: ID!) { conversation(id: $id) { owner { email permissions } } me { permissions } }',
      { token: world.auth.memberToken, variables: { id } },
    );
    expect(data).toEqual({
      conversation: { owner: { email: 'ada.admin@example.com', permissions: null } },
      me: { permissions: ['ai:query'] },
    });
    expect(errors).toMatchObject([
      { path: ['conversation', 'owner', 'permissions'], extensions: { code: 'FORBIDDEN' } },
    ]);
    expect(requestsOf('GetEffectivePermissions')).toEqual([{ userId: 'user-mel' }]);
  });
});

describe('paging', () => {
  const document = `query ($first: Int, $after: String, $search: String) {
    users(first: $first, after: $after, search: $search) {
      edges { cursor node { email } }
      nodes { email }
      totalCount
      nextPageToken
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;
  const search = 'page-';
  const all = Array.from({ length: 130 }, (_, index) => `page-${String(index).padStart(3, '0')}@example.com`);

  beforeAll(() => {
    for (const email of all) newUser(email.replace('@example.com', ''));
  });

  const page = async (first: number | null, after?: string) => {
    const { data, errors } = await world.graphql(document, { variables: { first, after, search } });
    expect(errors).toBeUndefined();
    return data.users;
  };
  const emailsOf = ({ edges }: Decoded): string[] => edges.map(({ node }: Decoded) => node.email);

  test.each([[1, 3], [7], [37], [99], [100]])('every user is found once, %d at a time', async (first, most = 200) => {
    const found: string[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < most; pages += 1) {
      const { edges, nodes, totalCount, nextPageToken, pageInfo } = await page(first, after);
      found.push(...emailsOf({ edges }));
      expect(nodes).toEqual(edges.map(({ node }: Decoded) => node));
      expect(totalCount).toBe(130);
      expect(pageInfo).toEqual({
        hasNextPage: found.length < 130,
        hasPreviousPage: pages > 0,
        startCursor: edges[0].cursor,
        endCursor: edges.at(-1).cursor,
      });
      expect(nextPageToken).toBe(pageInfo.hasNextPage ? pageInfo.endCursor : null);
      if (!pageInfo.hasNextPage) break;
      after = pageInfo.endCursor;
    }
    expect(found).toEqual(all.slice(0, found.length));
    if (most === 200) expect(found).toHaveLength(130);
  });

  test('a page goes on behind any edge, not only the last', async () => {
    const { edges } = await page(10);
    for (const [index, { cursor }] of edges.entries()) {
      expect(emailsOf(await page(4, cursor))).toEqual(all.slice(index + 1, index + 5));
    }
    const second = await page(10, edges[3].cursor);
    expect(emailsOf(await page(3, second.edges[5].cursor))).toEqual(all.slice(10, 13));
  });

  test('going on behind the middle of a page leaves nobody out', async () => {
    const found = emailsOf(await page(100)).slice(0, 60);
    let after: string | undefined = (await page(100)).edges[59].cursor;
    while (after) {
      const { edges, pageInfo } = await page(50, after);
      found.push(...emailsOf({ edges }));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : undefined;
    }
    expect(found).toEqual(all);
  });

  test('a page has 25 users where the client does not say, and 100 at most', async () => {
    const { data } = await world.graphql(`{ users(search: "${search}") { nodes { id } } }`);
    expect(data.users.nodes).toHaveLength(25);
    expect((await page(null)).nodes).toHaveLength(25);
    expect((await page(5_000)).nodes).toHaveLength(100);
    expect(requestsOf('ListUsers').map(({ pageSize }) => pageSize)).toEqual([25, 25, 100]);
  });

  test.each([0, -1, -2_147_483_648])('first: %d is refused and reaches nobody', async (first) => {
    const { status, errors } = await world.graphql(document, { variables: { first } });
    expect(status).toBe(400);
    expect(errors).toMatchObject([
      { path: ['users'], extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field: 'first' }] } },
    ]);
    expect(world.auth.control.count('ListUsers')).toBe(0);
  });

  test.each([
    ['garbage', '!!!'],
    ['a forged position', Buffer.from('999999:').toString('base64url')],
    ['a forged negative position', Buffer.from('-1:').toString('base64url')],
    ['a padded one', `${Buffer.from('1:').toString('base64')}=`],
    ['text that is no position', Buffer.from('hello').toString('base64url')],
  ])('after: %s is refused and reaches nobody', async (_what, after) => {
    const { status, errors } = await world.graphql(document, { variables: { first: 2, after } });
    expect(status).toBe(400);
    expect(errors).toMatchObject([
      { path: ['users'], extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field: 'after' }] } },
    ]);
    expect(world.auth.control.count('ListUsers')).toBe(0);
  });

  test('a cursor of another list is refused', async () => {
    const { pageInfo } = await page(2);
    const { status, errors } = await world.graphql(document, {
      variables: { first: 2, after: pageInfo.endCursor, search: 'member' },
    });
    expect(status).toBe(400);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  test('a list without anybody has no cursors', async () => {
    const { data } = await world.graphql(document, { variables: { search: 'no such user' } });
    expect(data.users).toEqual({
      edges: [],
      nodes: [],
      totalCount: 0,
      nextPageToken: null,
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });
});

describe('the assistant', () => {
  const ask = `mutation ($input: AskInput!) {
    ask(input: $input) { conversationId plan { planId description } answer { response } }
  }`;
  const invited = async (email: string): Promise<Decoded[]> =>
    (await world.graphql(`{ users(search: "${email}") { nodes { email status } } }`)).data.users.nodes;

  test('answers a question with an answer and no plan', async () => {
    const { data, errors } = await world.graphql(ask, { variables: { input: { query: 'who am I' } } });
    expect(errors).toBeUndefined();
    expect(data.ask).toEqual({
      conversationId: expect.stringMatching(/^conversation-/),
      plan: null,
      answer: { response: expect.stringContaining('ada.admin@example.com') },
    });
  });

  test('invites somebody only once its plan is confirmed', async () => {
    const email = 'new.person@example.com';
    const asked = await world.graphql(ask, { variables: { input: { query: `invite ${email}` } } });
    const { conversationId, plan, answer } = asked.data.ask;
    expect(answer).toBeNull();
    expect(plan.description).toContain(email);
    expect(await invited(email)).toEqual([]);

    const confirmation = { planId: plan.planId, confirmed: true };
    const confirmed = await world.graphql(ask, { variables: { input: { conversationId, confirmation } } });
    expect(confirmed.errors).toBeUndefined();
    expect(confirmed.data.ask).toEqual({
      conversationId,
      plan: null,
      answer: { response: expect.stringContaining('has been invited') },
    });
    expect(await invited(email)).toEqual([{ email, status: 'INVITED' }]);
  });

  test('changes nothing where its plan is denied', async () => {
    const email = 'unwanted.person@example.com';
    const { conversationId, plan } = (await world.graphql(ask, { variables: { input: { query: `invite ${email}` } } }))
      .data.ask;
    const confirmation = { planId: plan.planId, confirmed: false };
    const denied = await world.graphql(ask, { variables: { input: { conversationId, confirmation } } });
    expect(denied.data.ask.answer.response).toContain('has not been invited');
    expect(world.auth.control.count('InviteUser')).toBe(0);
    expect(await invited(email)).toEqual([]);
    // And it stays denied.
    const again = await world.graphql(ask, {
      variables: { input: { conversationId, confirmation: { ...confirmation, confirmed: true } } },
    });
    expect(again.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
    expect(world.auth.control.count('InviteUser')).toBe(0);
  });

  test('remembers what was said, for its owner alone', async () => {
    const { conversationId } = (await world.graphql(ask, { variables: { input: { query: 'count to 3' } } })).data.ask;
    const document = `query ($id: ID!) {
      conversation(id: $id) { id title createdAt owner { id } messages { role text createdAt } }
    }`;
    const own = await world.graphql(document, { variables: { id: conversationId } });
    expect(own.data.conversation).toEqual({
      id: conversationId,
      title: 'count to 3',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      owner: { id: 'user-ada' },
      messages: [
        { role: 'USER', text: 'count to 3', createdAt: expect.any(String) },
        { role: 'ASSISTANT', text: '1 2 3', createdAt: expect.any(String) },
      ],
    });
    const others = await world.graphql(document, { token: world.auth.memberToken, variables: { id: conversationId } });
    expect(others.data).toEqual({ conversation: null });
    expect(others.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
  });
});

describe('joins', () => {
  const tokenWith = (count: number, owners: readonly string[]): string => {
    const id = newUser(`reader-${Math.random().toString(36).slice(2)}`);
    world.ai.seedConversations(id, count, owners);
    return world.auth.createSession(id);
  };

  test('ten conversations read their owners in one call', async () => {
    const token = tokenWith(10, ['user-ada', 'user-mel']);
    const { data, errors } = await world.graphql('{ conversations(first: 10) { nodes { title owner { email } } } }', {
      token,
    });
    expect(errors).toBeUndefined();
    expect(data.conversations.nodes.map(({ owner }: Decoded) => owner.email)).toEqual(
      Array.from({ length: 10 }, (_, index) => (index % 2 ? 'ada.admin@example.com' : 'mel.member@example.com')),
    );
    expect(world.ai.control.count('ListConversations')).toBe(1);
    expect(world.auth.control.count('BatchGetUsers')).toBe(1);
    expect(new Set(requestsOf('BatchGetUsers')[0].userIds)).toEqual(new Set(['user-ada', 'user-mel']));
  });

  test('aliases and fragments join in the same call', async () => {
    const token = tokenWith(6, ['user-ada', 'user-mel', 'user-max']);
    const { data, errors } = await world.graphql(
      `{ conversations { nodes { one: owner { email } two: owner { displayName } ...Owner } } }
       fragment Owner on Conversation { three: owner { id } }`,
      { token },
    );
    expect(errors).toBeUndefined();
    expect(data.conversations.nodes).toHaveLength(6);
    expect(data.conversations.nodes[0]).toEqual({
      one: { email: 'max.member@example.com' },
      two: { displayName: 'Max Member' },
      three: { id: 'user-max' },
    });
    expect(world.auth.control.count('BatchGetUsers')).toBe(1);
    expect(requestsOf('BatchGetUsers')[0].userIds).toHaveLength(3);
  });

  test('nobody stands in for an owner who is gone', async () => {
    const token = tokenWith(4, ['user-ada', 'user-gone']);
    const { data, errors } = await world.graphql('{ conversations { edges { node { owner { id } } } } }', { token });
    // owner is non-null, so that its absence takes the list along.
    expect(data).toEqual({ conversations: null });
    expect(errors?.every(({ extensions }) => extensions['code'] === 'NOT_FOUND')).toBe(true);
  });
});

describe('signing out', () => {
  test('logout ends the session', async () => {
    const token = world.auth.createSession('user-max');
    expect((await world.graphql('{ me { id } }', { token })).data).toEqual({ me: { id: 'user-max' } });
    expect((await world.graphql('mutation { logout }', { token })).data).toEqual({ logout: true });
    expect(world.auth.control.count('RevokeSession')).toBe(1);
    const after = await world.graphql('{ me { id } }', { token });
    expect(after.status).toBe(401);
    expect(world.auth.state.sessions.find(token)).toBeUndefined();
  });

  test('logout clears the cookie of a browser', async () => {
    const token = world.auth.createSession('user-max');
    const { data, headers } = await world.graphql('mutation { logout }', {
      token: null,
      headers: { cookie: `session=${token}`, 'x-csrf': '1' },
    });
    expect(data).toEqual({ logout: true });
    expect(headers.getSetCookie()).toEqual([expect.stringMatching(/^session=; .*Max-Age=0/)]);
  });

  test('logout needs a session', async () => {
    const { status } = await world.graphql('mutation { logout }', { token: null });
    expect(status).toBe(401);
    expect(world.auth.control.count('RevokeSession')).toBe(0);
  });
});

describe('errors', () => {
  test.each([
    ['a syntax error', '{ me {', 'GRAPHQL_PARSE_FAILED', 400],
    ['an unknown field', '{ nonsense }', 'GRAPHQL_VALIDATION_FAILED', 400],
    ['a wrong argument', '{ user(id: "user-nobody") { id } }', 'NOT_FOUND', 404],
    ['an empty document', '', 'GRAPHQL_PARSE_FAILED', 400],
    ['fragments alone', 'fragment F on User { id }', 'GRAPHQL_VALIDATION_FAILED', 400],
    ['a variable of no type', 'query ($x: Nonsense) { me { id } }', 'GRAPHQL_VALIDATION_FAILED', 400],
    ['a variable that is missing', 'query ($id: ID!) { user(id: $id) { id } }', 'BAD_USER_INPUT', 400],
  ])('%s has a code and the id of the request', async (_what, query, code, expectedStatus) => {
    const { status, headers, errors } = await world.graphql(query);
    expect(status).toBe(expectedStatus);
    expect(errors?.length).toBeGreaterThan(0);
    const requestId = headers.get('x-request-id');
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    for (const error of errors ?? []) {
      expect(error.extensions).toMatchObject({ code, requestId });
      expect(Object.keys(error).filter((key) => !['message', 'locations', 'path', 'extensions'].includes(key))).toEqual(
        [],
      );
    }
  });

  test.each([
    ['text for a number', { first: 'ten' }],
    ['a number beyond Int', { first: 3_000_000_000 }],
    ['a fraction for Int', { first: 1.5 }],
    ['an unknown enum value', { status: 'SLEEPING' }],
    ['an object for text', { search: { a: 1 } }],
  ])('variables of the wrong type are refused: %s', async (_what, variables) => {
    const { status, errors } = await world.graphql(
      'query ($first: Int, $status: UserStatus, $search: String) { users(first: $first, status: $status, search: $search) { totalCount } }',
      { variables },
    );
    expect(status).toBe(400);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(world.auth.control.count('ListUsers')).toBe(0);
  });

  test('an input of a mutation with wrong fields is refused and reaches nobody', async () => {
    const { status, errors } = await world.graphql(
      'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { id } }',
      { variables: { input: { email: 'a@example.com', isAdmin: true } } },
    );
    expect(status).toBe(400);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(world.auth.control.count('InviteUser')).toBe(0);
  });
});

describe('over HTTP', () => {
  const get = async (params: Record<string, string>, headers: Record<string, string> = {}) => {
    const response = await fetch(`${world.url}/graphql?${new URLSearchParams(params).toString()}`, {
      headers: { authorization: `Bearer ${world.auth.adminToken}`, ...headers },
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const post = async (body: unknown) => {
    const response = await fetch(`${world.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${world.auth.adminToken}` },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const several = 'query One { gateway { name } } query Two { me { id } } mutation Three { logout }';

  test('a query is answered on GET', async () => {
    const { status, headers, body } = await get({
      query: 'query Q($id: ID!) { user(id: $id) { email } }',
      variables: JSON.stringify({ id: 'user-mel' }),
      operationName: 'Q',
    });
    expect(status).toBe(200);
    expect(body).toEqual({ data: { user: { email: 'mel.member@example.com' } } });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('a mutation on GET is 405 with Allow, and does nothing', async () => {
    const token = world.auth.createSession('user-max');
    const { status, headers, body } = await get(
      { query: 'mutation { logout }' },
      { authorization: `Bearer ${token}`, accept: 'application/json' },
    );
    expect(status).toBe(405);
    expect(headers.get('allow')).toBe('POST');
    expect(body.errors).toMatchObject([{ extensions: { code: 'METHOD_NOT_ALLOWED' } }]);
    expect(world.auth.control.count('RevokeSession')).toBe(0);
  });

  test('a mutation behind operationName on GET is 405 too', async () => {
    expect((await get({ query: several, operationName: 'Three' })).status).toBe(405);
    expect((await get({ query: several, operationName: 'One' })).status).toBe(200);
  });

  test('operationName chooses among several operations', async () => {
    expect(await post({ query: several, operationName: 'Two' })).toEqual({
      status: 200,
      body: { data: { me: { id: 'user-ada' } } },
    });
  });

  test('of several operations none is run where operationName names none', async () => {
    for (const operationName of [undefined, null, '']) {
      const { status, body } = await post({ query: several, operationName });
      expect(status).toBe(400);
      expect(body.data).toBeUndefined();
      expect(body.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
  });

  test('an operationName that the document does not have is refused', async () => {
    for (const query of [several, '{ gateway { name } }']) {
      const { status, body } = await post({ query, operationName: 'Four' });
      expect(status).toBe(400);
      expect(body.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
  });

  test('only the chosen operation counts for who may ask', async () => {
    const document = 'query Public { gateway { name } } query Protected { me { id } }';
    const { status, data } = await world.graphql(document, { token: null });
    expect(status).toBe(400);
    expect(data).toBeUndefined();
    const response = await fetch(`${world.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: document, operationName: 'Public' }),
    });
    expect(response.status).toBe(200);
    expect(authCalls()).toBe(0);
    await response.body?.cancel();
  });

  test('batches are refused', async () => {
    const { status, body } = await post([{ query: '{ gateway { name } }' }, { query: '{ gateway { name } }' }]);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  test('the answer has the media type that the client asked for', async () => {
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const { headers } = await get({ query: '{ gateway { name } }' }, { accept });
      expect(headers.get('content-type')).toBe(`${accept}; charset=utf-8`);
    }
  });

  test('what cannot be produced is 406, as an answer of GraphQL', async () => {
    const { status, body } = await get({ query: '{ gateway { name } }' }, { accept: 'image/png' });
    expect(status).toBe(406);
    expect(body.errors).toMatchObject([{ extensions: { code: 'NOT_ACCEPTABLE', requestId: expect.any(String) } }]);
  });
});

describe('what developers see', () => {
  const introspection = '{ __schema { directives { name } types { name } } }';
  const html = (url: string) => fetch(`${url}/graphql`, { headers: { accept: 'text/html,application/xhtml+xml,*/*' } });

  test('the schema can be asked for, and says nothing of how it is mapped', async () => {
    const { data } = await world.graphql(introspection, { token: null });
    const directives = data.__schema.directives.map(({ name }: Decoded) => name);
    expect(directives).toEqual(expect.arrayContaining(['skip', 'include', 'deprecated']));
    for (const own of ['grpc', 'upstream', 'public', 'authenticated', 'requiresScopes', 'lookup', 'join', 'proto']) {
      expect(directives).not.toContain(own);
    }
    expect(data.__schema.types.map(({ name }: Decoded) => name)).not.toContain('GrpcMapping');
  });

  test('a browser finds GraphiQL, with everything from this host', async () => {
    const response = await html(world.url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    const page = await response.text();
    const sources = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
    const assets = sources.filter((source) => source.startsWith('/graphql/assets/'));
    expect(assets.length).toBeGreaterThan(2);
    expect(sources.every((source) => source.startsWith('/') || source.startsWith('data:'))).toBe(true);
    for (const asset of assets) {
      const file = await fetch(`${world.url}${asset}`);
      expect(file.status).toBe(200);
      expect(file.headers.get('content-type')).toMatch(/javascript|css/);
      await file.body?.cancel();
    }
  });

  test('the address alone leads a browser to GraphiQL', async () => {
    const response = await fetch(world.url, { redirect: 'manual' });
    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('/graphql');
  });

  test('an asset that there is not is 404', async () => {
    for (const name of ['nothing.js', '..%2f..%2fpackage.json', '__proto__']) {
      const response = await fetch(`${world.url}/graphql/assets/${name}`);
      expect(response.status).toBe(404);
      await response.body?.cancel();
    }
  });

  test('a query in the address is answered, not shown in GraphiQL', async () => {
    const response = await fetch(`${world.url}/graphql?query={gateway{name}}`, {
      headers: { accept: 'text/html,*/*' },
    });
    expect(response.headers.get('content-type')).toMatch(/json/);
    await response.body?.cancel();
  });

  test('a query that looks like the path of a health check is none', async () => {
    const response = await fetch(`${world.url}/graphql?query=/health`);
    expect(response.status).toBe(400);
    await response.body?.cancel();
  });

  describe('in production', () => {
    let production: World;
    beforeAll(async () => {
      production = await startWorld({
        env: {
          NODE_ENV: 'production',
          PUBLIC_URL: 'https://api.example.com',
          SHUTDOWN_DELAY: '0s',
          SSO_PROVIDERS: 'corp',
          SSO_CORP_ISSUER: 'https://login.example.com',
          SSO_CORP_CLIENT_ID: 'gateway',
          SESSION_SECRET: 'a secret of quite enough characters to seal',
        },
      });
    });
    afterAll(() => production.close());

    test('operations are answered', async () => {
      const { status, headers, data } = await production.graphql('{ me { id } }');
      expect(status).toBe(200);
      expect(data).toEqual({ me: { id: 'user-ada' } });
      expect(headers.get('strict-transport-security')).toMatch(/^max-age=\d+/);
    });

    test.each([introspection, '{ __type(name: "User") { name } }'])('the schema stays closed: %s', async (query) => {
      const { status, data, errors } = await production.graphql(query);
      expect(status).toBe(400);
      expect(data).toBeUndefined();
      expect(errors?.map(({ extensions }) => extensions['code'])).toContain('GRAPHQL_VALIDATION_FAILED');
    });

    test('__typename is no introspection', async () => {
      expect((await production.graphql('{ gateway { __typename } }', { token: null })).data).toEqual({
        gateway: { __typename: 'Gateway' },
      });
    });

    test('errors suggest no names', async () => {
      const { errors } = await production.graphql('{ mee { id } users(firs: 1) { totalCount } }');
      expect(errors?.length).toBeGreaterThan(0);
      expect(JSON.stringify(errors)).not.toMatch(/did you mean/i);
      const query = 'query ($status: UserStatus) { users(status: $status) { totalCount } }';
      const variables = { status: 'ACTIV' };
      const refused = async (at: World) => (await at.graphql(query, { variables })).errors?.[0];
      const says = 'Value "ACTIV" does not exist in "UserStatus" enum.';
      const suggests = `${says} Did you mean the enum value "ACTIVE" or "INACTIVE"?`;
      for (const [at, description] of [
        [production, says],
        [world, suggests],
      ] as const) {
        const fieldViolations = [{ field: 'status', description }];
        expect(await refused(at)).toMatchObject({
          message: `Variable "$status" got invalid value "ACTIV"; ${description}`,
          extensions: { code: 'BAD_USER_INPUT', fieldViolations },
        });
      }
    });

    test('there is no GraphiQL', async () => {
      const page = await html(production.url);
      expect(page.headers.get('content-type')).not.toMatch(/html/);
      expect(page.status).toBe(400);
      await page.body?.cancel();
      for (const path of ['/graphql/assets/graphiql.js', '/']) {
        const response = await fetch(`${production.url}${path}`, { redirect: 'manual' });
        expect(response.status).toBe(404);
        await response.body?.cancel();
      }
    });

    test('the session cookie is bound to this host and to HTTPS', async () => {
      const headers = { 'x-csrf': '1' };
      const plain = await production.graphql('{ me { id } }', {
        token: null,
        headers: { ...headers, cookie: `session=${production.auth.adminToken}` },
      });
      expect(plain.status).toBe(401);
      const prefixed = await production.graphql('{ me { id } }', {
        token: null,
        headers: { ...headers, cookie: `__Host-session=${production.auth.adminToken}` },
      });
      expect(prefixed.status).toBe(200);
    });

    test('providers need a secret and https', () => {
      expect(() =>
        testConfig({
          NODE_ENV: 'production',
          PUBLIC_URL: 'http://api.example.com',
          AUTH_SERVICE_ADDR: 'auth:1',
          AI_SERVICE_ADDR: 'ai:1',
          SSO_PROVIDERS: 'corp',
          SSO_CORP_ISSUER: 'https://login.example.com',
          SSO_CORP_CLIENT_ID: 'gateway',
        }),
      ).toThrow(/PUBLIC_URL[^]*SESSION_SECRET|SESSION_SECRET[^]*PUBLIC_URL/);
    });
  });
});
