import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ErrorCode } from '../../../../src/grpc/transport/http2/frames';
import type * as SessionModule from '../../../../src/grpc/transport/http2/session';
import { framed, startClient, turn, until, type Client } from '../../client-fixture';
import {
  answer,
  block,
  data,
  Flag,
  frame,
  goAway,
  headers,
  okFields,
  reset,
  Setting,
  settings,
  startRawServer,
  trailers,
  Type,
  windowUpdate,
  word,
} from '../../raw-http2-server';
import { startRawWorld, trailersOnly, type RawWorld } from '../../raw-world';

const { END_STREAM, END_HEADERS, PADDED, PRIORITY } = Flag;

/** Wrong with one answer alone: its call fails, is reset at the server, and the connection goes on. */
describe('an answer is broken', () => {
  const invalid = 'INTERNAL: the answer is no valid HTTP/2: ';
  test.each<[string, string, Buffer[]]>([
    ['a body before its headers', 'a body comes before its headers', [data(1, framed('x'))]],
    ['no status', 'a response has no status', [headers(1, { 'content-type': 'application/grpc' })]],
    ['a status that is none', 'a response has no status', [headers(1, { ':status': '2000' })]],
    ['an informational end', 'an informational response is the end', [headers(1, { ':status': '100' }, END_STREAM)]],
    ['trailers that go on', 'trailers are not the end', [headers(1), headers(1, { 'grpc-status': '0' })]],
    ['a second head', 'trailers have a status', [headers(1), headers(1, okFields, END_STREAM)]],
    ['a status behind a field', 'the header ":status" is not allowed', [headers(1, { server: 'x', ':status': '200' })]],
    ['a pseudo-header of requests', 'the header ":path" is not allowed', [headers(1, { ...okFields, ':path': '/' })]],
    ['a name in upper case', 'the header "X-A" is not allowed', [headers(1, { ...okFields, 'X-A': '1' })]],
    ['an empty name', 'the header "" is not allowed', [headers(1, { ...okFields, '': '1' })]],
    ['a line break', 'the header "x-a" is not allowed', [headers(1, { ...okFields, 'x-a': 'a\r\nb: c' })]],
    ['a field of HTTP/1', 'the header "connection" is not allowed', [headers(1, { ...okFields, connection: 'close' })]],
    [
      'headers that are too long',
      'the headers are over 65536 bytes',
      // Entries of the static table, a byte each.
      [frame(Type.HEADERS, END_HEADERS, 1, Buffer.concat([block(okFields), Buffer.alloc(2_000, 0x80 | 15)]))],
    ],
    ['a window that grows by nothing', 'a window grows by nothing', [windowUpdate(1, 0)]],
    ['a window that grows too large', 'a window is too large', [windowUpdate(1, 2 ** 31 - 1)]],
  ])('%s', async (_what, expected, parts) => {
    const { client, peer } = await startRawWorld();
    const [broken, other] = [client.outcome(), client.outcome()];
    await peer.request();
    await peer.request();
    peer.send(...parts, answer(3));
    expect(await broken).toBe(invalid + expected);
    expect(await other).toBe('answer 3');
    await peer.frame(({ type, id }) => type === Type.RST_STREAM && id === 1);
  });
});

