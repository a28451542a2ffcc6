import { once } from 'node:events';
import * as http2 from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { HpackDecoder, HpackError, MalformedHeaders, type Headers } from '../../../../src/grpc/transport/http2/hpack';
import { decodeHuffman } from '../../../../src/grpc/transport/http2/huffman';
import { closeLater, Sockets, until } from '../../client-fixture';
import { block, frame, Type, type RawFrame } from '../../raw-http2-server';

const decode = (decoder: HpackDecoder, hex: string): Headers =>
  decoder.decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** The header blocks with which node:http2 answers, in the order of its answers. One connection, one table. */
async function encodeByNode(answers: readonly http2.OutgoingHttpHeaders[]): Promise<Buffer[]> {
  const sockets = new Sockets();
  let nth = 0;
  const server = http2.createServer({ settings: { maxConcurrentStreams: 1_000 } }, undefined);
  server.on('connection', (socket) => sockets.add(socket));
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond(answers[nth++], { endStream: true, sendDate: false } as http2.ServerStreamResponseOptions);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(() => {
    sockets.destroy();
    server.close();
  });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  closeLater(() => socket.destroy());
  const request = block({ ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'x' });
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(Type.SETTINGS, 0, 0)]));
  answers.forEach((_, index) => socket.write(frame(Type.HEADERS, 5, 2 * index + 1, request)));
  let input: Buffer = Buffer.alloc(0);
  const blocks: Buffer[] = [];
  let parts: Buffer[] = [];
  socket.on('data', (chunk) => {
    input = Buffer.concat([input, chunk]);
    while (input.length >= 9 && input.length >= 9 + input.readUIntBE(0, 3)) {
      const end = 9 + input.readUIntBE(0, 3);
      const { type, flags, payload }: Omit<RawFrame, 'id'> = {
        type: input[3]!,
        flags: input[4]!,
        payload: input.subarray(9, end),
      };
      input = input.subarray(end);
      if (type !== Type.HEADERS && type !== Type.CONTINUATION) continue;
      parts.push(payload);
      if ((flags & 4) === 0) continue;
      blocks.push(Buffer.concat(parts));
      parts = [];
    }
  });
  await until(() => blocks.length === answers.length);
  socket.destroy();
  sockets.destroy();
  server.close();
  return blocks;
}

const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index));
const name = fc.stringMatching(/^x-[a-z0-9_.~!#$%&'*+^`|-]{1,20}$/);
// What a value begins and ends with is no space.
const value = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/);

test('reads what node:http2 writes: random headers, again and again, more than a table holds', async () => {
  await fc.assert(
    fc.asyncProperty(
      // A few that come often, so that they are found in the table, and many that drive others out of it.
      fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 8 }),
      fc.array(fc.array(fc.oneof(fc.nat(), fc.tuple(name, value)), { maxLength: 30 }), { minLength: 1, maxLength: 12 }),
      async (often, picks) => {
        const answers = picks.map((pick) => ({
          ':status': 200,
          ...Object.fromEntries(pick.map((each) => (typeof each === 'number' ? often[each % often.length]! : each))),
        }));
        const decoder = new HpackDecoder(65_536);
        const decoded = (await encodeByNode(answers)).map((bytes) => ({ ...decoder.decode(bytes) }));
        expect(decoded).toEqual(answers.map((each) => ({ ...each, ':status': '200' })));
      },
    ),
    { numRuns: 50 },
  );
});

test('reads what node:http2 writes: every printable character, long values, every status', async () => {
  // Huffman code is written where it is shorter, which it is thanks to these.
  const short = 'e'.repeat(300);
  const characters = Array.from({ length: 224 }, (_, index) => String.fromCharCode(32 + index)).filter(
    (each) => each !== '\x7f',
  );
  const values = [printable, printable + short, printable.repeat(40), 'x'.repeat(5_000), ''];
  const answers: http2.OutgoingHttpHeaders[] = [
    ...values.map((text) => ({ ':status': 200, 'x-value': text.trim() })),
    ...characters.map((character) => ({ ':status': 200, 'x-value': `e${character}${short}` })),
    ...[204, 206, 304, 400, 404, 500, 599].map((status) => ({ ':status': status, 'content-type': 'application/grpc' })),
  ];
  const decoder = new HpackDecoder(65_536);
  const decoded = (await encodeByNode(answers)).map((bytes) => ({ ...decoder.decode(bytes) }));
  expect(decoded).toEqual(answers.map((each) => ({ ...each, ':status': String(each[':status']) })));
});

