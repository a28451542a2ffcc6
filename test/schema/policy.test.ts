/** @policy: what AuthService is asked, and that nothing leads around its answer. */
import { status as grpcStatus } from '@grpc/grpc-js';
import { createClient, type ExecutionResult } from 'graphql-sse';
import { GatewayError } from '../../src/errors';
import { denial } from '../../src/schema/access';
import { until, type GraphqlAnswer } from '../gateway-fixture';
import { hold } from '../session/session-fixture';
import { startOwnWorld, type OwnWorld } from './own-schema';

const proto = `
syntax = "proto3";
package own.v1;
service OwnService {
  rpc GetThing(Empty) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc ListSecrets(ListSecretsRequest) returns (ListSecretsResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc WatchThing(Empty) returns (stream Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Change(Empty) returns (Thing);
}
message Empty {}
message Thing { string name = 1; string detail = 2; string secret_id = 3; oneof kind { Wheel wheel = 4; Wing wing = 5; } }
message Wheel { string size = 1; }
message Wing { string size = 1; }
message ListSecretsRequest { repeated string ids = 1; }
message ListSecretsResponse { repeated Secret secrets = 1; }
message Secret { string id = 1; string text = 2; }
`;

/** An admin has admin:user:edit, admin:user:list and ai:query; a member has ai:query. */
const sdl = `
type Query {
  free: Thing @public @grpc(rpc: "GetThing")
  thing: Thing @policy(policies: [["admin:user:edit"]]) @grpc(rpc: "GetThing")
  either: Thing @policy(policies: [["admin:user:edit", "ai:query"], ["nobody:has"]]) @grpc(rpc: "GetThing")
  member: Thing @policy(policies: [["nobody:has"], ["ai:query"]]) @grpc(rpc: "GetThing")
  both: Thing @policy(policies: [["ai:query"]]) @requiresScopes(scopes: [["admin:user:list"]]) @grpc(rpc: "GetThing")
}
type Mutation {
  change: Thing @policy(policies: [["admin:user:edit"]]) @grpc(rpc: "Change")
  changeFreely: Thing @authenticated @grpc(rpc: "Change")
}
type Subscription {
  things: Thing @policy(policies: [["admin:user:edit"]]) @grpc(rpc: "WatchThing")
  anything: Thing @authenticated @grpc(rpc: "WatchThing")
  listed: Thing @requiresScopes(scopes: [["admin:user:list"]]) @grpc(rpc: "WatchThing")
}
interface Named {
  detail: String @policy(policies: [["admin:user:edit"]])
}
type Thing implements Named {
  name: String
  detail: String
  secret: Secret @join(key: "secretId")
  kind: Kind
}
union Kind = Wheel | Wing
type Wheel {
  size: String @policy(policies: [["admin:user:edit"]])
}
type Wing {
  size: String
}
type Secret @policy(policies: [["admin:user:edit"]]) @lookup(rpc: "ListSecrets", keys: "ids", items: "secrets", match: "id") {
  text: String
}
`;

const rest = `
query Thing @rest(method: GET, path: "/thing") { thing { name } }
mutation Change @rest(method: POST, path: "/change") { change { name } }
`;

const thing = { name: 'a bicycle', detail: 'red', secretId: 's', wheel: { size: '26' } };

let here: OwnWorld;
/** Resolves when streams may go on to their second event. */
let next: Promise<void>;
let goOn: () => void;

beforeAll(async () => {
  here = await startOwnWorld({
    proto,
    sdl,
    rest,
    handlers: {
      GetThing: () => thing,
      ListSecrets: ({ ids }: { ids: string[] }) => ({ secrets: ids.map((id) => ({ id, text: 'hush' })) }),
      Change: () => thing,
      async *WatchThing() {
        yield thing;
        await next;
        yield thing;
      },
    },
    options: { env: { SESSION_CACHE_TTL: '0s' } },
  });
});
afterAll(() => here.close());
beforeEach(() => {
  here.world.reset();
  here.own.control.reset();
  next = new Promise((resolve) => (goOn = resolve));
});
afterEach(() => goOn());

