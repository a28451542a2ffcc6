import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ErrorCode } from '../src/http2/frames';
import type * as SessionModule from '../src/http2/session';
import { collect, framed, startClient, turn, until, type Client } from './grpc-client-fixture';
import {
  answer,
  behave,
  block,
  data,
  Flag,
  frame,
  goAway,
  headers,
  okFields,
  padded,
  reset,
  Setting,
  settings,
  startRawServer,
  trailers,
  Type,
  windowUpdate,
  word,
  type Fields,
  type Peer,
  type RawServer,
} from './raw-http2-server';

const { END_STREAM, END_HEADERS, PADDED, PRIORITY } = Flag;

interface World {
  readonly server: RawServer;
  readonly client: Client;
  /** The first connection, behind the server's settings. */
  readonly peer: Peer;
}

async function start(values: Readonly<Record<number, number>> = {}): Promise<World> {
  const server = await startRawServer((peer, nth) => (nth === 0 ? peer.send(settings(values)) : behave(peer)));
  const client = startClient(server.port);
  return { server, client, peer: await server.peer(0) };
}

/** What a call gives where the server sends these frames, and whether the next one finds the connection as it was. */
async function answered(...parts: readonly Buffer[]): Promise<string> {
  const { client, peer } = await start();
  const outcome = client.outcome();
  expect(await peer.request()).toBe(1);
  peer.send(...parts);
  const result = await outcome;
  const next = client.outcome();
  expect(await peer.request()).toBe(3);
  peer.send(answer(3));
  expect(await next).toBe('answer 3');
  return result;
}

