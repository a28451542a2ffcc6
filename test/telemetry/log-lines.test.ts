import { status as grpc } from '@grpc/grpc-js';
import { startWorld, until, type LogLine, type World } from '../gateway-fixture';
import { startSignInWorld } from '../signin/sign-in-fixture';
import { signInAt } from '../upstreams/idp/browser';

const me = '{ me { id } }';

/** What whoever is on call looks for. */
const alarming = /error|panic|fatal/;

let world: World;
beforeAll(async () => {
  world = await startWorld({ env: { SESSION_CACHE_TTL: '60s' } });
  // From now on the admin's session is known, and its check in nobody's time.
  await world.graphql(me);
});
afterAll(() => world.close());
beforeEach(() => world.reset());

describe('an access line says how long the request waited for upstreams', () => {
  const delay = 150;

  test('and how many RPCs it made', async () => {
    world.auth.control.setFault({ method: 'GetUser', delayMs: delay });
    const line = await world.accessLine(await world.graphql(me));
    expect(line['upstreamCalls']).toBe(1);
    expect(line['upstreamMs']).toBeGreaterThan(delay - 5);
    expect(line['upstreamMs']).toBeLessThan(Number(line['durationMs']));
  });

  test('what it waits for at once counts once', async () => {
    world.auth.control.setFault({ method: '*', delayMs: delay });
    const line = await world.accessLine(await world.graphql('{ me { id } users { totalCount } }'));
    expect(line['upstreamCalls']).toBe(2);
    expect(line['upstreamMs']).toBeGreaterThan(delay - 5);
    expect(line['upstreamMs']).toBeLessThanOrEqual(Number(line['durationMs']));
  });

  test('where nobody is asked, that is none', async () => {
    for (const answer of [
      await world.graphql('{ gateway { name } }', { token: null }),
      await world.rest('GET', '/nowhere'),
      await world.rest('GET', '/api/v1/users/me', { token: null }),
    ]) {
      expect(await world.accessLine(answer)).toMatchObject({ upstreamMs: 0, upstreamCalls: 0 });
    }
  });

  test('the check of a session counts, also for those who wait for the check of another request', async () => {
    world.auth.control.setFault({ method: 'ValidateSession', delayMs: delay });
    const token = world.auth.createSession('user-max');
    const answers = await Promise.all([1, 2, 3].map(() => world.graphql(me, { token })));
    const lines = await Promise.all(answers.map((answer) => world.accessLine(answer)));
    for (const line of lines) expect(line['upstreamMs']).toBeGreaterThan(delay / 3);
    expect(world.auth.control.count('ValidateSession')).toBe(1);
    const calls = lines.map((line) => Number(line['upstreamCalls']));
    expect(calls.sort((a, b) => a - b)).toEqual([1, 1, 2]);
  });

  test('of a stream, the time between its messages counts, and what the client takes to read does not', async () => {
    const stream = world.askStream('count to 3');
    for await (const _ of stream);
    const line = await until(
      () => world.logs.find(({ streamed }) => streamed === true),
      (found) => found !== undefined,
    );
    expect(line?.['upstreamCalls']).toBe(1);
    expect(line?.['upstreamMs']).toBeGreaterThan(0);
    expect(line?.['upstreamMs']).toBeLessThan(Number(line?.['durationMs']));
  });

  test('so does an RPC that the client did not wait for to the end', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const leaving = new AbortController();
    const before = world.logs.length;
    const asked = fetch(`${world.url}/api/v1/users/me`, {
      headers: { authorization: `Bearer ${world.auth.adminToken}` },
      signal: leaving.signal,
    }).catch(() => {});
    await world.auth.control.waitForCall('GetUser');
    leaving.abort();
    await asked;
    const line = await until(
      () => world.logs.slice(before).find(({ status }) => status === 499),
      (found) => found !== undefined,
    );
    expect(line?.['upstreamCalls']).toBe(1);
    expect(line?.['upstreamMs']).toBeGreaterThan(0);
    expect(line?.['upstreamMs']).toBeLessThanOrEqual(Number(line?.['durationMs']));
  });
});

