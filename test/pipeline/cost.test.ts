/** What operations cost before they run, and what they may take while they run. */
import { startWorld, until, type Decoded, type World } from '../gateway-fixture';
import { startOwnWorld } from '../schema/own-schema';

describe('the cost of an operation', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: { MAX_COST: '1' } });
  });
  afterAll(() => world.close());
  afterEach(() => world.reset());

  const costOf = async (query: string, variables?: Decoded): Promise<number> => {
    const { status, data, errors } = await world.graphql(query, { variables });
    expect([status, data, errors?.length]).toEqual([400, undefined, 1]);
    expect(errors![0]!.extensions['code']).toBe('OPERATION_TOO_COMPLEX');
    return Number(/^The operation costs (\d+); it may cost 1 at most\.$/.exec(errors![0]!.message)?.[1]);
  };

  test.each([
    ['fields', '{ gateway { name version } }', 3],
    ['a call', '{ me { id email } }', 12],
    ['a call of a field in it', '{ me { permissions } }', 20],
    ['__typename', '{ __typename me { __typename } }', 12],
    ['a page of 25, which is the default', '{ users { nodes { id } } }', 10 + 1 + 25],
    ['a page of the size that is asked for', '{ users(first: 3) { nodes { id } totalCount } }', 10 + 1 + 3 + 1],
    ['a page of the largest size at most', '{ users(first: 5000) { nodes { id } } }', 10 + 1 + 100],
    ['a page of nothing', '{ users(first: 0) { nodes { id } } }', 10 + 1],
    ['a page that is less than nothing', '{ users(first: -3) { nodes { id } } }', 10 + 1],
    ['edges', '{ users(first: 3) { edges { cursor node { id } } } }', 10 + 1 + 3 * 3],
    ['a call for each item', '{ users(first: 10) { nodes { permissions } } }', 10 + 1 + 10 * 10],
    ['joined objects', '{ conversations(first: 10) { nodes { owner { id } } } }', 10 + 1 + 10 * 2 + 10],
    ['a list of a size that the schema says', '{ conversation(id: "1") { messages { text } } }', 10 + 1 + 50],
    ['what is written twice, once', '{ me { id } me { id ...F } } fragment F on User { id }', 11],
    ['aliases', '{ a: me { id } b: me { id } }', 22],
    ['what is left out, not at all', '{ me { id email @skip(if: true) permissions @include(if: false) } }', 11],
    ['what has a cost of its own', 'mutation { ask(input: { query: "hi" }) { conversationId } }', 501],
    ['a mutation', 'mutation { a: logout b: logout }', 2],
  ])('%s', async (_what, query, cost) => {
    expect(await costOf(query)).toBe(cost);
  });

  test.each([
    ['a page', 'query ($n: Int) { users(first: $n) { nodes { id } } }', { n: 7 }, 18],
    ['a page whose size is null', 'query ($n: Int) { users(first: $n) { nodes { id } } }', { n: null }, 36],
    ['a page whose size is not given', 'query ($n: Int) { users(first: $n) { nodes { id } } }', {}, 36],
    ['a page of the default', 'query ($n: Int = 4) { users(first: $n) { nodes { id } } }', {}, 15],
    ['pages in pages', 'query ($n: Int) { users(first: $n) { nodes { permissions } } }', { n: 100 }, 1011],
    ['what is included', 'query ($b: Boolean!) { me { id permissions @include(if: $b) } }', { b: true }, 21],
    ['what is not', 'query ($b: Boolean!) { me { id permissions @include(if: $b) } }', { b: false }, 11],
  ])('by variables: %s', async (_what, query, variables, cost) => {
    expect(await costOf(query, variables)).toBe(cost);
  });

  test('is worked out without any call', async () => {
    await costOf('{ users(first: 100) { nodes { permissions } } }');
    expect(world.auth.control.count('ListUsers')).toBe(0);
  });

  test('is in the access line, and counted as a limit', async () => {
    const [grown] = await world.growth(async () => {
      const answer = await world.graphql('{ me { id email } }');
      expect(await world.accessLine(answer)).toMatchObject({
        status: 400,
        limit: 'cost',
        cost: 12,
        fields: 'me',
        address: expect.stringMatching(/127\.0\.0\.1$/),
      });
    }, 'limit_refusals_total{limit="cost"}');
    expect(grown).toBe(1);
  });

  test('holds for subscriptions and for REST', async () => {
    await expect(world.askStream('count to 1').next()).rejects.toThrow();
    expect(world.ai.control.count('StreamQuery')).toBe(0);
    const { status, body } = await world.rest('GET', '/api/v1/users/me');
    expect([status, body.error.reason]).toEqual([400, 'OPERATION_TOO_COMPLEX']);
  });

  test('is not worked out without end: fragments that double', async () => {
    const depth = 40;
    const fragments = Array.from(
      { length: depth },
      (_, index) =>
        `fragment F${index} on Conversation { a${index}: owner { id } ${index + 1 < depth ? `...F${index + 1} ...F${index + 1}` : ''} }`,
    );
    const { status } = await world.graphql(`{ conversation(id: "1") { ...F0 } } ${fragments.join(' ')}`);
    expect(status).toBe(400);
  });
});

