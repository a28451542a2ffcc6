import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGateway } from '../../src/gateway';
import { createLog } from '../../src/telemetry/log';
import { startWorld, testConfig, type World } from '../gateway-fixture';
import { startUpstream, type Upstream } from '../upstreams/server';

/** A service of the test's own: the rules below are about any schema, not about this project's. */
const zooProto = `
syntax = "proto3";
package zoo.v1;
service ZooService {
  rpc GetAnimal(GetAnimalRequest) returns (GetAnimalResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc ListKeepers(ListKeepersRequest) returns (ListKeepersResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Feed(FeedRequest) returns (FeedResponse);
  rpc Release(ReleaseRequest) returns (ReleaseResponse);
}
message GetAnimalRequest { string id = 1; }
message GetAnimalResponse { oneof animal { Cat cat = 1; Dog dog = 2; } }
message Cat { string name = 1; string chip = 2; }
message Dog { string name = 1; string chip = 2; }
message ListKeepersRequest {}
message ListKeepersResponse { repeated Keeper keepers = 1; }
message Keeper { string user_id = 1; string name = 2; string salary = 3; }
message FeedRequest { string id = 1; }
message FeedResponse { string animal = 1; string bill = 2; }
message ReleaseRequest { string id = 1; }
message ReleaseResponse { string animal = 1; }
`;

/** An admin has admin:user:edit, a member has ai:query; both are signed in. */
const zooSdl = `
extend schema @upstream(name: "zoo", service: "zoo.v1.ZooService")

type Query {
  animal(id: ID!): Sighting! @public @grpc(rpc: "GetAnimal")
  keepers: [Keeper!]! @authenticated @grpc(rpc: "ListKeepers", response: "keepers")
  residents: [Resident!]! @public @resolver(name: "residents")
  resident(index: Int!): Resident @public @resolver(name: "resident")
  cage: Cage @authenticated @resolver(name: "cage")
}

type Mutation {
  feed(id: ID!): Meal! @authenticated @grpc(rpc: "Feed")
  release(id: ID!): Freedom! @requiresScopes(scopes: [["admin:user:edit"]]) @grpc(rpc: "Release")
}

type Sighting {
  animal: Animal
}
union Animal = Cat | Dog

"Marked on one field."
type Cat {
  name: String!
  chip: String @requiresScopes(scopes: [["admin:user:edit"]])
}

"Marked as a whole."
type Dog @requiresScopes(scopes: [["nobody:has", "admin:user:edit"], ["admin:user:edit"]]) {
  name: String
  chip: String
}

"Marked on a field of the interface, and nowhere else."
interface Resident {
  name: String!
  diary: String @authenticated
  weight: Int @requiresScopes(scopes: [["admin:user:edit"]])
}
type Bear implements Resident {
  name: String!
  diary: String
  weight: Int
}
"Adds its own mark to that of the interface."
type Wolf implements Resident {
  name: String! @authenticated
  diary: String @requiresScopes(scopes: [["ai:query"]])
  weight: Int
}

"Marked where it is used."
type Cage @requiresScopes(scopes: [["admin:user:edit"]]) {
  key: String
}

type Keeper {
  userId: ID!
  name: String!
  salary: String @requiresScopes(scopes: [["admin:user:edit"]], orSelf: "userId")
}

type Meal {
  animal: String!
  bill: String @requiresScopes(scopes: [["admin:user:edit"]])
}
type Freedom {
  animal: String!
}
`;

const residents = [
  { __typename: 'Bear', name: 'Baloo', diary: 'slept', weight: 300 },
  { __typename: 'Wolf', name: 'Akela', diary: 'howled', weight: 40 },
];
const resolvers = {
  residents: () => residents,
  resident: (_parent: unknown, { index }: Record<string, unknown>) => residents[index as number],
  cage: () => ({ key: '1234' }),
};

