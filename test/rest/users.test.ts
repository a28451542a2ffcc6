/** The routes of users, as clients from before GraphQL know them. */
import { startWorld, type Decoded, type RestOptions, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const member = (): RestOptions => ({ token: world.auth.memberToken });
const requests = (rpc: string): Decoded[] => world.auth.control.calls(rpc).map(({ request }) => request);

const ada = {
  userId: 'user-ada',
  email: 'ada.admin@example.com',
  displayName: 'Ada Admin',
  status: 'Active',
  createdAt: expect.stringMatching(/^\d{4}-/),
  updatedAt: expect.stringMatching(/^\d{4}-/),
  lastLoginAt: null,
};

describe('GET /api/v1/users', () => {
  test('answers a page, with the token of the next one', async () => {
    const first = await world.rest('GET', '/api/v1/users?pageSize=2');
    expect(first.status).toBe(200);
    expect(Object.keys(first.body)).toEqual(['users', 'nextPageToken', 'totalSize']);
    expect(first.body.users[0]).toEqual(ada);
    expect(Object.keys(first.body.users[0])).toEqual(Object.keys(ada));
    const all: string[] = [];
    let token: string | null = '';
    while (token !== null) {
      const { body }: { body: Decoded } = await world.rest('GET', `/api/v1/users?pageSize=3&pageToken=${token}`);
      all.push(...body.users.map(({ userId }: Decoded) => userId));
      token = body.nextPageToken;
    }
    expect(new Set(all).size).toBe(first.body.totalSize);
    expect(all.length).toBe(first.body.totalSize);
  });

  test('filters by status, in either spelling, and by text', async () => {
    for (const status of ['Invited', 'INVITED']) {
      const { body } = await world.rest('GET', `/api/v1/users?status=${status}`);
      expect(body.users.map((user: Decoded) => user.status)).toEqual(['Invited']);
    }
    const { body } = await world.rest('GET', '/api/v1/users?search=mel.member%40example.com');
    expect(body.users.map(({ userId }: Decoded) => userId)).toEqual(['user-mel']);
  });

  test.each([
    ['pageSize=two', 'pageSize'],
    ['pageSize=1&pageSize=2', 'pageSize'],
    ['pageSize=2.5', 'pageSize'],
    ['pageSize=99999999999', 'pageSize'],
    ['status=Gone', 'status'],
    ['pageToken=made-up', 'after'],
  ])('refuses ?%s, and names %s', async (query, field) => {
    const { status, body } = await world.rest('GET', `/api/v1/users?${query}`);
    expect([status, body.error.reason]).toEqual([400, 'BAD_USER_INPUT']);
    expect(body.error.fieldViolations).toEqual([{ field, description: expect.any(String) }]);
    expect(world.auth.control.count('ListUsers')).toBe(0);
  });

  test('is for those who may list users', async () => {
    expect((await world.rest('GET', '/api/v1/users', member())).status).toBe(403);
    expect((await world.rest('GET', '/api/v1/users', { token: null })).status).toBe(401);
  });
});

describe('GET /api/v1/users/{userId}', () => {
  test('answers one user', async () => {
    expect(await world.rest('GET', '/api/v1/users/user-ada')).toMatchObject({ status: 200, body: ada });
    expect((await world.rest('GET', '/api/v1/users/nobody')).status).toBe(404);
    expect((await world.rest('GET', '/api/v1/users/user-ada', member())).status).toBe(403);
  });
});

describe.each(['PUT', 'PATCH'])('%s', (method) => {
  test('/api/v1/users/{userId} changes what the body names, and nothing else', async () => {
    const { status, body } = await world.rest(method, '/api/v1/users/user-bo', { body: { displayName: 'Bo B.' } });
    expect([status, body.displayName, body.status]).toEqual([200, 'Bo B.', 'Active']);
    expect(requests('UpdateUser')).toMatchObject([
      { user: { userId: 'user-bo', displayName: 'Bo B.' }, updateMask: { paths: ['display_name'] } },
    ]);
    const other = await world.rest(method, '/api/v1/users/user-bo', {
      body: { status: 'Inactive', roles: ['member'] },
    });
    expect([other.status, other.body.status]).toEqual([200, 'Inactive']);
    const { updateMask } = requests('UpdateUser')[1];
    expect(updateMask.paths.toSorted()).toEqual(['roles', 'status']);
    await world.rest(method, '/api/v1/users/user-bo', { body: { status: 'ACTIVE' } });
  });

  test('/api/v1/users/me changes the caller', async () => {
    const { status, body } = await world.rest(method, '/api/v1/users/me', {
      ...member(),
      body: { displayName: 'Mel M.' },
    });
    expect([status, body.userId, body.displayName]).toEqual([200, 'user-mel', 'Mel M.']);
  });

  test('refuses unknown fields, wrong values and strangers', async () => {
    for (const [path, wrong] of [
      ['/api/v1/users/user-bo', { display_name: 'Bo' }],
      ['/api/v1/users/user-bo', { status: 'Gone' }],
      ['/api/v1/users/user-bo', { roles: [1] }],
      ['/api/v1/users/me', { status: 'Active' }],
      ['/api/v1/users/me', []],
    ] as const) {
      const answer = await world.rest(method, path, { body: wrong });
      expect([path, answer.status, answer.body.error.reason]).toEqual([path, 400, 'BAD_USER_INPUT']);
    }
    expect((await world.rest(method, '/api/v1/users/user-bo', { ...member(), body: {} })).status).toBe(403);
    expect(world.auth.control.count('UpdateUser')).toBe(0);
  });
});

test('a merge patch may say that it is one, where the method is PATCH', async () => {
  const headers = { 'content-type': 'application/merge-patch+json' };
  const body = { displayName: 'Bo Builder' };
  expect((await world.rest('PATCH', '/api/v1/users/user-bo', { body, headers })).status).toBe(200);
  expect((await world.rest('PUT', '/api/v1/users/user-bo', { body, headers })).status).toBe(415);
});

describe('POST /api/v1/users/invite', () => {
  test('invites, and answers 201 with the user', async () => {
    const { status, body } = await world.rest('POST', '/api/v1/users/invite', {
      body: { email: 'new.rest@example.com', displayName: 'New', roles: ['member'] },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ email: 'new.rest@example.com', displayName: 'New', status: 'Invited' });
    const again = await world.rest('POST', '/api/v1/users/invite', { body: { email: 'new.rest@example.com' } });
    expect([again.status, again.body.error.reason]).toEqual([409, 'CONFLICT']);
  });

  test('needs an address and the permission', async () => {
    expect((await world.rest('POST', '/api/v1/users/invite', { body: {} })).status).toBe(400);
    const body = { email: 'other@example.com' };
    expect((await world.rest('POST', '/api/v1/users/invite', { ...member(), body })).status).toBe(403);
  });
});

describe('GET /api/v1/users/{userId}/effective-permissions', () => {
  test('answers what a user may do, to those who may see it', async () => {
    const path = '/api/v1/users/user-ada/effective-permissions';
    const { status, body } = await world.rest('GET', path);
    expect(status).toBe(200);
    expect(body).toEqual({ permissions: expect.arrayContaining(['admin:user:list', 'admin:user:edit']) });
    expect((await world.rest('GET', path, member())).status).toBe(403);
    expect((await world.rest('GET', '/api/v1/users/nobody/effective-permissions')).status).toBe(404);
  });
});