/** Wrong with the connection: it ends with the code of what is wrong, calls on it fail, and the next has one of its own. */
describe('a connection is broken', () => {
  const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM } = ErrorCode;
  const set = (setting: number, value: number): Buffer => settings({ [setting]: value });
  test.each<[string, number, Buffer[]]>([
    ['data without a stream', PROTOCOL_ERROR, [data(0, Buffer.of(1))]],
    ['data on a stream that was not opened', PROTOCOL_ERROR, [data(3, Buffer.of(1))]],
    ['data on a stream of the server', PROTOCOL_ERROR, [data(2, Buffer.of(1))]],
    ['nothing but padding', PROTOCOL_ERROR, [headers(1), frame(Type.DATA, PADDED, 1, Buffer.of(3, 0, 0))]],
    ['padding without its length', PROTOCOL_ERROR, [headers(1), frame(Type.DATA, PADDED, 1)]],
    ['headers without a stream', PROTOCOL_ERROR, [headers(0)]],
    ['headers on a stream that was not opened', PROTOCOL_ERROR, [headers(5)]],
    ['headers with less than a priority', FRAME_SIZE_ERROR, [frame(Type.HEADERS, END_HEADERS | PRIORITY, 1, 'abc')]],
    ['headers that are interrupted', PROTOCOL_ERROR, [frame(Type.HEADERS, 0, 1), data(1, Buffer.of(1))]],
    [
      'headers that are interrupted by an unknown frame',
      PROTOCOL_ERROR,
      [frame(Type.HEADERS, 0, 1), frame(0x42, 0, 1)],
    ],
    ['headers that go on elsewhere', PROTOCOL_ERROR, [frame(Type.HEADERS, 0, 1), frame(Type.CONTINUATION, 4, 3)]],
    ['headers that go on without a beginning', PROTOCOL_ERROR, [frame(Type.CONTINUATION, END_HEADERS, 1)]],
    [
      'headers that go on and on',
      ENHANCE_YOUR_CALM,
      [frame(Type.HEADERS, 0, 1), ...Array.from({ length: 100 }, () => frame(Type.CONTINUATION, 0, 1))],
    ],
    ['a header block that cannot be read', COMPRESSION_ERROR, [frame(Type.HEADERS, END_HEADERS, 1, Buffer.of(0x80))]],
    ['a reset without a stream', PROTOCOL_ERROR, [reset(0, 8)]],
    ['a reset of a stream that was not opened', PROTOCOL_ERROR, [reset(3, 8)]],
    ['a reset without a code', FRAME_SIZE_ERROR, [frame(Type.RST_STREAM, 0, 1, 'abc')]],
    ['settings of a stream', PROTOCOL_ERROR, [frame(Type.SETTINGS, 0, 1)]],
    ['settings that break off', FRAME_SIZE_ERROR, [frame(Type.SETTINGS, 0, 0, 'abcde')]],
    ['an acknowledgement with settings', FRAME_SIZE_ERROR, [frame(Type.SETTINGS, Flag.ACK, 0, 'abcdef')]],
    ['pushes that are asked for', PROTOCOL_ERROR, [set(Setting.ENABLE_PUSH, 1)]],
    ['a window of over 2 GB', FLOW_CONTROL_ERROR, [set(Setting.INITIAL_WINDOW_SIZE, 2 ** 31)]],
    [
      'a window that grows to over 2 GB',
      FLOW_CONTROL_ERROR,
      [windowUpdate(1, 2 ** 31 - 1 - 65_535), set(Setting.INITIAL_WINDOW_SIZE, 70_000)],
    ],
    ['a frame size that is too small', PROTOCOL_ERROR, [set(Setting.MAX_FRAME_SIZE, 16_383)]],
    ['a frame size that is too large', PROTOCOL_ERROR, [set(Setting.MAX_FRAME_SIZE, 2 ** 24)]],
    ['a push', PROTOCOL_ERROR, [frame(Type.PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([word(2), block({})]))]],
    ['a ping of a stream', PROTOCOL_ERROR, [frame(Type.PING, 0, 1, 'abcdefgh')]],
    ['a ping of 7 bytes', FRAME_SIZE_ERROR, [frame(Type.PING, 0, 0, 'abcdefg')]],
    ['a GOAWAY of a stream', PROTOCOL_ERROR, [frame(Type.GOAWAY, 0, 1, Buffer.alloc(8))]],
    ['a GOAWAY that breaks off', FRAME_SIZE_ERROR, [frame(Type.GOAWAY, 0, 0, Buffer.alloc(7))]],
    ['a window that grows by nothing', PROTOCOL_ERROR, [windowUpdate(0, 0)]],
    ['a window that grows too large', FLOW_CONTROL_ERROR, [windowUpdate(0, 2 ** 31 - 1)]],
    ['a window of a stream that was not opened', PROTOCOL_ERROR, [windowUpdate(3, 1)]],
    ['a window that breaks off', FRAME_SIZE_ERROR, [frame(Type.WINDOW_UPDATE, 0, 1, 'abc')]],
    ['a frame that is too large', FRAME_SIZE_ERROR, [data(1, Buffer.alloc(16_385))]],
    ['an unknown frame that is too large', FRAME_SIZE_ERROR, [frame(0x42, 0, 1, Buffer.alloc(16_385))]],
  ])('%s', async (_what, code, parts) => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome();
    await peer.request();
    peer.send(...parts);
    expect(await peer.complaint()).toBe(code);
    expect(await outcome).toMatch(/^UNAVAILABLE: the connection was lost: /);
  });

  test('and the next call has one of its own', async () => {
    const { client, peer, server } = await startRawWorld();
    const outcome = client.outcome();
    await peer.request();
    peer.send(data(3, Buffer.of(1)), answer(1));
    expect(await outcome).toMatch(/^UNAVAILABLE: /);
    expect(await client.call()).toBe('answer 1');
    expect(server.peers).toHaveLength(2);
  });

  test('more than a window holds', async () => {
    const { client, peer } = await startRawWorld();
    const messages = client.feed()[Symbol.asyncIterator]();
    const first = messages.next();
    await peer.request();
    peer.send(headers(1), data(1, framed('first')));
    expect((await first).value!.toString()).toBe('first');
    // Nobody reads now.
    const message = framed(Buffer.alloc(100_000));
    for (let at = 0; at <= 65_535; at += 16_384) peer.send(data(1, message.subarray(at, at + 16_384)));
    expect(await peer.complaint()).toBe(FLOW_CONTROL_ERROR);
    await expect(messages.next()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  test.each<[string, Buffer]>([
    ['HTTP/1', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
    ['something else', Buffer.from('220 mail.example.com ESMTP\r\n')],
    ['HTTP/2 without settings', answer(1)],
    ['HTTP/2 that begins with an acknowledgement', frame(Type.SETTINGS, Flag.ACK, 0)],
  ])('%s is spoken', async (_what, greeting) => {
    const server = await startRawServer((peer) => peer.send(greeting));
    const client = startClient(server.port);
    expect(await client.outcome()).toBe(
      'UNAVAILABLE: No connection established. Last error: the server does not speak HTTP/2',
    );
    expect(await server.peers[0]!.complaint()).toBe(PROTOCOL_ERROR);
    expect(client.upstream.ready()).toBe(false);
  });
});

describe('requests', () => {
  test('are as gRPC has them', async () => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome('body', { timeout: 5_000 });
    await peer.request();
    const { flags, payload } = peer.of(Type.HEADERS)[0]!;
    expect(flags).toBe(END_HEADERS);
    // The size of the table, POST, http, and what is no entry of the static table.
    expect(payload.subarray(0, 3)).toEqual(Buffer.of(0x20, 0x83, 0x86));
    const text = payload.toString('latin1');
    for (const part of ['/test.Test/Echo', 'trailers', 'application/grpc', 'grpc-timeout', 'api-gateway']) {
      expect(text).toContain(part);
    }
    expect(text).toMatch(/grpc-timeout.[45]\d\d\dm/s);
    expect(peer.of(Type.DATA).map((each) => each.payload)).toEqual([framed('body')]);
    peer.send(answer(1));
    await outcome;
  });

  test('that are larger than the windows wait for them, whichever grows', async () => {
    const { client, peer } = await startRawWorld({ [Setting.INITIAL_WINDOW_SIZE]: 100_000 });
    const size = 200_000;
    const outcome = client.outcome(Buffer.alloc(size - 5, 'x'));
    await until(() => peer.received === 65_535);
    await peer.settle();
    expect(peer.received).toBe(65_535);
    peer.send(windowUpdate(0, 1_000_000));
    await until(() => peer.received === 100_000);
    peer.send(windowUpdate(1, 1));
    await until(() => peer.received === 100_001);
    // Lower than what was sent: less than none is left.
    peer.send(settings({ [Setting.INITIAL_WINDOW_SIZE]: 10 }), windowUpdate(1, 99_989));
    await peer.settle();
    expect(peer.received).toBe(100_001);
    peer.send(windowUpdate(1, 2));
    await until(() => peer.received === 100_002);
    peer.send(settings({ [Setting.INITIAL_WINDOW_SIZE]: 1_000_000, [Setting.MAX_FRAME_SIZE]: 1_000_000 }));
    expect(await peer.request()).toBe(1);
    expect(peer.received).toBe(size);
    expect(peer.of(Type.DATA).at(-1)!.payload).toHaveLength(size - 100_002);
    peer.send(answer(1));
    expect(await outcome).toBe('answer 1');
  });

  test('that the server answers early are not sent to their end', async () => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome(Buffer.alloc(100_000));
    await until(() => peer.received === 65_535);
    peer.send(trailersOnly({ 'grpc-status': '8', 'grpc-message': 'too much' }));
    expect(await outcome).toBe('RESOURCE_EXHAUSTED: too much');
    await peer.frame(({ type, id }) => type === Type.RST_STREAM && id === 1);
    peer.send(windowUpdate(1, 100_000), windowUpdate(0, 100_000));
    const next = client.outcome();
    peer.onRequest = (id) => peer.send(answer(id));
    expect(await next).toBe('answer 3');
    expect(peer.of(Type.DATA).filter(({ id }) => id === 1)).toHaveLength(4);
  });
});