/** Sessions need AuthService, so every schema here comes with it. */
const sessionsSdl = 'extend schema @upstream(name: "auth", service: "auth.v1.AuthService")';

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** Writes a schema and its protos; gives the variables that point at them. */
function writeSources(sdl: string): { SCHEMA_DIR: string; PROTO_DIR: string; ZOO_SERVICE_ADDR: string } {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-access-'));
  folders.push(folder);
  const [schema, proto] = [join(folder, 'schema'), join(folder, 'proto')];
  mkdirSync(schema);
  cpSync('proto', proto, { recursive: true });
  mkdirSync(join(proto, 'zoo'));
  writeFileSync(join(proto, 'zoo', 'zoo.proto'), zooProto);
  writeFileSync(join(schema, 'auth.graphql'), sessionsSdl);
  writeFileSync(join(schema, 'zoo.graphql'), sdl.trimStart());
  return { SCHEMA_DIR: schema, PROTO_DIR: proto, ZOO_SERVICE_ADDR: '127.0.0.1:1' };
}

describe('a schema that does not state who may ask', () => {
  const refused = (sdl: string): string => {
    const env = writeSources(sdl);
    const config = testConfig({ ...env, AUTH_SERVICE_ADDR: '127.0.0.1:1' });
    try {
      createGateway(config, { log: createLog('silent'), resolvers }).close();
    } catch (error) {
      return String(error).replaceAll(env.SCHEMA_DIR, 'schema');
    }
    return 'it started';
  };

  test('starts where every root field does', () => {
    expect(refused(zooSdl)).toBe('it started');
  });

  test.each([
    ['Query.animal', zooSdl.replace('Sighting! @public', 'Sighting!'), 4],
    ['Query.keepers', zooSdl.replace('[Keeper!]! @authenticated', '[Keeper!]!'), 5],
    ['Mutation.feed', zooSdl.replace('Meal! @authenticated', 'Meal!'), 12],
  ])('does not start: %s is named with its file and line', (coordinate, sdl, line) => {
    const message = refused(sdl);
    expect(message).toContain('the schema has 1 problem(s)');
    expect(message).toContain(`schema/zoo.graphql:${line}:3: ${coordinate} does not say who may ask for it`);
    expect(message).toContain('Add @public, @authenticated or @requiresScopes');
  });

  test('is told of every such field at once', () => {
    const message = refused(zooSdl.replaceAll('@public', '').replace('Meal! @authenticated', 'Meal!'));
    expect(message).toContain('the schema has 4 problem(s)');
    for (const coordinate of ['Query.animal', 'Query.residents', 'Query.resident', 'Mutation.feed']) {
      expect(message).toContain(`${coordinate} does not say who may ask for it`);
    }
  });

  test.each([
    ['a field that is public and protected at once', ['Sighting! @public', 'Sighting! @public @authenticated']],
    ['an empty list of permissions', ['[["admin:user:edit"]]) @grpc(rpc: "Release")', '[[]]) @grpc(rpc: "Release")']],
    ['no list of permissions', ['[["admin:user:edit"]]) @grpc(rpc: "Release")', '[]) @grpc(rpc: "Release")']],
    ['orSelf that names no field', ['orSelf: "userId"', 'orSelf: "owner"']],
    ['a mark that there is not', ['Sighting! @public', 'Sighting! @pubic']],
  ] as const)('does not start: %s', (_what, [from, to]) => {
    expect(zooSdl).toContain(from);
    expect(refused(zooSdl.replace(from, to))).toMatch(/schema\/zoo\.graphql:\d+:\d+: /);
  });
});

