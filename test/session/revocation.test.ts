import { status as grpcStatus } from '@grpc/grpc-js';
import {
  startWorld,
  until,
  type GraphqlAnswer,
  type RestAnswer,
  type World,
  type WorldOptions,
} from '../gateway-fixture';
import { hold } from './session-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
  await world.auth.control.waitForCall('WatchRevocations');
});
afterAll(() => world.close());
beforeEach(() => world.reset());
afterEach(() => {
  jest.restoreAllMocks();
});

const cookieOf = (token: string): Record<string, string> => ({ cookie: `session=${token}`, 'x-csrf': '1' });
const me = (token: string, of = world): Promise<GraphqlAnswer> =>
  of.graphql('{ me { id } }', { token: null, headers: cookieOf(token) });
const signOut = (token: string, of = world): Promise<RestAnswer> =>
  of.rest('POST', '/api/v1/auth/logout', { token: null, headers: cookieOf(token) });
const newSession = (userId = 'user-mel'): string => world.auth.createSession(userId);

/** Asks until a session is over. No request that begins more than a second from now may still be let in. */
async function overWithinASecond(token: string, of = world): Promise<GraphqlAnswer> {
  const begin = performance.now();
  let lastAllowed = 0;
  return until(
    async () => {
      const asked = performance.now() - begin;
      const answer = await me(token, of);
      if (answer.status === 200) lastAllowed = asked;
      if (lastAllowed > 1_000) throw new Error('it still counts after a second');
      return answer;
    },
    ({ status }) => status === 401,
  );
}

async function inWorld(options: WorldOptions, run: (there: World) => Promise<void>): Promise<void> {
  const there = await startWorld(options);
  try {
    await run(there);
  } finally {
    await there.close();
  }
}

const cleared = [expect.stringMatching(/^session=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 /)];

describe('signing out', () => {
  test('revokes the session at AuthService, clears the cookie, and ends the session here at once', async () => {
    const token = newSession();
    expect((await me(token)).status).toBe(200);
    const { status, headers, body } = await signOut(token);
    expect(status).toBe(204);
    expect(body).toBeUndefined();
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.getSetCookie()).toEqual(cleared);
    expect(world.auth.control.calls('RevokeSession').map(({ request }) => request)).toEqual([{ sessionToken: token }]);
    expect(world.auth.state.sessions.find(token)).toBeUndefined();
    const asked = world.auth.control.count('ValidateSession');
    const after = await me(token);
    expect(after.status).toBe(401);
    expect(after.headers.getSetCookie()).toEqual(cleared);
    expect(world.auth.control.count('ValidateSession')).toBe(asked);
  });

  test('leaves other sessions of the user alone', async () => {
    const [one, other] = [newSession(), newSession()];
    await signOut(one);
    expect((await me(other)).status).toBe(200);
  });

  test('works for a session that is over already, and for one that never was', async () => {
    const token = newSession();
    await signOut(token);
    for (const gone of [token, 'never-was']) {
      expect(await signOut(gone)).toMatchObject({ status: 204 });
    }
  });

  test('with a bearer token sets no cookie', async () => {
    const token = newSession();
    const { status, headers } = await world.rest('POST', '/api/v1/auth/logout', { token });
    expect(status).toBe(204);
    expect(headers.getSetCookie()).toEqual([]);
    expect((await world.rest('GET', '/api/v1/users/me', { token })).status).toBe(401);
  });

  test('without a session is 401', async () => {
    const { status, headers } = await world.rest('POST', '/api/v1/auth/logout', { token: null });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer realm="api-gateway"');
    expect(world.auth.control.count('RevokeSession')).toBe(0);
  });

  test('counts while AuthService has not yet confirmed it, and no look-up under way brings the session back', async () => {
    const token = newSession();
    const validate = hold(world.auth.control, 'ValidateSession');
    const early = me(token);
    await world.auth.control.waitForCall('ValidateSession');
    const revoke = hold(world.auth.control, 'RevokeSession');
    const out = signOut(token);
    const call = await world.auth.control.waitForCall('RevokeSession');
    // AuthService says yes, for it has not revoked anything yet.
    validate();
    expect((await early).status).toBe(401);
    expect((await me(token)).status).toBe(401);
    expect(call.sent).toBe(0);
    expect(world.auth.state.sessions.find(token)).toBeDefined();
    revoke();
    expect((await out).status).toBe(204);
    expect((await me(token)).status).toBe(401);
    expect(world.auth.control.count('ValidateSession')).toBe(1);
  });

  test('goes on when the tab is closed', async () => {
    const token = newSession();
    const revoke = hold(world.auth.control, 'RevokeSession');
    const closing = new AbortController();
    const request = fetch(`${world.url}/api/v1/auth/logout`, {
      method: 'POST',
      headers: cookieOf(token),
      signal: closing.signal,
    });
    const call = await world.auth.control.waitForCall('RevokeSession');
    closing.abort();
    await expect(request).rejects.toThrow('aborted');
    // By the time that others are answered, the gateway has noticed.
    await me(newSession());
    await me(newSession());
    revoke();
    await until(
      () => world.auth.state.sessions.find(token),
      (session) => session === undefined,
    );
    expect(call.cancelled).toBe(false);
  });

  test.each(['UNAVAILABLE', 'INTERNAL'] as const)(
    'is 503 where AuthService answers %s; the cookie stays for another try',
    async (code) => {
      const token = newSession();
      expect((await me(token)).status).toBe(200);
      world.auth.control.setFault({ method: 'RevokeSession', code: grpcStatus[code] });
      const failed = await signOut(token);
      expect(failed.status).toBe(503);
      expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(failed.headers.getSetCookie()).toEqual([]);
      expect(failed.body.error).toMatchObject({
        reason: 'AUTH_UNAVAILABLE',
        message: 'Signing out is not possible right now. Try again shortly.',
      });
      // Here the session is over, as its user wished; the cookie is needed to say so once more.
      const after = await me(token);
      expect(after.status).toBe(401);
      expect(after.headers.getSetCookie()).toEqual([]);
      world.auth.control.clearFaults();
      const again = await signOut(token);
      expect(again.status).toBe(204);
      expect(again.headers.getSetCookie()).toEqual(cleared);
      expect(world.auth.state.sessions.find(token)).toBeUndefined();
    },
  );

  test('is 503 while AuthService is down, and works once it is back', () =>
    inWorld({}, async (there) => {
      const token = there.auth.createSession('user-mel');
      await there.auth.close();
      const failed = await signOut(token, there);
      expect(failed.status).toBe(503);
      expect(failed.headers.getSetCookie()).toEqual([]);
      await there.restartAuth();
      await until(
        () => signOut(token, there),
        ({ status }) => status === 204,
      );
      expect(there.auth.state.sessions.find(token)).toBeUndefined();
    }));
});