describe('grep -E "error|panic|fatal"', () => {
  test('finds nothing in ordinary traffic, and in what clients do wrong', async () => {
    const before = world.lines.length;
    const { memberToken } = world.auth;
    const answers = [
      await world.graphql(me),
      await world.graphql('{ users { totalCount nodes { id } } }'),
      await world.graphql('mutation { ask(input: { query: "who am I" }) { conversationId } }'),
      await world.rest('GET', '/api/v1/users/me'),
      await world.rest('POST', '/api/ai', { body: { query: 'who am I' } }),
      await world.graphql(me, { token: null }),
      await world.graphql(me, { token: 'made-up' }),
      await world.graphql('{ users { totalCount } }', { token: memberToken }),
      await world.graphql('{ nonsense }'),
      await world.graphql('{ me {'),
      await world.graphql('{ user(id: "nobody") { id } }'),
      await world.rest('POST', '/api/ai', { body: { nonsense: 1 } }),
      await world.rest('DELETE', '/api/ai'),
      await world.rest('GET', '/error/panic/fatal?error=fatal'),
    ];
    await world.raw('error panic fatal\r\n\r\n');
    for (const answer of answers) await world.accessLine(answer);
    await until(
      () => world.logs.slice(before).filter(({ msg }) => msg === 'request').length,
      (count) => count === answers.length + 1,
    );
    expect(world.lines.slice(before).filter((line) => alarming.test(line))).toEqual([]);
  });

  test.each(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'DATA_LOSS', 'UNIMPLEMENTED'] as const)(
    'finds an upstream that fails with %s, what was called and for whom',
    async (code) => {
      world.auth.control.setFault({ method: 'ListUsers', code: grpc[code] });
      const find = (): { line: LogLine; text: string } | undefined => {
        const at = world.logs.findLastIndex(({ grpc: call }) => (call as { code: string } | undefined)?.code === code);
        return at < 0 ? undefined : { line: world.logs[at]!, text: world.lines[at]! };
      };
      // One line a second.
      const found = await until(
        async () => {
          await world.graphql('{ users { totalCount } }');
          return find();
        },
        (line) => line !== undefined,
      );
      expect(found?.text).toMatch(alarming);
      expect(found?.text).toMatch(/upstream connection error|service unavailable/);
      expect(found?.line).toMatchObject({
        level: 'error',
        service: 'api-gateway',
        upstream: 'auth',
        grpc: { service: 'auth.v1.AuthService', method: 'ListUsers', code },
      });
      const { requestId, traceId } = found!.line;
      const access = world.logs.find((line) => line['msg'] === 'request' && line['requestId'] === requestId);
      expect(access).toMatchObject({ traceId, route: '/graphql' });
    },
  );
});

describe('the trace of a client is found', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };

  test.each([
    ['GraphQL', async () => (await world.graphql(me, { headers })).errors?.[0]?.extensions['requestId']],
    ['REST', async () => (await world.rest('GET', '/api/v1/users/me', { headers })).body.error.requestId as unknown],
  ])('from an error of %s to the line of the request, and in what the upstream was told', async (_door, ask) => {
    world.auth.control.setFault({ method: 'GetUser', code: grpc.INTERNAL });
    const id = await ask();
    const line = await until(
      () => world.logs.find((each) => each['msg'] === 'request' && each['requestId'] === id),
      (found) => found !== undefined,
    );
    expect(line).toMatchObject({ traceId, status: 502 });
    const [call] = world.auth.control.calls('GetUser');
    expect(call?.metadata).toMatchObject({
      'x-request-id': id,
      traceparent: expect.stringMatching(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`)),
    });
  });
});

test('signing in and out leaves nothing in the log but who it was', async () => {
  const signIn = await startSignInWorld();
  try {
    const secrets = new Set<string>();
    const browser = signIn.open();
    const keep = (): void => {
      for (const value of browser.cookies.values()) if (value.length > 8) secrets.add(value);
    };
    const callbackOf = async (): Promise<URL> => {
      const login = await browser.begin({ returnTo: '/somewhere?private=fiddlesticks' });
      keep();
      const callback = await signInAt(login, 'ada.admin@example.com');
      for (const { searchParams } of [login, callback]) {
        for (const name of ['state', 'nonce', 'code', 'code_challenge']) secrets.add(searchParams.get(name) ?? 'none');
      }
      return callback;
    };
    const callback = await callbackOf();
    expect((await browser.comeBack(callback)).status).toBe(302);
    keep();
    expect((await browser.graphql(me)).status).toBe(200);
    // Once more, which ends the session before; the same callback again; a refusal of the provider; failures.
    expect((await browser.comeBack(await callbackOf())).status).toBe(302);
    keep();
    await browser.comeBack(callback);
    await browser.fetch(
      `/api/v1/auth/dev/callback?error=access_denied&error_description=fiddlesticks&state=fiddlesticks`,
    );
    for (const code of [grpc.UNAVAILABLE, grpc.INTERNAL, grpc.UNAUTHENTICATED]) {
      signIn.world.auth.control.setFault({ method: 'HandleSsoCallback', code });
      await browser.comeBack(await callbackOf(), { accept: 'text/html' });
      await browser.comeBack(await callbackOf());
    }
    signIn.world.auth.control.setFault({ method: 'RevokeSession', code: grpc.UNAVAILABLE });
    await browser.signOut();
    signIn.world.auth.control.clearFaults();
    expect((await browser.signOut()).status).toBe(204);
    for (const { metadata, request } of signIn.world.auth.control.calls('HandleSsoCallback')) {
      expect(metadata['x-request-id']).toBeDefined();
      secrets.add(String(request['codeVerifier'] ?? request['code_verifier']));
    }
    secrets.delete('none');
    await until(
      () => signIn.world.logs.at(-1),
      (line) => line?.['route'] === '/api/v1/auth/logout' && line['status'] === 204,
    );
    const text = signIn.world.lines.join('\n');
    expect(text).toContain('"userId":"user-ada"');
    expect(secrets.size).toBeGreaterThan(15);
    for (const secret of [...secrets, 'fiddlesticks', 'ada.admin', 'example.com', 'Ada']) {
      expect(text).not.toContain(secret);
    }
  } finally {
    await signIn.close();
  }
});
