import { ErrorCode } from '../../../src/grpc/transport/http2/frames';
import { collect, framed, startClient, turn, until } from '../client-fixture';
import { byTransport, only, worded } from '../differences';
import {
  answer,
  behave,
  data,
  Flag,
  frame,
  goAway,
  headers,
  reset,
  Setting,
  settings,
  startRawServer,
  trailers,
  Type,
  windowUpdate,
  type Peer,
} from '../raw-http2-server';
import { startRawWorld } from '../raw-world';

describe('requests', () => {
  test('go out as the server takes them: none, one, two', async () => {
    const most = (value: number): Buffer => settings({ [Setting.MAX_CONCURRENT_STREAMS]: value });
    const { client, peer } = await startRawWorld({ [Setting.MAX_CONCURRENT_STREAMS]: 0 });
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

describe('GOAWAY', () => {
  test('lets end what the server has seen, and repeats the rest elsewhere', async () => {
    const { client, peer, server } = await startRawWorld();
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
    const { client, peer } = await startRawWorld();
    const [seen, unseen] = [client.outcome(), client.outcome()];
    await Promise.all([peer.request(), peer.request()]);
    peer.send(goAway(1, ErrorCode.INTERNAL_ERROR, 'oh no'));
    peer.socket.end();
    expect(await seen).toEqual(worded('UNAVAILABLE: the connection was lost: the server goes away: oh no'));
    expect(await unseen).toEqual(
      byTransport<unknown>('failing connection', {
        http2: 'answer 1',
        'grpc-js': expect.stringMatching(/^UNAVAILABLE: ./),
      }),
    );
  });

  only('http2', 'waiting for a stream', () => {
    test('sends what waits for its turn elsewhere', async () => {
      const { client, peer } = await startRawWorld({ [Setting.MAX_CONCURRENT_STREAMS]: 1 });
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
  });
});

describe('a refused stream', () => {
  test('is repeated once, by itself', async () => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome();
    peer.send(reset(await peer.request(), ErrorCode.REFUSED_STREAM));
    expect(await peer.request()).toBe(3);
    peer.send(answer(3));
    expect(await outcome).toBe('answer 3');
    expect(await client.counted()).toEqual(['Echo OK 1']);
  });

  test('is not repeated again', async () => {
    const { client, peer } = await startRawWorld();
    peer.onRequest = (id) => peer.send(reset(id, ErrorCode.REFUSED_STREAM));
    expect(await client.outcome()).toEqual(worded('UNAVAILABLE: the call was reset with HTTP/2 error code 7'));
    expect(peer.of(Type.HEADERS)).toHaveLength(2);
    expect(await client.counted()).toEqual(['Echo UNAVAILABLE 1 error 1']);
  });

  test('is not repeated once it was cancelled', async () => {
    const { client, peer } = await startRawWorld();
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
    await turn();
    behave(await server.peer(0));
    expect(await other).toBe('answer 1');
    expect(server.peers[0]!.of(Type.HEADERS)).toHaveLength(1);
  });

  const testPace = (how: string, end: (peer: Peer) => void): void =>
    test(`that a server closes ${how} are not made in a hurry`, async () => {
      const times: number[] = [];
      const server = await startRawServer((peer) => {
        times.push(performance.now());
        end(peer);
      });
      const start = performance.now();
      startClient(server.port);
      await until(() => times.length === 3);
      // Attempts begin 250 ms apart or more, less a fifth. Counted from the first, since any may be accepted late.
      times.forEach((time, attempt) => expect(time - start).toBeGreaterThan(attempt * 199));
    });
  testPace('at once', (peer) => peer.socket.destroy());
  only('http2', 'reconnecting', () => {
    testPace('once they are ready', (peer) => {
      peer.send(settings());
      peer.socket.end();
    });
    testPace('with a GOAWAY', (peer) => {
      peer.send(settings(), goAway(0));
      peer.socket.end();
    });
  });

  test('that end within an answer fail it, and what was sent is not repeated', async () => {
    const { client, peer, server } = await startRawWorld();
    const [one, two] = [client.outcome(), collect(client.feed())];
    await Promise.all([peer.request(), peer.request()]);
    peer.send(headers(1), headers(3), data(3, framed('first')));
    peer.socket.end();
    const lost = worded('UNAVAILABLE: the connection was lost: closed by the server');
    expect(await one).toEqual(lost);
    expect(await two).toEqual(['first', lost]);
    expect(await client.call()).toBe('answer 1');
    expect(server.peers[1]!.of(Type.HEADERS)).toHaveLength(1);
  });
});

only('http2', 'balancing', () => {
  test('a server that is slow gets less', async () => {
    const [slow, quick] = await Promise.all([0, 1].map(() => startRawServer((peer) => behave(peer))));
    const client = startClient(`ipv4:127.0.0.1:${slow!.port},127.0.0.1:${quick!.port}`);
    const [hanging, peer] = [await slow!.peer(0), await quick!.peer(0)];
    const asked = (): number[] => [hanging, peer].map((each) => each.of(Type.HEADERS).length);
    // Until both are connected.
    while (asked().includes(0)) await client.call();
    const [before] = asked();
    hanging.onRequest = undefined;
    while (asked()[0] === before) await Promise.race([client.outcome('', { timeout: 60_000 }), turn()]);
    await hanging.settle();
    const [held, others] = asked();
    for (let count = 0; count < 20; count += 1) await client.call();
    expect(asked()).toEqual([held, others! + 20]);
  });
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
      const { client, peer, server } = await startRawWorld();
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
      expect(await outcome).toEqual(
        worded(`UNAVAILABLE: the connection was lost: 127.0.0.1:${server.port} does not answer pings`),
      );
    });
  });

  test('pings half as often once it is told that these are too many', async () => {
    await withTime(async (pass) => {
      const { client, peer, server } = await startRawWorld();
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

  only('http2', 'too many pings', () => {
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
  });

  only('http2', 'a call that times out', () => {
    test('asks at once whether the server is there: where it says nothing, later calls go over a new connection', async () => {
      const { client, peer, server } = await startRawWorld();
      await client.ready();
      // Everything that is sent from here on is lost: a firewall has forgotten the connection.
      peer.onRequest = undefined;
      expect(await client.outcome('', { timeout: 50 })).toBe('DEADLINE_EXCEEDED: no answer in time');
      await peer.frame(isPing);
      await server.peer(1);
      await client.ready();
      expect(await client.call()).toMatch(/^answer/);
      expect(peer.of(Type.HEADERS)).toHaveLength(1);
    });

    test('leaves the connection where the server is there', async () => {
      const { client, peer, server } = await startRawWorld();
      await client.ready();
      peer.onRequest = undefined;
      const slow = client.outcome('', { timeout: 60_000 });
      await peer.request();
      expect(await client.outcome('', { timeout: 50 })).toBe('DEADLINE_EXCEEDED: no answer in time');
      await peer.frame(isPing);
      peer.send(pong);
      // Longer than it waits for the answer; nothing else tells that no new connection comes.
      await new Promise((resolve) => setTimeout(resolve, 400));
      peer.send(answer(1, 'late'));
      expect(await slow).toBe('late');
      expect(server.peers).toHaveLength(1);
      // Not again for some time: servers refuse pings that are too many.
      expect(await client.outcome('', { timeout: 50 })).toBe('DEADLINE_EXCEEDED: no answer in time');
      await peer.settle();
      expect(peer.frames.filter(isPing)).toHaveLength(1);
    });

    test('asks nothing where something has come meanwhile', async () => {
      const { client, peer } = await startRawWorld();
      await client.ready();
      peer.onRequest = undefined;
      const outcome = client.outcome('', { timeout: 300 });
      await peer.request();
      peer.send(windowUpdate(0, 1));
      expect(await outcome).toBe('DEADLINE_EXCEEDED: no answer in time');
      await peer.settle();
      expect(peer.frames.filter(isPing)).toHaveLength(0);
    });
  });

  only('http2', 'connect timeout', () => {
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
});

describe('floods', () => {
  /** The nghttp2 of Node 24 ends connections with frames that make no sense; that of Node 20 reads them. */
  const readOrNot = /^(read|INTERNAL: .*)$/;
  test.each([
    ['unknown frames', frame(0x42, 0, 0), readOrNot],
    ['priorities', frame(Type.PRIORITY, 0, 1, Buffer.alloc(5)), readOrNot],
    ['windows', windowUpdate(0, 1), /^read$/],
    ['informational heads', headers(1, { ':status': '103' }), /^read$/],
    ['empty data', data(1, Buffer.alloc(0)), /^INTERNAL: /],
  ])('%s by the thousand, from a server', async (what, part, byGrpcJs) => {
    const { client, peer } = await startRawWorld();
    const outcome = client.outcome();
    await peer.request();
    peer.send(...(what === 'empty data' ? [headers(1)] : []), Buffer.alloc(part.length * 20_000, part));
    peer.send(...(what === 'empty data' ? [data(1, framed('read')), trailers(1)] : [answer(1, 'read')]));
    const expected = byTransport('floods', {
      http2: /^UNAVAILABLE: .* too many frames that carry nothing/,
      'grpc-js': byGrpcJs,
    });
    expect(await outcome).toMatch(expected);
  });
});
