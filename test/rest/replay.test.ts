/** Clients whose connection broke off go on with their stream, and nothing is lost or doubled. */
import { connect, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import { startWorld, until, type Decoded, type World } from '../gateway-fixture';
import { startTcpProxy, type TcpProxy } from '../tcp-proxy';
import { heldMegabytes } from './held-memory';
import { EventReader, type Event } from './event-reader';

const proto = `
syntax = "proto3";
package own.v1;
service OwnService {
  rpc Get(CountRequest) returns (Number);
  rpc Count(CountRequest) returns (stream Number);
}
message CountRequest { int32 from = 1; int32 to = 2; int32 size = 3; string note = 4; }
message Number { int32 value = 1; string padding = 2; }
`;

const sdl = `
type Query { get: Number @public @grpc(rpc: "Get") }
type Subscription {
  count(from: Int, to: Int!, size: Int, note: String): Number @authenticated @grpc(rpc: "Count", deadline: "1m")
  countForAll(to: Int!): Number @public @grpc(rpc: "Count", deadline: "1m")
}
type Number { value: Int! padding: String }
`;

const routes = `
subscription Count($from: Int, $to: Int!, $size: Int) @rest(method: GET, path: "/count", unknownQuery: REFUSE) {
  count(from: $from, to: $to, size: $size) { value padding }
}
subscription CountForAll($to: Int!) @rest(method: GET, path: "/public") { countForAll(to: $to) { value } }
subscription CountByPost($to: Int!, $note: String) @rest(method: POST, path: "/count", body: "*") {
  count(to: $to, note: $note) { value }
}
`;

/** How far the service may count for now. */
let allowed = Infinity;

function allow(value: number): void {
  allowed = value;
}

async function* countUp(
  { from, to, size }: { from: number; to: number; size: number },
  { signal }: { signal: AbortSignal },
) {
  for (let value = from || 1; value <= to; value += 1) {
    await until(
      () => signal.aborted || value <= allowed,
      (mayGoOn) => mayGoOn,
      60_000,
    );
    if (signal.aborted) return;
    yield { value, padding: 'x'.repeat(size) };
  }
}

const start = (env: Readonly<Record<string, string>>): Promise<OwnWorld> =>
  startOwnWorld({ proto, sdl, rest: routes, handlers: { Count: countUp }, options: { env } });

let here: OwnWorld;
let world: World;
let proxy: TcpProxy;
let token: string;
beforeAll(async () => {
  here = await start({ STREAM_REPLAY: '64KB', MAX_STREAMS_PER_SESSION: '2' });
  ({ world } = here);
  proxy = await startTcpProxy(world.server.port);
});
afterAll(async () => {
  await proxy.close();
  await here.close();
});
beforeEach(() => {
  token = world.auth.createSession('user-ada');
});
afterEach(() => {
  allow(Infinity);
  proxy.cut();
  here.own.control.reset();
});

const calls = () => here.own.control.calls('Count');

interface Asking {
  readonly url?: string;
  readonly as?: string | null;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

async function open(
  path: string,
  { url = world.url, as = token, accept = 'text/event-stream', headers, body }: Asking = {},
): Promise<EventReader> {
  const response = await fetch(`${url}${path}`, {
    headers: {
      accept,
      ...(as === null ? {} : { authorization: `Bearer ${as}` }),
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  });
  return new EventReader(response);
}

const throughProxy = (): string => `http://localhost:${proxy.port}`;
const values = (events: readonly Event[]): unknown[] =>
  events.map(({ event, data }) => (event === 'message' ? data.value : event));
const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, at) => first + at);

/** Begins a stream through the proxy, and breaks it off after some events. Gives back those. */
async function brokenOff(path: string, count: number, asking: Asking = {}): Promise<Event[]> {
  allow(count);
  const stream = await open(path, { url: throughProxy(), ...asking });
  const events = [...(await stream.read(count))];
  expect(values(events)).toEqual(upTo(count));
  const waiting = 'http_streams_waiting{state="open"}';
  const before = (await world.metric(waiting))!;
  proxy.cut();
  await stream.read();
  await until(
    () => world.metric(waiting),
    (now) => now === before + 1,
  );
  return events;
}

const resumption = ({ accept }: { accept: string }, path: string, id: string): [string, Asking] =>
  accept === 'text/event-stream'
    ? [path, { accept, headers: { 'last-event-id': id } }]
    : [`${path}${path.includes('?') ? '&' : '?'}after=${id}`, { accept }];

/** Status, reason and message. */
async function refusal({ response }: EventReader): Promise<unknown[]> {
  const { error }: Decoded = await response.json();
  return [response.status, error.reason, error.message];
}

const gone = expect.stringContaining('another replica of the gateway has it');

describe.each([{ accept: 'text/event-stream' }, { accept: 'application/x-ndjson' }])('$accept', (form) => {
  test('goes on after the last event, with the same call', async () => {
    const before = await brokenOff('/count?to=20', 5, form);
    allow(Infinity);
    const [path, asking] = resumption(form, '/count?to=20', before.at(-1)!.id!);
    const stream = await open(path, asking);
    expect(stream.response.headers.get('content-type')).toContain(form.accept);
    expect(values(await stream.read())).toEqual([...upTo(20, 6), 'done']);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toMatchObject({ cancelled: false, sent: 20 });
  });

  test('has again what was sent and did not arrive', async () => {
    const before = await brokenOff('/count?to=20', 9, form);
    const [path, asking] = resumption(form, '/count?to=20', before[2]!.id!);
    allow(Infinity);
    expect(values(await (await open(path, asking)).read())).toEqual([...upTo(20, 4), 'done']);
    // Even the end may not have arrived.
    const again = await (await open(...resumption(form, '/count?to=20', before[8]!.id!))).read();
    expect(values(again)).toEqual([...upTo(20, 10), 'done']);
    expect(calls()).toHaveLength(1);
  });

  test('whose client has all of it is not begun again', async () => {
    const events = await (await open('/count?to=2', form)).read();
    expect(values(events)).toEqual([1, 2, 'done']);
    const { response } = await open(...resumption(form, '/count?to=2', events.at(-1)!.id!));
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(calls()).toHaveLength(1);
  });

  test('that failed is begun again', async () => {
    here.own.control.setFault({ method: 'Count', code: status.INTERNAL, failAfter: 1, times: 1 });
    const events = await (await open('/count?to=2', form)).read();
    expect(values(events)).toEqual([1, 'error']);
    const again = await open(...resumption(form, '/count?to=2', events.at(-1)!.id!));
    expect(values(await again.read())).toEqual([1, 2, 'done']);
    expect(calls()).toHaveLength(2);
  });
});

test('a request with a body goes on as well', async () => {
  const before = await brokenOff('/count', 3, { body: { to: 5 } });
  allow(Infinity);
  const stream = await open('/count', { body: { to: 5 }, headers: { 'last-event-id': before.at(-1)!.id! } });
  expect(values(await stream.read())).toEqual([4, 5, 'done']);
});

test('a stream can break off more than once, and change its form', async () => {
  let events = await brokenOff('/count?to=9', 3);
  for (const [at, form] of [
    [6, { accept: 'application/x-ndjson' }],
    [8, { accept: 'text/event-stream' }],
  ] as const) {
    allow(at);
    const [path, asking] = resumption(form, '/count?to=9', events.at(-1)!.id!);
    const stream = await open(path, { ...asking, url: throughProxy() });
    events = [...(await stream.read(at - Number(events.at(-1)!.data.value)))];
    expect(events.at(-1)!.data.value).toBe(at);
    proxy.cut();
    await stream.read();
  }
  allow(Infinity);
  const last = await open('/count?to=9', { headers: { 'last-event-id': events.at(-1)!.id! } });
  expect(values(await last.read())).toEqual([9, 'done']);
  expect(calls()).toHaveLength(1);
});

test('who comes back before the gateway knows that the connection broke takes the stream over', async () => {
  allow(2);
  const first = await open('/count?to=4');
  const [, second] = await first.read(2);
  const other = await open('/count?to=4', { headers: { 'last-event-id': second!.id! } });
  allow(Infinity);
  expect(values(await other.read())).toEqual([3, 4, 'done']);
  expect(values(await first.read())).toEqual([1, 2]);
  expect(calls()).toHaveLength(1);
});

describe('is refused with 409', () => {
  test('by another replica', async () => {
    const before = await brokenOff('/count?to=9', 2);
    const other = await startWorld({ env: { ...here.env, STREAM_REPLAY: '64KB' } });
    try {
      const as = other.auth.adminToken;
      const headers = { 'last-event-id': before.at(-1)!.id! };
      const stream = await open('/count?to=9', { url: other.url, as, headers });
      expect(await refusal(stream)).toEqual([409, 'CONFLICT', gone]);
      expect(await other.metric('http_stream_resumes_total{result="refused"}')).toBe(1);
    } finally {
      await other.close();
    }
  });

  test('for another session, of the same user too', async () => {
    const before = await brokenOff('/count?to=9', 2);
    for (const as of [world.auth.createSession('user-ada'), world.auth.memberToken]) {
      const stream = await open('/count?to=9', { as, headers: { 'last-event-id': before.at(-1)!.id! } });
      expect(await refusal(stream)).toEqual([409, 'CONFLICT', gone]);
    }
  });

  test('for another request than the one that began the stream', async () => {
    const before = await brokenOff('/count?to=9', 2);
    const headers = { 'last-event-id': before.at(-1)!.id! };
    for (const [path, body] of [
      ['/count?to=10'],
      ['/count?to=9&from=1'],
      ['/public?to=9'],
      ['/count', { to: 9 }],
    ] as const) {
      const stream = await open(path, { headers, ...(body ? { body } : {}) });
      expect(await refusal(stream)).toEqual([409, 'CONFLICT', 'The stream was begun by another request.']);
    }
    allow(3);
    expect(values(await (await open('/count?to=9', { headers })).read(1))).toEqual([3]);
  });

  test('where the events are no longer kept, or were never sent', async () => {
    const size = 10_000;
    const before = await brokenOff(`/count?to=30&size=${size}`, 20);
    const path = `/count?to=30&size=${size}`;
    const stream = await open(path, { headers: { 'last-event-id': before[9]!.id! } });
    expect(await refusal(stream)).toEqual([409, 'CONFLICT', 'The events after that one are no longer kept.']);
    const [id] = before[0]!.id!.split('.');
    const ahead = await open(path, { headers: { 'last-event-id': `${id}.21` } });
    expect(await refusal(ahead)).toEqual([409, 'CONFLICT', 'That event was never sent.']);
    allow(Infinity);
    const near = await open(path, { headers: { 'last-event-id': before[16]!.id! } });
    expect(values(await near.read())).toEqual([...upTo(30, 18), 'done']);
  });
});

test.each([
  ['text', 'abc'],
  ['an id without a number', `${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}`],
  ['a number that is none', `${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}.-1`],
])('%s is no id of an event', async (_, id) => {
  const byHeader = await open('/count?to=2', { headers: { 'last-event-id': id } });
  expect(await refusal(byHeader)).toEqual([
    400,
    'BAD_USER_INPUT',
    'The header "Last-Event-ID" is not the id of an event.',
  ]);
  const byQuery = await open(`/count?to=2&after=${id}`);
  expect(await refusal(byQuery)).toEqual([400, 'BAD_USER_INPUT', 'The parameter "after" is not the id of an event.']);
  const twice = await open(`/count?to=2&after=${id}&after=${id}`);
  expect((await refusal(twice))[0]).toBe(400);
});

test('the access line of a stream that went on names the request that it began with, and how it failed', async () => {
  const before = await brokenOff('/count?to=9', 2);
  const [, { id }] = before as [Event, { id: string }];
  const stream = await open('/count?to=9', { headers: { 'last-event-id': id } });
  await world.rest('POST', '/api/v1/auth/logout', { token });
  expect(values(await stream.read())).toEqual(['error']);
  expect(await world.accessLine(stream.response)).toMatchObject({
    streamed: true,
    stream: id.split('.')[0],
    code: 'UNAUTHENTICATED',
  });
});

test('a stream that has ended holds its events, and nothing of its request', async () => {
  const note = 'x'.repeat(800_000);
  const ask = async (): Promise<void> => {
    expect(values(await (await open('/count', { body: { to: 1, note } })).read())).toEqual([1, 'done']);
  };
  await ask();
  here.own.control.reset();
  const before = heldMegabytes();
  for (let count = 0; count < 30; count += 1) {
    await ask();
    // It keeps the requests that it was sent.
    here.own.control.reset();
  }
  await until(
    () => heldMegabytes() - before,
    (grown) => grown < 6,
  );
});

test('a stream that is taken over lets go of the connection that it had, though its client does not read', async () => {
  const ask = (headers: string): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(world.server.port, '127.0.0.1');
      socket.on('error', reject);
      socket.once('data', () => {
        socket.pause();
        socket.off('error', reject).on('error', () => {});
        resolve(socket);
      });
      socket.write(
        `GET /count?to=9&size=6000000 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n${headers}\r\n`,
      );
    });
  allow(1);
  const sockets = [await ask('')];
  const [call] = await until(calls, ({ length }) => length === 1);
  const { 'x-request-id': requestId } = call!.metadata;
  for (let count = 0; count < 5; count += 1) sockets.push(await ask(`Last-Event-ID: ${requestId}.0\r\n`));
  await until(
    () => world.metric('http_streams_open'),
    (streams) => streams === 1,
  );
  for (const socket of sockets) socket.destroy();
});