describe('a revocation elsewhere', () => {
  test('of a session counts within a second, though it was confirmed a moment before', async () => {
    const [token, other] = [newSession(), newSession()];
    expect([(await me(token)).status, (await me(other)).status]).toEqual([200, 200]);
    world.auth.state.sessions.revoke(token);
    const after = await overWithinASecond(token);
    expect(after.headers.getSetCookie()).toEqual(cleared);
    expect((await me(other)).status).toBe(200);
    expect(world.auth.control.calls('ValidateSession').map(({ request }) => request['sessionToken'])).toEqual([
      token,
      other,
      token,
    ]);
  });

  test("of a user counts for all of the user's sessions, and for nobody else's", async () => {
    const tokens = [newSession('user-max'), newSession('user-max')];
    const other = newSession('user-bo');
    for (const token of [...tokens, other]) expect((await me(token)).status).toBe(200);
    world.auth.state.sessions.revokeUser('user-max');
    for (const token of tokens) await overWithinASecond(token);
    expect((await me(other)).status).toBe(200);
    expect(world.auth.control.count('ValidateSession')).toBe(5);
  });

  test('by way of another gateway counts here', () =>
    inWorld({ env: { AUTH_SERVICE_ADDR: world.auth.address } }, async (neighbour) => {
      const token = newSession();
      expect([(await me(token)).status, (await me(token, neighbour)).status]).toEqual([200, 200]);
      await world.auth.control.waitForCall('WatchRevocations');
      expect((await signOut(token)).status).toBe(204);
      await overWithinASecond(token, neighbour);
    }));

  test('of a user whom an admin makes inactive counts', async () => {
    const { userId } = world.auth.state.directory.add({
      email: 'ira@example.com',
      displayName: 'Ira',
      status: 'USER_STATUS_ACTIVE',
      roles: ['member'],
    });
    const token = newSession(userId);
    expect((await me(token)).status).toBe(200);
    const { errors } = await world.graphql(
      'mutation ($id: ID!) { updateUser(id: $id, input: { status: INACTIVE }) { id } }',
      { variables: { id: userId } },
    );
    expect(errors).toBeUndefined();
    await overWithinASecond(token);
  });
});