/** RFC 7541, C.6: responses with Huffman coding, and a table of 256 bytes. */
test('reads the examples of RFC 7541', () => {
  const decoder = new HpackDecoder(65_536);
  expect({
    ...decode(
      decoder,
      '3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    ),
  }).toEqual({
    ':status': '302',
    'cache-control': 'private',
    date: 'Mon, 21 Oct 2013 20:13:21 GMT',
    location: 'https://www.example.com',
  });
  expect({ ...decode(decoder, '4883 640e ffc1 c0bf') }).toEqual({
    ':status': '307',
    'cache-control': 'private',
    date: 'Mon, 21 Oct 2013 20:13:21 GMT',
    location: 'https://www.example.com',
  });
  expect({
    ...decode(
      decoder,
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ),
  }).toEqual({
    ':status': '200',
    'cache-control': 'private',
    date: 'Mon, 21 Oct 2013 20:13:22 GMT',
    location: 'https://www.example.com',
    'content-encoding': 'gzip',
    'set-cookie': 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  });
});

test.each([
  ['entry 0', '80'],
  ['an entry that is not there', 'be'],
  ['a name that is not there', '7e 00'],
  ['a number that goes on', 'ff ff ff ff ff ff'],
  ['a number that breaks off', 'ff'],
  ['a string that breaks off', '00 01 61 05 61'],
  ['a string without a length', '00 01 61'],
  ['a table that is too large', '3f e2 1f'],
  ['a table that changes behind a header', '88 20'],
  ['Huffman code with EOS in it', '00 01 61 84 ff ff ff ff'],
  ['Huffman code with more than 7 bits behind it', '00 01 61 82 1f ff'],
  ['Huffman code with zeros behind it', '00 01 61 81 00'],
])('refuses %s', (_what, hex) => {
  expect(() => decode(new HpackDecoder(65_536), hex)).toThrow(HpackError);
});

test('takes back what is driven out of the table, and nothing else', () => {
  const decoder = new HpackDecoder(65_536);
  // Two entries of 34 bytes in a table of 68; then a third.
  decode(decoder, '3f25 40 0161 0131 40 0162 0132');
  expect({ ...decode(decoder, 'be bf') }).toEqual({ a: '1', b: '2' });
  decode(decoder, '40 0163 0133');
  expect({ ...decode(decoder, 'be bf') }).toEqual({ b: '2', c: '3' });
  expect(() => decode(decoder, 'c0')).toThrow(HpackError);
  // One that is larger than the table empties it.
  decode(decoder, `40 0164 28${'61'.repeat(40)}`);
  expect(() => decode(decoder, 'be')).toThrow(HpackError);
});

test('headers that are not allowed are an error of theirs alone, and the table has them', () => {
  const decoder = new HpackDecoder(100);
  expect(() => decode(decoder, '40 0141 0131 40 0162 0132')).toThrow(MalformedHeaders);
  expect({ ...decode(decoder, 'be') }).toEqual({ b: '2' });
  expect(() => decode(decoder, 'bf')).toThrow(MalformedHeaders);
  expect(() => decode(decoder, 'be be be be')).toThrow(new MalformedHeaders('the headers are over 100 bytes'));
  expect({ ...decode(decoder, 'be be') }).toEqual({ b: '2,2' });
});

test('random bytes are read or refused, never more', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(65_536);
      for (const bytes of blocks) {
        try {
          decoder.decode(Buffer.from(bytes));
        } catch (error) {
          if (error instanceof HpackError) return;
          expect(error).toBeInstanceOf(MalformedHeaders);
        }
      }
      const text = decodeHuffman(blocks[0] ?? Buffer.alloc(0), 0, blocks[0]?.length ?? 0);
      expect(['string', 'undefined']).toContain(typeof text);
    }),
    { numRuns: 2_000 },
  );
});
