/** What the OpenAPI document says: of limits, of parameters, of descriptions, and of the gateway's own routes. */
import { startWorld, type Decoded, type World } from '../gateway-fixture';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import { resolved } from './openapi-audit';
import { misfits, problemsOf, wrong } from './openapi-fixture';

const get = (url: string): Promise<Decoded> => fetch(`${url}/api/openapi.json`).then((response) => response.json());

/** The parameters of an operation by name, with references followed. */
function parametersOf(openApi: Decoded, method: string, path: string): Record<string, Decoded> {
  const parameters: Decoded[] = openApi.paths[path][method].parameters;
  return Object.fromEntries(parameters.map((each) => resolved(openApi, each)).map((each) => [each.name, each]));
}

describe('without identity providers', () => {
  let world: World;
  let document: Decoded;
  beforeAll(async () => {
    world = await startWorld();
    document = await get(world.url);
  });
  afterAll(() => world.close());

  test('every operation has a tag, a summary, and the request header for its deadline', () => {
    const tags = new Set<string>();
    for (const [path, methods] of Object.entries<Decoded>(document.paths)) {
      for (const [method, operation] of Object.entries<Decoded>(methods)) {
        expect([path, typeof operation.summary]).toEqual([path, 'string']);
        for (const tag of operation.tags) tags.add(tag);
        expect(parametersOf(document, method, path)['X-Request-Timeout-Ms']).toMatchObject({
          in: 'header',
          required: false,
          schema: { type: 'integer', minimum: 0, maximum: 999_999_999 },
        });
      }
    }
    expect(document.tags).toEqual([...tags].map((name) => ({ name })));
    expect([...tags]).toEqual(['ai', 'users', 'auth', 'openapi']);
  });

  test('a deadline that cannot be read, or is over, is answered as described', async () => {
    for (const [value, status] of [
      ['soon', 400],
      ['0', 504],
    ] as const) {
      const answer = await world.rest('GET', '/api/v1/users/me', { headers: { 'x-request-timeout-ms': value } });
      expect(answer.status).toBe(status);
      expect(wrong(document, ['GET', '/api/v1/users/me'], answer)).toBeUndefined();
    }
  });

  test('what a request may hold stands where it may be exceeded', async () => {
    const { patch, get: read } = document.paths['/api/v1/users/{userId}'];
    expect(Object.keys(patch.requestBody.content)).toEqual(['application/json', 'application/merge-patch+json']);
    expect(Object.keys(patch.responses)).toEqual(expect.arrayContaining(['413', '415']));
    expect(Object.keys(read.responses)).not.toEqual(expect.arrayContaining(['413']));
    const place = ['PATCH', '/api/v1/users/{userId}'] as const;
    const large = await world.rest('PATCH', '/api/v1/users/user-mel', { body: { displayName: 'x'.repeat(1_100_000) } });
    const text = await world.rest('PATCH', '/api/v1/users/user-mel', {
      body: {},
      headers: { 'content-type': 'text/plain' },
    });
    expect([large.status, text.status]).toEqual([413, 415]);
    for (const answer of [large, text]) expect(wrong(document, place, answer)).toBeUndefined();
    const other = await world.rest('DELETE', '/api/v1/users/user-mel');
    expect([other.status, other.headers.has('allow')]).toEqual([405, true]);
    expect(misfits(document, document.components.schemas.Error, other.body)).toBeUndefined();
    for (const status of [429, 503]) {
      expect(document.components.responses[`Error${status}`].headers['retry-after']).toBeDefined();
    }
  });

  test('parameters have the limits, defaults and descriptions of what they fill', async () => {
    const { pageSize, status, search } = parametersOf(document, 'get', '/api/v1/users');
    expect(pageSize.schema).toEqual({ type: 'integer', format: 'int32', minimum: 1, default: 25 });
    expect(pageSize.description).toContain('more than 100 count as 100');
    expect((await world.rest('GET', '/api/v1/users?pageSize=0')).status).toBe(400);
    expect((await world.rest('GET', '/api/v1/users?pageSize=500')).status).toBe(200);
    expect(status.schema.description).toContain('- `Invited`: Invited, has not signed in yet.');
    // Of the proto: the SDL says nothing of it.
    expect(search.description).toContain('ignoring case');
    expect(document.components.schemas.User.properties.email.description).toBe('Unique, lower case.');
    const { userId } = parametersOf(document, 'get', '/api/v1/users/{userId}');
    expect(userId.schema).toEqual({ type: 'string', minLength: 1 });
  });

  test('members of a oneof are left out and never null; other fields may be null and are there', () => {
    const { AskPayload, User } = document.components.schemas;
    expect(AskPayload.required).toEqual(['sessionId']);
    expect(AskPayload.properties.plan).toMatchObject({ $ref: '#/components/schemas/Plan' });
    expect(AskPayload['x-oneof']).toEqual([['plan', 'answer']]);
    expect(User.required).toContain('lastLoginAt');
    expect(User.properties.lastLoginAt.type).toEqual(['string', 'null']);
  });

  test("the gateway's own routes are there, as far as they are served", async () => {
    const own = Object.keys(document.paths).filter((path) => /auth|openapi/.test(path));
    expect(own).toEqual(['/api/v1/auth/logout', '/api/openapi.json']);
    const logout = ['POST', '/api/v1/auth/logout'] as const;
    expect(Object.keys(document.paths[logout[1]].post.responses)).not.toContain('200');
    expect(wrong(document, logout, await world.rest(...logout, { token: null }))).toBeUndefined();
    const { status } = await world.rest(...logout, { token: world.auth.createSession('user-mel') });
    expect(document.paths[logout[1]].post.responses[status]).toMatchObject({ description: 'The session has ended.' });
    const openApi = ['GET', '/api/openapi.json'] as const;
    const answer = await world.rest(...openApi);
    expect([answer.status, answer.body.openapi]).toEqual([200, '3.1.0']);
    expect(document.paths[openApi[1]].get.responses['200'].content['application/json'].schema.required).toEqual([
      'openapi',
      'info',
      'paths',
    ]);
  });

  test('the server and the cookie are those of this gateway', () => {
    expect(document.servers).toEqual([{ url: 'http://localhost:3000' }]);
    expect(document.components.securitySchemes.cookie.name).toBe('session');
  });
});

