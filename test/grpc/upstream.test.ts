import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Metadata,
  Server,
  ServerCredentials,
  status as grpc,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { closeLater, collect, failureText, framed, listen, startClient, until } from './client-fixture';
import { byTransport, worded } from './differences';

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Streamed = ServerWritableStream<Buffer, Buffer>;

interface GrpcServer {
  readonly port: number;
  /** Echo calls so far. */
  calls: number;
  /** Ends it at once. */
  kill(): void;
}

interface GrpcHandlers {
  readonly echo?: (call: Unary, done: sendUnaryData<Buffer>) => void;
  readonly feed?: (call: Streamed) => void;
}

const bytes = (value: Buffer): Buffer => value;
const rpc = (name: string, responseStream: boolean) => ({
  path: `/test.Test/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});

/** A server of grpc-js; it echoes unless told otherwise. */
async function startGrpc(handlers: GrpcHandlers = {}, address = '127.0.0.1:0'): Promise<GrpcServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  server.addService(
    { Echo: rpc('Echo', false), Feed: rpc('Feed', true) },
    {
      Echo(call: Unary, done: sendUnaryData<Buffer>) {
        running.calls++;
        if (handlers.echo) handlers.echo(call, done);
        else done(null, call.request);
      },
      Feed: (call: Streamed) => handlers.feed?.(call),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const kill = (): void => server.forceShutdown();
  const running: GrpcServer = { port, calls: 0, kill };
  closeLater(kill);
  return running;
}

type OnStream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

interface Http2Server {
  readonly port: number;
  readonly sessions: readonly http2.ServerHttp2Session[];
}

async function startHttp2(onStream: OnStream, options: http2.ServerOptions = {}): Promise<Http2Server> {
  const sessions: http2.ServerHttp2Session[] = [];
  const server = http2.createServer(options);
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    onStream(stream, headers);
  });
  return { port: await listen(server), sessions };
}

/** Answers with what was sent. */
const echoStream: OnStream = (stream) => {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => answerStream(stream, Buffer.concat(parts)));
};

/** @param body - Messages in their frames. */
function answerStream(stream: http2.ServerHttp2Stream, body: Buffer, trailers: http2.OutgoingHttpHeaders = {}): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', ...trailers }));
  stream.end(body);
}

/** Said by grpc-js with its name of the policy in front. */
const refused = byTransport('words', {
  http2: /^UNAVAILABLE: No connection established. Last error: .*ECONNREFUSED/,
  'grpc-js': /^UNAVAILABLE: round_robin: No connection established. Last error: .*ECONNREFUSED/,
});

const noise = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed} ${'x'.repeat(seed)}`);

describe('a server of grpc-js', () => {
  test('answers unary calls, streams and failures', async () => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from('0803', 'hex'));
    const server = await startGrpc({
      echo: (call, done) =>
        call.request.length > 0
          ? done(null, call.request)
          : done({ code: grpc.NOT_FOUND, details: 'nicht da: ä%ö 🦄\n', metadata }),
      feed(call) {
        for (const part of call.request.toString().split(' ')) call.write(Buffer.from(part));
        call.end();
      },
    });
    const client = startClient(server.port);
    // An answer that is there before the client is: it waits.
    expect(await client.call('hello')).toBe('hello');
    expect(client.upstream.ready()).toBe(true);
    expect(await client.outcome('')).toBe('NOT_FOUND: nicht da: ä%ö 🦄\n');
    expect(await collect(client.feed('one two three'))).toEqual(['one', 'two', 'three']);
    expect(await client.counted()).toEqual(['Echo NOT_FOUND 1 error 1', 'Echo OK 1', 'Feed OK 1']);
  });

  test('may answer with an empty message', async () => {
    const server = await startGrpc();
    expect(await startClient(server.port).outcome('')).toBe('');
  });

  test('takes and gives several MB, many at once', async () => {
    const server = await startGrpc();
    const client = startClient(server.port);
    const messages = [6, 5, 4, 3, 2, 1].map((size) => noise(size * 1024 * 1024 + size, size));
    const small = Array.from({ length: 50 }, (_, index) => `small ${index}`);
    const answers = await Promise.all([...messages, ...small].map((message) => client.call(message)));
    // Not toEqual, which would print megabytes.
    expect(messages.every((message, index) => message.toString() === answers[index])).toBe(true);
    expect(answers.slice(messages.length)).toEqual(small);
  });

  test('gives each call its own answer, while hundreds of streams stay and calls come and go in any order', async () => {
    const feeds: Streamed[] = [];
    const held: (() => void)[] = [];
    const server = await startGrpc({
      feed: (call) => feeds.push(call),
      echo(call, done) {
        // Every third waits until many have come after it, and the last of those answers first.
        if (Number(call.request.toString()) % 3 === 0) held.push(() => done(null, call.request));
        else done(null, call.request);
        if (held.length > 150) for (const answer of held.splice(0).toReversed()) answer();
      },
    });
    const client = startClient(server.port);
    const names = Array.from({ length: 300 }, (_, index) => `feed ${index}`);
    // So that machines that have much else to do are not too slow for them.
    const patient = { timeout: 60_000 };
    const reading = names.map((name) => collect(client.feed(name, patient)));
    await until(() => feeds.length === names.length);
    for (let round = 0; round < 5; round++) {
      const numbers = Array.from({ length: 453 }, (_, index) => String(index));
      const leave = new AbortController();
      // Of a thousand at a time, node:http2 would suspect an attack.
      const left = numbers.slice(0, 150).map(() => client.outcome('1', { signal: leave.signal }));
      leave.abort();
      expect(await Promise.all(numbers.map((number) => client.outcome(number, patient)))).toEqual(numbers);
      expect(new Set(await Promise.all(left))).toEqual(new Set(['CLIENT_CLOSED_REQUEST']));
    }
    for (const feed of feeds) {
      feed.write(feed.request);
      feed.end();
    }
    expect(await Promise.all(reading)).toEqual(names.map((name) => [name]));
  });

  test('takes and gives 8 MB, and no more', async () => {
    const most = 8 * 1024 * 1024;
    const server = await startGrpc({
      echo: (call, done) => done(null, call.request.length === 0 ? Buffer.alloc(most + 1) : call.request),
    });
    const client = startClient(server.port);
    expect(await client.call(Buffer.alloc(most))).toHaveLength(most);
    expect(await client.outcome(Buffer.alloc(most + 1))).toBe(`RESOURCE_EXHAUSTED: the request is over ${most} bytes`);
    expect(server.calls).toBe(1);
    expect(await client.outcome('')).toEqual(worded(`INTERNAL: a message of ${most + 1} bytes is over ${most} bytes`));
  });

  test('that is killed fails what runs, and is found again on the same port', async () => {
    const server = await startGrpc({ echo: () => undefined });
    const client = startClient(server.port);
    const running = client.outcome();
    await until(() => server.calls === 1);
    server.kill();
    expect(await running).toMatch(/^UNAVAILABLE: the connection was lost/);
    // What comes now fails as soon as it is known that nobody is there.
    expect(await client.outcome()).toMatch(refused);
    expect(client.upstream.ready()).toBe(false);
    expect(client.logs.join()).toContain('upstream connection error: service unavailable');
    await startGrpc({}, `127.0.0.1:${server.port}`);
    await client.ready();
    expect(await client.call('again')).toBe('again');
  });

  test('that is not there yet is found once it is', async () => {
    const server = await startGrpc();
    server.kill();
    const client = startClient(server.port);
    expect(await client.outcome()).toMatch(refused);
    await startGrpc({}, `127.0.0.1:${server.port}`);
    await client.ready();
    expect(await client.call()).toBe('hello');
  });

  test('is reached by a socket in the file system', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'grpc-client-'));
    closeLater(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'socket');
    await startGrpc({}, `unix:${path}`);
    for (const target of [`unix:${path}`, `unix://${path}`]) expect(await startClient(target).call()).toBe('hello');
  });

  test('is told how long there is time, and when nobody waits any more', async () => {
    const seen: Unary[] = [];
    const server = await startGrpc({ echo: (call) => void seen.push(call) });
    const client = startClient(server.port);
    const began = Date.now();
    expect(await client.outcome('', { timeout: 150 })).toBe('DEADLINE_EXCEEDED: no answer in time');
    expect(Date.now() - began).toBeGreaterThanOrEqual(149);
    const [call] = await until(
      () => seen,
      ([first]) => first?.cancelled === true,
    );
    const deadline = call!.getDeadline();
    expect(Number(deadline)).toBeGreaterThan(began + 100);
    expect(Number(deadline)).toBeLessThan(began + 10_000);
    expect(await client.counted()).toEqual(['Echo DEADLINE_EXCEEDED 1 error 1']);
  });
});

