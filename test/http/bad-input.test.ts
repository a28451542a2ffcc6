import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { anyText } from '../any-text';
import { startWorld, until, type Decoded, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

/** Whatever was sent: the gateway still serves, and took nothing of it for a fault of its own. */
let logged = 0;
beforeEach(() => {
  logged = world.logs.length;
});
afterEach(async () => {
  world.reset();
  expect((await world.graphql('{ me { id } }')).data).toEqual({ me: { id: 'user-ada' } });
  expect(world.logs.slice(logged).filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});

type Body = string | Buffer;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Sends a request as it is given, which fetch would not. A body in several parts is sent in chunks. */
function send(
  method: string,
  path: string,
  { headers = {}, body = [] }: { headers?: Record<string, string>; body?: Body | Body[] } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks = [body].flat();
    const length = Array.isArray(body) ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const authorization = `Bearer ${world.auth.adminToken}`;
    const request = httpRequest(
      { host: '127.0.0.1', port: world.server.port, method, path, headers: { authorization, ...length, ...headers } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    request.on('error', reject);
    for (const chunk of chunks) request.write(chunk);
    request.end();
  });
}

const post = (path: string, body: Body | Body[], headers: Record<string, string> = {}) =>
  send('POST', path, { body, headers: { 'content-type': 'application/json', ...headers } });

/** A refusal in the shape of the door that it comes from: result of GraphQL, or envelope of REST. */
function expectRefusal(path: string, { status, headers, text }: Answer): { status: number; code: string } {
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  const body = JSON.parse(text);
  const requestId = headers['x-request-id'];
  expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  if (path.startsWith('/graphql')) {
    expect(body.data ?? null).toBeNull();
    expect(body.errors.length).toBeGreaterThan(0);
    for (const { message, extensions } of body.errors) {
      expect(message).toMatch(/\w/);
      expect(extensions.requestId).toBe(requestId);
    }
    return { status, code: body.errors[0].extensions.code };
  }
  expect(body.error).toMatchObject({ code: status, message: expect.stringMatching(/\w/), requestId });
  return { status, code: body.error.reason };
}

const nested = (depth: number, open: string, close: string, inside = '') =>
  open.repeat(depth) + inside + close.repeat(depth);

describe.each(['/graphql', '/api/ai'])('POST %s refuses', (path) => {
  test.each<[string, Body]>([
    ['an empty body', ''],
    ['spaces', '   \n'],
    ['broken JSON', '{"query": "{ me { id } }"'],
    ['JSON with more behind it', '{"query":"{ me { id } }"} {}'],
    ['JSON with a comment', '{"query":"x" /* me */}'],
    ['single quotes', "{'query': '{ me { id } }'}"],
    ['a form', 'query=%7Bme%7Bid%7D%7D'],
    ['NaN', 'NaN'],
    ['null', 'null'],
    ['a number', '42'],
    ['true', 'true'],
    ['text', '"{ me { id } }"'],
    ['a list', '[]'],
    ['a list of operations', '[{"query":"{ me { id } }"},{"query":"{ me { id } }"}]'],
    ['a query that is a number', '{"query": 1}'],
    ['a query that is a list', '{"query": ["{ me { id } }"]}'],
    ['a query that is an object', '{"query": {"kind": "Document"}}'],
    ['an unknown field of a confirmation', '{"query":1,"confirmation":{"planId":"p","confirmed":true,"x":1}}'],
    ['NUL bytes', Buffer.alloc(64)],
    ['a NUL byte in JSON', '{"query":"\u0000"}'],
    ['binary', Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 37) % 256))],
    ['UTF-16', Buffer.from('{"query":"{ me { id } }"}', 'utf16le')],
    ['bytes that are not UTF-8', Buffer.from([...Buffer.from('{"query":"{ me { id } } #'), 0xff, 0xfe, 0x22, 0x7d])],
    ['UTF-8 that breaks off', Buffer.from([...Buffer.from('{"query":"'), 0xe2, 0x82, 0x22, 0x7d])],
    ['gzip under its own name', gzipSync('{"query":"{ me { id } }"}')],
    ['lists 100,000 deep', nested(100_000, '[', ']')],
    ['lists 100,000 deep that break off', '['.repeat(100_000)],
    ['objects 20,000 deep', nested(20_000, '{"query":', '}', '1')],
    ['a key 100,000 deep', `{"query":${nested(100_000, '[', ']')}}`],
    ['__proto__ with a query in it', '{"__proto__":{"query":"{ me { id } }"}}'],
    ['constructor', '{"constructor":{"prototype":{"query":"{ me { id } }"}}}'],
  ])('%s', async (_what, body) => {
    expect(expectRefusal(path, await post(path, body))).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
  });

  const valid = path === '/graphql' ? '{"query":"{ me { id } }"}' : '{"query":"who am I"}';

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=b',
    'application/octet-stream',
    'application/graphql',
    'application/json; charset=utf-16',
    'application/json; charset',
    'json',
    ';',
    '',
  ])('the content type %j', async (type) => {
    const answer = await send('POST', path, { body: valid, headers: { 'content-type': type } });
    expect(expectRefusal(path, answer)).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  test('a body without a content type', async () => {
    const answer = await send('POST', path, { body: valid });
    expect(expectRefusal(path, answer)).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  test.each(['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'nonsense'])(
    'the content encoding %s',
    async (encoding) => {
      const answer = await post(path, gzipSync(valid), { 'content-encoding': encoding });
      expect(expectRefusal(path, answer)).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    },
  );

  test('2 MB that announce themselves', async () => {
    const answer = await post(path, Buffer.alloc(2 * 1024 * 1024, 'x'));
    expect(expectRefusal(path, answer)).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
  });

  test('2 MB that come in chunks', async () => {
    const answer = await post(
      path,
      Array.from({ length: 64 }, () => Buffer.alloc(32 * 1024, ' ')),
    );
    expect(expectRefusal(path, answer)).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
  });

  test('2 MB before they have come, where they announce themselves', async () => {
    const answer = await world.raw(
      [
        `POST ${path} HTTP/1.1`,
        'Host: localhost',
        'Content-Type: application/json',
        'Content-Length: 2097152',
        'Connection: close',
        '\r\n{',
      ].join('\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });
});

describe('POST /graphql refuses', () => {
  const query = (document: string, more: object = {}) => post('/graphql', JSON.stringify({ query: document, ...more }));
  const aliases = (count: number) =>
    `{ ${Array.from({ length: count }, (_, index) => `a${index}: gateway { name }`).join(' ')} }`;

  test.each([
    ['a document of 40 KB', `{ gateway { name } } # ${'x'.repeat(40 * 1024)}`],
    ['a document of 10,000 tokens', `{ ${'a '.repeat(10_000)} }`],
    ['5,000 aliases', aliases(5_000)],
    ['1,000 aliases', aliases(1_000)],
    [
      '3,000 variables',
      `query (${Array.from({ length: 3_000 }, (_, index) => `$v${index}: Int`).join(' ')}) { me { id } }`,
    ],
    ['3,000 directives', `{ gateway ${'@skip(if: false) '.repeat(3_000)} { name } }`],
  ])('%s as too complex', async (_what, document) => {
    expect(expectRefusal('/graphql', await query(document))).toEqual({ status: 400, code: 'OPERATION_TOO_COMPLEX' });
  });

  test.each([
    ['a document that breaks off', '{ me {'],
    ['a document of braces', '{'.repeat(3_000)],
    ['a list literal 1,500 deep', `{ user(id: ${nested(1_500, '[', ']')} { id } }`],
    ['NUL in a document', '{ me { id } \u0000 }'],
    ['control characters in a document', '\u0001\u0002\u0003'],
    ['half a surrogate pair outside of text', '{ me { id \ud800 } }'],
    ['text without its end', '{ user(id: "x) { id } }'],
    ['SQL', 'SELECT * FROM users'],
  ])('%s as no GraphQL', async (_what, document) => {
    expect(expectRefusal('/graphql', await query(document))).toEqual({ status: 400, code: 'GRAPHQL_PARSE_FAILED' });
  });

  test('a document that is valid, and deeper than calls can go', async () => {
    const { status } = await query(`{ __type(name: "User") { ${nested(1_200, 'ofType { ', '}', 'name ')} } }`);
    expect(status).toBeLessThan(500);
    expect(world.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test.each([
    ['unknown fields', '{ me { id passwordHash } }'],
    ['fields of everything', '{ __proto__ { constructor } }'],
    ['selections 300 deep', nested(300, '{ me ', '}', '{ id }')],
    ['a type 1,500 deep', `query ($x: ${nested(1_500, '[', ']', 'Int')}) { me { id } }`],
    ['a fragment of itself', '{ me { ...F } } fragment F on User { ...F }'],
    ['fragments in a ring', '{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A }'],
    ['an unknown directive', '{ me @grpc(rpc: "GetUser") { id } }'],
    ['the directives that map the schema', 'query @rest(method: GET, path: "/") { me { id } }'],
    ['a schema', 'type Query { me: String }'],
    ['the same argument twice', '{ user(id: "a", id: "b") { id } }'],
  ])('%s as no operation of this schema', async (_what, document) => {
    const { status, code } = expectRefusal('/graphql', await query(document));
    expect(status).toBe(400);
    expect(code).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  const invite = 'mutation ($input: InviteUserInput!) { inviteUser(input: $input) { id } }';

  test.each([
    ['a variable that is missing', {}],
    ['null for what must be', { input: null }],
    ['text for an object', { input: 'a@example.com' }],
    ['a list for an object', { input: [] }],
    ['an unknown field', { input: { email: 'a@example.com', isAdmin: true } }],
    ['__proto__', JSON.parse('{"input":{"email":"a@example.com","__proto__":{"roles":["admin"]}}}')],
    ['__proto__ that brings the field', JSON.parse('{"input":{"__proto__":{"email":"a@example.com"}}}')],
    ['constructor', { input: { email: 'a@example.com', constructor: { name: 'x' } } }],
    ['toString', { input: { email: 'a@example.com', toString: 'x' } }],
    ['an object for text', { input: { email: { $ne: null } } }],
    ['a number in a list of text', { input: { email: 'a@example.com', roles: [1] } }],
    ['lists 10,000 deep', `{"input":{"email":"a@example.com","roles":${nested(10_000, '[', ']')}}}`],
    ['objects 5,000 deep', `{"input":${nested(5_000, '{"email":', '}', '1')}}`],
  ])('variables: %s', async (_what, variables) => {
    const text = typeof variables === 'string' ? variables : JSON.stringify(variables);
    const body = `{"query":${JSON.stringify(invite)},"variables":${text}}`;
    expect(expectRefusal('/graphql', await post('/graphql', body))).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
  });

  test.each([
    ['variables that are text', { variables: '{"id":1}' }],
    ['variables that are a list', { variables: [] }],
    ['operationName that is a number', { operationName: 1 }],
    ['operationName that is an object', { operationName: {} }],
    ['operationName that is not there', { operationName: '__proto__' }],
    ['extensions that are text', { extensions: 'x' }],
    ['an unknown parameter', { id: 1 }],
  ])('%s', async (_what, more) => {
    const { status, code } = expectRefusal('/graphql', await query('{ me { id } }', more));
    expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
  });

  test('nothing of this reached a service', () => {
    expect(world.auth.control.count('InviteUser')).toBe(0);
  });

  test('but not variables that no operation asks for, whatever they are called', async () => {
    const body = '{"query":"{ me { id } }","variables":{"__proto__":{"x":1},"constructor":null,"toString":[1]}}';
    const { status, text } = await post('/graphql', body);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ data: { me: { id: 'user-ada' } } });
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('GET /graphql refuses', () => {
  test.each([
    '',
    '?',
    '?query=',
    '?query={',
    '?query=%7B%7D',
    '?query=%00',
    '?query=%',
    '?query=%ff%fe',
    '?query=%E0%A4%A',
    '?query[]={me{id}}',
    '?query={me{id}}&variables={',
    '?query={me{id}}&variables=%5B%5D',
    '?query={me{id}}&variables=%22x%22',
    '?query={me{id}}&extensions={',
    '?query={me{id}}&operationName=x',
    '?__proto__=x',
    '?=&=&&&==',
  ])('%s', async (query) => {
    const { status } = expectRefusal('/graphql', await send('GET', `/graphql${query}`));
    expect(status).toBe(400);
  });
});

describe('POST /api/ai refuses', () => {
  test.each([
    ['unknown fields', '{"query":"hi","model":"x"}', ['model']],
    ['__proto__', '{"query":"hi","__proto__":{"query":"x"}}', ['__proto__']],
    ['constructor', '{"query":"hi","constructor":1,"hasOwnProperty":1}', ['constructor', 'hasOwnProperty']],
  ])('%s by their names', async (_what, body, fields) => {
    const answer = await post('/api/ai', body);
    expect(expectRefusal('/api/ai', answer)).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
    const { error } = JSON.parse(answer.text);
    expect(error.fieldViolations.map(({ field }: Decoded) => field)).toEqual(fields);
  });

  test('a query that is longer than the assistant reads', async () => {
    const answer = await post('/api/ai', JSON.stringify({ query: 'x'.repeat(500_000) }));
    expect(expectRefusal('/api/ai', answer)).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
  });

  test('but not text of whatever characters', async () => {
    for (const query of ['\u0000', '\u202e\u0007', '😀', '\ud800', 'a'.repeat(9_000), '<script>']) {
      const { status, text } = await post('/api/ai', JSON.stringify({ query }));
      expect(status).toBe(200);
      expect(JSON.parse(text)).toMatchObject({ answer: { response: expect.any(String) } });
    }
  });
});

describe('paths of garbage', () => {
  test.each([
    '/%',
    '/%00',
    '/%zz',
    '/%ff%fe',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/../../etc/passwd',
    '/api/v1/users/%',
    '/api/v1/auth/%/login',
    '/api/v1/auth/%ff/login',
    '/api/v1/auth/__proto__/login',
    '/api/v1/auth/constructor/callback',
    '/api/v1/auth/toString/login?returnTo=//evil.example.com',
    '//api/ai',
    '/api/ai;a=b',
    '/\\..\\api',
    '*',
  ])('%s', async (path) => {
    const { status } = expectRefusal('/', await send('GET', path));
    expect([400, 404]).toContain(status);
  });

  test.each([
    ['long', `/${'a'.repeat(8_000)}`],
    ['deep', '/'.repeat(8_000)],
    ['encoded all over', `/api/${'%41'.repeat(2_000)}`],
  ])('that are %s', async (_what, path) => {
    expect(expectRefusal('/', await send('GET', path))).toEqual({ status: 404, code: 'NOT_FOUND' });
  });
});

describe('methods that nobody has here', () => {
  test.each(['TRACE', 'PROPFIND', 'PATCH', 'PUT', 'DELETE', 'SEARCH', 'LINK', 'M-SEARCH', 'PURGE', 'REPORT'])(
    '%s',
    async (method) => {
      for (const path of ['/api/v1/users', '/graphql', '/api/ai']) {
        const answer = await send(method, path);
        expect(answer.status).toBe(405);
        expect(answer.headers.allow).toMatch(/OPTIONS/);
        // What no door has, the HTTP layer refuses.
        expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 405, reason: 'METHOD_NOT_ALLOWED' } });
      }
      expect((await send(method, '/nowhere')).status).toBe(404);
    },
  );
});

describe('what is no HTTP', () => {
  const lines = (...all: string[]) => `${all.join('\r\n')}\r\n\r\n`;

  test.each([
    ['noise', '\u0001\u0002\u0003\u0004\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['TLS', Buffer.from('16030100a50100', 'hex')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a method that there is not', lines('BREW /pot HTTP/1.1', 'Host: a')],
    ['a version that there is not', lines('GET / HTTP/9.9', 'Host: a')],
    ['spaces in the path', lines('GET /a b HTTP/1.1', 'Host: a')],
    ['a header without a colon', lines('GET / HTTP/1.1', 'Host: a', 'nonsense')],
    ['a header with NUL', lines('GET / HTTP/1.1', 'Host: a', 'X: a\u0000b')],
    ['a header name with a space', lines('GET / HTTP/1.1', 'Host: a', 'X Y: a')],
    ['lengths that do not agree', lines('POST /api/ai HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 2')],
    ['a negative length', lines('POST /api/ai HTTP/1.1', 'Host: a', 'Content-Length: -1')],
    ['a length that is no number', lines('POST /api/ai HTTP/1.1', 'Host: a', 'Content-Length: 0x10')],
    [
      'a length and chunks',
      lines('POST /api/ai HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Transfer-Encoding: chunked'),
    ],
    ['chunked twice over', lines('POST /api/ai HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked, identity')],
  ])('%s is refused', async (_what, bytes) => {
    const answer = await world.raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toMatch(/\r\nConnection: close\r\n/i);
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    const [, requestId] = /\r\nX-Request-Id: (.+)\r\n/i.exec(answer) ?? [];
    expect(requestId).toMatch(/^[\w-]{36}$/);
    expect(body).toEqual({
      error: { code: 400, reason: 'BAD_USER_INPUT', message: 'This is not valid HTTP.', requestId },
    });
  });

  test('a request without Host is refused', async () => {
    expect(await world.raw('GET /api/v1/users/me HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each([
    ['one header', lines('GET / HTTP/1.1', 'Host: a', `X: ${'x'.repeat(20_000)}`)],
    [
      'many headers',
      lines('GET / HTTP/1.1', 'Host: a', ...Array.from({ length: 1_500 }, (_, index) => `X-${index}: some value`)),
    ],
    ['cookies', lines('GET / HTTP/1.1', 'Host: a', `Cookie: ${'a=b; '.repeat(5_000)}`)],
    ['the address', lines(`GET /${'a'.repeat(20_000)} HTTP/1.1`, 'Host: a')],
  ])('over 16 KB of %s are 431', async (_what, bytes) => {
    const answer = await world.raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toMatchObject({ error: { code: 431 } });
  });

  test('chunks that are none are refused', async () => {
    const answer = await world.raw(
      `${lines('POST /api/ai HTTP/1.1', 'Host: a', 'Content-Type: application/json', 'Transfer-Encoding: chunked')}ZZ\r\n{}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('a second request behind a body is not taken for a part of the first', async () => {
    const token = `Authorization: Bearer ${world.auth.adminToken}`;
    const body = '{"query":"count to 1"}';
    const answer = await world.raw(
      lines(
        'POST /api/ai HTTP/1.1',
        'Host: a',
        token,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      ) +
        body +
        lines('GET /nowhere HTTP/1.1', 'Host: a', 'Connection: close'),
    );
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404']);
  });

  test.each([
    ['an upgrade', lines('GET /graphql HTTP/1.1', 'Host: a', 'Upgrade: websocket', 'Connection: Upgrade, close')],
    [
      'an expectation',
      lines('POST /api/ai HTTP/1.1', 'Host: a', 'Expect: tea', 'Content-Length: 0', 'Connection: close'),
    ],
    ['HTTP/1.0', lines('GET /nowhere HTTP/1.0')],
    ['HTTP/0.9', 'GET /nowhere\r\n\r\n'],
  ])('%s gets nothing but a refusal', async (_what, bytes) => {
    expect(await world.raw(bytes)).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test('CONNECT is refused like what is not HTTP, and ends the connection', async () => {
    const series = 'http_requests_total{method="other",path="other",status="400"}';
    const before = world.logs.length;
    const tunnel = lines('CONNECT example.com:443 HTTP/1.1', 'Host: example.com:443');
    const [growth] = await world.growth(async () => {
      expect(await world.raw(`${tunnel}more`)).toMatch(/^HTTP\/1\.1 400 .*"message":"There is no tunnel/s);
    }, series);
    expect(growth).toBe(1);
    expect(world.logs.slice(before)).toMatchObject([{ msg: 'request', status: 400, reason: 'CONNECT_REFUSED' }]);
  });

  test('CONNECT takes no answer along that was given before', async () => {
    const tunnel = lines('CONNECT b:443 HTTP/1.1', 'Host: b:443');
    expect(await world.raw(lines('GET /nowhere HTTP/1.1', 'Host: a') + tunnel)).toMatch(/^HTTP\/1\.1 404 .*\}/s);
  });

  test('CONNECT behind a request that is under way ends both', async () => {
    const before = world.logs.length;
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const token = `Authorization: Bearer ${world.auth.adminToken}`;
    const request = lines('GET /api/v1/users/me HTTP/1.1', 'Host: a', token);
    expect(await world.raw(`${request}${lines('CONNECT b:443 HTTP/1.1', 'Host: b:443')}`)).toBe('');
    await until(
      () => world.logs.slice(before).filter(({ msg }) => msg === 'request'),
      (requests) => requests.length === 1 && requests[0]!['status'] === 499,
    );
  });

  describe('100 Continue behind a request that is under way', () => {
    const fields = Array.from({ length: 240 }, (_, index) => `${'name'.repeat(20)}${index}: name`).join(' ');
    const body = JSON.stringify({ query: `{gateway{${fields}}}` });
    const ask = (...more: string[]): string =>
      lines(
        'POST /graphql HTTP/1.1',
        'Host: a',
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
        ...more,
      );
    const expectWhole = (answer: string): void => {
      const [head = '', text = ''] = answer.split('\r\n\r\n');
      expect(head).toMatch(/^HTTP\/1\.1 200 /);
      expect(head).toContain(`content-length: ${text.length}`);
      expect(Object.keys(JSON.parse(text).data.gateway)).toHaveLength(240);
    };

    test('is not put into the answer where the body has come, and the connection ends', async () => {
      const answer = await world.raw(ask() + body + ask('Expect: 100-continue') + body);
      const [first = '', second = '', ...more] = answer.split(/(?<=\})(?=HTTP\/1\.1 )/);
      expect(more).toEqual([]);
      expectWhole(first);
      expectWhole(second);
      expect(second).toMatch(/^connection: close$/im);
    });

    test('comes once that one is answered', async () => {
      world.auth.control.setFault({ method: 'GetUser', delayMs: 50 });
      const socket = connect(world.server.port, '127.0.0.1');
      let received = '';
      socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
      const token = `Authorization: Bearer ${world.auth.adminToken}`;
      socket.write(
        lines('GET /api/v1/users/me HTTP/1.1', 'Host: a', token) + ask('Expect: 100-continue', 'Connection: close'),
      );
      await until(
        () => received,
        (text) => text.endsWith('HTTP/1.1 100 Continue\r\n\r\n'),
      );
      expect(received).toMatch(/^HTTP\/1\.1 200 /);
      received = '';
      socket.write(body);
      await once(socket, 'close');
      expectWhole(received);
    });
  });

  test('headers that come twice, empty or odd do no harm', async () => {
    const answer = await world.raw(
      lines(
        'GET /api/v1/users/me HTTP/1.1',
        'Host: a',
        'Host: b',
        'Accept:',
        'Traceparent: 00-x-y-z',
        'Traceparent: 00-00000000000000000000000000000000-0000000000000000-00',
        'X-Request-Timeout-Ms: 99999999999999999999',
        'Grpc-Timeout: 1Y',
        'Cookie: =; ;;; session; session=; __Host-session="',
        'Connection: close',
      ),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });
});

describe('whatever anybody sends', () => {
  const runs = { numRuns: 100, endOnFailure: true };
  /** What node:http would not let out is percent-encoded. */
  const asPath = (text: string) => `/${text.replace(/[^!-~]/gu, encodeSafely)}`;
  const encodeSafely = (character: string) => `%${Buffer.from(character).toString('hex').slice(0, 2)}`;
  const path = fc.oneof(
    fc.constantFrom('/graphql', '/api/ai', '/api/v1/ai', '/api/v1/users/me', '/api/v1/auth/dev/login', '/'),
    anyText().map(asPath),
    fc.webPath().map((text) => asPath(text)),
  );
  const query = fc.oneof(
    fc.constant(''),
    fc.webQueryParameters().map((text) => `?${text.replace(/[^!-~]/g, '')}`),
  );
  const headerValue = fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\t -~\u0080-\u00ff]/g, ''));
  const headers = fc.dictionary(
    fc.constantFrom(
      'accept',
      'authorization',
      'content-type',
      'content-encoding',
      'cookie',
      'x-csrf',
      'origin',
      'sec-fetch-site',
      'traceparent',
      'tracestate',
      'x-request-id',
      'x-user-id',
      'x-request-timeout-ms',
      'grpc-timeout',
      'x-forwarded-for',
      'x-anything',
    ),
    fc.oneof(headerValue, fc.constantFrom('application/json', 'text/event-stream', '*/*', '1')),
  );
  const body = fc.oneof(
    fc.constant(''),
    fc.json(),
    anyText({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  );
  const method = fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE');

  test('no path, header or body makes it fail', async () => {
    await fc.assert(
      fc.asyncProperty(method, path, query, headers, body, async (verb, place, search, sent, content) => {
        // Less time than an RPC takes is 504, and rightly so.
        const { 'x-request-timeout-ms': _, 'grpc-timeout': __, ...harmless } = sent;
        const { status } = await send(verb, place + search, { headers: harmless, body: content });
        expect(status).toBeLessThan(500);
      }),
      runs,
    );
  }, 30_000);

  const json = fc.jsonValue({ maxDepth: 3 });
  const documents = [
    'query ($a: ID!) { user(id: $a) { id } }',
    'query ($a: Int, $b: String) { users(first: $a, after: $b) { totalCount nodes { id } pageInfo { endCursor } } }',
    'query ($a: UserStatus, $b: String) { users(status: $a, search: $b) { totalCount } }',
    'query ($a: ID!) { conversation(id: $a) { title } }',
    'query ($a: Int, $b: String) { conversations(first: $a, after: $b) { nodes { id } } }',
    'mutation ($a: AskInput!) { ask(input: $a) { conversationId } }',
    'mutation ($a: ID!, $b: UpdateUserInput!) { updateUser(id: $a, input: $b) { id } }',
    'mutation ($a: InviteUserInput!) { inviteUser(input: $a) { id } }',
  ];
  const value = fc.oneof(
    json,
    anyText(),
    fc.integer(),
    fc.record(
      {
        conversationId: anyText(),
        query: anyText(),
        confirmation: fc.record({ planId: fc.string(), confirmed: fc.boolean() }),
      },
      { requiredKeys: [] },
    ),
    fc.record({ email: anyText(), displayName: fc.string(), roles: fc.array(fc.string()) }),
    fc.record({ displayName: anyText(), roles: fc.array(fc.string()) }, { requiredKeys: [] }),
  );

  test('no value of any variable makes an operation fail', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...documents), value, value, async (document, a, b) => {
        const { status, text } = await post('/graphql', JSON.stringify({ query: document, variables: { a, b } }));
        expect({ status, text }).toEqual({
          status: expect.any(Number),
          text: expect.not.stringMatching(/"INTERNAL|"UPSTREAM/),
        });
        expect(status).toBeLessThan(500);
      }),
      runs,
    );
  }, 30_000);

  test('no parameters of GraphQL make it fail', async () => {
    const text = fc.oneof(fc.constantFrom(...documents), anyText(), json);
    const parameters = fc.record(
      { query: text, variables: json, operationName: json, extensions: json },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(parameters, async (content) => {
        expect((await post('/graphql', JSON.stringify(content))).status).toBeLessThan(500);
      }),
      runs,
    );
  }, 30_000);

  test('no field of the body makes /api/ai fail', async () => {
    const fields = fc.record(
      {
        sessionId: fc.oneof(json, anyText()),
        query: fc.oneof(json, anyText()),
        confirmation: fc.oneof(json, fc.record({ planId: fc.string(), confirmed: fc.boolean() })),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fields, async (content) => {
        expect((await post('/api/ai', JSON.stringify(content))).status).toBeLessThan(500);
      }),
      runs,
    );
  }, 30_000);

  test('no bytes on the wire make it fail', async () => {
    const start = fc.constantFrom('', 'GET ', 'POST /api/ai HTTP/1.1\r\nHost: a\r\n', 'GET /graphql HTTP/1.1\r\n');
    const end = fc.constantFrom('\r\n\r\n', '\r\nHost: a\r\nConnection: close\r\n\r\n', '\u0000\r\n\r\n\r\n\r\n');
    await fc.assert(
      fc.asyncProperty(start, anyText(), end, async (first, middle, last) => {
        expect(await world.raw(first + middle + last, { andEnd: true })).not.toMatch(/^HTTP\/1\.1 5\d\d/);
      }),
      runs,
    );
  }, 30_000);
});

describe('a small request cannot keep the gateway busy', () => {
  let small: World;
  beforeAll(async () => {
    small = await startWorld({ env: { NODE_ENV: 'production', PUBLIC_URL: 'http://localhost:3000' } });
  });
  afterAll(() => small.close());

  test('fragments that spread each other twice, under conditions', async () => {
    const depth = 60;
    const fragments = Array.from(
      { length: depth },
      (_, index) => `fragment F${index} on Query { ...F${index + 1} @skip(if: $a) ...F${index + 1} @include(if: $a) }`,
    );
    const query = `query ($a: Boolean!) { ...F0 } ${fragments.join(' ')} fragment F${depth} on Query { gateway { name } }`;
    const { data } = await small.graphql(query, { variables: { a: true }, token: null });
    expect(data).toEqual({ gateway: { name: 'api-gateway' } });
  });

  test('a variable that looks like many suggestions', async () => {
    const { status } = await small.graphql('query ($a: Boolean!) { gateway @include(if: $a) { name } }', {
      variables: { a: ' Did you mean '.repeat(14_000) },
      token: null,
    });
    expect(status).toBe(400);
  });

  test('a list of wrong values', async () => {
    const { status, errors } = await small.graphql('mutation ($i: InviteUserInput!) { inviteUser(input: $i) { id } }', {
      variables: { i: { email: 'a', roles: Array.from({ length: 200_000 }, () => 1) } },
    });
    expect(status).toBe(400);
    expect(errors?.length).toBeLessThan(100);
  });

  test('a body of unknown fields is not sent back whole', async () => {
    const body = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`field${index}`, 1]));
    const answer = await fetch(`${small.url}/api/ai`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(400);
    expect((await answer.text()).length).toBeLessThan(10_000);
  });
});
