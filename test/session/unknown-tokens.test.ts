/** Made-up tokens: what they may take of AuthService, and that they do not stand in the way of good sessions. */
import { startWorld, until, type GraphqlAnswer, type World } from '../gateway-fixture';
import { hold } from './session-fixture';

let world: World;
afterEach(() => world.close());

let made = 0;
const madeUp = (): string => `made-up-${(made += 1)}`;
const me = (token: string, headers: Record<string, string> = {}): Promise<GraphqlAnswer> =>
  world.graphql('{ me { id } }', { token, headers });
const codeOf = ({ errors }: GraphqlAnswer): unknown => errors?.[0]?.extensions['code'];
const validations = (): number => world.auth.control.count('ValidateSession');
const refusals = (limit: string) => `limit_refusals_total{limit="${limit}"}`;

describe('tokens that were never confirmed', () => {
  test('are checked so many at a time; beyond that they are told to come again, and known sessions are not', async () => {
    world = await startWorld({ env: { MAX_TOKEN_CHECKS: '3', SESSION_CACHE_TTL: '0s' } });
    const known = world.auth.createSession('user-mel');
    expect((await me(known)).status).toBe(200);
    world.auth.control.reset();

    const letGo = hold(world.auth.control, 'ValidateSession');
    const waiting = Promise.all([me(madeUp()), me(madeUp()), me(madeUp())]);
    await until(validations, (count) => count === 3);
    const [refused] = await world.growth(async () => {
      const answer = await world.rest('GET', '/api/v1/users/me', { token: madeUp() });
      expect(answer.status).toBe(503);
      expect(answer.body.error).toMatchObject({ reason: 'AUTH_UNAVAILABLE', retryAfter: 1 });
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await world.accessLine(answer)).toMatchObject({ limit: 'token_checks' });
    }, refusals('token_checks'));
    expect(refused).toBe(1);
    // Its entry has run out: with a time to live of 0 it is asked about each time.
    const good = me(known);
    await until(validations, (count) => count === 4);
    letGo();
    expect((await good).status).toBe(200);
    expect((await waiting).map(codeOf)).toEqual(Array(3).fill('UNAUTHENTICATED'));
    // There is room again.
    expect(codeOf(await me(madeUp()))).toBe('UNAUTHENTICATED');
  });

  test('keep their cookie when there is no room', async () => {
    world = await startWorld({ env: { MAX_TOKEN_CHECKS: '1' } });
    const letGo = hold(world.auth.control, 'ValidateSession');
    const waiting = me(madeUp());
    await until(validations, (count) => count === 1);
    const headers = { cookie: `session=${madeUp()}`, 'x-csrf': '1' };
    const answer = await world.graphql('{ me { id } }', { token: null, headers });
    expect(codeOf(answer)).toBe('AUTH_UNAVAILABLE');
    expect(answer.headers.get('set-cookie')).toBeNull();
    letGo();
    await waiting;
  });

  test('are 429 from an address that has sent too many, and AuthService is not asked', async () => {
    world = await startWorld({ env: { UNKNOWN_TOKEN_RATE_LIMIT: '5' } });
    const known = world.auth.createSession('user-mel');
    expect((await me(known)).status).toBe(200);
    for (let count = 0; count < 5; count += 1) expect(codeOf(await me(madeUp()))).toBe('UNAUTHENTICATED');
    world.auth.control.reset();
    const answer = await me(madeUp());
    expect(answer.status).toBe(429);
    expect(codeOf(answer)).toBe('RATE_LIMITED');
    expect(answer.errors?.[0]?.message).toMatch(/6 within 60 s, and 5 are allowed/);
    const retryAfter = Number(answer.headers.get('retry-after'));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(answer.headers.get('ratelimit-policy')).toBe('"unknown-tokens";q=5;w=60');
    expect(answer.headers.get('ratelimit')).toBe(`"unknown-tokens";r=0;t=${retryAfter}`);
    expect(await world.accessLine(answer)).toMatchObject({ limit: 'unknown_tokens', status: 429 });
    // Sign-out calls AuthService too.
    expect((await world.rest('POST', '/api/v1/auth/logout', { token: madeUp() })).status).toBe(429);
    expect(validations() + world.auth.control.count('RevokeSession')).toBe(0);
    expect((await me(known)).status).toBe(200);
    expect((await world.graphql('{ gateway { name } }', { token: madeUp() })).status).toBe(200);
    expect((await world.rest('POST', '/api/v1/auth/logout', { token: known })).status).toBe(204);
  });

  test('that are good do not count', async () => {
    world = await startWorld({ env: { UNKNOWN_TOKEN_RATE_LIMIT: '3' } });
    for (let count = 0; count < 10; count += 1) {
      expect((await me(world.auth.createSession('user-mel'))).status).toBe(200);
    }
  });

  test('may be any number where the limit is 0', async () => {
    world = await startWorld({ env: { UNKNOWN_TOKEN_RATE_LIMIT: '0' } });
    for (let count = 0; count < 20; count += 1) expect(codeOf(await me(madeUp()))).toBe('UNAUTHENTICATED');
  });

  test('are the ones that cannot be checked either, but do not count while AuthService is away', async () => {
    world = await startWorld({ env: { UNKNOWN_TOKEN_RATE_LIMIT: '2' } });
    await world.auth.close();
    for (let count = 0; count < 4; count += 1) expect(codeOf(await me(madeUp()))).toBe('AUTH_UNAVAILABLE');
  });
});
