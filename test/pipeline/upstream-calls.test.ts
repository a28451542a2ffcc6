/** The bound on calls to one upstream: a service that hangs takes no other down. */
import { startOwnWorld } from '../schema/own-schema';
import { startWorld, until, type World } from '../gateway-fixture';

const bound = 5;
let world: World;
beforeAll(async () => {
  world = await startWorld({ env: { AI_SERVICE_MAX_CALLS: String(bound) } });
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const ask = () => world.rest('POST', '/api/ai', { body: { query: 'who am I' } });

test('of a service that hangs are refused beyond its bound, and other services are asked as before', async () => {
  let release = (): void => {};
  const waitFor = new Promise<void>((resolve) => (release = resolve));
  world.ai.control.setFault({ method: 'ProcessQuery', waitFor });
  const held = Array.from({ length: bound }, ask);
  await until(
    () => world.ai.control.count('ProcessQuery'),
    (count) => count === bound,
  );
  const growth = await world.growth(
    async () => {
      const refused = await ask();
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(refused.body.error).toMatchObject({
        reason: 'SERVICE_UNAVAILABLE',
        message: 'There are 5 calls to the service "ai" under way, the most that there may be.',
      });
      expect(await world.accessLine(refused)).toMatchObject({ limit: 'upstream_calls', code: 'SERVICE_UNAVAILABLE' });
    },
    'limit_refusals_total{limit="upstream_calls"}',
    'upstream_grpc_errors_total{service="ai.v1.AIService",method="ProcessQuery",code="UNAVAILABLE"}',
    'upstream_grpc_calls_in_flight{service="ai"}',
  );
  // The call was not made.
  expect(growth).toEqual([1, 0, 0]);
  expect(world.lines.some((line) => line.includes('calls to the service \\"ai\\"') && line.includes('"error"'))).toBe(
    true,
  );
  expect(world.ai.control.count('ProcessQuery')).toBe(bound);
  // Another service, and what a subscription asks for.
  expect((await world.rest('GET', '/api/v1/users/me')).status).toBe(200);
  const events: unknown[] = [];
  for await (const event of world.askStream('count to 2')) events.push(event);
  expect(events).toHaveLength(3);
  release();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(held.map(() => 200));
  world.ai.control.clearFaults();
  expect((await ask()).status).toBe(200);
});

test('the checks of sessions go on beside calls that hang', async () => {
  const auth = await startWorld({ env: { AUTH_SERVICE_MAX_CALLS: '1' } });
  let release = (): void => {};
  const waitFor = new Promise<void>((resolve) => (release = resolve));
  try {
    auth.auth.control.setFault({ method: 'GetUser', waitFor, times: 1 });
    const held = auth.rest('GET', '/api/v1/users/me');
    await auth.auth.control.waitForCall('GetUser');
    const token = auth.auth.createSession('user-mel');
    expect((await auth.rest('GET', '/api/v1/users/me', { token })).body.error.reason).toBe('SERVICE_UNAVAILABLE');
    expect(auth.auth.control.count('ValidateSession')).toBe(2);
    release();
    expect((await held).status).toBe(200);
  } finally {
    release();
    await auth.close();
  }
});

test('a stream that is collected into a list counts as well', async () => {
  let release = (): void => {};
  const waitFor = new Promise<void>((resolve) => (release = resolve));
  const here = await startOwnWorld({
    proto: `
syntax = "proto3";
package own.v1;
service OwnService { rpc Count(Empty) returns (stream Number); }
message Empty {}
message Number { int32 value = 1; }`,
    sdl: `
type Query { numbers: [Number!]! @public @grpc(rpc: "Count") }
type Number { value: Int! }`,
    handlers: {
      async *Count() {
        await waitFor;
        yield { value: 1 };
      },
    },
    options: { env: { OWN_SERVICE_MAX_CALLS: '1' } },
  });
  try {
    const query = '{ numbers { value } }';
    const first = here.world.graphql(query);
    await here.own.control.waitForCall('Count');
    const { errors } = await here.world.graphql(query);
    expect(errors?.[0]?.extensions['code']).toBe('SERVICE_UNAVAILABLE');
    release();
    expect((await first).data).toEqual({ numbers: [{ value: 1 }] });
    expect((await here.world.graphql(query)).data).toEqual({ numbers: [{ value: 1 }] });
  } finally {
    release();
    await here.close();
  }
});