const admin = () => here.world.auth.adminToken;
const member = () => here.world.auth.memberToken;
const ask = (query: string, token: string | null, variables?: Record<string, unknown>): Promise<GraphqlAnswer> =>
  here.world.graphql(query, { token, ...(variables ? { variables } : {}) });
const codesOf = ({ errors }: Pick<GraphqlAnswer, 'errors'>): unknown[] =>
  (errors ?? []).map(({ extensions }) => extensions['code']);
const asked = () =>
  here.world.auth.control.calls('CheckPermission').map(({ request }) => [request['userId'], request['permission']]);

describe('who may ask', () => {
  test.each([
    ['thing', [true, false]],
    ['either', [true, false]],
    ['member', [true, true]],
    ['both', [true, false]],
  ])('%s: the outer list is "or", an inner one "and", and other marks hold as well', async (name, may) => {
    const answers = await Promise.all([admin(), member()].map((token) => ask(`{ ${name} { name } }`, token)));
    expect(answers.map(({ data }) => data[name])).toEqual(may.map((each) => (each ? { name: 'a bicycle' } : null)));
    expect(answers.map(codesOf)).toEqual(may.map((each) => (each ? [] : ['FORBIDDEN'])));
  });

  test('nobody who is not signed in, and AuthService is not asked', async () => {
    const answer = await ask('{ thing { name } free { name detail } }', null);
    expect(answer.data).toEqual({ thing: null, free: { name: 'a bicycle', detail: null } });
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
    expect(asked()).toEqual([]);
  });

  test('a denied field is null with its own error, and the others are there; its RPC is not made', async () => {
    const answer = await ask('{ thing { name } free { name } }', member());
    expect(answer.status).toBe(200);
    expect(answer.data).toEqual({ thing: null, free: { name: 'a bicycle' } });
    expect(answer.errors?.map(({ path }) => path)).toEqual([['thing']]);
    expect(here.own.control.count('GetThing')).toBe(1);
  });

  test('through REST', async () => {
    expect((await here.world.rest('GET', '/thing')).status).toBe(200);
    const refused = await here.world.rest('GET', '/thing', { token: member() });
    expect([refused.status, refused.body.error.reason]).toEqual([403, 'FORBIDDEN']);
  });

  test('what AuthService says counts, not what the session holds', async () => {
    const { directory } = here.world.auth.state;
    const token = here.world.auth.createSession('user-cleo');
    const cleo = directory.byId('user-cleo')!;
    directory.change(cleo, { roles: ['admin'] });
    expect((await ask('{ thing { name } }', token)).status).toBe(200);
    directory.change(cleo, { roles: ['member'] });
    expect((await ask('{ thing { name } }', token)).status).toBe(403);
  });
});

describe('AuthService is asked', () => {
  test('once per request and permission, however often fields name it', async () => {
    const query = '{ a: thing { name detail } b: thing { name secret { text } } either { name } member { name } }';
    expect((await ask(query, admin())).errors).toBeUndefined();
    expect(asked().map(String).toSorted()).toEqual([
      'user-ada,admin:user:edit',
      'user-ada,ai:query',
      'user-ada,nobody:has',
    ]);
    expect((await ask(query, admin())).errors).toBeUndefined();
    expect(asked()).toHaveLength(6);
  });

  test('about all of them at once, before anything runs', async () => {
    const letGo = hold(here.world.auth.control, 'CheckPermission');
    const answer = ask('{ free { name } either { name } }', admin());
    await until(
      () => asked().length,
      (count) => count === 3,
    );
    expect(here.own.control.count('GetThing')).toBe(0);
    letGo();
    expect((await answer).errors).toBeUndefined();
  });

  test('not about what variables leave out', async () => {
    const query = 'query ($yes: Boolean!) { thing @include(if: $yes) { name } member @skip(if: $yes) { name } }';
    expect((await ask(query, admin(), { yes: true })).data).toEqual({ thing: { name: 'a bicycle' } });
    expect(asked()).toEqual([['user-ada', 'admin:user:edit']]);
  });

  test('not where no field has a policy', async () => {
    await ask('{ free { name } }', admin());
    expect(asked()).toEqual([]);
  });
});