describe('several servers', () => {
  test('take turns, and what runs on one that goes does not take the others along', async () => {
    const [one, two] = [await startGrpc(), await startGrpc()];
    const client = startClient(`ipv4:127.0.0.1:${one.port},127.0.0.1:${two.port}`);
    const spread = async (): Promise<[number, number]> => {
      const before = [one.calls, two.calls] as const;
      await Promise.all(Array.from({ length: 40 }, () => client.call()));
      return [one.calls - before[0], two.calls - before[1]];
    };
    await until(spread, ([a, b]) => a === 20 && b === 20);
    one.kill();
    await until(
      () => client.outcome(),
      (outcome) => outcome === 'hello',
    );
    await until(
      () => spread().catch(() => [1, 1]),
      ([a]) => a === 0,
    );
    const back = await startGrpc({}, `127.0.0.1:${one.port}`);
    await until(
      () => client.call().then(() => back.calls),
      (calls) => calls > 2,
    );
  });
});

test('a call that runs on one of several servers fails with it', async () => {
  const servers = [await startGrpc({ echo: () => undefined }), await startGrpc({ echo: () => undefined })];
  const client = startClient(`ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`);
  const running = [client.outcome('', { timeout: 60_000 })];
  await until(() => {
    if (servers.some(({ calls }) => calls === 0)) running.push(client.outcome('', { timeout: 60_000 }));
    return servers.every(({ calls }) => calls > 0);
  });
  servers[0]!.kill();
  expect(await Promise.race(running)).toMatch(
    byTransport('failing connection', {
      // A server that is killed resets its streams, and closes the connection before or after that is sent.
      http2: /^(?:UNAVAILABLE: the connection was lost|CANCELLED: the call was reset)/,
      'grpc-js': /^CANCELLED: /,
    }),
  );
  servers[1]!.kill();
  await Promise.all(running);
});

