/** @rateLimit: how often fields may be asked for, through either door. */
import type { GraphqlAnswer } from '../gateway-fixture';
import { startOwnWorld, type OwnWorld } from './own-schema';

const proto = `
syntax = "proto3";
package own.v1;
service OwnService {
  rpc GetThing(Empty) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc WatchThing(Empty) returns (stream Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Change(Empty) returns (Thing);
}
message Empty {}
message Thing { string name = 1; string detail = 2; repeated Part parts = 3; }
message Part { string name = 1; oneof kind { Wheel wheel = 2; Wing wing = 3; } }
message Wheel { string size = 1; }
message Wing { string size = 1; }
`;

const sdl = `
type Query {
  open: Thing @public @rateLimit(limit: 3, window: "60s", by: ADDRESS) @grpc(rpc: "GetThing")
  mine: Thing @authenticated @rateLimit(limit: 3, window: "1m") @grpc(rpc: "GetThing")
  session: Thing @authenticated @rateLimit(limit: 2, window: "1m", by: SESSION) @grpc(rpc: "GetThing")
  admin: Thing @requiresScopes(scopes: [["admin:user:edit"]]) @rateLimit(limit: 1, window: "1m") @grpc(rpc: "GetThing")
  free: Thing @public @grpc(rpc: "GetThing")
  short: Thing @public @rateLimit(limit: 1, window: "1s", by: ADDRESS) @grpc(rpc: "GetThing")
}
type Mutation {
  change: Thing @authenticated @rateLimit(limit: 2, window: "1m") @grpc(rpc: "Change")
  changeFreely: Thing @authenticated @grpc(rpc: "Change")
}
type Subscription {
  things: Thing @authenticated @rateLimit(limit: 1, window: "1m") @grpc(rpc: "WatchThing")
}
type Thing {
  name: String
  detail: String @rateLimit(limit: 4, window: "1m", by: ADDRESS)
  parts: [Part!]!
}
type Part {
  name: String @rateLimit(limit: 2, window: "1m", by: ADDRESS)
  kind: Kind
}
union Kind = Wheel | Wing
type Wheel {
  size: String @rateLimit(limit: 2, window: "1m", by: ADDRESS)
}
type Wing {
  size: String
}
`;

const rest = `
query Mine @rest(method: GET, path: "/mine") { mine { name } }
`;

const thing = {
  name: 'a bicycle',
  detail: 'red',
  parts: [
    { name: 'front', wheel: { size: '26' } },
    { name: 'rear', wheel: { size: '28' } },
  ],
};

let here: OwnWorld;
beforeEach(async () => {
  here = await startOwnWorld({
    proto,
    sdl,
    rest,
    handlers: {
      GetThing: () => thing,
      Change: () => thing,
      async *WatchThing() {
        yield thing;
        yield thing;
      },
    },
  });
});
afterEach(() => here.close());

const ask = (query: string, token?: string | null, variables?: Record<string, unknown>): Promise<GraphqlAnswer> =>
  here.world.graphql(query, { ...(token === undefined ? {} : { token }), ...(variables ? { variables } : {}) });
const codesOf = ({ errors }: GraphqlAnswer): unknown[] => (errors ?? []).map(({ extensions }) => extensions['code']);
const calls = (rpc: string): number => here.own.control.count(rpc);

describe('a field with a limit', () => {
  test('is answered so often; then it is 429, and says when to come again', async () => {
    for (const left of [2, 1, 0]) {
      const { status, headers } = await ask('{ mine { name } }');
      expect(status).toBe(200);
      expect(headers.get('ratelimit-policy')).toBe('"Query.mine";q=3;w=60');
      expect(headers.get('ratelimit')).toMatch(new RegExp(`^"Query.mine";r=${left};t=(60|59|58)$`));
    }
    const [refused] = await here.world.growth(async () => {
      const answer = await ask('{ mine { name } }');
      expect([answer.status, answer.data, codesOf(answer)]).toEqual([429, { mine: null }, ['RATE_LIMITED']]);
      const retryAfter = Number(answer.headers.get('retry-after'));
      expect(retryAfter).toBeGreaterThan(50);
      expect(answer.headers.get('ratelimit')).toBe(`"Query.mine";r=0;t=${retryAfter}`);
      expect(answer.errors?.[0]?.message).toBe(
        `Too many requests for Query.mine: 4 within 60 s, and 3 are allowed. Try again in ${retryAfter} s.`,
      );
      expect(await here.world.accessLine(answer)).toMatchObject({
        status: 429,
        limit: 'rate_limit',
        fields: 'mine',
      });
    }, 'limit_refusals_total{limit="rate_limit"}');
    expect(refused).toBe(1);
    expect(calls('GetThing')).toBe(3);
  });

  test('counts for REST with GraphQL', async () => {
    await ask('{ a: mine { name } b: mine { name } }');
    expect((await here.world.rest('GET', '/mine')).status).toBe(200);
    const { status, headers, body } = await here.world.rest('GET', '/mine');
    expect([status, body.error.reason]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(headers.get('retry-after'))).toBe(body.error.retryAfter);
    expect(headers.get('ratelimit-policy')).toBe('"Query.mine";q=3;w=60');
  });

  test('leaves the other fields alone', async () => {
    await ask('{ a: mine { name } b: mine { name } c: mine { name } }');
    const answer = await ask('{ mine { name } free { name } }');
    expect(answer.status).toBe(200);
    expect(answer.data).toEqual({ mine: null, free: { name: 'a bicycle' } });
    expect(answer.errors?.map(({ path }) => path)).toEqual([['mine']]);
  });

  test('says nothing where it is not asked for', async () => {
    expect((await ask('{ free { name } }')).headers.get('ratelimit')).toBeNull();
  });

  test('begins anew with its window', async () => {
    const { headers, status } = await ask('{ a: short { name } b: short { name } }');
    expect([status, headers.get('retry-after')]).toEqual([429, '1']);
    const end = Date.now() + 20_000;
    while ((await ask('{ short { name } }')).status !== 200) expect(Date.now()).toBeLessThan(end);
  });
});