/** Bytes in use, behind the garbage. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('a message that comes byte by byte takes little more memory than its bytes', async () => {
  const { client, peer } = await startRawWorld();
  const size = 400_000;
  const outcome = client.outcome();
  await peer.request();
  peer.send(headers(1), data(1, framed('x'.repeat(size)).subarray(0, 5)));
  const some = Buffer.concat(Array.from({ length: 4_000 }, () => data(1, Buffer.from('x'))));
  await peer.settle();
  const before = memoryInUse();
  for (let sent = 0; sent < size - 4_000; sent += 4_000) {
    peer.send(some);
    await turn();
  }
  await peer.settle();
  expect(memoryInUse() - before).toBeLessThan(20 * size);
  peer.send(some, trailers(1));
  expect(await outcome).toBe('x'.repeat(size));
});

describe('requests to a server that takes more than it reads', () => {
  const openWindows = async (): Promise<RawWorld> => {
    const world = await startRawWorld({ [Setting.INITIAL_WINDOW_SIZE]: 2 ** 31 - 1 });
    await world.client.ready();
    world.peer.send(windowUpdate(0, 2 ** 30));
    await world.peer.settle();
    world.peer.socket.pause();
    return world;
  };
  const body = Buffer.alloc(7_000_000);

  // First, so that what the other leaves to the garbage is not taken for memory that becomes free.
  test('take no memory any more once they are over', async () => {
    const { client } = await openWindows();
    const before = memoryInUse();
    const outcomes = Array.from({ length: 10 }, () => client.outcome(body, { timeout: 200 }));
    for (const outcome of outcomes) expect(await outcome).toBe('DEADLINE_EXCEEDED: no answer in time');
    await until(
      () => memoryInUse() - before,
      (more) => more < 20_000_000,
    );
  });

  test('wait for it, whatever it asks meanwhile', async () => {
    const { client, peer, server } = await openWindows();
    const outcomes = Array.from({ length: 5 }, () => client.outcome(body));
    await turn();
    for (let pings = 0; pings < 10; pings++) {
      peer.send(frame(Type.PING, 0, 0, 'abcdefgh'));
      await turn();
    }
    peer.onRequest = (id) => peer.send(answer(id));
    peer.socket.resume();
    expect(await Promise.all(outcomes)).toEqual([1, 3, 5, 7, 9].map((id) => `answer ${id}`));
    expect(server.peers).toHaveLength(1);
  });
});

describe('frames that come by the thousand cost the same, however many calls run', () => {
  const many = (count: number, make: (index: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));

  test.each<[string, Buffer]>([
    ['settings', many(4_000, (index) => settings({ [Setting.INITIAL_WINDOW_SIZE]: index % 2 }))],
    ['windows of the connection', many(4_000, () => windowUpdate(0, 1))],
  ])('%s', async (_what, flood) => {
    /** Ms. */
    const timeOf = async (calls: number): Promise<number> => {
      const { client, peer } = await startRawWorld({ [Setting.INITIAL_WINDOW_SIZE]: 0 });
      await client.ready();
      const outcomes = Array.from({ length: calls }, () => client.outcome());
      await until(() => peer.of(Type.HEADERS).length === calls);
      const begin = performance.now();
      peer.send(flood);
      await peer.settle();
      const time = performance.now() - begin;
      client.upstream.close();
      await Promise.all(outcomes);
      return time;
    };
    await timeOf(10);
    const few = await timeOf(10);
    expect(await timeOf(2_000)).toBeLessThan(6 * few + 200);
  });
});