describe('a server that ends its connections gracefully', () => {
  const reply: OnStream = (stream) => {
    stream.resume();
    // Not at once, so that some always run.
    stream.on('end', () => setTimeout(() => answerStream(stream, framed('done')), Math.random() * 5));
  };

  test.each([
    ['in one step', (session: http2.ServerHttp2Session) => session.close()],
    [
      'in two steps',
      (session: http2.ServerHttp2Session) => {
        // "No more requests", which it takes all the same for a round trip.
        session.goaway(0, 2 ** 31 - 1);
        session.ping(() => session.close());
      },
    ],
  ])('%s under load loses no call', async (_how, end) => {
    const server = await startHttp2(reply);
    const client = startClient(server.port);
    const stop = new AbortController();
    const outcomes = new Map<string, number>();
    const worker = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const outcome = await client.outcome();
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const workers = Array.from({ length: 20 }, worker);
    for (let round = 1; round <= 3; round++) {
      const before = outcomes.get('done') ?? 0;
      await until(() => server.sessions.length === round);
      await until(() => outcomes.size > 1 || (outcomes.get('done') ?? 0) >= before + 100);
      end(server.sessions.at(-1)!);
    }
    stop.abort();
    await Promise.all(workers);
    expect([...outcomes.keys()]).toEqual(['done']);
    expect((await client.counted()).join()).not.toContain('error');
  });

  test('what runs on an ended connection goes on, and ends with the upstream', async () => {
    const streams: http2.ServerHttp2Stream[] = [];
    const server = await startHttp2((stream) => streams.push(stream));
    const client = startClient(server.port);
    const [first, second] = [client.outcome('1'), client.outcome('2', { timeout: 60_000 })];
    await until(() => streams.length === 2);
    server.sessions[0]!.close();
    await until(() => server.sessions.length === 2);
    answerStream(streams[0]!, framed('late'));
    expect(await first).toBe('late');
    expect(server.sessions[0]!.destroyed).toBe(false);
    client.upstream.close();
    expect(await second).toBe('OVERLOADED');
    await until(() => server.sessions.every(({ destroyed }) => destroyed));
  });
});