describe('answers', () => {
  test('one byte at a time', async () => {
    const { client, peer } = await start();
    const outcome = client.outcome();
    await peer.request();
    await peer.sendApart([...answer(1, 'slowly')].map((byte) => Buffer.of(byte)));
    expect(await outcome).toBe('slowly');
  });

  test('the settings of a server one byte at a time, and all in one with the answer', async () => {
    const server = await startRawServer((peer) =>
      peer.sendApart([...settings({ 3: 10 })].map((byte) => Buffer.of(byte))),
    );
    const client = startClient(server.port);
    const outcome = client.outcome();
    const peer = await server.peer(0);
    await peer.request();
    peer.send(settings(), frame(Type.SETTINGS, Flag.ACK, 0), answer(1));
    expect(await outcome).toBe('answer 1');
  });

  test('of many streams in one', async () => {
    const { client, peer } = await start();
    const outcomes = Array.from({ length: 20 }, () => client.outcome());
    const ids = await Promise.all(outcomes.map(() => peer.request()));
    peer.send(...ids.map((id) => headers(id)), ...ids.map((id) => data(id, framed(`to ${id}`))));
    peer.send(...ids.toReversed().map((id) => trailers(id)));
    expect(await Promise.all(outcomes)).toEqual(ids.map((id) => `to ${id}`));
  });

  test('with padding, priorities, informational heads and frames that nobody knows', async () => {
    const head = block(okFields);
    const priority = Buffer.concat([word(0x80000000), Buffer.of(7)]);
    expect(
      await answered(
        headers(1, { ':status': '103', link: '</x>' }),
        frame(0x42, 0xff, 1, 'what?'),
        frame(Type.PRIORITY, 0, 1, priority),
        headers(1, { ':status': '100' }),
        frame(Type.HEADERS, END_HEADERS | PADDED | PRIORITY, 1, padded(Buffer.concat([priority, head]), 255)),
        frame(0xff, 0, 0, Buffer.alloc(16_384)),
        data(1, padded(framed('padded').subarray(0, 3), 0), PADDED),
        data(1, padded(Buffer.alloc(0), 10), PADDED),
        data(1, Buffer.alloc(0)),
        data(1, padded(framed('padded').subarray(3), 200), PADDED),
        frame(Type.HEADERS, END_STREAM | END_HEADERS | PADDED, 1, padded(block({ 'grpc-status': '0' }), 1)),
      ),
    ).toBe('padded');
  });

  test('with header blocks that go on, an empty one among them', async () => {
    const [head, tail] = [block({ ...okFields, 'x-long': 'x'.repeat(300) }), block({ 'grpc-status': '0' })];
    expect(
      await answered(
        frame(Type.HEADERS, 0, 1, head.subarray(0, 7)),
        frame(Type.CONTINUATION, 0, 1, head.subarray(7, 8)),
        frame(Type.CONTINUATION, 0, 1),
        frame(Type.CONTINUATION, END_HEADERS, 1, head.subarray(8)),
        data(1, framed('long')),
        frame(Type.HEADERS, END_STREAM, 1, tail),
        frame(Type.CONTINUATION, END_HEADERS, 1),
      ),
    ).toBe('long');
  });

  test('with messages of any size in frames of any size', async () => {
    const { client, peer } = await start();
    const messages = ['', 'a', 'bc', 'x'.repeat(5), '', 'y'.repeat(1_000)];
    const body = Buffer.concat(messages.map((message) => framed(message)));
    for (const size of [1, 2, 4, 5, 6, 7, 11, 100, 5_000]) {
      const read = collect(client.feed());
      const id = await peer.request();
      const parts: Buffer[] = [];
      for (let at = 0; at < body.length; at += size) parts.push(data(id, body.subarray(at, at + size)));
      peer.send(headers(id), ...parts, trailers(id));
      expect(await read).toEqual(messages);
    }
  });

  const status = (fields: Fields): Buffer => headers(1, { ...okFields, ...fields }, END_STREAM);

  test.each<[string, string, Buffer[]]>([
    ['nothing but trailers', 'NOT_FOUND: none', [status({ 'grpc-status': '5', 'grpc-message': 'none' })]],
    ['no message', 'INTERNAL: no message where one was to come', [headers(1), trailers(1)]],
    ['no message, in one', 'INTERNAL: no message where one was to come', [status({ 'grpc-status': '0' })]],
    [
      'several messages',
      'INTERNAL: several messages where one was to come',
      [headers(1), data(1, Buffer.concat([framed('a'), framed('b'), framed('c')]))],
    ],
    [
      'a message that breaks off',
      'INTERNAL: the answer breaks off within a message',
      [headers(1), data(1, framed('abc').subarray(0, 7)), trailers(1)],
    ],
    [
      'a frame of a message that breaks off',
      'INTERNAL: the answer breaks off within a message',
      [headers(1), data(1, Buffer.concat([framed('abc'), Buffer.of(0)])), trailers(1)],
    ],
    [
      'a failure within a message',
      'ABORTED: ',
      [headers(1), data(1, framed('abc').subarray(0, 7)), trailers(1, { 'grpc-status': '10' })],
    ],
    ['a failure behind a message', 'ABORTED: ', [answer(1, 'x', { 'grpc-status': '10' })]],
    [
      'a compressed message',
      'INTERNAL: a message is compressed, which was not offered',
      [headers(1), data(1, framed('abc', 1)), trailers(1)],
    ],
    [
      'a message that is too long',
      'RESOURCE_EXHAUSTED: a message of 4294967295 bytes is over 8388608 bytes',
      [headers(1), data(1, Buffer.from('00ffffffff', 'hex'))],
    ],
    [
      'no status',
      'UNKNOWN: the answer has no gRPC status',
      [headers(1), data(1, framed('x')), headers(1, {}, END_STREAM)],
    ],
    ['no trailers', 'UNKNOWN: the answer has no gRPC status', [headers(1), data(1, framed('x'), END_STREAM)]],
    ['no body', 'UNKNOWN: the answer has no gRPC status', [headers(1, okFields, END_STREAM)]],
    ...['99', '17', '-1', '', 'OK', '0x0', '1e0', '000', '0,0'].map((text): [string, string, Buffer[]] => [
      `the status "${text}"`,
      'UNKNOWN: odd',
      [headers(1), trailers(1, { 'grpc-status': text, 'grpc-message': 'odd' })],
    ]),
    ...(
      [
        ['50%', '50%'],
        ['%', '%'],
        ['%zz %C3%A4 %4', '%zz ä %4'],
        ['%e2%82%ac', '€'],
        ['%ff%41', '\u{fffd}A'],
        ['%25C3', '%C3'],
        ['100%25 %F0%9F%A6%84', '100% 🦄'],
      ] as const
    ).map(([text, expected]): [string, string, Buffer[]] => [
      `the message ${text}`,
      `ABORTED: ${expected}`,
      [status({ 'grpc-status': '10', 'grpc-message': text })],
    ]),
    ...(
      [
        [400, 'INTERNAL'],
        [401, 'UNAUTHENTICATED'],
        [403, 'PERMISSION_DENIED'],
        [404, 'UNIMPLEMENTED'],
        [418, 'UNKNOWN'],
        [429, 'UNAVAILABLE'],
        [500, 'UNKNOWN'],
        [502, 'UNAVAILABLE'],
        [503, 'UNAVAILABLE'],
        [504, 'UNAVAILABLE'],
      ] as const
    ).map(([code, name]): [string, string, Buffer[]] => [
      `HTTP status ${code}`,
      `${name}: HTTP status ${code} instead of a gRPC answer`,
      [headers(1, { ':status': String(code) }), data(1, Buffer.from('<html>'), END_STREAM)],
    ]),
    [
      'HTTP status 204 without a body',
      'UNKNOWN: HTTP status 204 instead of a gRPC answer',
      [headers(1, { ':status': '204' }, END_STREAM)],
    ],
    [
      'HTTP status 503 with a status of gRPC',
      'NOT_FOUND: ',
      [headers(1, { ':status': '503', 'grpc-status': '5' }, END_STREAM)],
    ],
    [
      'a page',
      'UNKNOWN: content of type text/html instead of a gRPC answer',
      [headers(1, { ':status': '200', 'content-type': 'text/html' }), data(1, Buffer.from('<html>'), END_STREAM)],
    ],
    [
      'a page and a reset',
      'UNAVAILABLE: HTTP status 502 instead of a gRPC answer',
      [headers(1, { ':status': '502' }), reset(1, 0)],
    ],
    ['an answer and a reset', 'answer 1', [answer(1), reset(1, 0), reset(1, 8)]],
    ['an answer and more', 'answer 1', [answer(1), data(1, Buffer.from('more')), trailers(1), windowUpdate(1, 5)]],
    ...Object.entries({
      0: 'INTERNAL',
      1: 'INTERNAL',
      2: 'INTERNAL',
      3: 'INTERNAL',
      8: 'CANCELLED',
      11: 'RESOURCE_EXHAUSTED',
    })
      .concat(Object.entries({ 12: 'PERMISSION_DENIED', 13: 'INTERNAL', 4294967295: 'INTERNAL' }))
      .map(([code, name]): [string, string, Buffer[]] => [
        `a reset with ${code}`,
        `${name}: the call was reset with HTTP/2 error code ${code}`,
        [reset(1, Number(code))],
      ]),
    [
      'a reset within the answer',
      'CANCELLED: the call was reset with HTTP/2 error code 8',
      [headers(1), data(1, framed('abc')), reset(1, 8)],
    ],
    [
      'a refusal within the answer, which is too late for one',
      'UNAVAILABLE: the call was reset with HTTP/2 error code 7',
      [headers(1), reset(1, 7)],
    ],
  ])('with %s', async (_what, expected, parts) => {
    expect(await answered(...parts)).toBe(expected);
  });

  test.each([
    ['without padding', 'CAUaBGRvbmU'],
    ['with padding', 'CAUaBGRvbmU='],
    ['of several', 'CAUaBGRvbmU=,CAY='],
    ['that are none', '*'],
  ])('with status details %s', async (_what, details) => {
    expect(await answered(trailersOnly({ 'grpc-status': '5', 'grpc-status-details-bin': details }))).toBe(
      'NOT_FOUND: ',
    );
  });

  test('with status details, which reach the error', async () => {
    const { client, peer } = await start();
    // google.rpc.Status { code: 8, details: [RetryInfo { retry_delay: 7s }] }
    const info = Buffer.from('0a020807', 'hex');
    const type = 'type.googleapis.com/google.rpc.RetryInfo';
    const any = Buffer.concat([Buffer.of(0x0a, type.length), Buffer.from(type), Buffer.of(0x12, info.length), info]);
    const bin = Buffer.concat([Buffer.of(8, 8, 0x1a, any.length), any]).toString('base64');
    for (const text of [bin, bin.replace(/=+$/, '')]) {
      const call = client.call().catch((error: unknown) => error);
      const id = await peer.request();
      peer.send(headers(id, { ...okFields, 'grpc-status': '8', 'grpc-status-details-bin': text }, END_STREAM));
      expect(await call).toMatchObject({ code: 'RATE_LIMITED', retryAfter: 7 });
    }
  });
});