describe('nothing leads around it', () => {
  test.each([
    ['an alias', '{ name: thing { name } }'],
    ['a fragment', '{ ...F } fragment F on Query { thing { name } }'],
    ['a fragment without a type', '{ ... { ... { thing { name } } } }'],
    ['a field of an interface', '{ free { ... on Named { x: detail } } }'],
    ['a field whose interface is marked', '{ free { detail } }'],
    ['a join', '{ free { secret { text } } }'],
    ['a join in a fragment on an interface', '{ free { ... on Named { ... on Thing { secret { text } } } } }'],
    ['a member of a union', '{ free { kind { ... on Wheel { size } } } }'],
    ['a variable', 'query ($no: Boolean = false) { free { detail @skip(if: $no) secret @skip(if: true) { text } } }'],
    ['a variable with a fragment', 'query ($yes: Boolean = true) { free { ... @include(if: $yes) { detail } } }'],
  ])('%s', async (_what, query) => {
    const answer = await ask(query, member());
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
    for (const hidden of ['red', 'hush', '26']) expect(JSON.stringify(answer.data)).not.toContain(hidden);
    expect((await ask(query, admin())).errors).toBeUndefined();
    expect(here.own.control.calls('ListSecrets').length).toBeLessThanOrEqual(1);
  });
});

test('a mutation is refused whole, before anything runs', async () => {
  for (const query of [
    'mutation { changeFreely { name } change { name } }',
    'mutation { changeFreely { name detail } }',
    'mutation { changeFreely { ... on Thing { secret { text } } } }',
  ]) {
    const answer = await ask(query, member());
    expect([answer.status, answer.data, codesOf(answer)]).toEqual([403, null, ['FORBIDDEN']]);
  }
  expect((await here.world.rest('POST', '/change', { token: member() })).status).toBe(403);
  expect(here.own.control.count('Change')).toBe(0);
  expect((await ask('mutation { changeFreely { name } change { name } }', admin())).errors).toBeUndefined();
  expect(here.own.control.count('Change')).toBe(2);
});

describe('where AuthService gives no answer', () => {
  test.each([grpcStatus.UNAVAILABLE, grpcStatus.INTERNAL, grpcStatus.UNIMPLEMENTED, grpcStatus.PERMISSION_DENIED])(
    'status %d: AUTH_UNAVAILABLE, and nothing is let through',
    async (code) => {
      here.world.auth.control.setFault({ method: 'CheckPermission', code });
      const answer = await ask('{ thing { name } free { name } }', admin());
      expect(answer.data).toEqual({ thing: null, free: { name: 'a bicycle' } });
      expect(codesOf(answer)).toEqual(['AUTH_UNAVAILABLE']);
      expect(answer.headers.get('retry-after')).toBe('1');
      const mutation = await ask('mutation { changeFreely { name } change { name } }', admin());
      expect([mutation.status, mutation.data, codesOf(mutation)]).toEqual([503, null, ['AUTH_UNAVAILABLE']]);
      expect(here.own.control.count('Change')).toBe(0);
      expect((await here.world.rest('GET', '/thing')).status).toBe(503);
    },
  );

  const down = new GatewayError('AUTH_UNAVAILABLE');
  test.each([
    ['a list that is allowed whole is enough', [['a'], ['b']], { a: true, b: down }, undefined],
    ['in whatever order', [['a'], ['b']], { a: down, b: true }, undefined],
    ['a list with a no is a no', [['a', 'b']], { a: false, b: down }, 'FORBIDDEN'],
    ['in whatever order, too', [['a', 'b']], { a: down, b: false }, 'FORBIDDEN'],
    [
      'a list that might be allowed is not known',
      [['a', 'b'], ['c']],
      { a: true, b: down, c: false },
      'AUTH_UNAVAILABLE',
    ],
    ['what was not asked about is a no', [['a']], {}, 'FORBIDDEN'],
  ])('%s', (_what, policies, answers, code) => {
    const caller = { userId: 'u', sessionId: 's', permissions: ['a', 'b', 'c'] };
    expect(denial({ policies }, caller, new Map(Object.entries(answers)))?.code).toBe(code);
  });

  test('by hanging: 504 when the time of the request is up', async () => {
    here.world.auth.control.setFault({ method: 'CheckPermission', hang: true });
    const answer = await here.world.graphql('{ thing { name } }', {
      token: admin(),
      headers: { 'x-request-timeout-ms': '300' },
    });
    expect([answer.status, codesOf(answer)]).toEqual([504, ['GATEWAY_TIMEOUT']]);
  });
});

