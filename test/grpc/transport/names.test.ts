import type * as Dns from 'node:dns';
import { lookup } from 'node:dns/promises';
import { startClient, until, type Client } from '../client-fixture';
import { byTransport, only, worded } from '../differences';
import { behave, answer, settings, Setting, startRawServer, Type, type RawServer } from '../raw-http2-server';

jest.mock('node:dns/promises', () => ({ lookup: jest.fn() }));
// Where grpc-js has it from.
jest.mock('dns', () => {
  const dns = jest.requireActual<typeof Dns>('node:dns');
  const promises: object = jest.requireMock('node:dns/promises');
  return { ...dns, promises: { ...dns.promises, ...promises } };
});

/** What names resolve to; an error where there is nothing. */
let addresses: string[] = [];

function mockLookup(found: () => Promise<Dns.LookupAddress[]>): void {
  // The compiler cannot know that of all its overloads the one for all addresses is called.
  jest.mocked(lookup).mockImplementation(found as unknown as typeof lookup);
}

beforeEach(() => {
  addresses = [];
  jest.mocked(lookup).mockReset();
  mockLookup(() =>
    addresses.length > 0
      ? Promise.resolve(addresses.map((address) => ({ address, family: 4 })))
      : Promise.reject(new Error('getaddrinfo ENOTFOUND service.example')),
  );
});

/** Lets time pass for the client alone. */
async function withTime(run: () => Promise<void>): Promise<void> {
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'performance', 'Date', 'queueMicrotask'],
  });
  try {
    await run();
  } finally {
    jest.useRealTimers();
  }
}

/** For calls that see time pass. */
const patient = { timeout: 1_000_000 };

/** How many requests a server has got. */
const requests = (server: RawServer): number =>
  server.peers.reduce((sum, peer) => sum + peer.of(Type.HEADERS).length, 0);

/** A client of a name, with addresses of this machine, all on one port: that of the servers on them. */
const clientOf = (port: number): Client => startClient(`dns:///service.example:${port}`);

test('a name that does not resolve fails calls at once, and is asked for again until it does', async () => {
  await withTime(async () => {
    const server = await startRawServer(behave);
    const client = clientOf(server.port);
    const expected = worded(
      'UNAVAILABLE: No connection established. Last error: getaddrinfo ENOTFOUND service.example',
    );
    expect(await client.outcome()).toEqual(expected);
    // grpc-js has a backoff of its own.
    const pause = byTransport('DNS', { http2: 1_000, 'grpc-js': 100 });
    for (let round = 2; round <= 4; round++) {
      await until(() => {
        jest.advanceTimersByTime(pause);
        return jest.mocked(lookup).mock.calls.length === round;
      });
      expect(await client.outcome()).toEqual(expected);
    }
    addresses = ['127.0.0.1'];
    await until(() => {
      jest.advanceTimersByTime(pause);
      return client.upstream.ready();
    });
    expect(await client.call()).toBe('answer 1');
    client.upstream.close();
    await until(() => jest.getTimerCount() === 0);
  });
});

test('calls wait for a name that is being resolved', async () => {
  let resolve: (found: Dns.LookupAddress[]) => void = () => undefined;
  mockLookup(() => new Promise((done) => (resolve = done)));
  const server = await startRawServer(behave);
  const client = clientOf(server.port);
  const outcome = client.outcome();
  expect(await client.outcome('', { timeout: 10 })).toBe('DEADLINE_EXCEEDED: No connection established');
  resolve([{ address: '127.0.0.1', family: 4 }]);
  expect(await outcome).toBe('answer 1');
});

test('all addresses of a name take turns', async () => {
  const one = await startRawServer(behave, '127.0.0.1');
  const two = await startRawServer(behave, '127.0.0.2', one.port);
  addresses = ['127.0.0.1', '127.0.0.2'];
  const client = clientOf(one.port);
  await until(
    async () => {
      const before = [one, two].map(requests);
      for (let each = 0; each < 12; each++) await client.call();
      return [one, two].map((server, nth) => requests(server) - before[nth]!);
    },
    (shares) => shares.join() === '6,6',
  );
});