describe('a server that takes few requests at once', () => {
  test('gets no more than it takes, and all in the end', async () => {
    let running = 0;
    let most = 0;
    const server = await startHttp2(
      (stream) => {
        most = Math.max(most, ++running);
        stream.resume().on('end', () =>
          setImmediate(() => {
            running--;
            answerStream(stream, framed('done'));
          }),
        );
      },
      { settings: { maxConcurrentStreams: 2 } },
    );
    const client = startClient(server.port);
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => client.outcome()));
    expect(new Set(outcomes)).toEqual(new Set(['done']));
    expect(most).toBe(2);
  });

  test('does not get those that are given up while they wait', async () => {
    const streams: http2.ServerHttp2Stream[] = [];
    const server = await startHttp2((stream) => streams.push(stream), { settings: { maxConcurrentStreams: 1 } });
    const client = startClient(server.port);
    const first = client.outcome();
    await until(() => streams.length === 1);
    const leave = new AbortController();
    const [given, late, last] = [
      client.outcome('', { signal: leave.signal }),
      client.outcome('', { timeout: 20 }),
      client.outcome(),
    ];
    leave.abort();
    expect(await given).toBe('CLIENT_CLOSED_REQUEST');
    expect(await late).toBe('DEADLINE_EXCEEDED: no answer in time');
    answerStream(streams[0]!, framed('first'));
    expect(await first).toBe('first');
    await until(() => streams.length === 2);
    answerStream(streams[1]!, framed('last'));
    expect(await last).toBe('last');
    expect(streams).toHaveLength(2);
  });
});

describe('settings that servers have', () => {
  test.each([
    ['no header table', { headerTableSize: 0 }],
    ['a small header table', { headerTableSize: 100 }],
    ['a large header table', { headerTableSize: 1 << 20 }],
    ['large frames', { maxFrameSize: 2 ** 24 - 1 }],
    ['a small window', { initialWindowSize: 1 }],
    ['the largest window', { initialWindowSize: 2 ** 31 - 1 }],
  ])('%s', async (_what, settings) => {
    const server = await startHttp2(echoStream, { settings });
    const client = startClient(server.port);
    const size = 'initialWindowSize' in settings && settings.initialWindowSize === 1 ? 2_000 : 200_000;
    for (const message of ['hello', noise(size, 3).toString(), 'again']) {
      // Not toBe, which would print all of it.
      expect((await client.call(message)) === message).toBe(true);
    }
    expect(server.sessions).toHaveLength(1);
  });
});

