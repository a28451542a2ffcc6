import { startWorld, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const lines = (...given: string[]): string => [...given, '', ''].join('\r\n');
const statuses = (text: string): string[] => text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)) ?? [];
const envelope = (text: string) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).error;
const me = (...more: string[]): string =>
  lines('GET /api/v1/users/me HTTP/1.1', ...more, `Authorization: Bearer ${world.auth.adminToken}`);
/** What must not be read once the connection is to close. */
const smuggled = () => lines('GET /nowhere HTTP/1.1', 'Host: a');

describe('a Host', () => {
  test.each([
    ['that is there twice', ['Host: a', 'Host: b']],
    ['that is there twice, the same', ['Host: a', 'host: a']],
    ['with spaces', ['Host: a b']],
    ['with a path', ['Host: a/b']],
    ['with a user', ['Host: user@a']],
    ['with a list', ['Host: a, b']],
    ['with a query', ['Host: a?b']],
    ['with a backslash', ['Host: a\\b']],
    ['with a port that is none', ['Host: a:http']],
    ['with two ports', ['Host: a:1:2']],
    ['with IPv6 without brackets', ['Host: ::1']],
    ['with a bracket that does not close', ['Host: [::1']],
    ['with a percent that is none', ['Host: a%zz']],
    ['with what is not ASCII', ['Host: \u00e9']],
  ])('%s is 400, and the connection closes', async (_what, hosts) => {
    const answer = await world.raw(me(...hosts) + smuggled());
    expect(statuses(answer)).toEqual(['400']);
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(envelope(answer)).toMatchObject({
      reason: 'BAD_USER_INPUT',
      message: expect.stringMatching(/^The header "Host" is/),
    });
  });

  test.each(['a', 'a:80', 'A.Example', 'a:', '[::1]', '[::1]:3000', '127.0.0.1:3000', 'x_y-z.example', 'a%41', ''])(
    '%j is taken',
    async (host) => {
      expect(statuses(await world.raw(me(`Host: ${host}`, 'Connection: close')))).toEqual(['200']);
    },
  );

  test('of HTTP/1.0 may be missing, and must be right where it is there', async () => {
    const bearer = `Authorization: Bearer ${world.auth.adminToken}`;
    const ask = (...more: string[]) => world.raw(lines('GET /api/v1/users/me HTTP/1.0', bearer, ...more));
    expect(statuses(await ask())).toEqual(['200']);
    expect(statuses(await ask('Host: a', 'Host: b'))).toEqual(['400']);
  });
});

describe('a Transfer-Encoding', () => {
  const ask = (version: string, ...coding: string[]): string =>
    lines(
      `POST /api/ai HTTP/${version}`,
      'Host: a',
      `Authorization: Bearer ${world.auth.adminToken}`,
      'Content-Type: application/json',
      ...coding,
    );
  const body = '16\r\n{"query":"count to 1"}\r\n0\r\n\r\n';

  test.each([
    [['Transfer-Encoding: gzip, chunked']],
    [['Transfer-Encoding: gzip', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding: deflate,chunked']],
    [['Transfer-Encoding: chunked, chunked']],
    [['Transfer-Encoding: x-nonsense, chunked']],
  ])('%j is 501, and the connection closes', async (coding) => {
    const answer = await world.raw(ask('1.1', ...coding) + body + smuggled());
    expect(statuses(answer)).toEqual([expect.stringMatching(/^(?:400|501)$/)]);
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(world.ai.control.count('ProcessQuery')).toBe(0);
  });

  test('gzip, chunked is told what is taken', async () => {
    const answer = await world.raw(ask('1.1', 'Transfer-Encoding: gzip, chunked') + body);
    expect(envelope(answer)).toMatchObject({
      code: 501,
      reason: 'NOT_IMPLEMENTED',
      message: 'The only Transfer-Encoding that is taken is chunked.',
    });
  });

  test('of HTTP/1.0 is 400', async () => {
    expect(statuses(await world.raw(ask('1.0', 'Transfer-Encoding: chunked') + body))).toEqual(['400']);
  });

  test.each(['chunked', 'Chunked', ' chunked '])('%j is read', async (coding) => {
    const answer = await world.raw(ask('1.1', `Transfer-Encoding:${coding}`, 'Connection: close') + body);
    expect(statuses(answer)).toEqual(['200']);
    world.reset();
  });
});

describe('a request target in absolute form', () => {
  const ask = (target: string, host = 'a') =>
    world.raw(
      lines(
        `GET ${target} HTTP/1.1`,
        `Host: ${host}`,
        `Authorization: Bearer ${world.auth.adminToken}`,
        'Connection: close',
      ),
    );

  test.each([
    'http://a/api/v1/users/me',
    'HTTP://A:80/api/v1/users/me',
    'https://a/api/v1/users/me?x=1',
    'http://[::1]:3000/api/v1/users/me',
    'http://another.example/api/v1/users/me',
  ])('%s is served by its path', async (target) => {
    const answer = await ask(target);
    expect(statuses(answer)).toEqual(['200']);
    expect(answer).toContain('"userId":"user-ada"');
  });

  test('keeps its query', async () => {
    const answer = await ask('http://a/graphql?query={me{id}}');
    expect(statuses(answer)).toEqual(['200']);
    expect(answer).toContain('{"data":{"me":{"id":"user-ada"}}}');
  });

  test('without a path is that of "/"', async () => {
    for (const target of ['http://a', 'http://a/', 'http://a?x']) expect(statuses(await ask(target))).toEqual(['302']);
  });

  test.each(['http:///api/v1/users/me', 'http://user@a/api/v1/users/me', 'http://a:b/api/v1/users/me'])(
    '%s names no host',
    async (target) => {
      expect(statuses(await ask(target))).toEqual(['400']);
    },
  );

  test('needs a Host all the same', async () => {
    expect(statuses(await world.raw(lines('GET http://a/graphql HTTP/1.1', 'Connection: close')))).toEqual(['400']);
  });

  test('is counted with its route', async () => {
    const before = world.logs.length;
    await ask('http://a/api/v1/users/me');
    expect(world.logs.slice(before)).toMatchObject([{ route: '/api/v1/users/me', status: 200 }]);
  });
});