test('with identity providers, signing in and out at them is described', async () => {
  const world = await startWorld({
    env: {
      SSO_PROVIDERS: 'corp,dev',
      SSO_CORP_ISSUER: 'http://127.0.0.1:1',
      SSO_CORP_CLIENT_ID: 'gateway',
      SSO_CORP_LOGOUT: 'true',
      SSO_DEV_ISSUER: 'http://127.0.0.1:1',
      SSO_DEV_CLIENT_ID: 'gateway',
      SESSION_SECRET: 'a secret of quite enough characters to seal',
    },
  });
  try {
    const document = await get(world.url);
    expect(await problemsOf(document)).toEqual({ valid: true });
    const login = '/api/v1/auth/{provider}/login';
    const callback = '/api/v1/auth/{provider}/callback';
    for (const path of [login, callback]) {
      expect(parametersOf(document, 'get', path)['provider'].schema).toEqual({ type: 'string', enum: ['corp', 'dev'] });
      expect(Object.keys(document.paths[path].get.responses)).toContain('302');
    }
    expect(Object.keys(document.paths['/api/v1/auth/logout'].post.responses).slice(0, 2)).toEqual(['200', '204']);
    for (const accept of ['application/json', 'text/html']) {
      const headers = { accept };
      const unknown = await fetch(`${world.url}/api/v1/auth/other/login`, { headers, redirect: 'manual' });
      const unreachable = await fetch(`${world.url}/api/v1/auth/corp/login`, { headers, redirect: 'manual' });
      const unasked = await fetch(`${world.url}/api/v1/auth/corp/callback?code=1`, { headers, redirect: 'manual' });
      expect([unknown.status, unreachable.status, unasked.status]).toEqual([404, 503, 400]);
      for (const [path, { status, headers: got, ...answer }] of [
        [login, await read(unknown)],
        [login, await read(unreachable)],
        [callback, await read(unasked)],
      ] as const) {
        expect(Object.keys(document.paths[path].get.responses)).toContain(String(status));
        expect(wrong(document, ['GET', path], { status, headers: got, ...answer })).toBeUndefined();
      }
    }
  } finally {
    await world.close();
  }

  async function read(response: Response) {
    const { status, headers } = response;
    const isJson = headers.get('content-type')?.startsWith('application/json');
    return { status, headers, body: (isJson ? await response.json() : await response.text()) as unknown };
  }
});