describe('a stream', () => {
  /** Writes as fast as it may. */
  const pour = (written: { size: number }): OnStream => {
    const message = framed(Buffer.alloc(1_000, 'x'));
    return (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const write = (): void => {
        while (!stream.destroyed && stream.write(message)) written.size += message.length;
        written.size += message.length;
      };
      stream.on('drain', write);
      write();
    };
  };

  test('is stopped by a reader that does not read, goes on when it does, and holds nobody up', async () => {
    const written = { size: 0 };
    const pouring = pour(written);
    const server = await startHttp2((stream, headers) =>
      headers[':path'] === '/test.Test/Feed' ? pouring(stream, headers) : echoStream(stream, headers),
    );
    const client = startClient(server.port);
    const messages = client.feed()[Symbol.asyncIterator]();
    let read = 0;
    const readSome = async (count: number): Promise<void> => {
      for (let each = 0; each < count; each++) read += (await messages.next()).value!.length + 5;
    };
    await readSome(1);
    const stopped = async (): Promise<boolean> => {
      const before = written.size;
      // These go the same way.
      for (let each = 0; each < 20; each++) await client.call();
      return written.size === before;
    };
    await until(stopped);
    // What was on its way when the reader stopped, the window of a stream, and what the server keeps itself.
    expect(written.size - read).toBeLessThan(400_000);
    const before = written.size;
    await readSome(2_000);
    expect(written.size).toBeGreaterThan(before);
    expect(written.size).toBeGreaterThan(read - 1);
    await until(stopped);
    expect(written.size - read).toBeLessThan(400_000);
    await messages.return!();
    expect(await client.counted()).toEqual(expect.arrayContaining(['Feed CANCELLED 1']));
  });

  test('that its reader leaves is cancelled at the server', async () => {
    const codes: number[] = [];
    const pouring = pour({ size: 0 });
    const server = await startHttp2((stream, headers) => {
      stream.on('close', () => codes.push(stream.rstCode));
      pouring(stream, headers);
    });
    const client = startClient(server.port);
    for await (const message of client.feed()) {
      expect(message).toHaveLength(1_000);
      break;
    }
    await until(() => codes.length === 1);
    expect(codes).toEqual([http2.constants.NGHTTP2_CANCEL]);
    // The connection's window is given back also for what came too late.
    for (let round = 0; round < 3; round++) {
      for await (const message of client.feed()) if (message) break;
    }
    await until(() => codes.length === 4);
    expect(server.sessions).toHaveLength(1);
    expect(await client.counted()).toEqual(['Feed CANCELLED 4']);
  });

  test('keeps what came before it failed', async () => {
    const server = await startGrpc({
      feed(call) {
        call.write(Buffer.from('one'));
        call.write(Buffer.from('two'));
        call.emit('error', { code: grpc.ABORTED, details: 'enough' });
      },
    });
    expect(await collect(startClient(server.port).feed())).toEqual(['one', 'two', 'ABORTED: enough']);
  });

  test('of 20 MB comes whole', async () => {
    const server = await startGrpc({
      feed(call) {
        for (let each = 1; each <= 20; each++) call.write(noise(1024 * 1024 + each, each));
        call.end();
      },
    });
    let nth = 0;
    for await (const message of startClient(server.port).feed()) {
      nth++;
      expect(message.equals(noise(1024 * 1024 + nth, nth))).toBe(true);
    }
    expect(nth).toBe(20);
  });
});