describe('frames that carry nothing', () => {
  const many = (part: Buffer, count = 20_000): Buffer => Buffer.alloc(part.length * count, part);
  const floods: [string, Buffer][] = [
    ['settings', many(settings())],
    ['settings, by the thousand in one frame', many(frame(Type.SETTINGS, 0, 0, Buffer.alloc(12_000)), 200)],
    ['acknowledgements of settings', many(frame(Type.SETTINGS, Flag.ACK, 0))],
    ['pings', many(frame(Type.PING, 0, 0, 'abcdefgh'))],
    ['answers to pings', many(frame(Type.PING, Flag.ACK, 0, 'abcdefgh'))],
    ['empty data', Buffer.concat([headers(1), many(data(1, Buffer.alloc(0)))])],
    ['data that is nothing but padding', Buffer.concat([headers(1), many(frame(Type.DATA, PADDED, 1, Buffer.of(0)))])],
    ['informational heads', many(headers(1, { ':status': '103' }))],
    ['windows of the connection', many(windowUpdate(0, 1))],
    ['windows of a stream', many(windowUpdate(1, 1))],
    ['priorities', many(frame(Type.PRIORITY, 0, 1, Buffer.alloc(5)))],
    ['unknown frames', many(frame(0x42, 0, 0))],
    ['large unknown frames', many(frame(0x42, 0, 0, Buffer.alloc(16_000)), 4_000)],
    ['a GOAWAY again and again', many(goAway(1))],
  ];

  test.each(floods)('end the connection where they do not end: %s', async (_what, flood) => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome();
    await peer.request();
    peer.send(flood);
    expect(await outcome).toMatch(
      /^UNAVAILABLE: the connection was lost: the server (sends too many frames that carry nothing|goes away)/,
    );
    // The rest of large frames is not read, so that TCP may drop what was written last.
    if (flood.length > 10_000_000) await peer.ended();
    else expect(await peer.complaint()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  });

  test.each([
    ['resets', many(reset(1, ErrorCode.CANCEL))],
    ['heads', many(headers(1))],
    ['data', many(data(1, Buffer.of(1)))],
    ['empty headers that go on', many(Buffer.concat([frame(Type.HEADERS, 0, 1), frame(Type.CONTINUATION, 4, 1)]))],
  ])('so do those for a stream that has ended: %s', async (_what, flood) => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome();
    await peer.request();
    peer.send(answer(1));
    expect(await outcome).toBe('answer 1');
    peer.send(flood);
    expect(await peer.complaint()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  });

  test('one line says of which server and why, and the pauses before the next connections grow', async () => {
    const begun: number[] = [];
    const server = await startRawServer((peer) => {
      begun.push(performance.now());
      peer.send(settings(), many(frame(0x42, 0, 0)));
    });
    const client = startClient(server.port);
    await until(() => begun.length === 5);
    const told = client.logs.filter((line) => line.includes('closed for what the server sent'));
    expect([3, 4, 5]).toContain(told.length);
    expect(JSON.parse(told[0]!)).toMatchObject({
      level: 'error',
      upstream: 'test',
      server: `127.0.0.1:${server.port}`,
      err: {
        message: 'the server sends too many frames that carry nothing: more than 10000 and 1000 a second',
      },
      msg: 'upstream connection error: closed for what the server sent',
    });
    // 250, 400, 640 and 1,024 ms, give or take a fifth, between the beginnings.
    const pauses = begun.slice(1).map((time, index) => time - begun[index]!);
    for (const [index, least] of [200, 320, 512, 819].entries()) {
      expect(pauses[index]).toBeGreaterThan(least - 20);
    }
    // No call waits for such a server.
    expect(await client.outcome()).toMatch(/^UNAVAILABLE: /);
  });

  test('are no matter where they come with calls', async () => {
    const { client, peer, server } = await startRawWorld();
    const around = (id: number): Buffer[] => [
      frame(Type.PING, 0, 0, 'abcdefgh'),
      windowUpdate(0, 1),
      windowUpdate(id, 1),
      headers(id, { ':status': '103' }),
      headers(id),
      data(id, Buffer.alloc(0)),
      data(id, framed('fine')),
      frame(Type.PRIORITY, 0, id, Buffer.alloc(5)),
      trailers(id),
      reset(id, ErrorCode.NO_ERROR),
    ];
    peer.onRequest = (id) => peer.send(...around(id));
    for (let round = 0; round < 40; round++) {
      const outcomes = await Promise.all(Array.from({ length: 100 }, () => client.outcome()));
      expect(new Set(outcomes)).toEqual(new Set(['fine']));
    }
    expect(server.peers).toHaveLength(1);
  });

  test('are no matter where calls are cancelled, whose answers are under way', async () => {
    const { client, peer, server } = await startRawWorld();
    for (let round = 0; round < 60; round++) {
      const leave = new AbortController();
      const outcomes = Array.from({ length: 10 }, () => client.outcome('', { signal: leave.signal }));
      const ids = await Promise.all(outcomes.map(() => peer.request()));
      leave.abort();
      await Promise.all(outcomes);
      for (const id of ids) {
        peer.send(headers(id), ...Array.from({ length: 4 }, () => data(id, Buffer.alloc(16_000))), trailers(id));
      }
      await peer.settle();
    }
    expect(server.peers).toHaveLength(1);
  });
});

