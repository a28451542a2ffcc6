import { status as grpcStatus } from '@grpc/grpc-js';
import { startWorld, until, type GraphqlAnswer, type World } from '../gateway-fixture';
import { hold } from './session-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());
afterEach(() => {
  jest.restoreAllMocks();
});

const validations = (of = world): number => of.auth.control.count('ValidateSession');
const newSession = (ttlSeconds?: number): string => world.auth.createSession('user-mel', ttlSeconds);
const me = (token: string, headers: Record<string, string> = {}, of = world): Promise<GraphqlAnswer> =>
  of.graphql('{ me { id } }', { token, headers });
const codeOf = ({ errors }: GraphqlAnswer): unknown => errors?.[0]?.extensions['code'];
const lookUps = async (result: string): Promise<number> =>
  (await world.metric(`session_cache_lookups_total{result="${result}"}`)) ?? 0;

const realNow = performance.now.bind(performance);
/** Lets time pass for the caches, which count by the monotonic clock: so many ms in all, until the end of the test. */
function pass(milliseconds: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => realNow() + milliseconds);
}

describe('requests with one session', () => {
  test('that come at once share one look-up, through whichever door', async () => {
    const token = newSession();
    const before = await lookUps('coalesced');
    const letGo = hold(world.auth.control, 'ValidateSession');
    const answers = Promise.all([
      ...Array.from({ length: 4 }, () => me(token)),
      ...Array.from({ length: 4 }, () => world.rest('GET', '/api/v1/users/me', { token })),
      ...Array.from({ length: 4 }, () =>
        world.graphql('{ me { id } }', { token: null, headers: { cookie: `session=${token}`, 'x-csrf': '1' } }),
      ),
    ]);
    await until(
      () => lookUps('coalesced'),
      (count) => count - before === 11,
    );
    letGo();
    expect((await answers).map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(validations()).toBe(1);
  });

  test('that come one after another share one look-up for the ten seconds of the default', async () => {
    const token = newSession();
    const before = await lookUps('hit');
    for (let request = 0; request < 5; request += 1) await me(token);
    pass(5_000);
    expect((await me(token)).status).toBe(200);
    expect(validations()).toBe(1);
    expect((await lookUps('hit')) - before).toBe(5);
    pass(10_001);
    expect((await me(token)).status).toBe(200);
    expect(validations()).toBe(2);
  });

  test('do not share it with another session', async () => {
    await Promise.all([me(newSession()), me(newSession())]);
    expect(validations()).toBe(2);
  });
});

describe('who shares a look-up and leaves', () => {
  const path = '/api/v1/users/me';
  const left = async (): Promise<number> =>
    (await world.metric(`http_requests_total{method="GET",path="${path}",status="499"}`)) ?? 0;

  /** A request that leaves when it is told to; resolves when the gateway has noticed. */
  function leaver(token: string): () => Promise<void> {
    const leaving = new AbortController();
    const request = fetch(world.url + path, {
      headers: { authorization: `Bearer ${token}` },
      signal: leaving.signal,
    });
    return async () => {
      const before = await left();
      leaving.abort();
      await expect(request).rejects.toThrow('aborted');
      await until(left, (count) => count > before);
    };
  }

  /** A second request that waits for the look-up that is under way. */
  async function follower(token: string): Promise<{ answer: Promise<GraphqlAnswer> }> {
    const before = await lookUps('coalesced');
    const answer = me(token);
    await until(
      () => lookUps('coalesced'),
      (count) => count > before,
    );
    return { answer };
  }

  test('does not cancel it for the other', async () => {
    const token = newSession();
    const letGo = hold(world.auth.control, 'ValidateSession');
    const leave = leaver(token);
    const call = await world.auth.control.waitForCall('ValidateSession');
    const second = await follower(token);
    await leave();
    letGo();
    expect((await second.answer).status).toBe(200);
    expect(call.cancelled).toBe(false);
    expect(validations()).toBe(1);
  });

  test('because its time is up reads 504, and the other is answered', async () => {
    const token = newSession();
    const letGo = hold(world.auth.control, 'ValidateSession');
    const first = me(token, { 'x-request-timeout-ms': '300' });
    const call = await world.auth.control.waitForCall('ValidateSession');
    const second = await follower(token);
    expect(await first).toMatchObject({ status: 504, errors: [{ extensions: { code: 'GATEWAY_TIMEOUT' } }] });
    letGo();
    expect((await second.answer).status).toBe(200);
    expect(call.cancelled).toBe(false);
    expect(validations()).toBe(1);
  });

  test('as the only one leaves the answer behind for the next', async () => {
    const token = newSession();
    const letGo = hold(world.auth.control, 'ValidateSession');
    const leave = leaver(token);
    const call = await world.auth.control.waitForCall('ValidateSession');
    await leave();
    letGo();
    expect((await me(token)).status).toBe(200);
    expect(call.cancelled).toBe(false);
    expect(validations()).toBe(1);
  });
});

describe('a definite no', () => {
  test('is kept for five seconds', async () => {
    const token = 'not-yet-a-session';
    expect(await me(token)).toMatchObject({ status: 401 });
    const refused = await lookUps('refused');
    pass(3_000);
    expect(codeOf(await me(token))).toBe('UNAUTHENTICATED');
    expect(validations()).toBe(1);
    expect((await lookUps('refused')) - refused).toBe(1);
    world.auth.state.sessions.create('user-mel', 60, token);
    pass(5_001);
    expect((await me(token)).status).toBe(200);
    expect(validations()).toBe(2);
  });

  test('clears the cookie, on either door, from the cache too', async () => {
    const headers = { cookie: 'session=never-was-a-session', 'x-csrf': '1' };
    const answers = [
      await world.graphql('{ me { id } }', { token: null, headers }),
      await world.rest('GET', '/api/v1/users/me', { token: null, headers }),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(/^session=; Max-Age=0; /)]);
    }
    expect(validations()).toBe(1);
  });
});

