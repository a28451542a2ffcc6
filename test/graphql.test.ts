import { startWorld, type World } from './gateway-fixture';

describe('GraphQL', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  beforeEach(() => world.auth.control.reset());

  test('an admin reads who they are and lists users', async () => {
    const { status, data } = await world.graphql(
      '{ me { id email } users(first: 2) { edges { node { email status } } } }',
    );
    expect(status).toBe(200);
    expect(data).toMatchObject({
      me: { id: 'user-ada', email: 'ada.admin@example.com' },
      users: {
        edges: [{ node: { email: 'ada.admin@example.com', status: 'ACTIVE' } }, { node: { status: 'ACTIVE' } }],
      },
    });
  });

  test('a member reads who they are and may not list users', async () => {
    const { status, data, errors } = await world.graphql('{ me { email } users { totalCount } }', {
      token: world.auth.memberToken,
    });
    expect(status).toBe(200);
    expect(data).toEqual({ me: { email: 'mel.member@example.com' }, users: null });
    expect(errors).toMatchObject([{ path: ['users'], extensions: { code: 'FORBIDDEN' } }]);
  });

  test('conversations of ten people read their owners in one call', async () => {
    world.ai.seedConversations('user-ada', 10, ['user-ada', 'user-mel']);
    const { data, errors } = await world.graphql('{ conversations(first: 10) { nodes { title owner { email } } } }');
    expect(errors).toBeUndefined();
    expect((data as { conversations: { nodes: unknown[] } }).conversations.nodes).toHaveLength(10);
    expect(world.ai.control.calls('ListConversations')).toHaveLength(1);
    expect(world.auth.control.calls('BatchGetUsers')).toHaveLength(1);
  });
});
