import * as fc from 'fast-check';
import { collect, framed, startClient, until } from '../../client-fixture';
import {
  answer,
  behave,
  block,
  data,
  Flag,
  frame,
  headers,
  okFields,
  padded,
  settings,
  startRawServer,
  Type,
  windowUpdate,
  word,
  type Peer,
} from '../../raw-http2-server';

const { END_STREAM, END_HEADERS, PADDED } = Flag;

/** An answer, and how it is put into frames. */
interface Plan {
  readonly messages: readonly number[];
  readonly status: number;
  readonly detail: string;
  readonly interim: number;
  /** Sizes of DATA frames, over and over. */
  readonly sizes: readonly number[];
  /** Padding of frames, over and over; 0 for frames without. */
  readonly paddings: readonly number[];
  /** Where header blocks are cut, in parts of 1. */
  readonly cuts: readonly number[];
}

const plan: fc.Arbitrary<Plan> = fc.record({
  messages: fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 4 }),
  status: fc.constantFrom(0, 0, 0, 5, 10),
  detail: fc.string({ maxLength: 20, unit: 'grapheme' }),
  interim: fc.integer({ min: 0, max: 2 }),
  sizes: fc
    .array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 5 })
    .filter((all) => all.some(Boolean)),
  paddings: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 3 }),
  cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
});

/** Frames that change nothing for any stream. */
const idle = fc.constantFrom(
  frame(Type.PING, 0, 0, 'abcdefgh'),
  frame(Type.PING, Flag.ACK, 0, 'abcdefgh'),
  frame(Type.PRIORITY, 0, 1, Buffer.concat([word(0), Buffer.of(1)])),
  frame(0x0a, 0xff, 0, 'ALTSVC'),
  frame(0xf0, 0xff, 77, Buffer.alloc(300)),
  settings(),
  settings({ 4: 40_000, 0x99: 7 }),
  windowUpdate(0, 1_000),
  windowUpdate(1, 1_000),
);

/** A header block in HEADERS and CONTINUATION, which nothing may come between. */
function headerFrames(id: number, bytes: Buffer, flags: number, cuts: readonly number[]): Buffer {
  const at = [0, ...cuts.map((part) => Math.floor(part * bytes.length)).sort((a, b) => a - b), bytes.length];
  return Buffer.concat(
    at.slice(1).map((end, index) => {
      const last = index === at.length - 2 ? END_HEADERS : 0;
      const part = bytes.subarray(at[index], end);
      return index === 0 ? frame(Type.HEADERS, flags | last, id, part) : frame(Type.CONTINUATION, last, id, part);
    }),
  );
}

const messageOf = (size: number): Buffer => Buffer.alloc(size, `${size} `);

function framesOf(id: number, { messages, status, detail, interim, sizes, paddings, cuts }: Plan): Buffer[] {
  const end = { 'grpc-status': String(status), 'grpc-message': encodeURIComponent(detail) };
  const heads = Array.from({ length: interim }, () => headerFrames(id, block({ ':status': '103' }), 0, cuts));
  if (messages.length === 0) return [...heads, headerFrames(id, block({ ...okFields, ...end }), END_STREAM, cuts)];
  const frames = [...heads, headerFrames(id, block(okFields), 0, cuts)];
  const body = Buffer.concat(messages.map((size) => framed(messageOf(size))));
  for (let at = 0, nth = 0; at < body.length; nth++) {
    const next = at + sizes[nth % sizes.length]!;
    const padding = paddings[nth % paddings.length]!;
    const part = body.subarray(at, next);
    frames.push(padding > 0 ? data(id, padded(part, padding), PADDED) : data(id, part));
    at = next;
  }
  frames.push(headerFrames(id, block(end), END_STREAM, cuts));
  return frames;
}

function expectedOf({ messages, status, detail }: Plan): string[] {
  const name = { 0: [], 5: [`NOT_FOUND: ${detail}`], 10: [`ABORTED: ${detail}`] }[status]!;
  return [...messages.map((size) => messageOf(size).toString()), ...name];
}

/** Puts lists together so that each keeps its order. */
function interleave(lists: readonly (readonly Buffer[])[], choices: readonly number[]): Buffer[] {
  const rest = lists.map((list) => [...list]);
  const all: Buffer[] = [];
  for (let nth = 0; ; nth++) {
    const left = rest.filter((list) => list.length > 0);
    if (left.length === 0) return all;
    all.push(left[choices[nth % choices.length]! % left.length]!.shift()!);
  }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0, nth = 0; at < bytes.length; nth++) {
    const end = at + sizes[nth % sizes.length]!;
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

const counts = (min: number, max: number) => fc.array(fc.integer({ min, max }), { minLength: 1, maxLength: 8 });

test('however an answer is put into frames and its frames into chunks, it is the same', async () => {
  const server = await startRawServer();
  const client = startClient(server.port);
  const peer = await server.peer(0);
  const streams = fc.array(plan, { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      streams,
      fc.array(idle, { maxLength: 4 }),
      counts(0, 10),
      counts(1, 4_000),
      async (plans, idles, order, sizes) => {
        const reads = plans.map(() => collect(client.feed()));
        const ids = await Promise.all(plans.map(() => peer.request()));
        const bytes = Buffer.concat(interleave([...plans.map((each, nth) => framesOf(ids[nth]!, each)), idles], order));
        await peer.sendApart(cut(bytes, sizes));
        expect(await Promise.all(reads)).toEqual(plans.map(expectedOf));
      },
    ),
    { numRuns: 150 },
  );
  // Nothing of all that was wrong.
  expect(server.peers).toHaveLength(1);
  await peer.settle();
  expect(peer.of(Type.RST_STREAM)).toEqual([]);
});

/** What a server sends that has gone mad, and how long it keeps up appearances. */
const garbage: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  // Frames, and nothing in them that makes sense.
  fc
    .array(
      fc
        .tuple(
          fc.integer({ min: 0, max: 10 }),
          fc.integer({ min: 0, max: 255 }),
          fc.constantFrom(0, 1, 1, 1, 2, 3),
          fc.uint8Array({ maxLength: 40 }),
        )
        .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
      { maxLength: 6 },
    )
    .map((frames) => Buffer.concat([settings(), ...frames])),
  // An answer with some bytes changed.
  fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = Buffer.concat([settings(), answer(1)]);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes;
  }),
  // A header block that is none.
  fc
    .uint8Array({ maxLength: 60 })
    .map((bytes) =>
      Buffer.concat([settings(), frame(Type.HEADERS, END_HEADERS, 1, bytes), headers(1), data(1, framed('x'))]),
    ),
);

test('whatever a server sends, calls end, nothing is thrown, and all is well once it behaves', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(garbage, { minLength: 40, maxLength: 40 }), async (all) => {
      await Promise.all(
        all.map(async (bytes) => {
          const server = await startRawServer((peer: Peer, nth: number) => {
            if (nth > 0) {
              behave(peer);
            } else {
              // At once and, where a request comes, again.
              peer.onRequest = () => peer.socket.end(bytes.subarray(bytes.length >> 1));
              peer.send(bytes);
              if (bytes.subarray(0, 9).compare(settings()) !== 0) peer.socket.end();
            }
          });
          const client = startClient(server.port);
          const outcome = await client.outcome('', { timeout: 1_000 });
          expect(typeof outcome).toBe('string');
          server.peers[0]!.socket.destroy();
          await until(
            () => client.outcome(),
            (text) => text.startsWith('answer '),
          );
          client.upstream.close();
        }),
      );
    }),
    { numRuns: 3, endOnFailure: true },
  );
});