test('of a list that collects a stream is that of as many messages as it collects', async () => {
  const own = await startOwnWorld({
    proto: `
      syntax = "proto3";
      package own.v1;
      service OwnService { rpc ListThings(Empty) returns (stream Thing) { option idempotency_level = NO_SIDE_EFFECTS; } }
      message Empty {}
      message Thing { string name = 1; }`,
    sdl: `
      type Query {
        things: [Thing] @public @grpc(rpc: "ListThings")
        few: [Thing] @public @grpc(rpc: "ListThings", max: 20)
        said: [Thing] @public @grpc(rpc: "ListThings") @listSize(assumedSize: 3)
      }
      type Thing { name: String }`,
    handlers: {},
    options: { env: { MAX_COST: '1' } },
  });
  try {
    const costs = ['things', 'few', 'said'].map(async (field) => {
      const { errors } = await own.world.graphql(`{ ${field} { name } }`);
      return errors?.[0]?.message;
    });
    expect(await Promise.all(costs)).toEqual(
      [10 + 1000, 10 + 20, 10 + 3].map((cost) => `The operation costs ${cost}; it may cost 1 at most.`),
    );
  } finally {
    await own.close();
  }
});

test('with COST_MODE=measure is told, and refuses nothing', async () => {
  const world = await startWorld({ env: { MAX_COST: '5', COST_MODE: 'measure' } });
  try {
    const [grown] = await world.growth(async () => {
      const answer = await world.graphql('{ me { id email } }');
      expect(answer).toMatchObject({ status: 200, errors: undefined });
      expect(await world.accessLine(answer)).toMatchObject({ status: 200, limit: 'cost_measured', cost: 12 });
    }, 'limit_refusals_total{limit="cost_measured"}');
    expect(grown).toBe(1);
  } finally {
    await world.close();
  }
});

