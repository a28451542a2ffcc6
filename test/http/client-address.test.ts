import { once } from 'node:events';
import { placeOf } from '../../src/http/client-address';
import { json, type Route } from '../../src/http/exchange';
import { head, openSite } from './http-fixture';

const whoami: Route = {
  method: 'GET',
  path: '/whoami',
  handle: (exchange) => json(200, { address: exchange.clientAddress }),
};

/** The address that the gateway takes a client on loopback for. */
async function addressOf(trustedProxies: string[], ...headers: string[]): Promise<string> {
  const site = await openSite([whoami], { trustedProxies });
  const client = site.connect();
  await once(client.socket, 'connect');
  client.socket.write(head('GET /whoami HTTP/1.1', 'Connection: close', ...headers));
  const text = await client.readToEnd();
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).address;
}

test('a peer that nobody trusts is the client, whatever it says', async () => {
  expect(await addressOf([], 'X-Forwarded-For: 192.0.2.1')).toBe('127.0.0.1');
  expect(await addressOf(['10.0.0.0/8'], 'X-Forwarded-For: 192.0.2.1')).toBe('127.0.0.1');
});

test('a trusted proxy is the client where it speaks for nobody', async () => {
  expect(await addressOf(['127.0.0.1'])).toBe('127.0.0.1');
});

const proxies = ['127.0.0.0/8', '10.0.0.0/8', '2001:db8:ffff::/48', '198.51.100.7'];

test.each([
  ['one address', '192.0.2.1', '192.0.2.1'],
  ['what the client made up before it', '203.0.113.9, 127.0.0.1, 192.0.2.1', '192.0.2.1'],
  ['proxies between', '192.0.2.1, 10.1.2.3,10.255.0.1', '192.0.2.1'],
  ['a proxy that is trusted by its address', '192.0.2.1, 198.51.100.7', '192.0.2.1'],
  ['its neighbour, which is not', '192.0.2.1, 198.51.100.8', '198.51.100.8'],
  ['IPv6', '2001:db8::1', '2001:db8::1'],
  ['IPv6 behind a proxy with IPv6', '2001:db8::1, 2001:db8:ffff::5', '2001:db8::1'],
  ['IPv6 in its long form', '2001:0DB8:0:0:0:0:0:0001', '2001:db8::1'],
  ['IPv4 in IPv6', '::ffff:192.0.2.1', '192.0.2.1'],
  ['IPv4 in IPv6 in hexadecimal', '::FFFF:c000:201', '192.0.2.1'],
  ['a proxy with IPv4 in IPv6', '192.0.2.1, ::ffff:10.0.0.1', '192.0.2.1'],
  ['a zone', 'fe80::1%eth0', 'fe80::1'],
  ['a port', '192.0.2.1:4711', '192.0.2.1'],
  ['a port behind IPv6', '[2001:db8::1]:4711', '2001:db8::1'],
  ['brackets', '[2001:db8::1]', '2001:db8::1'],
  ['proxies alone', '10.0.0.1, 10.0.0.2', '10.0.0.1'],
  ['garbage', 'unknown', '127.0.0.1'],
  ['garbage from a proxy, and addresses that anybody may have made up', '192.0.2.1, unknown, 10.0.0.3', '10.0.0.3'],
  ['nothing', '', '127.0.0.1'],
  ['commas', ',,,', '127.0.0.1'],
  ['an address that breaks off', '192.0.2', '127.0.0.1'],
  ['octal', '0300.0.2.1', '127.0.0.1'],
  ['a number', '3221225985', '127.0.0.1'],
  ['an address with a number too large', '256.0.2.1', '127.0.0.1'],
  ['a network', '192.0.2.0/24', '127.0.0.1'],
  ['a host name', 'localhost', '127.0.0.1'],
])('X-Forwarded-For with %s', async (_what, forwardedFor, address) => {
  expect(await addressOf(proxies, `X-Forwarded-For: ${forwardedFor}`)).toBe(address);
});

test('several lines of X-Forwarded-For are one list', async () => {
  expect(await addressOf(proxies, 'X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 10.0.0.1')).toBe('192.0.2.1');
});

test('a header of thousands of proxies is not read back to its beginning', async () => {
  const list = `192.0.2.1${',10.0.0.1'.repeat(1_500)}`;
  expect(await addressOf(proxies, `X-Forwarded-For: ${list}`)).toBe('10.0.0.1');
});

test('a proxy is trusted by IPv4 in IPv6 too, in the list as in the header', async () => {
  expect(await addressOf(['::ffff:127.0.0.1'], 'X-Forwarded-For: 192.0.2.1')).toBe('192.0.2.1');
  expect(await addressOf(['::ffff:127.0.0.0/104'], 'X-Forwarded-For: 192.0.2.1')).toBe('192.0.2.1');
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  ['', ''],
])('for limits per address, %s counts as %s', (address, place) => {
  expect(placeOf(address)).toBe(place);
});