test('a session that has ended cannot go on', async () => {
  const before = await brokenOff('/count?to=9', 2);
  await world.rest('POST', '/api/v1/auth/logout', { token });
  const headers = { 'last-event-id': before.at(-1)!.id! };
  expect((await open('/count?to=9', { headers })).response.status).toBe(401);
  expect((await open('/count?to=9', { as: null, headers })).response.status).toBe(401);
  await until(calls, ([call]) => call?.cancelled === true);
});

test('a stream without a session goes on for whoever has its id', async () => {
  const before = await brokenOff('/public?to=4', 2, { as: null });
  allow(Infinity);
  const stream = await open('/public?to=4', { as: null, headers: { 'last-event-id': before.at(-1)!.id! } });
  expect(values(await stream.read())).toEqual([3, 4, 'done']);
});

test('a stream that waits keeps its place among those of its session', async () => {
  const [first, second] = [await brokenOff('/count?to=9', 1), await brokenOff('/count?to=9', 1)];
  const tooMany = await open('/count?to=1');
  expect((await refusal(tooMany)).slice(0, 2)).toEqual([429, 'RATE_LIMITED']);
  allow(Infinity);
  for (const [event] of [first, second]) {
    const stream = await open('/count?to=9', { headers: { 'last-event-id': event!.id! } });
    expect(values(await stream.read())).toEqual([...upTo(9, 2), 'done']);
  }
  expect(values(await (await open('/count?to=1')).read())).toEqual([1, 'done']);
});