describe('streams', () => {
  function open(query: string, token: string): AsyncIterableIterator<ExecutionResult> {
    const client = createClient({
      url: `${here.world.url}/graphql`,
      fetchFn: fetch,
      retryAttempts: 0,
      headers: { authorization: `Bearer ${token}` },
    });
    return client.iterate({ query: `subscription { ${query} }` });
  }
  const twice = <T>(value: T): T[] => [value, value];
  const codes = (result: ExecutionResult | undefined) => result?.errors?.map((error) => error.extensions?.['code']);

  test('do not begin without the permission', async () => {
    const response = await fetch(`${here.world.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${member()}`,
      },
      body: JSON.stringify({ query: 'subscription { things { name } }' }),
    });
    expect(await response.text()).toContain('FORBIDDEN');
    expect(here.own.control.count('WatchThing')).toBe(0);
  });

  test('begin with it, and hide in every event what the caller may not have', async () => {
    goOn();
    const results = [];
    for await (const result of open('anything { name detail }', member())) results.push(result);
    expect(results.map(({ data }) => data)).toEqual(twice({ anything: { name: 'a bicycle', detail: null } }));
    expect(results.map(codes)).toEqual(twice(['FORBIDDEN']));
    const whole = [];
    for await (const result of open('things { name detail secret { text } }', admin())) whole.push(result.data);
    expect(whole).toEqual(twice({ things: { name: 'a bicycle', detail: 'red', secret: { text: 'hush' } } }));
  });

  describe.each([
    ['a policy of its field', 'things { name }'],
    ['a policy of a field in it', 'anything { detail }'],
    ['a policy of what is joined', 'anything { secret { text } }'],
    ['a permission of the session', 'listed { name }'],
  ])('that need %s', (_what, query) => {
    test('end with FORBIDDEN once the user has lost it', async () => {
      const { directory } = here.world.auth.state;
      const user = directory.byId('user-bo')!;
      directory.change(user, { roles: ['admin'] });
      const stream = open(query, here.world.auth.createSession('user-bo'));
      const first = await stream.next();
      expect(codes(first.value as ExecutionResult)).toBeUndefined();
      directory.change(user, { roles: ['member'] });
      const last = await stream.next();
      expect(codes(last.value as ExecutionResult)).toEqual(['FORBIDDEN']);
      expect((await stream.next()).done).toBe(true);
      await until(
        () => here.own.control.calls('WatchThing').at(-1)?.cancelled,
        (cancelled) => cancelled === true,
      );
    });
  });

  test('go on where the user loses what they do not serve, or never served', async () => {
    const { directory } = here.world.auth.state;
    const user = directory.byId('user-bo')!;
    directory.change(user, { roles: ['admin'] });
    const stream = open('anything { name }', here.world.auth.createSession('user-bo'));
    await stream.next();
    directory.change(user, { roles: ['member'] });
    const denied = open('anything { name detail }', here.world.auth.createSession('user-bo'));
    expect(codes((await denied.next()).value as ExecutionResult)).toEqual(['FORBIDDEN']);
    const before = here.world.auth.control.count('ValidateSession');
    await until(
      () => here.world.auth.control.count('ValidateSession'),
      (count) => count >= before + 4,
    );
    goOn();
    expect(codes((await stream.next()).value as ExecutionResult)).toBeUndefined();
    expect(((await denied.next()).value as ExecutionResult).data).toEqual({
      anything: { name: 'a bicycle', detail: null },
    });
    expect([(await stream.next()).done, (await denied.next()).done]).toEqual([true, true]);
  });

  test('end where AuthService no longer says', async () => {
    const stream = open('things { name }', admin());
    await stream.next();
    here.world.auth.control.setFault({ method: 'CheckPermission', code: grpcStatus.UNAVAILABLE });
    expect(codes((await stream.next()).value as ExecutionResult)).toEqual(['AUTH_UNAVAILABLE']);
    expect((await stream.next()).done).toBe(true);
  });
});