describe('where AuthService fails', () => {
  test.each([
    'UNAVAILABLE',
    'INTERNAL',
    'UNKNOWN',
    'DEADLINE_EXCEEDED',
    'RESOURCE_EXHAUSTED',
    'PERMISSION_DENIED',
  ] as const)('with %s the answer is 503, the cookie stays, and the next request asks again', async (code) => {
    const headers = { cookie: `session=${newSession()}`, 'x-csrf': '1' };
    world.auth.control.setFault({ method: 'ValidateSession', code: grpcStatus[code] });
    const failed = await world.graphql('{ me { id } }', { token: null, headers });
    expect(failed.status).toBe(503);
    expect(codeOf(failed)).toBe('AUTH_UNAVAILABLE');
    expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(failed.headers.getSetCookie()).toEqual([]);
    world.auth.control.clearFaults();
    const asked = validations();
    expect((await world.graphql('{ me { id } }', { token: null, headers })).status).toBe(200);
    expect(validations()).toBe(asked + 1);
  });

  test('by refusing as too many, the log says so and it counts, though no client is to blame', async () => {
    const here = await startWorld();
    try {
      here.auth.control.setFault({ method: 'ValidateSession', code: grpcStatus.RESOURCE_EXHAUSTED });
      const series =
        'upstream_grpc_errors_total{service="auth.v1.AuthService",method="ValidateSession",code="RESOURCE_EXHAUSTED"}';
      await here.graphql('{ me { id } }');
      expect(await here.metric(series)).toBe(1);
      expect(here.logs).toContainEqual(
        expect.objectContaining({
          level: 'error',
          upstream: 'auth',
          grpc: expect.objectContaining({ method: 'ValidateSession', code: 'RESOURCE_EXHAUSTED' }),
        }),
      );
    } finally {
      await here.close();
    }
  });

  test('nothing stale is served', async () => {
    const token = newSession();
    expect((await me(token)).status).toBe(200);
    world.auth.control.setFault({ method: 'ValidateSession', code: grpcStatus.UNAVAILABLE });
    expect((await me(token)).status).toBe(200);
    pass(10_001);
    expect(codeOf(await me(token))).toBe('AUTH_UNAVAILABLE');
  });

  test('by not answering, a request is told after two seconds', async () => {
    world.auth.control.setFault({ method: 'ValidateSession', hang: true });
    const answer = me(newSession());
    const { deadline } = await world.auth.control.waitForCall('ValidateSession');
    expect(deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 2_000);
    expect(codeOf(await answer)).toBe('AUTH_UNAVAILABLE');
  });

  test('public fields are answered beside protected ones', async () => {
    world.auth.control.setFault({ method: 'ValidateSession', code: grpcStatus.UNAVAILABLE });
    const answer = await world.graphql('{ gateway { name } me { id } }', { token: newSession() });
    expect(answer.status).toBe(200);
    expect(answer.data).toEqual({ gateway: { name: 'api-gateway' }, me: null });
    expect(codeOf(answer)).toBe('AUTH_UNAVAILABLE');
  });
});