describe('the watch', () => {
  const told = (of: World, msg: string) => of.logs.filter((line) => line['msg'] === msg);
  const lost = 'revocations of sessions are not watched; they count when a session is next validated';
  const back = 'revocations of sessions are watched again';

  test('that AuthService does not have is left alone; a revocation then counts within SESSION_CACHE_TTL', () =>
    inWorld({ env: { SESSION_CACHE_TTL: '60s' }, auth: { watchRevocations: false } }, async (there) => {
      const token = there.auth.createSession('user-mel');
      expect((await me(token, there)).status).toBe(200);
      there.auth.state.sessions.revoke(token);
      expect((await me(token, there)).status).toBe(200);
      const now = performance.now.bind(performance);
      jest.spyOn(performance, 'now').mockImplementation(() => now() + 60_001);
      expect((await me(token, there)).status).toBe(401);
      const missing = 'AuthService has no WatchRevocations; revocations count when a session is next validated';
      expect(told(there, missing)).toHaveLength(1);
      expect(told(there, lost)).toEqual([]);
      expect(await there.metrics()).not.toMatch(/upstream_grpc_errors_total\{.*WatchRevocations.*\} [1-9]/);
    }));

  test('that is lost is begun anew, and what was revoked in between counts then', () =>
    inWorld({ env: { SESSION_CACHE_TTL: '60s' } }, async (there) => {
      const token = there.auth.createSession('user-mel');
      await there.auth.control.waitForCall('WatchRevocations');
      expect((await me(token, there)).status).toBe(200);
      await there.auth.close();
      there.auth.state.sessions.revoke(token);
      await until(
        () => told(there, lost),
        (lines) => lines.length > 0,
      );
      await there.restartAuth();
      await until(
        () => me(token, there),
        ({ status }) => status === 401,
      );
      expect(told(there, lost)).toEqual([expect.objectContaining({ level: 'warn' })]);
      expect(told(there, back)).toHaveLength(1);
      const other = there.auth.createSession('user-max');
      expect((await me(other, there)).status).toBe(200);
      there.auth.state.sessions.revoke(other);
      await overWithinASecond(other, there);
    }));

  test('ends with the gateway, and is no error', () =>
    inWorld({}, async (there) => {
      const call = await there.auth.control.waitForCall('WatchRevocations');
      await there.server.close();
      await until(
        () => call.cancelled,
        (cancelled) => cancelled,
      );
      expect(told(there, lost)).toEqual([]);
    }));
});

describe('a stream', () => {
  const subscription = 'subscription { askStream(input: { query: "hello" }) { conversationId } }';

  /** Opens a stream that says something once and then no more. */
  async function open(token: string, of = world) {
    of.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const response = await fetch(`${of.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...cookieOf(token) },
      body: JSON.stringify({ query: subscription }),
    });
    expect(response.status).toBe(200);
    const rpc = await of.ai.control.waitForCall('StreamQuery');
    await until(
      () => rpc.sent,
      (sent) => sent === 1,
    );
    const text = response.text();
    return {
      rpc,
      /** The error in its last event, once it has ended. */
      ended: async () => {
        const events = [...(await text).matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));
        expect(events[0]?.data?.askStream).toBeDefined();
        return events.at(-1)?.errors?.[0];
      },
    };
  }

  const ends: [string, (token: string) => unknown][] = [
    ['is revoked elsewhere', (token) => world.auth.state.sessions.revoke(token)],
    ['is signed out', signOut],
    ['ends with all of its user', () => world.auth.state.sessions.revokeUser('user-mel')],
  ];
  test.each(ends)('ends when its session %s, and its RPC with it', async (_how, end) => {
    const token = newSession();
    const { rpc, ended } = await open(token);
    const bystander = newSession('user-max');
    expect((await me(bystander)).status).toBe(200);
    await end(token);
    expect((await ended()).extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    await until(
      () => rpc.cancelled,
      (cancelled) => cancelled,
    );
  });

  test('ends when its session is signed out, where nobody announces revocations too', () =>
    inWorld({ auth: { watchRevocations: false } }, async (there) => {
      const { ended } = await open(there.auth.memberToken, there);
      expect((await signOut(there.auth.memberToken, there)).status).toBe(204);
      expect((await ended()).extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    }));

  test('of another session goes on', async () => {
    const [token, other] = [newSession(), newSession()];
    const { rpc, ended } = await open(token);
    await signOut(other);
    expect((await me(token)).status).toBe(200);
    expect(rpc.cancelled).toBe(false);
    await signOut(token);
    await ended();
  });

  const briefly = { SESSION_CACHE_TTL: '300ms' };

  test('is re-validated where nobody announces revocations, and then ends', () =>
    inWorld({ env: briefly, auth: { watchRevocations: false } }, async (there) => {
      const { auth } = there;
      const token = auth.createSession('user-mel');
      const { ended } = await open(token, there);
      const asked = auth.control.count('ValidateSession');
      await until(
        () => auth.control.count('ValidateSession'),
        (count) => count > asked,
      );
      auth.state.sessions.revoke(token);
      expect((await ended()).extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    }));

  test('ends when its session expires', () =>
    inWorld({ env: briefly }, async (there) => {
      const { ended } = await open(there.auth.createSession('user-mel', 60), there);
      const later = Date.now() + 60_000;
      jest.spyOn(Date, 'now').mockImplementation(() => later);
      // Whatever may be the matter with AuthService by then.
      there.auth.control.setFault({ method: 'ValidateSession', code: grpcStatus.UNAVAILABLE });
      expect((await ended()).extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    }));

  test('ends when its session cannot be checked any more', () =>
    inWorld({ env: briefly }, async (there) => {
      const { ended } = await open(there.auth.memberToken, there);
      there.auth.control.setFault({ method: 'ValidateSession', code: grpcStatus.UNAVAILABLE });
      expect((await ended()).extensions).toMatchObject({ code: 'AUTH_UNAVAILABLE' });
    }));
});
