/** The list of users, as clients from before GraphQL know it; `contract.test.ts` has the other routes. */
import { startWorld, type Decoded, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

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
});