describe('a call that is cancelled', () => {
  test.each(['before', 'once it is sent', 'between headers and messages', 'within a message', 'after a message'])(
    '%s fails with the reason, and the server hears of it',
    async (stage) => {
      const codes: number[] = [];
      const stages: string[] = [];
      const server = await startHttp2((stream) => {
        stream.on('close', () => codes.push(stream.rstCode));
        stages.push('once it is sent');
        if (stage === stages.at(-1)) return;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stages.push('between headers and messages');
        if (stage === stages.at(-1)) return;
        stream.write(framed('message').subarray(0, stage === 'within a message' ? 8 : undefined));
        stages.push(stage);
      });
      const client = startClient(server.port);
      await client.ready();
      const leave = new AbortController();
      if (stage === 'before') leave.abort();
      const unary = client.outcome('', { signal: leave.signal });
      const stream = collect(client.feed('', { signal: leave.signal }));
      if (stage !== 'before') {
        await until(() => stages.filter((each) => each === stage).length === 2);
        leave.abort();
      }
      expect(await unary).toBe('CLIENT_CLOSED_REQUEST');
      expect((await stream).at(-1)).toBe('CLIENT_CLOSED_REQUEST');
      expect(client.logs).toEqual([]);
      if (stage === 'before') {
        expect(await client.counted()).toEqual([]);
        expect(stages).toEqual([]);
      } else {
        await until(() => codes.length === 2);
        expect(codes).toEqual([8, 8]);
        expect(await client.counted()).toEqual(['Echo CANCELLED 1', 'Feed CANCELLED 1']);
      }
    },
  );

  test('leaves nothing on its signal, however it ends', async () => {
    const server = await startHttp2(echoStream);
    const client = startClient(server.port);
    const { signal } = new AbortController();
    await client.outcome('', { signal });
    await client.outcome(Buffer.alloc(9 * 1024 * 1024), { signal });
    await collect(client.feed('', { signal }));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('the time of a request', () => {
  test('where it is over before, no call is made', async () => {
    const server = await startGrpc();
    const client = startClient(server.port);
    const deadline = Date.now();
    expect(await client.outcome('', { deadline })).toBe('DEADLINE_EXCEEDED: the request had no time left for it');
    expect(await collect(client.feed('', { deadline }))).toEqual([
      'DEADLINE_EXCEEDED: the request had no time left for it',
    ]);
    expect(await client.call('x')).toBe('x');
    expect(server.calls).toBe(1);
    expect(await client.counted()).toEqual(['Echo OK 1']);
    expect(client.logs).toEqual([]);
  });

  test('that its client cuts short is no error of the upstream', async () => {
    const server = await startGrpc({ echo: () => undefined });
    const client = startClient(server.port);
    await client.ready();
    const clientDeadline = Date.now() + 100;
    expect(
      await Promise.all([client.outcome('', { clientDeadline }), collect(client.feed('', { clientDeadline }))]),
    ).toEqual(['DEADLINE_EXCEEDED: no answer in time', ['DEADLINE_EXCEEDED: no answer in time']]);
    expect(await client.counted()).toEqual(['Echo DEADLINE_EXCEEDED 1', 'Feed DEADLINE_EXCEEDED 1']);
    expect(client.logs).toEqual([]);
  });

  test('that the gateway gives it is no excuse for the upstream', async () => {
    const server = await startGrpc({ echo: () => undefined });
    const client = startClient(server.port);
    await client.ready();
    const deadline = Date.now() + 100;
    const clientDeadline = deadline + 20_000;
    expect(await client.outcome('', { deadline, clientDeadline })).toBe('DEADLINE_EXCEEDED: no answer in time');
    expect(await client.counted()).toEqual(['Echo DEADLINE_EXCEEDED 1 error 1']);
    expect(client.logs).toHaveLength(1);
  });

  test('is not to blame for an upstream that is too slow for its RPC, or says so itself', async () => {
    const server = await startGrpc({
      echo: (call, done) => call.request.length > 0 && done({ code: grpc.DEADLINE_EXCEEDED, details: 'database' }),
    });
    const client = startClient(server.port);
    const clientDeadline = Date.now() + 20_000;
    expect(await client.outcome('', { clientDeadline, timeout: 50 })).toBe('DEADLINE_EXCEEDED: no answer in time');
    expect(await client.outcome('x', { clientDeadline, timeout: 50_000 })).toBe('DEADLINE_EXCEEDED: database');
    expect(await client.counted()).toEqual(['Echo DEADLINE_EXCEEDED 2 error 2']);
    expect(client.logs).toHaveLength(1);
  });
});

test('closing fails what runs and what waits, and what comes later', async () => {
  const server = await startGrpc({ echo: () => undefined });
  const client = startClient(server.port);
  const waiting = client.outcome();
  client.upstream.close();
  expect(await waiting).toBe('OVERLOADED');
  const other = startClient(server.port);
  const [running, stream] = [other.outcome(), collect(other.feed())];
  await until(() => server.calls === 1);
  other.upstream.close();
  expect(await running).toBe('OVERLOADED');
  expect(await stream).toEqual(['OVERLOADED']);
  expect(await other.outcome()).toBe('OVERLOADED');
  expect(await other.call().catch(failureText)).toBe('OVERLOADED');
  expect(other.upstream.ready()).toBe(false);
  expect(other.logs).toEqual([]);
});
