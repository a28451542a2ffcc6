import { gzipSync } from 'node:zlib';
import { collect, framed, startClient, turn } from '../client-fixture';
import { byTransport, worded } from '../differences';
import {
  answer,
  block,
  data,
  Flag,
  frame,
  headers,
  okFields,
  padded,
  reset,
  settings,
  startRawServer,
  trailers,
  Type,
  windowUpdate,
  word,
  type Fields,
} from '../raw-http2-server';
import { answered, startRawWorld, trailersOnly } from '../raw-world';

const { END_STREAM, END_HEADERS, PADDED, PRIORITY } = Flag;

describe('answers', () => {
  test('one byte at a time', async () => {
    const { client, peer } = await startRawWorld();
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
    const { client, peer } = await startRawWorld();
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
    const { client, peer } = await startRawWorld();
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

  test.each<[string, unknown, Buffer[]]>([
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
      worded('INTERNAL: the answer breaks off within a message'),
      [headers(1), data(1, framed('abc').subarray(0, 7)), trailers(1)],
    ],
    [
      'a frame of a message that breaks off',
      byTransport('cut off', { http2: 'INTERNAL: the answer breaks off within a message', 'grpc-js': 'abc' }),
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
      worded('INTERNAL: a message is compressed, which was not offered'),
      [headers(1), data(1, framed('abc', 1)), trailers(1)],
    ],
    [
      'a message in gzip',
      byTransport('compression', {
        http2: 'INTERNAL: a message is compressed, which was not offered',
        'grpc-js': 'abc',
      }),
      [headers(1, { ...okFields, 'grpc-encoding': 'gzip' }), data(1, framed(gzipSync('abc'), 1)), trailers(1)],
    ],
    [
      'a message that is too long',
      worded('INTERNAL: a message of 4294967295 bytes is over 8388608 bytes'),
      [headers(1), data(1, Buffer.from('00ffffffff', 'hex'))],
    ],
    [
      'no status',
      worded('UNKNOWN: the answer has no gRPC status'),
      [headers(1), data(1, framed('x')), headers(1, {}, END_STREAM)],
    ],
    [
      'no trailers',
      byTransport<unknown>('no status', {
        http2: 'UNKNOWN: the answer has no gRPC status',
        'grpc-js': expect.stringMatching(/^INTERNAL: ./),
      }),
      [headers(1), data(1, framed('x'), END_STREAM)],
    ],
    ['no body', worded('UNKNOWN: the answer has no gRPC status'), [headers(1, okFields, END_STREAM)]],
    ...['99', '17', '-1', 'OK', '0,0'].map((text): [string, string, Buffer[]] => [
      `the status "${text}"`,
      'UNKNOWN: odd',
      [headers(1), trailers(1, { 'grpc-status': text, 'grpc-message': 'odd' })],
    ]),
    ...Object.entries({ '': 'answer', '0x0': 'answer', '000': 'answer', '1e0': 'CANCELLED: odd' }).map(
      ([text, asNumber]): [string, string, Buffer[]] => [
        `the status "${text}"`,
        byTransport('odd status', { http2: 'UNKNOWN: odd', 'grpc-js': asNumber }),
        [headers(1), data(1, framed('answer')), trailers(1, { 'grpc-status': text, 'grpc-message': 'odd' })],
      ],
    ),
    ...(
      [
        ['50%', '50%'],
        ['%', '%'],
        ['%zz %C3%A4 %4', byTransport('words', { http2: '%zz ä %4', 'grpc-js': '%zz %C3%A4 %4' })],
        ['%e2%82%ac', '€'],
        ['%ff%41', byTransport('words', { http2: '\u{fffd}A', 'grpc-js': '%ff%41' })],
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
    ).map(([code, name]): [string, unknown, Buffer[]] => [
      `HTTP status ${code}`,
      worded(`${name}: HTTP status ${code} instead of a gRPC answer`),
      [headers(1, { ':status': String(code) }), data(1, Buffer.from('<html>'), END_STREAM)],
    ]),
    [
      'HTTP status 204 without a body',
      worded('UNKNOWN: HTTP status 204 instead of a gRPC answer'),
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
      worded('UNAVAILABLE: HTTP status 502 instead of a gRPC answer'),
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
      .map(([code, name]): [string, unknown, Buffer[]] => [
        `a reset with ${code}`,
        worded(`${name}: the call was reset with HTTP/2 error code ${code}`),
        [reset(1, Number(code))],
      ]),
    [
      'a reset within the answer',
      worded('CANCELLED: the call was reset with HTTP/2 error code 8'),
      [headers(1), data(1, framed('abc')), reset(1, 8)],
    ],
    [
      'a refusal within the answer, which is too late for one',
      worded('UNAVAILABLE: the call was reset with HTTP/2 error code 7'),
      [headers(1), reset(1, 7)],
    ],
  ])('with %s', async (_what, expected, parts) => {
    expect(await answered(...parts)).toEqual(expected);
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
    const { client, peer } = await startRawWorld();
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

test('a reader that is slow hears what came before a failure', async () => {
  const { client, peer } = await startRawWorld();
  const messages = client.feed()[Symbol.asyncIterator]();
  const first = messages.next();
  await peer.request();
  peer.send(headers(1), ...['one', 'two', 'three'].map((text) => data(1, framed(text))));
  peer.send(trailers(1, { 'grpc-status': '10' }));
  expect((await first).value?.toString()).toBe('one');
  await peer.settle();
  await turn();
  const rest = byTransport('messages before a failure', {
    http2: ['two', 'three', 'ABORTED: '],
    'grpc-js': ['ABORTED: '],
  });
  expect(await collect({ [Symbol.asyncIterator]: () => messages })).toEqual(rest);
});

describe('what is cancelled here', () => {
  test('by a reader that leaves, with more frames in the same chunk', async () => {
    const { client, peer } = await startRawWorld();
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