only('http2', 'DNS', () => {
  test('all addresses of a name take turns; those that vanish get no more, those that appear get theirs', async () => {
    await withTime(async () => {
      const one = await startRawServer(behave, '127.0.0.1');
      const two = await startRawServer(behave, '127.0.0.2', one.port);
      const three = await startRawServer(behave, '127.0.0.3', one.port);
      addresses = ['127.0.0.1', '127.0.0.2'];
      const client = clientOf(one.port);
      const spread = async (): Promise<number[]> => {
        const before = [one, two, three].map(requests);
        for (let each = 0; each < 12; each++) await client.call();
        return [one, two, three].map((server, nth) => requests(server) - before[nth]!);
      };
      await until(spread, (shares) => shares.join() === '6,6,0');
      // What runs on an address that vanishes goes on.
      const leaving = one.peers[0]!;
      leaving.onRequest = undefined;
      const before = requests(one);
      const running = [client.outcome('', patient), client.outcome('', patient)];
      await until(() => requests(one) > before);
      const { id } = leaving.of(Type.HEADERS).at(-1)!;
      addresses = ['127.0.0.2', '127.0.0.3'];
      jest.advanceTimersByTime(30_000);
      await three.peer(0);
      await until(spread, (shares) => shares.join() === '0,6,6');
      leaving.send(answer(id, 'late'));
      expect((await Promise.all(running)).sort().at(-1)).toBe('late');
      await leaving.ended();
      addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
      jest.advanceTimersByTime(30_000);
      await until(spread, (shares) => shares.join() === '4,4,4');
      client.upstream.close();
      await until(() => jest.getTimerCount() === 0);
    });
  });

  test('what waits for its turn at an address that vanishes goes elsewhere', async () => {
    await withTime(async () => {
      const one = await startRawServer(
        (peer) => peer.send(settings({ [Setting.MAX_CONCURRENT_STREAMS]: 1 })),
        '127.0.0.1',
      );
      const two = await startRawServer(behave, '127.0.0.2', one.port);
      addresses = ['127.0.0.1'];
      const client = clientOf(one.port);
      const outcomes = Array.from({ length: 3 }, () => client.outcome('', patient));
      expect(await (await one.peer(0)).request()).toBe(1);
      addresses = ['127.0.0.2'];
      jest.advanceTimersByTime(30_000);
      expect(await Promise.all(outcomes.slice(1))).toEqual(['answer 1', 'answer 3']);
      expect(requests(two)).toBe(2);
      // Closing ends what runs on an address that is no more, too.
      client.upstream.close();
      expect(await outcomes[0]).toBe('OVERLOADED');
      await one.peers[0]!.ended();
      await until(() => jest.getTimerCount() === 0);
    });
  });
});

test('servers that all went are looked for under their name', async () => {
  const one = await startRawServer(behave, '127.0.0.1');
  const two = await startRawServer(behave, '127.0.0.2', one.port);
  addresses = ['127.0.0.1'];
  const client = clientOf(one.port);
  expect(await client.call()).toBe('answer 1');
  addresses = ['127.0.0.2'];
  one.close();
  await until(
    () => client.outcome(),
    (outcome) => outcome.startsWith('answer'),
  );
  expect(requests(two)).toBeGreaterThan(0);
});

only('http2', 'DNS', () => {
  test('a name that resolves no more keeps the addresses that it had', async () => {
    await withTime(async () => {
      const server = await startRawServer(behave);
      addresses = ['127.0.0.1'];
      const client = clientOf(server.port);
      expect(await client.call()).toBe('answer 1');
      addresses = [];
      jest.advanceTimersByTime(30_000);
      await until(() => jest.mocked(lookup).mock.calls.length === 2);
      expect(await client.call()).toBe('answer 3');
    });
  });
});