test('of two fields over their limits, Retry-After is the later', async () => {
  await ask('{ a: mine { name } b: mine { name } c: mine { name } }');
  for (const query of ['{ mine { name } short { name } }', '{ short { name } mine { name } }']) {
    const answer = await ask('{ a: short { name } b: short { name } }');
    expect(answer.status).toBe(429);
    const { headers } = await ask(query);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(30);
    expect(headers.get('ratelimit-policy')).toMatch(/^"Query\.\w+";q=\d;w=\d+, "Query\.\w+";q=\d;w=\d+$/);
  }
});

describe('what counts', () => {
  test.each([
    ['each alias', '{ a: mine { name } b: mine { name } c: mine { name } }', 3],
    ['what is written twice, once', '{ mine { name } ...F } fragment F on Query { mine { name } }', 1],
    [
      'a fragment that is spread under two names, twice',
      '{ a: free { ...F } b: free { ...F } } fragment F on Thing { detail }',
      2,
    ],
    ['not the items of a list', '{ free { parts { name } } }', 1],
    ['a member of a union', '{ free { parts { kind { ... on Wheel { size } ... on Wing { size } } } } }', 1],
    ['a fragment without a type', '{ ... { ... { open { name } } } }', 1],
  ])('%s', async (_what, query, times) => {
    const { headers, errors } = await ask(query);
    expect(errors).toBeUndefined();
    const [, limit] = /q=(\d+)/.exec(headers.get('ratelimit-policy') ?? '') ?? [];
    const [, left] = /r=(\d+)/.exec(headers.get('ratelimit') ?? '') ?? [];
    expect(Number(limit) - Number(left)).toBe(times);
  });

  test('not what variables leave out', async () => {
    const query =
      'query ($yes: Boolean!) { a: mine @include(if: $yes) { name } b: mine @skip(if: $yes) { name } free { name } }';
    for (const yes of [true, false, true]) expect((await ask(query, undefined, { yes })).errors).toBeUndefined();
    expect(codesOf(await ask(query, undefined, { yes: false }))).toEqual(['RATE_LIMITED']);
  });

  test('not a field that the caller may not have', async () => {
    const max = here.world.auth.createSession('user-max');
    expect(codesOf(await ask('{ admin { name } }', max))).toEqual(['FORBIDDEN']);
    const answer = await ask('{ mine { name } open { name } }', null);
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    expect(answer.headers.get('ratelimit-policy')).toBe('"Query.open";q=3;w=60');
  });

  test('an operation that asks for more than the limit, never', async () => {
    const answer = await ask('{ a: mine { name } b: mine { name } c: mine { name } d: mine { name } }');
    expect(codesOf(answer)).toEqual(Array(4).fill('RATE_LIMITED'));
    expect(calls('GetThing')).toBe(0);
  });
});

describe('whose requests count together', () => {
  const mel = () => here.world.auth.createSession('user-mel');
  const max = () => here.world.auth.createSession('user-max');

  test("USER: a user's, whatever the session", async () => {
    for (let count = 0; count < 3; count += 1) expect((await ask('{ mine { name } }', mel())).status).toBe(200);
    expect((await ask('{ mine { name } }', mel())).status).toBe(429);
    expect((await ask('{ mine { name } }', max())).status).toBe(200);
  });

  test("SESSION: a session's", async () => {
    const session = mel();
    expect((await ask('{ a: session { name } b: session { name } }', session)).status).toBe(200);
    expect((await ask('{ session { name } }', session)).status).toBe(429);
    expect((await ask('{ session { name } }', mel())).status).toBe(200);
  });

  test("ADDRESS: an address's, whoever is signed in, and whatever headers say", async () => {
    for (const token of [null, mel(), max()]) expect((await ask('{ open { name } }', token)).status).toBe(200);
    expect((await ask('{ open { name } }', mel())).status).toBe(429);
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    expect((await here.world.graphql('{ open { name } }', { token: null, headers })).status).toBe(429);
  });
});

test('a mutation over a limit is refused whole, before anything runs', async () => {
  const both = 'mutation { changeFreely { name } change { name } }';
  expect((await ask(both)).data).toEqual({ changeFreely: { name: 'a bicycle' }, change: { name: 'a bicycle' } });
  expect((await ask(both)).status).toBe(200);
  const answer = await ask(both);
  expect([answer.status, answer.data, codesOf(answer)]).toEqual([429, null, ['RATE_LIMITED']]);
  expect(calls('Change')).toBe(4);
});

test('a subscription over a limit does not begin', async () => {
  const subscribe = () =>
    fetch(`${here.world.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${here.world.auth.adminToken}`,
      },
      body: JSON.stringify({ query: 'subscription { things { name } }' }),
    });
  const first = await subscribe();
  expect(first.headers.get('ratelimit')).toMatch(/^"Subscription.things";r=0;t=/);
  expect((await first.text()).match(/a bicycle/g)).toHaveLength(2);
  const second = await subscribe();
  expect(second.status).toBe(429);
  expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await second.text()).toContain('RATE_LIMITED');
  expect(await here.world.accessLine(second)).toMatchObject({ limit: 'rate_limit', fields: 'things' });
  expect(calls('WatchThing')).toBe(1);
});

test('requests at once get no more than those in turn', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask('{ open { name } }', null)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(17);
});