test('no event is asked for while nobody reads', async () => {
  const size = 100_000;
  const before = await brokenOff(`/count?to=100&size=${size}`, 1);
  allow(Infinity);
  // What the flow control of HTTP/2 lets through, and no more.
  const sent = await until(
    async () => {
      const at = calls()[0]!.sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return [at, calls()[0]!.sent];
    },
    ([earlier, later]) => earlier === later && earlier! > 1,
  );
  expect(sent[0]).toBeLessThan(50);
  expect(calls()[0]!.cancelled).toBe(false);
  const stream = await open(`/count?to=100&size=${size}`, { headers: { 'last-event-id': before[0]!.id! } });
  expect(values(await stream.read())).toEqual([...upTo(100, 2), 'done']);
});

test('the call is cancelled where the client does not come back in time', async () => {
  const short = await startWorld({ env: { ...here.env, STREAM_REPLAY: '64KB', STREAM_REPLAY_WINDOW: '1s' } });
  try {
    allow(1);
    const stream = await open('/count?to=2', { url: short.url, as: short.auth.adminToken });
    const [event] = await stream.read(1);
    await stream.cancel();
    await until(calls, ([call]) => call?.cancelled === true);
    const asking = { url: short.url, as: short.auth.adminToken, headers: { 'last-event-id': event!.id! } };
    expect(await refusal(await open('/count?to=2', asking))).toEqual([409, 'CONFLICT', gone]);
    expect(await short.metric('http_streams_waiting{state="open"}')).toBe(0);
  } finally {
    await short.close();
  }
});

