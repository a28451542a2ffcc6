import { json, readJson, type Route } from '../../src/http/exchange';
import { until, valueOf } from '../gateway-fixture';
import { echo, head, openSite, statuses, type Client, type Site } from './http-fixture';

const hello: Route = { method: 'GET', path: '/hello', handle: () => json(200, { hello: 'world' }) };
const budget = 256 * 1024;
const padding = `X-Padding: ${'x'.repeat(14_000)}`;
const post = (length: number, ...more: string[]): string =>
  head('POST /echo HTTP/1.1', 'Content-Type: application/json', `Content-Length: ${length}`, ...more);

const refusals = async (site: Site, limit: string) =>
  valueOf(await site.metrics.registry.metrics(), `limit_refusals_total{limit="${limit}"}`) ?? NaN;

/** What an ordinary client sends: a few KB. */
async function expectSmallServed(site: Site): Promise<void> {
  const client = site.connect();
  const body = JSON.stringify({ text: 'x'.repeat(3_000) });
  client.socket.write(post(body.length, `Cookie: session=${'x'.repeat(1_000)}`) + body);
  await client.reads((text) => text.endsWith(body));
  client.socket.destroy();
}

async function expectLargeServed(site: Site): Promise<void> {
  const body = JSON.stringify({ text: 'x'.repeat(100_000) });
  await until(
    async () => {
      const client = site.connect();
      client.socket.write(post(body.length, 'Connection: close') + body);
      return statuses(await client.readToEnd());
    },
    ([status]) => status === '200',
  );
}

/** Opens connections that each send the same, and read what comes. */
function openMany(site: Site, count: number, bytes: string): Client[] {
  return Array.from({ length: count }, () => {
    const client = site.connect();
    client.socket.write(bytes);
    void client.readToEnd();
    return client;
  });
}

test('heads and the first bytes of bodies count: what is too much is refused, small requests go on', async () => {
  const site = await openSite([echo], { requestMemory: budget });
  const count = 100;
  const many = openMany(site, count, post(20_000, padding) + ' '.repeat(16_000));
  const refused = await until(
    () => many.filter((client) => client.text() !== ''),
    // Each takes some 22 KB of the budget.
    (clients) => clients.length >= count - budget / 20_000,
  );
  for (const client of refused) {
    expect(client.text()).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n[^]*OVERLOADED/i);
  }
  expect(refused.length).toBeLessThan(count);
  await until(
    async () => (await refusals(site, 'head_memory')) + (await refusals(site, 'body_memory')),
    (counted) => counted === many.filter((client) => client.text() !== '').length,
  );
  await expectSmallServed(site);
  for (const { socket } of many) socket.destroy();
  await expectLargeServed(site);
});

test('bodies that have come whole count until their requests end', async () => {
  const ends: (() => void)[] = [];
  const slow: Route = {
    method: 'POST',
    path: '/slow',
    async handle(exchange) {
      await readJson(exchange);
      await new Promise<void>((resolve) => ends.push(resolve));
      return json(200, {});
    },
  };
  const site = await openSite([echo, slow], { requestMemory: budget });
  const body = JSON.stringify({ text: 'x'.repeat(50_000) });
  const many = openMany(site, 10, post(body.length).replace('/echo', '/slow') + body);
  await until(
    () => many.filter((client) => client.text() !== '').length + ends.length,
    (count) => count === 10,
  );
  expect(ends.length).toBeLessThanOrEqual(6);
  expect(await refusals(site, 'body_memory')).toBe(10 - ends.length);
  await expectSmallServed(site);
  for (const end of ends) end();
  await expectLargeServed(site);
});

test.each([
  ['that have come in part', ''],
  ['in part behind a request', head('GET /hello HTTP/1.1')],
  [
    'in part behind a body in chunks',
    `${head('POST /echo HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked')}2\r\n{}\r\n0\r\n\r\n`,
  ],
])('heads %s count: connections are closed, the oldest first', async (_what, before) => {
  const site = await openSite([hello, echo], { requestMemory: budget });
  const count = 100;
  const many = openMany(site, count, `${before}GET /hello HTTP/1.1\r\nHost: a\r\n${padding}\r\n`);
  // Each takes almost 6 KB of the budget.
  await until(
    () => many.filter(({ socket }) => socket.closed).length,
    (closed) => closed >= count - budget / 5_000,
  );
  expect(many.filter(({ socket }) => !socket.closed).length).toBeGreaterThan(0);
  expect(await refusals(site, 'head_memory')).toBeGreaterThan(0);
  await expectSmallServed(site);
  for (const { socket } of many) socket.destroy();
  await expectLargeServed(site);
});

test('connections that are idle, or send small requests again and again, do not count', async () => {
  const site = await openSite([hello], { requestMemory: 64 * 1024 });
  const clients = openMany(site, 40, '');
  for (let round = 1; round <= 30; round += 1) {
    for (const { socket } of clients) {
      socket.write(head('GET /hello HTTP/1.1', `X-Padding: ${'x'.repeat(1_500)}`, 'X-Odd:    spaced   '));
    }
    await until(
      () => clients.every((client) => statuses(client.text()).length === round),
      (all) => all,
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(clients.filter(({ socket }) => socket.closed)).toEqual([]);
  expect(await refusals(site, 'head_memory')).toBe(0);
});

describe('header lines', () => {
  const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `X-${index}: y`);

  test('up to 100 are read', async () => {
    const site = await openSite([hello]);
    const client = site.connect();
    client.socket.write(head('GET /hello HTTP/1.1', 'Connection: close', ...lines(98)));
    expect(statuses(await client.readToEnd())).toEqual(['200']);
  });

  test.each([99, 150, 1_000])('with %d more than two are 431, and the connection closes', async (count) => {
    const site = await openSite([hello]);
    const client = site.connect();
    client.socket.write(
      head('GET /hello HTTP/1.1', 'Connection: keep-alive', ...lines(count)) + head('GET /hello HTTP/1.1'),
    );
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['431']);
    expect(text).toContain('The headers are over 16 KB, or more than 100 lines.');
    await until(
      () => site.lines,
      ([line]) => line?.['limit'] === 'head_size' && line['status'] === 431,
    );
    expect(await refusals(site, 'head_size')).toBe(1);
  });
});
