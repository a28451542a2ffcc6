/** Many streams at once, slow readers, and services that go away. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until, type World } from '../gateway-fixture';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import { EventReader, type Event } from './event-reader';
import { heldMegabytes } from './held-memory';

jest.setTimeout(150_000);

const proto = `
syntax = "proto3";
package own.v1;
service OwnService { rpc Count(CountRequest) returns (stream Number); }
message CountRequest { string name = 1; int32 to = 2; int32 size = 3; }
message Number { string name = 1; int32 value = 2; string padding = 3; }
`;
const sdl = `
type Query { gateway: String @public @resolver(name: "gateway") }
type Subscription {
  count(name: String, to: Int!, size: Int): Number @authenticated @grpc(rpc: "Count", deadline: "5m")
}
type Number { name: String! value: Int! padding: String! }
`;
const rest = `
subscription Count($name: String, $to: Int!, $size: Int) @rest(method: GET, path: "/count") {
  count(name: $name, to: $to, size: $size) { name value padding }
}`;

const many = 1_000;
const limits = {
  // The process is so busy for some seconds that a check of the session might come too late.
  SESSION_CACHE_TTL: '60s',
  MAX_STREAMS_PER_SESSION: '5000',
  MAX_STREAMS_PER_ADDRESS: '5000',
  MAX_REQUESTS_PER_ADDRESS: '5000',
  MAX_CONNECTIONS_PER_ADDRESS: '5000',
};

/** Resolves when the service may send. */
let gate: Promise<unknown> = Promise.resolve();
let here: OwnWorld;
let world: World;
beforeAll(async () => {
  const handlers = {
    async *Count({ name, to, size }: { name: string; to: number; size: number }) {
      await gate;
      for (let value = 1; value <= to; value += 1) yield { name, value, padding: 'x'.repeat(size) };
    },
  };
  here = await startOwnWorld({ proto, sdl, rest, handlers, options: { env: limits, audited: false } });
  ({ world } = here);
});
afterAll(() => here.close());
afterEach(() => here.own.control.reset());

const calls = () => here.own.control.calls('Count');

async function read(path: string, accept: string): Promise<Event[]> {
  const headers = { accept, authorization: `Bearer ${world.auth.adminToken}` };
  return new EventReader(await fetch(`${world.url}${path}`, { headers })).read();
}

test(`${many} streams at once have all of their events, each once and in order`, async () => {
  let open = (): void => {};
  gate = new Promise<void>((resolve) => (open = resolve));
  const names = Array.from({ length: many }, (_, at) => `stream-${at}`);
  const reading = names.map((name, at) =>
    read(`/count?name=${name}&to=10`, at % 2 === 0 ? 'text/event-stream' : 'application/x-ndjson'),
  );
  await until(
    () => here.own.control.count('Count'),
    (count) => count === many,
    60_000,
  );
  expect(await world.metric('http_streams_open')).toBe(many);
  open();
  const numbers = Array.from({ length: 10 }, (_, at) => at + 1);
  for (const [at, events] of (await Promise.all(reading)).entries()) {
    expect(events.at(-1)).toMatchObject({ event: 'done' });
    const data = events.filter(({ event }) => event === 'message').map((each) => each.data);
    expect(data).toEqual(numbers.map((value) => ({ name: names[at], value, padding: '' })));
  }
  await until(
    () => world.metric('http_streams_open'),
    (streams) => streams === 0,
  );
});

describe('a client that reads 1 KB a second of 10 MB', () => {
  async function readSlowly(): Promise<Socket> {
    const socket = connect(world.server.port, '127.0.0.1').pause();
    socket.on('error', () => {});
    socket.write(
      `GET /count?to=160&size=65536 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${world.auth.adminToken}\r\n\r\n`,
    );
    await once(socket, 'readable');
    const timer = setInterval(() => socket.read(1024), 1_000);
    socket.once('close', () => clearInterval(timer));
    return socket;
  }

  /** Opens streams, and waits until the service sends no more. */
  async function open(count: number): Promise<Socket[]> {
    here.own.control.reset();
    const sockets = await Promise.all(Array.from({ length: count }, readSlowly));
    let before: string;
    let now = '';
    await until(
      async () => {
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 500));
        now = JSON.stringify(calls().map(({ sent }) => sent));
        return before === now;
      },
      (same) => same,
      60_000,
    );
    return sockets;
  }

  async function leave(sockets: readonly Socket[]): Promise<void> {
    await Promise.all(
      sockets.map(async (socket) => {
        const closed = once(socket, 'close');
        socket.destroy();
        await closed;
      }),
    );
    await until(calls, (all) => all.every(({ cancelled }) => cancelled));
  }

  test('makes the service wait, and takes less than 1 MB', async () => {
    await leave(await open(10));
    const before = heldMegabytes();
    const count = 40;
    const sockets = await open(count);
    try {
      // The rest of what was sent is in the buffers of sockets.
      for (const { sent } of calls()) expect(sent).toBeLessThan(160);
      // Buffers are given back some time after the collection that found them unused.
      await until(
        () => (heldMegabytes() - before) / count,
        (each) => each < 1,
      );
    } finally {
      await leave(sockets);
    }
  });
});
