import { once } from 'node:events';
import { until, valueOf } from '../gateway-fixture';
import { gate, head, openSite, statuses, type Client, type Site } from './http-fixture';
import { json, type Route } from '../../src/http/exchange';

const hello: Route = { method: 'GET', path: '/hello', handle: () => json(200, { hello: 'world' }) };

/** A connection that has had an answer, and is idle since. */
async function used(site: Site): Promise<Client> {
  const client = site.connect();
  await use(client);
  return client;
}

async function use(client: Client): Promise<void> {
  const before = statuses(client.text()).length;
  client.socket.write(head('GET /hello HTTP/1.1'));
  await client.reads((text) => statuses(text).length === before + 1 && text.endsWith('}'));
  await client.arrived();
}

/** A connection on which a request is under way. */
async function busy(site: Site, slow: ReturnType<typeof gate>): Promise<Client> {
  const client = site.connect();
  const before = slow.calls();
  client.socket.write(head('GET /slow HTTP/1.1'));
  await until(slow.calls, (count) => count === before + 1);
  return client;
}

const series = async (site: Site, name: string) => valueOf(await site.metrics.registry.metrics(), name);
const refusals = (site: Site, limit: string) => series(site, `limit_refusals_total{limit="${limit}"}`);

async function expectClosed(client: Client): Promise<void> {
  client.socket.resume();
  if (!client.socket.closed) await once(client.socket, 'close');
}

describe('connections of an address', () => {
  const limits = { max: 100, maxPerAddress: 3 };

  test('beyond its limit are closed at once, and counted; one that leaves makes room', async () => {
    const site = await openSite([hello], { connections: limits });
    const clients = [await used(site), await used(site), await used(site)];
    await expectClosed(site.connect());
    await expectClosed(site.connect());
    expect(await refusals(site, 'connections_per_address')).toBe(2);
    expect(await series(site, 'http_connections_open')).toBe(3);
    for (const client of clients) await use(client);
    await clients[0]!.leave();
    await used(site);
  });

  test('have no limit where it is a trusted proxy', async () => {
    const site = await openSite([hello], { connections: limits, trustedProxies: ['127.0.0.0/8'] });
    for (let count = 0; count < 10; count += 1) await used(site);
    expect(await refusals(site, 'connections_per_address')).toBe(0);
  });

  test('are open to operators beyond any limit', async () => {
    const site = await openSite([hello], { connections: { max: 1, maxPerAddress: 1 } });
    await used(site);
    for (let count = 0; count < 3; count += 1) {
      const answer = await fetch(`http://127.0.0.1:${site.server.adminPort}/hello`, {
        headers: { connection: 'close' },
      });
      expect(await answer.json()).toEqual({ hello: 'world' });
    }
  });
});

describe('where all connections are taken', () => {
  const limits = { max: 4, maxPerAddress: 100 };

  test('a newcomer takes the place of the one that has been idle longest', async () => {
    const site = await openSite([hello], { connections: limits });
    const [first, second, third, fourth] = [await used(site), await used(site), await used(site), await used(site)];
    await use(first);
    const newcomer = await used(site);
    await expectClosed(second);
    await used(site);
    await expectClosed(third);
    for (const client of [first, fourth, newcomer]) await use(client);
    expect(await series(site, 'http_connections_open')).toBe(4);
    expect(await refusals(site, 'connections')).toBe(0);
  });

  test('one that never sent anything, or half of a head, is idle', async () => {
    const site = await openSite([hello], { connections: limits });
    const silent = site.connect();
    await once(silent.socket, 'connect');
    const half = site.connect();
    half.socket.write('GET /hello HTTP/1.1\r\nHost: a\r\n');
    await half.arrived();
    const others = [await used(site), await used(site)];
    await used(site);
    await used(site);
    await expectClosed(silent);
    await expectClosed(half);
    for (const client of others) await use(client);
  });

  test('one that is at work is left alone, and a newcomer is refused where all are', async () => {
    const slow = gate('/slow');
    const site = await openSite([hello, slow.route], { connections: limits });
    const clients: Client[] = [];
    while (clients.length < 3) clients.push(await busy(site, slow));
    const idle = await used(site);
    clients.push(await busy(site, slow));
    await expectClosed(idle);
    await expectClosed(site.connect());
    expect(await refusals(site, 'connections')).toBe(1);
    slow.open();
    for (const client of clients) await client.reads((text) => text.includes('"first"'));
    // Looked for again a moment later.
    await until(
      async () => {
        const client = site.connect();
        client.socket.write(head('GET /hello HTTP/1.1', 'Connection: close'));
        return statuses(await client.readToEnd());
      },
      ([status]) => status === '200',
    );
  });

  test('a flood of idle connections locks nobody out', async () => {
    const site = await openSite([hello], { connections: { max: 300, maxPerAddress: 1_000 } });
    for (let count = 0; count < 400; count += 1) site.connect();
    await until(
      () => series(site, 'http_connections_open'),
      (open) => open === 300,
    );
    for (let count = 0; count < 20; count += 1) await used(site);
    expect(await refusals(site, 'connections')).toBe(0);
  });
});

test('near the limit, connections that have been idle for a while are closed as others come', async () => {
  const site = await openSite([hello], { connections: { max: 10, maxPerAddress: 100 } });
  const clients: Client[] = [];
  while (clients.length < 9) clients.push(await used(site));
  const now = performance.now.bind(performance);
  const later = jest.spyOn(performance, 'now').mockImplementation(() => now() + 6_000);
  try {
    await used(site);
  } finally {
    later.mockRestore();
  }
  await expectClosed(clients[0]!);
  for (const client of clients.slice(1)) await use(client);
  expect(await series(site, 'http_connections_open')).toBe(9);
  // None of them has been idle for long by now.
  await used(site);
  expect(await series(site, 'http_connections_open')).toBe(10);
});