test('a gateway that shuts down ends the streams that wait', async () => {
  const other = await startWorld({ env: { ...here.env, STREAM_REPLAY: '64KB' } });
  allow(1);
  const stream = await open('/count?to=2', { url: other.url, as: other.auth.adminToken });
  await stream.read(1);
  await stream.cancel();
  await until(
    () => other.metric('http_streams_waiting{state="open"}'),
    (waiting) => waiting === 1,
  );
  await other.close();
  await until(calls, ([call]) => call?.cancelled === true);
});

test('a gateway that shuts down says so to who has taken a stream over', async () => {
  const other = await startWorld({ env: { ...here.env, STREAM_REPLAY: '64KB' } });
  allow(1);
  const asking = { url: other.url, as: other.auth.adminToken };
  const first = await open('/count?to=2', asking);
  const [event] = await first.read(1);
  const second = await open('/count?to=2', { ...asking, headers: { 'last-event-id': event!.id! } });
  const closing = other.close();
  const [last] = await second.read();
  expect(last).toMatchObject({ event: 'error', data: { error: { reason: 'OVERLOADED' } } });
  await closing;
});

test('where streams are not kept, Last-Event-ID begins a new one and after is refused', async () => {
  const off = await startWorld({ env: { ...here.env, STREAM_REPLAY: 'off' } });
  try {
    const asking = { url: off.url, as: off.auth.adminToken };
    const first = await open('/count?to=3', asking);
    const [event] = await first.read(1);
    await first.cancel();
    const id = event!.id!;
    const anew = await open('/count?to=2', { ...asking, headers: { 'last-event-id': id } });
    expect(values(await anew.read())).toEqual([1, 2, 'done']);
    expect(await refusal(await open(`/count?to=3&after=${id}`, asking))).toEqual([
      409,
      'CONFLICT',
      'Streams cannot go on here: STREAM_REPLAY is off. Begin a new one.',
    ]);
    const done = `${id.split('.')[0]}.done`;
    expect((await open('/count?to=3', { ...asking, headers: { 'last-event-id': done } })).response.status).toBe(204);
    expect((await open(`/count?to=3&after=${done}`, asking)).response.status).toBe(204);
  } finally {
    await off.close();
  }
});
