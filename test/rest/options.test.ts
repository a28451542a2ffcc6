/** What a route may say of its answers and requests: headers from fields, spelling of enums, unknown parameters. */
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';

const proto = `
syntax = "proto3";
package own.v1;
service OwnService {
  rpc GetThing(GetThingRequest) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Change(Empty) returns (Thing);
}
message Empty {}
message GetThingRequest { State state = 1; }
enum State { STATE_UNSPECIFIED = 0; STATE_IN_PROGRESS = 1; STATE_DONE = 2; }
message Thing { string name = 1; string etag = 2; int32 total = 3; State state = 4; Part part = 5; }
message Part { string version = 1; }
`;

const sdl = `
type Query {
  thing(state: State): Thing @public @grpc(rpc: "GetThing")
}
type Mutation {
  change: Thing @public @grpc(rpc: "Change")
}
type Thing { name: String etag: String total: Int! state: State part: Part }
type Part { version: String }
enum State { IN_PROGRESS DONE }
`;

const fields = `
  name
  etag @header(name: "ETag")
  total @header(name: "X-Total-Count")
  part { version @header(name: "X-Version") }
`;

const rest = `
query Thing @rest(method: GET, path: "/thing", unknownQuery: REFUSE) { thing { ${fields} } }
query Loose @rest(method: GET, path: "/loose") { thing { name } }
mutation Change @rest(method: POST, path: "/change", status: 204) { change { ${fields} } }
query Camel($state: State @enumCase(as: CAMEL)) @rest(method: GET, path: "/camel") { thing(state: $state) { state @enumCase(as: CAMEL) } }
query Snake($state: State @enumCase(as: SNAKE)) @rest(method: GET, path: "/snake") { thing(state: $state) { state @enumCase(as: SNAKE) } }
query Kebab($state: State @enumCase(as: KEBAB)) @rest(method: GET, path: "/kebab") { thing(state: $state) { state @enumCase(as: KEBAB) } }
query Pascal($state: State @enumCase(as: PASCAL)) @rest(method: GET, path: "/pascal") { thing(state: $state) { state @enumCase(as: PASCAL) @header(name: "X-State") } }
`;

const whole = { name: 'a bicycle', etag: '"v1"', total: 3, state: 1, part: { version: '7' } };
let thing: object = whole;
let here: OwnWorld;
beforeAll(async () => {
  here = await startOwnWorld({
    proto,
    sdl,
    rest,
    handlers: { GetThing: () => thing, Change: () => thing },
    options: { env: { ALLOWED_ORIGINS: 'https://app.example' } },
  });
});
afterAll(() => here.close());
afterEach(() => {
  thing = whole;
});

describe('fields in headers', () => {
  test('are in the headers, and not in the body', async () => {
    const { status, headers, body } = await here.world.rest('GET', '/thing');
    expect([status, body]).toEqual([200, { name: 'a bicycle', part: {} }]);
    expect([headers.get('etag'), headers.get('x-total-count'), headers.get('x-version')]).toEqual(['"v1"', '3', '7']);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  test('are there without a body too', async () => {
    const response = await fetch(`${here.world.url}/change`, { method: 'POST' });
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect([response.headers.get('etag'), response.headers.get('x-total-count')]).toEqual(['"v1"', '3']);
  });

  test('are left out where there is no value', async () => {
    thing = { name: 'a bicycle', total: 0 };
    const { headers, body } = await here.world.rest('GET', '/thing');
    expect(body).toEqual({ name: 'a bicycle', part: null });
    expect([headers.get('x-version'), headers.get('x-total-count')]).toEqual([null, '0']);
  });

  test.each(['a\r\nset-cookie: b=c', 'a\0', 'a\u20ac', '\u{1f600}'])(
    'a value that no header can hold is 502: %j',
    async (etag) => {
      thing = { ...whole, etag };
      const { status, headers, body } = await here.world.rest('GET', '/thing');
      expect([status, body.error.reason, headers.get('etag'), headers.get('set-cookie')]).toEqual([
        502,
        'UPSTREAM_ERROR',
        null,
        null,
      ]);
    },
  );

  test('may be read by pages of allowed origins', async () => {
    const response = await fetch(`${here.world.url}/thing`, { headers: { origin: 'https://app.example' } });
    const exposed = response.headers.get('access-control-expose-headers')?.split(', ');
    expect(exposed).toEqual(expect.arrayContaining(['etag', 'x-total-count', 'x-version', 'x-state', 'x-request-id']));
  });
});

test.each([
  ['/camel', 'inProgress'],
  ['/snake', 'in_progress'],
  ['/kebab', 'in-progress'],
])('%s writes and reads IN_PROGRESS as %s', async (path, text) => {
  for (const state of [text, 'IN_PROGRESS']) {
    const { status, body } = await here.world.rest('GET', `${path}?state=${state}`);
    expect([status, body]).toEqual([200, { state: text }]);
  }
  const { status, body } = await here.world.rest('GET', `${path}?state=other`);
  expect([status, body.error.message]).toEqual([400, `state must be one of ${text}, done.`]);
});

test('an enum in a header is spelled as the route has it', async () => {
  const { headers, body } = await here.world.rest('GET', '/pascal');
  expect([headers.get('x-state'), body]).toEqual(['InProgress', {}]);
});

describe('parameters that the operation does not have', () => {
  test('are ignored', async () => {
    expect((await here.world.rest('GET', '/loose?utm_source=mail')).status).toBe(200);
  });

  test('are refused where the route says so', async () => {
    const { status, body } = await here.world.rest('GET', '/thing?lang=en&x=1&lang=de');
    expect(status).toBe(400);
    expect(body.error).toMatchObject({
      message: 'The query has unknown parameters: lang, x.',
      fieldViolations: [{ field: 'lang' }, { field: 'x' }],
    });
    expect((await here.world.rest('GET', '/thing')).status).toBe(200);
  });
});
