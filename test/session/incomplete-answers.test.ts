/** Answers of AuthService that say too little of a session. */
import { status } from '@grpc/grpc-js';
import { startWorld, until, type World } from '../gateway-fixture';
import { startUpstream, type Upstream } from '../upstreams/server';

const whole = {
  sessionId: 'session-1',
  userId: 'user-ada',
  permissions: [],
  expiresAt: { seconds: Math.floor(Date.now() / 1000) + 600, nanos: 0 },
};
let session: object = whole;
let auth: Upstream;
let world: World;
beforeAll(async () => {
  auth = await startUpstream({
    proto: 'auth/v1/auth.proto',
    service: 'auth.v1.AuthService',
    handlers: { ValidateSession: () => session, GetUser: () => ({ userId: 'user-ada' }) },
  });
  world = await startWorld({ env: { AUTH_SERVICE_ADDR: auth.address, SESSION_CACHE_TTL: '0s' } });
});
afterAll(async () => {
  await world.close();
  await auth.close();
});

const ask = () =>
  world.rest('GET', '/api/v1/users/me', {
    token: null,
    headers: { cookie: 'session=abc', 'sec-fetch-site': 'same-origin' },
  });

test('a whole one lets its user in', async () => {
  session = whole;
  expect((await ask()).status).toBe(200);
});

test.each([
  ['nothing', {}],
  ['no id', { ...whole, sessionId: '' }],
  ['no user', { ...whole, userId: '' }],
  ['no end', { ...whole, expiresAt: null }],
])('one that says %s is 503, and keeps the cookie', async (_, answer) => {
  session = answer;
  const series = `upstream_grpc_errors_total{service="auth.v1.AuthService",method="ValidateSession",code="${status[status.INTERNAL]}"}`;
  const [errors] = await world.growth(async () => {
    const { status: code, headers, body } = await ask();
    expect([code, body.error.reason, headers.get('set-cookie')]).toEqual([503, 'AUTH_UNAVAILABLE', null]);
  }, series);
  expect(errors).toBe(1);
});

test('the log says what is missing', async () => {
  session = { ...whole, userId: '' };
  // There is one line a second.
  await until(
    async () => {
      await ask();
      return world.lines.some((line) => line.includes('the answer cannot be decoded: it has no user_id'));
    },
    (isTold) => isTold,
  );
});

test('one that has ended ends the session', async () => {
  session = { ...whole, expiresAt: { seconds: 1, nanos: 0 } };
  const { status: code, headers } = await ask();
  expect([code, headers.get('set-cookie')]).toEqual([401, expect.stringContaining('session=;')]);
});