describe('of another schema', () => {
  let own: OwnWorld;
  let document: Decoded;
  beforeAll(async () => {
    own = await startOwnWorld({
      proto: `
        syntax = "proto3";
        package own.v1;
        service OwnService {
          // Finds things. By their names, or
          // by nothing.
          rpc Find(Filter) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
          rpc Change(Filter) returns (Thing);
          rpc Watch(Filter) returns (stream Thing);
        }
        enum State {
          STATE_UNSPECIFIED = 0;
          // Somebody works on it.
          STATE_OPEN = 1;
        }
        message Filter {
          // As it is written on it.
          string name = 1;
          State state = 2;
          string note = 3;
        }
        // What is found.
        message Thing {
          // Its name. (-- api-linter: of no use --)
          string name = 1;
          State state = 2;
        }`,
      sdl: `
        type Query {
          find(name: String, state: State = OPEN): Thing @authenticated @rateLimit(limit: 2, window: "1m") @grpc(rpc: "Find")
          "Finds in the old way."
          old(name: String @deprecated(reason: "Use find.")): Thing
            @deprecated(reason: "Use find.") @requiresScopes(scopes: [["own:a", "own:b"], ["own:c"]]) @grpc(rpc: "Find")
        }
        type Mutation {
          change(input: FilterInput!): Thing @public @grpc(rpc: "Change")
          rename(name: String!, note: String = "none"): Thing @policy(policies: [["own:rename"]]) @grpc(rpc: "Change")
        }
        type Subscription { "Watches things." watch(name: String!): Thing @authenticated @grpc(rpc: "Watch") }
        type Thing { name: String! state: State }
        input FilterInput { name: String! state: State = OPEN note: String }
        enum State { OPEN }`,
      rest: `
        query Find($name: String, $state: State @enumCase(as: PASCAL), $with: Boolean = true)
        @rest(method: GET, path: "/api/v2/things", unknownQuery: REFUSE) {
          find(name: $name, state: $state) { name state @include(if: $with) }
        }
        query signOut($name: String) @rest(method: GET, path: "/api/things/{name}") { old(name: $name) { name } }
        mutation Change($change: FilterInput!) @rest(method: PATCH, path: "/api/things", body: "change") { change(input: $change) { name } }
        mutation Rename($name: String!, $note: String) @rest(method: POST, path: "/api/things/{name}", body: "*", status: 204) {
          rename(name: $name, note: $note) { name }
        }
        mutation Begin($name: String!, $note: String) @rest(method: POST, path: "/api/both", body: "*") {
          rename(name: $name, note: $note) { name }
        }
        subscription Watch($name: String!) @rest(method: POST, path: "/api/both", body: "*") { watch(name: $name) { name } }`,
      handlers: {
        Find: () => ({ name: 'a', state: 1 }),
        Change: () => ({ name: 'a' }),
        Watch: () => ({ name: 'a' }),
      },
    });
    document = await get(own.world.url);
  });
  afterAll(() => own.close());

  test('is valid', async () => {
    expect(await problemsOf(document)).toEqual({ valid: true });
  });

  test('what the SDL does not describe has the comment of the proto, without its internal notes', async () => {
    const { get: find } = document.paths['/api/v2/things'];
    expect(find.summary).toBe('Finds things');
    expect(find.description).toContain('By their names, or\nby nothing.');
    expect(parametersOf(document, 'get', '/api/v2/things')['name'].description).toBe('As it is written on it.');
    const { Thing, FilterInput } = document.components.schemas;
    expect(Thing.description).toBe('What is found.');
    expect(Thing.properties.name.description).toBe('Its name.');
    expect(Thing.properties.state.description).toBe('- `OPEN`: Somebody works on it.');
    expect(FilterInput.properties.name.description).toBe('As it is written on it.');
    const { data } = await own.world.graphql('{ __type(name: "Thing") { description fields { description } } }');
    expect(data.__type).toEqual({
      description: 'What is found.',
      fields: [{ description: 'Its name.' }, { description: null }],
    });
  });

  test('a field with a rate limit says so, in its answers too', async () => {
    const { get: find } = document.paths['/api/v2/things'];
    expect(find.description).toContain('At most 2 times in 60 s by each user (`Query.find`).');
    const place = ['GET', '/api/v2/things'] as const;
    const answers = [await own.world.rest(...place), await own.world.rest(...place), await own.world.rest(...place)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    for (const answer of answers) {
      const { headers } = resolved(document, find.responses[answer.status]);
      expect(Object.keys(headers)).toEqual(expect.arrayContaining(['ratelimit', 'ratelimit-policy']));
      for (const name of ['ratelimit', 'ratelimit-policy']) expect(answer.headers.has(name)).toBe(true);
      expect(wrong(document, place, answer)).toBeUndefined();
    }
    expect(answers[2]?.headers.has('retry-after')).toBe(true);
    const { headers } = document.paths['/api/things/{name}'].get.responses['200'];
    expect(Object.keys(headers)).toEqual(['x-request-id']);
  });

  test('defaults are those of the variable or of what it fills, as the route writes them', () => {
    const { state, with: included } = parametersOf(document, 'get', '/api/v2/things');
    expect(state.schema.default).toBe('Open');
    expect(included.schema).toEqual({ type: 'boolean', default: true });
    expect(document.components.schemas.FilterInput.properties.state.default).toBe('OPEN');
    expect(document.paths['/api/v2/things'].get.description).toContain('Other query parameters are refused with 400.');
  });

  test('what is deprecated is so, and whose permission it takes is told', () => {
    const { get: old, post: rename } = document.paths['/api/things/{name}'];
    expect(old).toMatchObject({ deprecated: true, summary: 'Finds in the old way' });
    expect(old.description).toBe('Deprecated: Use find.\n\nNeeds the permission own:a and own:b, or own:c.');
    expect(rename.description).toContain('Needs the permission own:rename, which is asked about for each request.');
  });

  test('a body that is one variable is an object and never null', () => {
    expect(document.paths['/api/things'].patch.requestBody.content['application/merge-patch+json'].schema).toEqual({
      $ref: '#/components/schemas/FilterInput',
    });
  });

  test('204 has no body', () => {
    expect(document.paths['/api/things/{name}'].post.responses['204'].content).toBeUndefined();
  });

  test('a whole answer and a stream of one path: what either takes', () => {
    const { post } = document.paths['/api/both'];
    const { anyOf } = post.requestBody.content['application/json'].schema;
    expect(anyOf.map(({ properties }: Decoded) => Object.keys(properties))).toEqual([['name', 'note'], ['name']]);
    expect(post.description).toContain('As a stream: Watches things.');
    expect(Object.keys(post.responses['200'].content)).toEqual([
      'application/json',
      'text/event-stream',
      'application/x-ndjson',
    ]);
  });

  test('an operation that is called as one of the gateway keeps its name', () => {
    expect(document.paths['/api/things/{name}'].get.operationId).toBe('signOut');
    expect(document.paths['/api/v1/auth/logout'].post.operationId).toBe('signOut_');
  });
});
