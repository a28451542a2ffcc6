/** Rate limits that replicas share in a real Redis, and what happens when it is away. */
import { spawnSync } from 'node:child_process';
import { createConnection } from 'node:net';
import { pathToFileURL } from 'node:url';
import { until, valueOf, type LogLine } from '../gateway-fixture';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import { startChild, type Child } from '../upstreams/child';
import { startRedis, type RedisServer } from './redis';
import { isInstalled } from '../is-installed';

jest.setTimeout(120_000);

const limit = 400;
const sdl = `
type Query {
  mine: Thing @authenticated @rateLimit(limit: 5, window: "60m", by: SESSION) @grpc(rpc: "GetThing")
  thing: Thing @public @rateLimit(limit: ${limit}, window: "60m", by: ADDRESS) @grpc(rpc: "GetThing")
}
type Thing { name: String }
`;
const proto = `
syntax = "proto3";
package own.v1;
service OwnService { rpc GetThing(Empty) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; } }
message Empty {}
message Thing { string name = 1; }
`;

/** A replica as a process of its own. */
interface Replica {
  readonly url: string;
  readonly adminUrl: string;
  readonly logs: readonly LogLine[];
  readonly child: Child;
}

async function startReplica(env: Readonly<Record<string, string>>): Promise<Replica> {
  const logs: LogLine[] = [];
  let ended: string | undefined;
  const child = startChild({
    entry: 'gateway-child.ts',
    env: { ...process.env, NODE_ENV: 'test', PORT: '0', ADMIN_PORT: '0', PUBLIC_URL: 'http://localhost:3000', ...env },
    onLine(line) {
      if (line.startsWith('{')) logs.push(JSON.parse(line) as LogLine);
    },
    onEnd: (how) => (ended = how),
  });
  const listening = await until(
    () => logs.find((line) => line['adminPort'] !== undefined) ?? ended,
    (found) => found !== undefined,
    60_000,
  );
  if (typeof listening !== 'object') throw new Error(`the gateway has ended: ${ended}, ${JSON.stringify(logs)}`);
  return {
    url: `http://127.0.0.1:${String(listening['port'])}`,
    adminUrl: `http://127.0.0.1:${String(listening['adminPort'])}`,
    logs,
    child,
  };
}

async function ask(url: string, query = '{ thing { name } }', token?: string): Promise<Response> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query }),
  });
  await response.arrayBuffer();
  return response;
}

/** Statuses of requests to replicas in turn, a few at a time. */
async function askAll(urls: readonly string[], count: number): Promise<number[]> {
  const statuses: number[] = [];
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent < count) statuses.push((await ask(urls[sent++ % urls.length]!)).status);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return statuses;
}

const counted = (statuses: readonly number[], status: number) => statuses.filter((each) => each === status).length;
const isAway = async ({ adminUrl }: Pick<Replica, 'adminUrl'>): Promise<number | undefined> =>
  valueOf(await (await fetch(`${adminUrl}/metrics`)).text(), 'rate_limit_redis_away');
const said = ({ logs }: Pick<Replica, 'logs'>, text: string) => logs.filter(({ msg }) => String(msg).includes(text));