describe('access', () => {
  let zoo: Upstream;
  let world: World;
  beforeAll(async () => {
    const env = writeSources(zooSdl);
    zoo = await startUpstream({
      proto: join(env.PROTO_DIR, 'zoo', 'zoo.proto'),
      service: 'zoo.v1.ZooService',
      handlers: {
        GetAnimal: ({ id }: { id: string }) =>
          id === 'dog' ? { dog: { name: 'Rex', chip: 'D-1' } } : { cat: { name: 'Tom', chip: 'C-1' } },
        ListKeepers: () => ({
          keepers: [
            { userId: 'user-mel', name: 'Mel', salary: '10' },
            { userId: 'user-max', name: 'Max', salary: '20' },
          ],
        }),
        Feed: ({ id }: { id: string }) => ({ animal: id, bill: '9.99' }),
        Release: ({ id }: { id: string }) => ({ animal: id }),
      },
    });
    world = await startWorld({ env: { ...env, ZOO_SERVICE_ADDR: zoo.address }, overrides: { resolvers } });
  });
  afterAll(async () => {
    await world.close();
    await zoo.close();
  });
  beforeEach(() => {
    world.reset();
    zoo.control.reset();
  });

  const member = () => ({ token: world.auth.memberToken });
  const codes = (errors: Awaited<ReturnType<World['graphql']>>['errors']) =>
    (errors ?? []).map(({ extensions }) => extensions['code']);

  /** Ways to select chip on whatever animal there is. */
  const disguises = [
    ['an inline fragment', '{ animal { ... on Cat { chip } ... on Dog { chip } } }', ''],
    ['an alias', '{ animal { ... on Cat { name: chip } ... on Dog { name: chip } } }', ''],
    ['a named fragment', '{ animal { ...C ...D } }', 'fragment C on Cat { chip } fragment D on Dog { chip }'],
    [
      'fragments in fragments',
      '{ ...S }',
      'fragment S on Sighting { animal { ...A } } fragment A on Animal { ... on Cat { chip } ... on Dog { chip } }',
    ],
    ['@include', '{ animal { ... on Cat @include(if: $yes) { chip } ... on Dog { chip @include(if: $yes) } } }', ''],
    ['@skip', '{ animal { ... on Cat { ... @skip(if: $no) { chip } } ... on Dog { chip @skip(if: $no) } } }', ''],
    ['fragments without a type', '{ ... { animal { ... on Cat { ... { chip } } ... on Dog { ... { chip } } } } }', ''],
  ] as const;

  describe.each(['cat', 'dog'])('a protected field of a union member (%s) behind', (id) => {
    test.each(disguises)('%s', async (_how, selection, fragments) => {
      const document = `query ($yes: Boolean = true, $no: Boolean = false) {
        animal(id: "${id}") ${selection}
        __typename @include(if: $yes) @skip(if: $no)
      } ${fragments}`;
      const secret = id === 'cat' ? 'C-1' : 'D-1';
      for (const caller of [{ token: null }, member()]) {
        const { data, errors } = await world.graphql(document, caller);
        expect(JSON.stringify(data)).not.toContain(secret);
        expect(codes(errors)).toEqual([caller.token === null ? 'UNAUTHENTICATED' : 'FORBIDDEN']);
      }
      const admin = await world.graphql(document);
      expect(admin.errors).toBeUndefined();
      expect(JSON.stringify(admin.data)).toContain(secret);
    });
  });

  test('the mark of a type covers every field of it, and the unmarked ones of its siblings stay open', async () => {
    const document = (id: string) =>
      `{ animal(id: "${id}") { animal { ... on Cat { name } ... on Dog { dog: name } } } }`;
    const cat = await world.graphql(document('cat'), { token: null });
    expect(cat.errors).toBeUndefined();
    expect(cat.data).toEqual({ animal: { animal: { name: 'Tom' } } });
    const dog = await world.graphql(document('dog'), member());
    expect(dog.data).toEqual({ animal: { animal: { dog: null } } });
    expect(codes(dog.errors)).toEqual(['FORBIDDEN']);
  });

  describe('the mark on a field of an interface', () => {
    const selections = [
      ['the interface', '{ weight }', ''],
      ['the object types', '{ ... on Bear { weight } ... on Wolf { weight } }', ''],
      ['an alias', '{ name: weight }', ''],
      ['a fragment on the interface', '{ ...R }', 'fragment R on Resident { weight }'],
      ['@include', '{ ... @include(if: true) { weight @skip(if: false) } }', ''],
    ] as const;

    test.each(selections)('holds when it is selected through %s', async (_how, selection, fragments) => {
      const document = `{ residents ${selection} } ${fragments}`;
      for (const caller of [{ token: null }, member()]) {
        const { data, errors } = await world.graphql(document, caller);
        expect(JSON.stringify(data)).not.toMatch(/300|40/);
        const code = caller.token === null ? 'UNAUTHENTICATED' : 'FORBIDDEN';
        expect(codes(errors)).toEqual([code, code]);
      }
      const admin = await world.graphql(document);
      expect(JSON.stringify(admin.data)).toMatch(/300.*40/);
    });

    test('adds to that of the object type: all of them must hold', async () => {
      const document = '{ bear: resident(index: 0) { name diary } wolf: resident(index: 1) { ... on Wolf { diary } } }';
      // An admin has no ai:query less than a member; a user without roles has neither.
      world.auth.state.directory.change(world.auth.state.directory.byId('user-bo')!, { roles: [] });
      const nobody = await world.graphql(document, { token: world.auth.createSession('user-bo') });
      expect(nobody.data).toEqual({ bear: { name: 'Baloo', diary: 'slept' }, wolf: { diary: null } });
      expect(codes(nobody.errors)).toEqual(['FORBIDDEN']);
      const melDiary = await world.graphql(document, member());
      expect(melDiary.data).toEqual({ bear: { name: 'Baloo', diary: 'slept' }, wolf: { diary: 'howled' } });
      const anonymous = await world.graphql(document, { token: null });
      expect(anonymous.data).toEqual({ bear: { name: 'Baloo', diary: null }, wolf: { diary: null } });
      expect(codes(anonymous.errors)).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
    });

    test('and the mark of the object type alone holds through the interface', async () => {
      const { data, errors } = await world.graphql(
        '{ bear: resident(index: 0) { name } wolf: resident(index: 1) { name } }',
        {
          token: null,
        },
      );
      expect(data).toEqual({ bear: { name: 'Baloo' }, wolf: null });
      expect(codes(errors)).toEqual(['UNAUTHENTICATED']);
    });
  });

  test('the mark of a type protects the fields that answer it', async () => {
    const { data, errors } = await world.graphql('{ cage { __typename key } }', member());
    expect(data).toEqual({ cage: null });
    expect(codes(errors)).toEqual(['FORBIDDEN']);
    expect((await world.graphql('{ cage { key } }')).data).toEqual({ cage: { key: '1234' } });
  });

  test('orSelf lets a user see what is their own, object by object', async () => {
    const { data, errors } = await world.graphql('{ keepers { name salary } }', member());
    expect(data).toEqual({
      keepers: [
        { name: 'Mel', salary: '10' },
        { name: 'Max', salary: null },
      ],
    });
    expect(errors).toMatchObject([{ path: ['keepers', 1, 'salary'], extensions: { code: 'FORBIDDEN' } }]);
    const anonymous = await world.graphql('{ keepers { salary } }', { token: null });
    expect(codes(anonymous.errors)).toEqual(['UNAUTHENTICATED']);
    expect(zoo.control.count('ListKeepers')).toBe(1);
  });

  test('a denied query field makes no call', async () => {
    const { status } = await world.graphql('{ keepers { name } }', { token: null });
    expect(status).toBe(401);
    expect(zoo.control.count('ListKeepers')).toBe(0);
  });

  describe('a mutation of which something is denied is refused whole, before any call:', () => {
    const calls = () => zoo.control.count('Feed') + zoo.control.count('Release');

    test.each([
      ['a later field', 'mutation { feed(id: "a") { animal } release(id: "b") { animal } }'],
      ['an earlier field', 'mutation { release(id: "b") { animal } feed(id: "a") { animal } }'],
      ['an aliased field', 'mutation { feed(id: "a") { animal } feed2: release(id: "b") { animal } }'],
      [
        'a field in a fragment',
        'mutation { feed(id: "a") { animal } ...F } fragment F on Mutation { release(id: "b") { animal } }',
      ],
      [
        'a field under @include',
        'mutation ($yes: Boolean!) { feed(id: "a") { animal } release(id: "b") @include(if: $yes) { animal } }',
      ],
      [
        'a field under a default',
        'mutation ($no: Boolean = false) { feed(id: "a") { animal } ... @skip(if: $no) { release(id: "b") { animal } } }',
      ],
      ['a field of the answer', 'mutation { feed(id: "a") { animal bill } }'],
      ['a field of the answer in a fragment', 'mutation { feed(id: "a") { ...M } } fragment M on Meal { animal bill }'],
      [
        'a fragment spread again, once without a condition',
        'mutation ($no: Boolean = false) { feed(id: "a") { ...M @include(if: $no) ...M } } fragment M on Meal { bill }',
      ],
    ])('%s', async (_what, document) => {
      const { status, data, errors } = await world.graphql(document, { ...member(), variables: { yes: true } });
      expect(status).toBe(403);
      expect(data ?? null).toBeNull();
      expect(codes(errors)).toEqual(['FORBIDDEN']);
      expect(calls()).toBe(0);
    });

    test('without a session at all', async () => {
      const { status, data, errors } = await world.graphql('mutation { feed(id: "a") { animal } }', { token: null });
      expect(status).toBe(401);
      expect(data ?? null).toBeNull();
      expect(codes(errors)).toEqual(['UNAUTHENTICATED']);
      expect(calls()).toBe(0);
    });

    test('and an admin runs all of it', async () => {
      const { data, errors } = await world.graphql(
        'mutation { feed(id: "a") { animal bill } release(id: "b") { animal } }',
      );
      expect(errors).toBeUndefined();
      expect(data).toEqual({ feed: { animal: 'a', bill: '9.99' }, release: { animal: 'b' } });
      expect(calls()).toBe(2);
    });
  });

  describe('a denied field that is left out does not refuse the mutation:', () => {
    test.each([
      ['@skip', 'mutation { feed(id: "a") { animal } release(id: "b") @skip(if: true) { animal } }'],
      ['@include', 'mutation { feed(id: "a") { animal } release(id: "b") @include(if: false) { animal } }'],
      ['@skip by a variable', 'mutation ($yes: Boolean!) { feed(id: "a") { animal bill @skip(if: $yes) } }'],
      [
        '@include by a default',
        'mutation ($no: Boolean = false) { feed(id: "a") { animal ...M @include(if: $no) } } fragment M on Meal { bill }',
      ],
      [
        'a condition further out',
        'mutation ($yes: Boolean!) { feed(id: "a") { animal } ... @skip(if: $yes) { ...R } } fragment R on Mutation { release(id: "b") { animal } }',
      ],
      [
        'one condition of two',
        'mutation ($yes: Boolean!) { feed(id: "a") { animal bill @include(if: $yes) @skip(if: $yes) } }',
      ],
    ])('%s', async (_how, document) => {
      const { status, data, errors } = await world.graphql(document, { ...member(), variables: { yes: true } });
      expect(errors).toBeUndefined();
      expect(status).toBe(200);
      expect(data).toEqual({ feed: { animal: 'a' } });
      expect(zoo.control.count('Feed')).toBe(1);
      expect(zoo.control.count('Release')).toBe(0);
    });
  });

  test('a denied operation beside the one that runs does no harm', async () => {
    const response = await fetch(`${world.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${world.auth.memberToken}` },
      body: JSON.stringify({
        query: 'mutation Feed { feed(id: "a") { animal } } mutation Release { release(id: "b") { animal } }',
        operationName: 'Feed',
      }),
    });
    expect(await response.json()).toEqual({ data: { feed: { animal: 'a' } } });
  });
});