function trailersOnly(fields: Fields): Buffer {
  return headers(1, { ...okFields, ...fields }, END_STREAM);
}

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
    const { client, peer } = await start();
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
    const { client, peer } = await start();
    const outcome = client.outcome();
    await peer.request();
    peer.send(...parts);
    expect(await peer.complaint()).toBe(code);
    expect(await outcome).toMatch(/^UNAVAILABLE: the connection was lost: /);
  });

  test('and the next call has one of its own', async () => {
    const { client, peer, server } = await start();
    const outcome = client.outcome();
    await peer.request();
    peer.send(data(3, Buffer.of(1)), answer(1));
    expect(await outcome).toMatch(/^UNAVAILABLE: /);
    expect(await client.call()).toBe('answer 1');
    expect(server.peers).toHaveLength(2);
  });

  test('more than a window holds', async () => {
    const { client, peer } = await start();
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
    const { client, peer } = await start();
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
    const { client, peer } = await start({ [Setting.INITIAL_WINDOW_SIZE]: 100_000 });
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
    const { client, peer } = await start();
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

  test('go out as the server takes them: none, one, two', async () => {
    const most = (value: number): Buffer => settings({ [Setting.MAX_CONCURRENT_STREAMS]: value });
    const { client, peer } = await start({ [Setting.MAX_CONCURRENT_STREAMS]: 0 });
    const outcomes = Array.from({ length: 5 }, () => client.outcome());
    await peer.settle();
    expect(peer.of(Type.HEADERS)).toHaveLength(0);
    peer.send(most(3));
    await Promise.all([peer.request(), peer.request(), peer.request()]);
    // Lower than what runs: none goes out until less do.
    peer.send(most(1), answer(1), answer(3));
    expect(await Promise.all(outcomes.slice(0, 2))).toEqual(['answer 1', 'answer 3']);
    await peer.settle();
    expect(peer.of(Type.HEADERS)).toHaveLength(3);
    peer.send(answer(5));
    expect(await peer.request()).toBe(7);
    peer.send(most(0), answer(7));
    await outcomes[3];
    await peer.settle();
    expect(peer.of(Type.HEADERS)).toHaveLength(4);
    peer.send(most(100));
    expect(await peer.request()).toBe(9);
    peer.send(answer(9));
    expect(await outcomes[4]).toBe('answer 9');
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
  const { client, peer } = await start();
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
  const openWindows = async (): Promise<World> => {
    const world = await start({ [Setting.INITIAL_WINDOW_SIZE]: 2 ** 31 - 1 });
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
    ['settings', many(20_000, (index) => settings({ [Setting.INITIAL_WINDOW_SIZE]: index % 2 }))],
    ['windows of the connection', many(20_000, () => windowUpdate(0, 1))],
  ])('%s', async (_what, flood) => {
    /** Ms. */
    const timeOf = async (calls: number): Promise<number> => {
      const { client, peer } = await start({ [Setting.INITIAL_WINDOW_SIZE]: 0 });
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

describe('what is cancelled here', () => {
  test('keeps the tables of headers and the window of the connection as the server has them', async () => {
    const { client, peer } = await start();
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

  test('by a reader that leaves, with more frames in the same chunk', async () => {
    const { client, peer } = await start();
    const read = (async () => {
      for await (const message of client.feed()) return message.toString();
      return undefined;
    })();
    await peer.request();
    peer.send(headers(1), data(1, framed('one')), data(1, framed('two')), data(1, framed('three')), trailers(1));
    expect(await read).toBe('one');
    const next = client.outcome();
    await peer.request();
    peer.send(answer(3));
    expect(await next).toBe('answer 3');
  });

  test('by a broken answer, with more frames in the same chunk', async () => {
    expect(await answered(headers(1), data(1, framed('x', 1)), data(1, framed('y')), trailers(1))).toMatch(
      /compressed/,
    );
    expect(await answered(headers(1), data(1, framed('x', 1), END_STREAM))).toMatch(/compressed/);
  });
});

describe('GOAWAY', () => {
  test('lets end what the server has seen, and repeats the rest elsewhere', async () => {
    const { client, peer, server } = await start();
    const outcomes = [client.outcome(), client.outcome(), client.outcome()];
    await Promise.all([peer.request(), peer.request(), peer.request()]);
    peer.send(goAway(2 ** 31 - 1));
    const other = await server.peer(1);
    const late = client.outcome();
    expect(await late).toBe('answer 1');
    peer.send(goAway(1));
    expect(await Promise.all(outcomes.slice(1))).toEqual(['answer 3', 'answer 5']);
    peer.send(answer(1, 'seen'));
    expect(await outcomes[0]).toBe('seen');
    await peer.frame(({ type }) => type === Type.GOAWAY);
    expect(other.of(Type.HEADERS)).toHaveLength(3);
    expect(await client.counted()).toEqual(['Echo OK 4']);
  });

  test('with an error is no different', async () => {
    const { client, peer } = await start();
    const [seen, unseen] = [client.outcome(), client.outcome()];
    await Promise.all([peer.request(), peer.request()]);
    peer.send(goAway(1, ErrorCode.INTERNAL_ERROR, 'oh no'));
    peer.socket.end();
    expect(await seen).toBe('UNAVAILABLE: the connection was lost: the server goes away: oh no');
    expect(await unseen).toBe('answer 1');
  });

  test('sends what waits for its turn elsewhere', async () => {
    const { client, peer } = await start({ [Setting.MAX_CONCURRENT_STREAMS]: 1 });
    const outcomes = Array.from({ length: 4 }, () => client.outcome());
    await peer.request();
    peer.send(goAway(1));
    expect(await Promise.all(outcomes.slice(1))).toEqual(['answer 1', 'answer 3', 'answer 5']);
    peer.send(answer(1, 'seen'));
    expect(await outcomes[0]).toBe('seen');
  });

  test('again and again does not fail what was never sent', async () => {
    const server = await startRawServer((peer, nth) => {
      if (nth < 3) peer.send(settings({ [Setting.MAX_CONCURRENT_STREAMS]: 0 }), goAway(0));
      else behave(peer);
    });
    expect(await startClient(server.port).outcome()).toBe('answer 1');
  });

  test('leaves no connection behind with a server that does not close its side', async () => {
    const { client, peer, server } = await start();
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
});

describe('a refused stream', () => {
  test('is repeated once, by itself', async () => {
    const { client, peer } = await start();
    const outcome = client.outcome();
    peer.send(reset(await peer.request(), ErrorCode.REFUSED_STREAM));
    expect(await peer.request()).toBe(3);
    peer.send(answer(3));
    expect(await outcome).toBe('answer 3');
    expect(await client.counted()).toEqual(['Echo OK 1']);
  });

  test('is not repeated again', async () => {
    const { client, peer } = await start();
    peer.onRequest = (id) => peer.send(reset(id, ErrorCode.REFUSED_STREAM));
    expect(await client.outcome()).toBe('UNAVAILABLE: the call was reset with HTTP/2 error code 7');
    expect(peer.of(Type.HEADERS)).toHaveLength(2);
    expect(await client.counted()).toEqual(['Echo UNAVAILABLE 1 error 1']);
  });

  test('is not repeated once it was cancelled', async () => {
    const { client, peer } = await start();
    const leave = new AbortController();
    const outcome = client.outcome('', { signal: leave.signal });
    await peer.request();
    leave.abort();
    peer.send(reset(1, ErrorCode.REFUSED_STREAM));
    await outcome;
    await peer.settle();
    expect(peer.of(Type.HEADERS)).toHaveLength(1);
  });
});

describe('connections', () => {
  test('of a server that is silent are waited for as long as a call has time', async () => {
    const server = await startRawServer(() => undefined);
    const client = startClient(server.port);
    expect(await client.outcome('', { timeout: 50 })).toBe('DEADLINE_EXCEEDED: No connection established');
    const leave = new AbortController();
    const waiting = client.outcome('', { signal: leave.signal });
    const other = client.outcome();
    leave.abort();
    expect(await waiting).toBe('CLIENT_CLOSED_REQUEST');
    behave(server.peers[0]!);
    expect(await other).toBe('answer 1');
    expect(server.peers[0]!.of(Type.HEADERS)).toHaveLength(1);
  });

  test.each<[string, (peer: Peer) => void]>([
    ['at once', (peer) => peer.socket.destroy()],
    [
      'once they are ready',
      (peer) => {
        peer.send(settings());
        peer.socket.end();
      },
    ],
    [
      'with a GOAWAY',
      (peer) => {
        peer.send(settings(), goAway(0));
        peer.socket.end();
      },
    ],
  ])('that a server closes %s are not made in a hurry', async (_how, end) => {
    const times: number[] = [];
    const server = await startRawServer((peer) => {
      times.push(performance.now());
      end(peer);
    });
    startClient(server.port);
    await until(() => times.length === 3);
    const pauses = times.slice(1).map((time, index) => time - times[index]!);
    // 250 ms, less a fifth, and what it took to be accepted.
    for (const pause of pauses) expect(pause).toBeGreaterThan(180);
  });

  test('that end within an answer fail it, and what was sent is not repeated', async () => {
    const { client, peer, server } = await start();
    const [one, two] = [client.outcome(), collect(client.feed())];
    await Promise.all([peer.request(), peer.request()]);
    peer.send(headers(1), headers(3), data(3, framed('first')));
    peer.socket.end();
    expect(await one).toBe('UNAVAILABLE: the connection was lost: closed by the server');
    expect(await two).toEqual(['first', 'UNAVAILABLE: the connection was lost: closed by the server']);
    expect(await client.call()).toBe('answer 1');
    expect(server.peers[1]!.of(Type.HEADERS)).toHaveLength(1);
  });

  test('whose stream ids are used up are replaced', async () => {
    const { client, peer, server } = await start();
    peer.onRequest = (id) => peer.send(answer(id));
    expect(await client.call()).toBe('answer 1');
    useUpStreamIds(client);
    expect(await client.call()).toBe(`answer ${2 ** 31 - 1}`);
    expect(await client.call()).toBe('answer 1');
    expect(server.peers).toHaveLength(2);
    await peer.ended();
  });

  test('answer pings and settings, and end where the server does not read the answers', async () => {
    const { client, peer } = await start();
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
  for (const session of sessions.splice(0)) (session as unknown as { nextId: number }).nextId = 2 ** 31 - 1;
}

/** Every session that was made, so that a test can reach the only thing that takes a thousand million requests. */
const sessions: object[] = [];

jest.mock('../src/http2/session', () => {
  const actual = jest.requireActual<typeof SessionModule>('../src/http2/session');
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

describe('keepalive', () => {
  /** Lets time pass for the client alone. */
  const withTime = async (run: (pass: (ms: number) => void) => Promise<void>): Promise<void> => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'performance', 'Date', 'queueMicrotask'],
    });
    try {
      await run((ms) => jest.advanceTimersByTime(ms));
    } finally {
      jest.useRealTimers();
    }
  };
  const isPing = ({ type, flags }: { type: number; flags: number }): boolean => type === Type.PING && flags === 0;
  const pong = frame(Type.PING, Flag.ACK, 0, Buffer.alloc(8));

  test('pings while calls run, and leaves a server that does not answer', async () => {
    await withTime(async (pass) => {
      const { client, peer, server } = await start();
      await client.ready();
      pass(60_000);
      await peer.settle();
      expect(peer.frames.filter(isPing)).toHaveLength(0);
      const outcome = client.outcome('', { timeout: 1_000_000 });
      await peer.request();
      pass(30_000);
      await peer.frame(isPing);
      peer.send(pong);
      await peer.settle();
      pass(5_000);
      await peer.settle();
      pass(25_000);
      await until(() => peer.frames.filter(isPing).length === 2);
      pass(5_000);
      expect(await outcome).toBe(
        `UNAVAILABLE: the connection was lost: 127.0.0.1:${server.port} does not answer pings`,
      );
    });
  });

  test('pings half as often once it is told that these are too many', async () => {
    await withTime(async (pass) => {
      const { client, peer, server } = await start();
      await client.ready();
      peer.send(goAway(0, ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings'));
      await peer.ended();
      await until(() => {
        pass(300);
        return server.peers.length === 2;
      });
      await client.ready();
      const next = server.peers[1]!;
      next.onRequest = undefined;
      const outcome = client.outcome('', { timeout: 1_000_000 });
      await next.request();
      pass(59_000);
      await next.settle();
      expect(next.frames.filter(isPing)).toHaveLength(0);
      pass(1_000);
      await next.frame(isPing);
      next.send(pong, answer(1));
      expect(await outcome).toBe('answer 1');
    });
  });

  test('pings no less than once an hour, however often it is told that these are too many', async () => {
    await withTime(async (pass) => {
      const times = 20;
      const tooMany = goAway(0, ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings');
      const server = await startRawServer((peer, nth) =>
        nth < times ? peer.send(settings(), tooMany) : peer.send(settings()),
      );
      const client = startClient(server.port);
      await until(() => {
        pass(300);
        return server.peers.length > times;
      });
      await client.ready();
      const peer = server.peers[times]!;
      const outcome = client.outcome('', { timeout: 100_000_000 });
      await peer.request();
      pass(3_599_000);
      await peer.settle();
      expect(peer.frames.filter(isPing)).toHaveLength(0);
      pass(1_000);
      await peer.frame(isPing);
      peer.send(pong, answer(1));
      expect(await outcome).toBe('answer 1');
    });
  });

  test('gives up a connection that does not come about', async () => {
    await withTime(async (pass) => {
      const server = await startRawServer(() => undefined);
      const client = startClient(server.port);
      const outcome = client.outcome('', { timeout: 1_000_000 });
      await server.peer(0);
      pass(10_000);
      expect(await outcome).toBe('UNAVAILABLE: No connection established. Last error: timed out');
      await server.peers[0]!.ended();
      await until(() => {
        pass(100);
        return server.peers.length === 2;
      });
    });
  });
});