describe('what is cancelled here', () => {
  test('keeps the tables of headers and the window of the connection as the server has them', async () => {
    const { client, peer } = await startRawWorld();
    const leave = new AbortController();
    const given = client.outcome('', { signal: leave.signal });
    await peer.request();
    leave.abort();
    expect(await given).toBe('CLIENT_CLOSED_REQUEST');
    await peer.frame(({ type, id }) => type === Type.RST_STREAM && id === 1);
    // An entry for the dynamic table, in a block of the stream that nobody wants any more, in two frames.
    const entry = Buffer.concat([Buffer.of(0x40), block({ 'grpc-message': 'kept' }).subarray(1)]);
    const head = Buffer.concat([block(okFields), entry]);
    peer.send(
      frame(Type.HEADERS, 0, 1, head.subarray(0, 9)),
      frame(Type.CONTINUATION, END_HEADERS, 1, head.subarray(9)),
    );
    // As much as the window of the connection holds; half of it is given back.
    const filler = data(1, Buffer.alloc(16_384));
    for (let size = 0; size <= 8 * 1024 * 1024; size += 16_384) peer.send(filler);
    await peer.frame(
      ({ type, id, payload }) => type === Type.WINDOW_UPDATE && id === 0 && payload.readUInt32BE() > 2 ** 23,
    );
    peer.send(trailers(1));
    const next = client.outcome();
    await peer.request();
    const tail = Buffer.concat([block({ 'grpc-status': '10' }), Buffer.of(0x80 | 62)]);
    peer.send(headers(3), frame(Type.HEADERS, END_STREAM | END_HEADERS, 3, tail));
    expect(await next).toBe('ABORTED: kept');
  });
});