/** What Redis holds: keys, and values of them. */
async function contentsOf({ port }: RedisServer): Promise<string> {
  const socket = createConnection(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.write('KEYS *\r\n');
  await until(
    () => answer,
    (text) => /^\*\d+\r\n/.test(text),
  );
  socket.end('QUIT\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

(isInstalled('redis-server') ? describe : describe.skip)('with Redis', () => {
  let redis: RedisServer;
  let here: OwnWorld;
  const replicas: Replica[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    here = await startOwnWorld({ proto, sdl, handlers: { GetThing: () => ({ name: 'a' }) } });
  });
  afterEach(async () => {
    await Promise.all(replicas.splice(0).map(({ child }) => child.end()));
  });
  afterAll(async () => {
    await here.close();
    await redis.kill();
  });

  const start = async (url = redis.url): Promise<Replica> => {
    const env = { ...here.env, AUTH_SERVICE_ADDR: here.world.auth.address, REDIS_URL: url };
    const replica = await startReplica(env);
    replicas.push(replica);
    return replica;
  };

  test('two replicas allow together what one would, and go on without Redis', async () => {
    const two = await Promise.all([start(), start()]);
    const urls = two.map(({ url }) => url);
    for (const replica of two) {
      await until(
        () => isAway(replica),
        (away) => away === 0,
      );
    }
    const statuses = await askAll(urls, 2 * limit);
    expect(counted(statuses, 200) + counted(statuses, 429)).toBe(2 * limit);
    expect(Math.abs(counted(statuses, 200) - limit)).toBeLessThanOrEqual(limit / 100);

    const token = here.world.auth.createSession('user-mel');
    expect((await ask(urls[0]!, '{ mine { name } }', token)).headers.get('ratelimit')).toMatch(/;r=4;/);
    expect((await ask(urls[1]!, '{ mine { name } }', token)).headers.get('ratelimit')).toMatch(/;r=3;/);
    const contents = await contentsOf(redis);
    expect(contents).toContain('api-gateway:Query.mine:');
    for (const secret of [token, 'user-mel', '127.0.0.1']) expect(contents).not.toContain(secret);

    // Gone in the middle of requests.
    const under = askAll(urls, 300);
    await redis.kill();
    const during = await under;
    expect(counted(during, 200) + counted(during, 429)).toBe(300);
    for (const replica of two) {
      await until(
        () => isAway(replica),
        (away) => away === 1,
      );
    }
    // Each for itself: this one has not counted in memory before, or little.
    expect((await ask(urls[0]!, '{ mine { name } }', token)).status).toBe(200);
    const without = await askAll(urls, 300);
    expect(counted(without, 200) + counted(without, 429)).toBe(300);
    expect(counted(without, 200)).toBeGreaterThan(0);
    for (const replica of two) expect(said(replica, 'Redis does not count')).toHaveLength(1);

    redis = await startRedis(redis.port);
    for (const replica of two) {
      await until(
        () => isAway(replica),
        (away) => away === 0,
      );
    }
    expect(await askAll(urls, 100)).toEqual(Array(100).fill(200));
    const last = await ask(urls[0]!);
    expect(last.headers.get('ratelimit')).toMatch(new RegExp(`;r=${limit - 101};`));
    for (const replica of two) expect(said(replica, 'are counted in Redis')).toHaveLength(2);
  });

  test('that hangs, only the first requests wait for a moment', async () => {
    const replica = await start();
    await until(
      () => isAway(replica),
      (away) => away === 0,
    );
    redis.stop();
    try {
      expect((await ask(replica.url)).status).toBe(200);
      await until(
        () => isAway(replica),
        (away) => away === 1,
      );
      const began = performance.now();
      expect(await askAll([replica.url], 50)).toEqual(Array(50).fill(200));
      expect(performance.now() - began).toBeLessThan(5_000);
    } finally {
      redis.goOn();
    }
    await until(
      () => isAway(replica),
      (away) => away === 0,
    );
  });

  test('that refuses the password, each replica counts for itself, and the password is in no line', async () => {
    const locked = await startRedis(undefined, 'hunter2');
    try {
      const replica = await start(`redis://:wrong-hunter3@127.0.0.1:${locked.port}`);
      await until(
        () => isAway(replica),
        (away) => away === 1,
      );
      expect((await ask(replica.url)).status).toBe(200);
      expect(await isAway(replica)).toBe(1);
      expect(said(replica, 'Redis does not count')).toHaveLength(1);
      expect(JSON.stringify(replica.logs)).not.toContain('hunter');
    } finally {
      await locked.kill();
    }
  });
});

test('ioredis is loaded only with REDIS_URL', () => {
  const loaded = (options: string): string =>
    spawnSync(
      process.execPath,
      [
        '--import',
        pathToFileURL(require.resolve('tsx')).href,
        '-e',
        `const { createRateLimits } = require('./src/session/rate-limits');
         require('./src/gateway');
         createRateLimits({ ${options} log: { info() {}, warn() {} }, metrics: { rateLimitRedisAway: { read() {} } } }).close();
         console.log(Object.keys(require.cache).some((path) => path.includes('/ioredis/')));`,
      ],
      { encoding: 'utf8' },
    ).stdout.trim();
  expect(loaded('')).toBe('false');
  expect(loaded("redisUrl: 'redis://127.0.0.1:1',")).toBe('true');
});

test('without REDIS_URL nothing is said of Redis', async () => {
  const here = await startOwnWorld({ proto, sdl, handlers: { GetThing: () => ({ name: 'a' }) } });
  expect((await ask(here.world.url)).status).toBe(200);
  expect(await here.world.metric('rate_limit_redis_away')).toBe(0);
  expect(here.world.lines.join()).not.toContain('Redis');
  await here.close();
});