describe('an operation over a limit while it runs', () => {
  test('ends with that alone, and makes no more calls than it may', async () => {
    const world = await startWorld({ env: { MAX_CALLS: '5', MAX_COST: '1000000' } });
    try {
      const answer = await world.graphql('{ users(first: 100) { nodes { permissions } } }');
      expect(answer).toMatchObject({ status: 400, data: undefined });
      expect(answer.errors).toMatchObject([
        {
          message: 'The operation makes more than 5 calls to services, the most that one may make.',
          extensions: { code: 'OPERATION_TOO_COMPLEX' },
        },
      ]);
      expect(world.auth.control.count('GetEffectivePermissions')).toBeLessThanOrEqual(4);
      expect(await world.accessLine(answer)).toMatchObject({ limit: 'calls', fields: 'users' });
      // What was under way is cancelled.
      expect((await world.graphql('{ users(first: 4) { nodes { permissions } } }')).status).toBe(200);
    } finally {
      await world.close();
    }
  });

  test('counts what comes by a batch once, and for each event of a stream anew', async () => {
    const world = await startWorld({ env: { MAX_CALLS: '2' } });
    try {
      for (const query of ['one', 'two', 'three']) await world.rest('POST', '/api/ai', { body: { query } });
      expect((await world.graphql('{ conversations { nodes { owner { id } } } }')).errors).toBeUndefined();
      const events: unknown[] = [];
      for await (const event of world.askStream('count to 5')) events.push(event);
      expect(events.length).toBeGreaterThan(4);
      expect(events.every((event) => (event as Decoded).errors === undefined)).toBe(true);
    } finally {
      await world.close();
    }
  });

  test.each(['{ users(first: 100) { nodes { id email a: email b: email c: email } } }', '{ me { permissions } }'])(
    'has no larger result than it may: %s',
    async (query) => {
      const world = await startWorld({ env: { MAX_RESULT_SIZE: '1KB' } });
      try {
        const aliased = query.includes('permissions')
          ? `{ me { ${Array.from({ length: 200 }, (_, index) => `p${index}: permissions`).join(' ')} } }`
          : query;
        const answer = await world.graphql(aliased);
        expect(answer).toMatchObject({ status: 400, data: undefined });
        expect(answer.errors).toMatchObject([
          { message: 'The result is larger than 1024 bytes, the most that one may have.' },
        ]);
        expect(await world.accessLine(answer)).toMatchObject({ limit: 'result_size' });
        expect((await world.graphql('{ me { id } }')).status).toBe(200);
      } finally {
        await world.close();
      }
    },
  );
});

describe('equal calls of one operation', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  beforeEach(() => world.reset());

  test('are one call, whatever fields make them', async () => {
    const { data, errors } = await world.graphql(
      '{ a: me { id p: permissions q: permissions } b: me { email permissions } user(id: "user-ada") { id } }',
    );
    expect(errors).toBeUndefined();
    expect(data.a.p).toEqual(data.b.permissions);
    expect(world.auth.control.count('GetUser')).toBe(data.user.id === data.a.id ? 1 : 2);
    expect(world.auth.control.count('GetEffectivePermissions')).toBe(1);
  });

  test('fail as one', async () => {
    world.auth.control.setFault({ method: 'GetUser', code: 14, times: 1 });
    const { errors } = await world.graphql('{ a: me { id } b: me { id } }');
    expect(errors?.map(({ path }) => path)).toEqual([['a'], ['b']]);
    expect(world.auth.control.count('GetUser')).toBe(1);
  });

  test('are not shared between operations, nor by what changes something', async () => {
    await Promise.all([world.graphql('{ me { id } }'), world.graphql('{ me { id } }')]);
    expect(world.auth.control.count('GetUser')).toBe(2);
    const input = 'input: { displayName: "Ada L." }';
    const { errors } = await world.graphql(
      `mutation { a: updateMe(${input}) { permissions } b: updateMe(${input}) { permissions } }`,
    );
    expect(errors).toBeUndefined();
    expect(world.auth.control.count('UpdateUser')).toBe(2);
    expect(world.auth.control.count('GetEffectivePermissions')).toBe(2);
  });
});

describe('a subscription whose field is left out', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  const field = 'askStream(input: { query: "who am I" })';
  test.each([
    `subscription { ${field} @skip(if: true) { textDelta } }`,
    `subscription { ${field} @include(if: false) { textDelta } }`,
    `subscription { ... @skip(if: true) { ${field} { textDelta } } }`,
    `subscription { ...F @include(if: false) } fragment F on Subscription { ${field} { textDelta } }`,
    `subscription ($on: Boolean = false) { ${field} @include(if: $on) { textDelta } }`,
  ])('is 400: %s', async (query) => {
    const response = await fetch(`${world.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${world.auth.adminToken}`,
      },
      body: JSON.stringify({ query }),
    });
    const text = await response.text();
    expect(text).toMatch(/BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED/);
    expect(text).not.toContain('INTERNAL_SERVER_ERROR');
    await until(
      () => world.logs.filter(({ msg }) => msg === 'internal error'),
      (lines) => lines.length === 0,
    );
  });
});