describe('connections', () => {
  test('leaves no connection behind with a server that does not close its side', async () => {
    const { client, peer, server } = await startRawWorld();
    peer.socket.allowHalfOpen = true;
    const outcome = client.outcome();
    await peer.request();
    peer.send(goAway(1), answer(1));
    expect(await outcome).toBe('answer 1');
    const open = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    // Both ends of the connection that came after it, and the server's end of this one.
    await until(() => server.peers.length === 2 && open() === 3);
    expect(peer.hasEnded).toBe(false);
  });

  test('whose stream ids are used up are replaced', async () => {
    const { client, peer, server } = await startRawWorld();
    peer.onRequest = (id) => peer.send(answer(id));
    expect(await client.call()).toBe('answer 1');
    useUpStreamIds(client);
    expect(await client.call()).toBe(`answer ${2 ** 31 - 1}`);
    expect(await client.call()).toBe('answer 1');
    expect(server.peers).toHaveLength(2);
    await peer.ended();
  });

  test('answer pings and settings, and end where the server does not read the answers', async () => {
    const { client, peer } = await startRawWorld();
    await client.ready();
    const ping = frame(Type.PING, 0, 0, 'abcdefgh');
    peer.send(ping, settings(), frame(Type.PING, Flag.ACK, 0, 'unasked!'));
    await peer.frame(
      ({ type, flags, payload }) => type === Type.PING && flags === Flag.ACK && payload.equals(ping.subarray(9)),
    );
    await until(() => peer.of(Type.SETTINGS).filter(({ flags }) => flags === Flag.ACK).length === 2);
    peer.socket.pause();
    const flood = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
    await until(() => {
      if (!peer.socket.destroyed) peer.socket.write(flood);
      return peer.socket.destroyed;
    });
  });
});

/** Puts the connections of a client where only one stream is left to them. */
function useUpStreamIds(client: Client): void {
  expect(client.upstream.ready()).toBe(true);
  // The compiler keeps what is private: there is no other way to two thousand million requests.
  for (const session of sessions.splice(0)) (session as unknown as { nextId: number }).nextId = 2 ** 31 - 1;
}

/** Every session that was made, so that a test can reach the only thing that takes a thousand million requests. */
const sessions: object[] = [];

jest.mock('../../../../src/grpc/transport/http2/session', () => {
  const actual = jest.requireActual<typeof SessionModule>('../../../../src/grpc/transport/http2/session');
  return {
    ...actual,
    ClientSession: class extends actual.ClientSession {
      constructor(...args: ConstructorParameters<typeof actual.ClientSession>) {
        super(...args);
        sessions.push(this);
      }
    },
  };
});
