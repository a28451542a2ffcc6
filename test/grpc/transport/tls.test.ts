import { readFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { listen, startClient } from '../client-fixture';
import { byTransport, only } from '../differences';

const read = (name: string): Buffer => readFileSync(join(__dirname, '../../fixtures/tls', name));
const ca = read('ca.pem');
const clientPair = { cert: read('client.pem'), key: read('client.key') };
const pairOf = (name: string) => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) });

interface TlsServer {
  readonly port: number;
  /** Names that clients asked for by SNI; false where they did not. */
  readonly names: (string | false)[];
}

/** Answers with what was sent, as gRPC servers do. */
async function startTls(options: http2.SecureServerOptions = {}): Promise<TlsServer> {
  const names: (string | false)[] = [];
  const server = http2.createSecureServer({ ...pairOf('server'), ...options });
  server.on('secureConnection', (socket: TLSSocket) => names.push((socket.servername as string | null) ?? false));
  server.on('stream', (stream) => {
    const parts: Buffer[] = [];
    stream.on('error', () => undefined).on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat(parts));
    });
  });
  return { port: await listen(server), names };
}

/** grpc-js says it with the name of its policy in front. */
const noConnection = byTransport('words', {
  http2: 'UNAVAILABLE: No connection established. Last error: ',
  'grpc-js': 'UNAVAILABLE: round_robin: No connection established. Last error: ',
});

describe('TLS', () => {
  test('to a name and to an address, both of the certificate', async () => {
    const { port, names } = await startTls();
    // The name may have an address at which nobody listens, beside the one of the server.
    expect(await startClient(`dns:///localhost:${port}`, { ca }).call()).toBe('hello');
    expect(await startClient(`127.0.0.1:${port}`, { ca }).call()).toBe('hello');
    expect(await startClient(`ipv4:127.0.0.1:${port}`, { ca }).call()).toBe('hello');
    const ofAddress = byTransport<string | false>('SNI', { http2: false, 'grpc-js': '127.0.0.1' });
    expect(names).toEqual(['localhost', ofAddress, ofAddress]);
  });

  test('carries several MB both ways', async () => {
    const { port } = await startTls();
    const client = startClient(port, { ca });
    const messages = [1, 2, 3].map((size) => Buffer.alloc(size * 1024 * 1024, `${size} `).toString());
    const answers = await Promise.all(messages.map((message) => client.call(message)));
    expect(messages.every((message, nth) => message === answers[nth])).toBe(true);
  });

  test.each<[string, string, http2.SecureServerOptions, Parameters<typeof startClient>[1]]>([
    ['an authority that is not trusted', 'unable to verify the first certificate', {}, { ca: read('other-ca.pem') }],
    ['no authority that is known', 'unable to verify the first certificate', {}, {}],
    [
      'a certificate for another name',
      `Hostname/IP does not match certificate's altnames: Host: localhost. is not in the cert's altnames: DNS:elsewhere.example`,
      pairOf('elsewhere'),
      { ca },
    ],
    [
      'a server without TLS 1.2',
      'tlsv1 alert protocol version',
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
      { ca },
    ],
  ])('with %s does not come about', async (_what, expected, options, tls) => {
    const { port } = await startTls(options);
    const outcome = await startClient(`localhost:${port}`, tls).outcome();
    expect(outcome).toContain(noConnection);
    expect(outcome).toContain(expected);
  });

  test('to an address that the certificate is not for does not come about', async () => {
    const { port } = await startTls(pairOf('elsewhere'));
    expect(await startClient(port, { ca }).outcome()).toContain("IP: 127.0.0.1 is not in the cert's list");
  });

  test('with a certificate of the client, where the server wants one', async () => {
    const { port } = await startTls({ requestCert: true, rejectUnauthorized: true, ca });
    expect(await startClient(port, { ca, ...clientPair }).call()).toBe('hello');
    expect(await startClient(port, { ca }).outcome()).toMatch(
      /^UNAVAILABLE: .*(?:certificate required|ECONNRESET|closed)/,
    );
  });

  test('is not spoken by a plain server', async () => {
    const server = http2.createServer();
    server.on('sessionError', () => undefined);
    const port = await listen(server);
    const outcome = await startClient(port, { ca }).outcome();
    expect(outcome.startsWith(noConnection) && outcome.length > noConnection.length).toBe(true);
  });

  test('and a client without it is told so', async () => {
    const { port } = await startTls();
    expect(await startClient(port).outcome()).toContain(noConnection);
  });

  const testProtocols = (what: string, options: TlsOptions, expected: RegExp): void =>
    test(`with a server that offers ${what} does not come about`, async () => {
      const server = createTlsServer({ ...pairOf('server'), ...options });
      server.on('secureConnection', (socket) => socket.on('error', () => undefined));
      server.on('tlsClientError', () => undefined);
      const port = await listen(server);
      expect(await startClient(port, { ca }).outcome()).toMatch(expected);
    });
  testProtocols('HTTP/1 alone', { ALPNProtocols: ['http/1.1'] }, /no application protocol|ALPN/);
  only('http2', 'connect timeout', () => {
    testProtocols('no protocol', {}, /the server does not offer HTTP\/2 by ALPN/);
  });
});