describe('a session that expires', () => {
  test('is over then, though it was confirmed a moment before, and the cookie is cleared', async () => {
    const headers = { cookie: `session=${newSession(60)}`, 'x-csrf': '1' };
    const ask = () => world.graphql('{ me { id } }', { token: null, headers });
    expect((await ask()).status).toBe(200);
    const later = Date.now() + 60_000;
    jest.spyOn(Date, 'now').mockImplementation(() => later);
    const over = await ask();
    expect(over.status).toBe(401);
    expect(codeOf(over)).toBe('UNAUTHENTICATED');
    expect(over.headers.getSetCookie()).toEqual([expect.stringMatching(/^session=; Max-Age=0; /)]);
  });

  test('is not believed, though AuthService may say that it is valid', async () => {
    const token = newSession();
    const found = world.auth.state.sessions.find(token)!;
    jest.spyOn(world.auth.state.sessions, 'find').mockReturnValue({ ...found, expiresAt: new Date(Date.now() - 1) });
    expect(codeOf(await me(token))).toBe('UNAUTHENTICATED');
  });
});

describe('SESSION_CACHE_TTL', () => {
  test('says how long a session is not asked about', async () => {
    const there = await startWorld({ env: { SESSION_CACHE_TTL: '400ms' } });
    try {
      const begin = performance.now();
      await me(there.auth.memberToken, {}, there);
      await until(
        async () => (await me(there.auth.memberToken, {}, there)) && validations(there),
        (count) => count > 1,
      );
      expect(performance.now() - begin).toBeGreaterThanOrEqual(400);
      expect(validations(there)).toBe(2);
    } finally {
      await there.close();
    }
  });

  test('of 0s asks for every request, and requests at once still share', async () => {
    const there = await startWorld({ env: { SESSION_CACHE_TTL: '0s' } });
    try {
      const { memberToken } = there.auth;
      for (let request = 0; request < 3; request += 1) await me(memberToken, {}, there);
      expect(validations(there)).toBe(3);
      const letGo = hold(there.auth.control, 'ValidateSession');
      const answers = Promise.all([me(memberToken, {}, there), me(memberToken, {}, there)]);
      const coalesced = 'session_cache_lookups_total{result="coalesced"}';
      await until(
        () => there.metric(coalesced),
        (count) => count === 1,
      );
      letGo();
      await answers;
      expect(validations(there)).toBe(4);
    } finally {
      await there.close();
    }
  });
});

test('what AuthService says of a session is what its calls carry', async () => {
  await me(newSession());
  const [validation] = world.auth.control.calls('ValidateSession');
  expect(validation?.metadata['x-user-id']).toBeUndefined();
  const [call] = world.auth.control.calls('GetUser');
  expect(call?.metadata).toMatchObject({
    'x-user-id': 'user-mel',
    'x-session-id': expect.stringMatching(/^session-/),
  });
});
