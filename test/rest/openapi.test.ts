/** The OpenAPI document: valid, served, printed, and true of what the routes answer. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CommandResult } from '../../src/commands/command-result';
import { runOpenApi } from '../../src/commands/run-openapi';
import { startWorld, type Decoded, type RestOptions, type World } from '../gateway-fixture';
import { startOwnWorld } from '../schema/own-schema';
import { problemsOf } from './openapi-fixture';

const root = join(__dirname, '../..');

let world: World;
let document: Decoded;
beforeAll(async () => {
  world = await startWorld();
  document = await fetch(`${world.url}/api/openapi.json`).then((response) => response.json());
});
afterAll(() => world.close());

test('is valid, by the schema of OpenAPI 3.1', async () => {
  expect(document.openapi).toBe('3.1.0');
  expect(await problemsOf(document)).toEqual({ valid: true });
});

test('is served with an ETag, and 304 to whoever has it', async () => {
  const url = `${world.url}/api/openapi.json`;
  const first = await fetch(url);
  const etag = first.headers.get('etag')!;
  expect(etag).toMatch(/^"[\w-]+"$/);
  expect(first.headers.get('content-type')).toBe('application/json; charset=utf-8');
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const { status, headers, body } = await fetch(url, { headers: { 'if-none-match': tag } });
    expect([status, headers.get('etag'), body]).toEqual([304, etag, null]);
  }
  expect((await fetch(url, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  expect((await fetch(url, { method: 'HEAD' })).headers.get('etag')).toBe(etag);
});

test('is not served in production', async () => {
  const production = await startWorld({
    env: { NODE_ENV: 'production', PUBLIC_URL: 'https://gateway.example', SHUTDOWN_DELAY: '0s' },
  });
  try {
    expect((await fetch(`${production.url}/api/openapi.json`)).status).toBe(404);
  } finally {
    await production.close();
  }
});

test('is what npm run openapi prints, but for what the configuration says', async () => {
  const run = (...args: string[]): Promise<CommandResult> =>
    runOpenApi(args, { schemaDir: join(root, 'schema'), protoDir: join(root, 'proto') }, Readable.from([]));
  const { exitCode, stdout, stderr } = await run();
  expect([exitCode, stderr]).toEqual([0, '']);
  expect((await run()).stdout).toBe(stdout);
  const printed: Decoded = JSON.parse(stdout);
  printed.servers = [{ url: 'http://localhost:3000' }];
  printed.components.securitySchemes.cookie.name = 'session';
  // Without identity providers nobody signs in, or out at one.
  delete printed.paths['/api/v1/auth/{provider}/login'];
  delete printed.paths['/api/v1/auth/{provider}/callback'];
  delete printed.paths['/api/v1/auth/logout'].post.responses['200'];
  expect(printed).toEqual(document);
  expect(await run('--help')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Usage:') });
  expect(await run('--schema', '/none')).toMatchObject({ exitCode: 2, stderr: 'there is no folder /none\n' });
  expect(await run('--colour')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--colour') });
});

test('has every route once, with an operationId of its own', () => {
  const ids = Object.values<Decoded>(document.paths).flatMap((methods) =>
    Object.values<Decoded>(methods).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(Object.keys(document.paths['/api/v1/users/{userId}'])).toEqual(['get', 'put', 'patch']);
  const { content } = document.paths['/api/ai'].post.responses['200'];
  expect(Object.keys(content)).toEqual(['application/json', 'text/event-stream', 'application/x-ndjson']);
});

test('says who may ask', () => {
  const { get } = document.paths['/api/v1/users'];
  expect(get.description).toContain('Needs the permission admin:user:list.');
  expect(get.security).toEqual([{ bearer: [] }, { cookie: [] }]);
  expect(document.paths['/api/v1/users/invite'].post.security).toEqual([
    { bearer: [] },
    { cookie: [], csrf: [] },
    { cookie: [], sameOrigin: [] },
  ]);
});

const plain = (): RestOptions => ({});

test.each<[method: string, path: string, status: number, options: () => RestOptions]>([
  ['GET', '/api/v1/users/me', 200, plain],
  ['GET', '/api/v1/users/me', 401, () => ({ token: null })],
  ['GET', '/api/v1/users?pageSize=2', 200, plain],
  ['GET', '/api/v1/users?pageSize=x', 400, plain],
  ['GET', '/api/v1/users', 403, () => ({ token: world.auth.memberToken })],
  ['GET', '/api/v1/users', 406, () => ({ headers: { accept: 'text/html' } })],
  ['GET', '/api/v1/users/user-mel', 200, plain],
  ['GET', '/api/v1/users/nobody', 404, plain],
  ['PATCH', '/api/v1/users/user-mel', 200, () => ({ body: { displayName: 'Mel' } })],
  ['PUT', '/api/v1/users/me', 200, () => ({ body: { displayName: 'Ada' } })],
  ['PUT', '/api/v1/users/me', 400, () => ({ body: { other: 1 } })],
  ['POST', '/api/v1/users/invite', 201, () => ({ body: { email: 'new@example.com' } })],
  ['GET', '/api/v1/users/user-mel/effective-permissions', 200, plain],
  ['POST', '/api/ai', 200, () => ({ body: { query: 'hello' } })],
  ['POST', '/api/v1/ai', 200, () => ({ body: { query: 'delete everything' } })],
])('%s %s is %d, and as the document says', async (method, path, status, options) => {
  // Whether it is, test/rest/openapi-audit.ts looks.
  expect((await world.rest(method, path, options())).status).toBe(status);
});

test('knows unions, oneofs, lists, conditions, inputs that hold themselves, headers and spellings', async () => {
  const own = await startOwnWorld({
    proto: `
      syntax = "proto3";
      package own.v1;
      service OwnService {
        rpc Find(Filter) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
        rpc Change(Filter) returns (Thing);
      }
      enum State { STATE_UNSPECIFIED = 0; STATE_IN_PROGRESS = 1; }
      message Filter { repeated Filter any = 1; repeated State states = 2; int64 since = 3; }
      message Thing {
        string name = 1; State state = 2; repeated string tags = 3; string etag = 4;
        oneof kind { Wheel wheel = 5; Wing wing = 6; }
      }
      message Wheel { int64 size = 1; }
      message Wing { double span = 1; }`,
    sdl: `
      type Query { find(input: FilterInput, states: [State!]): Thing @public @grpc(rpc: "Find") }
      type Mutation { change(input: FilterInput!): Thing @public @grpc(rpc: "Change") }
      input FilterInput { any: [FilterInput!] states: [State!] since: BigInt }
      type Thing { name: String! state: State tags: [String!]! etag: String kind: Kind }
      union Kind = Wheel | Wing
      type Wheel { size: BigInt }
      type Wing { span: Float }
      enum State { IN_PROGRESS }`,
    rest: `
      query Find($states: [State!] @enumCase(as: KEBAB), $short: Boolean = false) @rest(method: GET, path: "/find") {
        find(states: $states) {
          name @skip(if: $short)
          state @enumCase(as: KEBAB)
          tags
          etag @header(name: "ETag")
          kind { __typename ... on Wheel { size } ... on Wing { span } }
        }
      }
      mutation Change($input: FilterInput!) @rest(method: POST, path: "/change", body: "input") { change(input: $input) { name } }
      mutation Clear @rest(method: DELETE, path: "/change", status: 204) { change(input: {}) { name } }`,
    handlers: {
      Find: () => ({ name: 'a', state: 1, tags: ['x'], etag: '"1"', wheel: { size: '9007199254740993' } }),
      Change: () => ({ name: 'a' }),
    },
  });
  try {
    const openApi: Decoded = await fetch(`${own.world.url}/api/openapi.json`).then((response) => response.json());
    expect(await problemsOf(openApi)).toEqual({ valid: true });
    for (const query of ['', '?short=true', '?states=in-progress']) {
      expect((await own.world.rest('GET', `/find${query}`)).status).toBe(200);
    }
    const { parameters, responses } = openApi.paths['/find'].get;
    expect(parameters.find(({ name }: Decoded) => name === 'states').schema).toEqual({
      type: 'array',
      items: { type: 'string', enum: ['in-progress', 'IN_PROGRESS'] },
    });
    expect(Object.keys(responses['200'].headers)).toEqual(['x-request-id', 'etag']);
    expect(openApi.paths['/change'].delete.responses['204'].content).toBeUndefined();
    expect(openApi.components.schemas.FilterInput.properties.any).toMatchObject({
      type: ['array', 'null'],
      items: { $ref: '#/components/schemas/FilterInput' },
    });
  } finally {
    await own.close();
  }
});
