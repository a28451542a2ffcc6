/** The audit that the worlds of all tests are under: it sees every request, and what does not fit the document. */
import { createServer, request as send, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadContract } from '../../src/contract/contract';
import { unserved } from '../../src/commands/unserved';
import { createOpenApi, type OpenApiDocument } from '../../src/rest/openapi/openapi';
import { loadSources } from '../../src/schema/sources';
import { signInPaths } from '../../src/signin/routes';
import { startWorld, until, type RestOptions, type World } from '../gateway-fixture';
import { Audit, audited, recorded, takeProblems } from './openapi-audit';

describe('of a world', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      env: { NODE_ENV: 'production', PUBLIC_URL: 'https://gateway.example', SHUTDOWN_DELAY: '0s' },
    });
  });
  afterAll(() => world.close());

  test('sees each request and answer that the access log has, and the events of streams, in production too', async () => {
    const before = { ...audited };
    await world.rest('GET', '/api/v1/users?pageSize=2');
    await world.rest('GET', '/api/v1/users/nobody');
    await world.rest('POST', '/api/v1/users/invite', { body: { email: 'audit@example.com' } });
    await world.rest('GET', '/api/v1/nowhere');
    await world.raw('POST /api/ai HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n');
    for (const accept of ['text/event-stream', 'application/x-ndjson']) {
      const { text } = await stream(accept);
      expect(text).toContain('done');
    }
    const lines = await until(
      () => world.logs.filter(({ msg }) => msg === 'request'),
      ({ length }) => length === 7,
    );
    expect(audited).toEqual({
      requests: before.requests + 4,
      answers: before.answers + lines.length,
      events: before.events + 2 * 5,
    });
    expect(takeProblems()).toEqual([]);
  });

  async function stream(accept: string): Promise<{ readonly text: string }> {
    const response = await fetch(`${world.url}/api/ai`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${world.auth.adminToken}`, accept },
      body: JSON.stringify({ query: 'count to 3' }),
    });
    return { text: await response.text() };
  }
});

describe('finds', () => {
  const sources = loadSources({ schemaDir: 'schema', protoDir: 'proto' });
  const { schema, operations } = loadContract(sources, unserved);
  const document: OpenApiDocument = createOpenApi({ schema, operations, signInPaths, version: '0' });
  const subject = new Audit(document);

  const user = {
    userId: 'a',
    email: 'a@example.com',
    displayName: 'A',
    status: 'Active',
    createdAt: null,
    updatedAt: null,
    lastLoginAt: null,
  };
  const json = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'r' };

  /** What is said of an answer that some other server gives to a request. */
  async function problemsOf(
    [method, path, { token = 't', body, headers = {} }]: readonly [string, string, RestOptions],
    answer: RequestListener,
  ): Promise<readonly string[]> {
    let found: readonly string[] | undefined;
    const server = createServer((request, response) => {
      recorded(request, response, (received, sent) => {
        found = subject.check(request, received, sent);
      });
      request.on('end', () => answer(request, response)).resume();
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const text = body === undefined ? undefined : JSON.stringify(body);
    await new Promise<void>((resolve, reject) => {
      const request = send({ port, method, path, agent: false }, (response) => response.on('end', resolve).resume());
      if (token !== null) request.setHeader('authorization', `Bearer ${token}`);
      if (text !== undefined) request.setHeader('content-type', 'application/json');
      for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
      request.on('error', reject).end(text);
    });
    await new Promise((resolve) => void server.close(resolve));
    return found ?? ['nothing was audited'];
  }

  const answers =
    (status: number, body: unknown, headers: Readonly<Record<string, string>> = json): RequestListener =>
    (_request, response) => {
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    };

  const me = ['GET', '/api/v1/users/me', {}] as const;
  const ask = ['POST', '/api/ai', { body: { query: 'q' } }] as const;
  const lines = { 'content-type': 'application/x-ndjson', 'x-request-id': 'r' };
  const events = { 'content-type': 'text/event-stream', 'x-request-id': 'r' };

  test.each<[name: string, Parameters<typeof problemsOf>[0], RequestListener, string | undefined]>([
    ['nothing in what fits', me, answers(200, user), undefined],
    ['a field that is missing', me, answers(200, { ...user, email: undefined }), "required property 'email'"],
    ['a field that is not described', me, answers(200, { ...user, other: 1 }), 'additional properties'],
    ['a value of another type', me, answers(200, { ...user, email: 1 }), '/email must be string'],
    ['a value that no enum has', me, answers(200, { ...user, status: 'ACTIVE' }), '/status must be equal to one of'],
    ['a time that is none', me, answers(200, { ...user, createdAt: 'today' }), '/createdAt must match format'],
    ['what is no JSON', me, answers(200, 'user'), 'must be object'],
    ['another status', me, answers(202, user), 'no such status'],
    ['another media type', me, answers(200, user, { 'content-type': 'text/html', 'x-request-id': 'r' }), 'text/html'],
    ['a header that is missing', me, answers(200, user, { 'content-type': 'application/json' }), 'x-request-id'],
    ['an error of another shape', me, answers(404, { message: 'Not found.' }), "required property 'error'"],
    ['success without a session', ['GET', '/api/v1/users/me', { token: null }], answers(200, user), 'to be let in'],
    [
      'success for a wrong parameter',
      ['GET', '/api/v1/users?pageSize=x', {}],
      answers(200, {}),
      'pageSize does not fit',
    ],
    [
      'success for a wrong body',
      ['PATCH', '/api/v1/users/me', { body: { displayName: 7 } }],
      answers(200, user),
      'body does not fit: /displayName must be string',
    ],
    [
      'success for a body with unknown members',
      ['PATCH', '/api/v1/users/me', { body: { name: 'A' } }],
      answers(200, user),
      'additional properties',
    ],
    ['success where there is no route', ['GET', '/api/v1/teams', {}], answers(200, {}), 'no such route'],
    ['success where there is no method', ['DELETE', '/api/v1/users/me', {}], answers(200, {}), 'no such route'],
    [
      'a line that does not fit',
      ask,
      answers(200, '{"event":"delta","id":"1","data":{"text":"a"}}\n', lines),
      'event 1',
    ],
    ['a line without its id', ask, answers(200, '{"event":"delta","data":{"sessionId":"s"}}\n', lines), "'id'"],
    ['an event that does not fit', ask, answers(200, ':\n\nevent: delta\nid: 1\ndata: {}\n\n', events), 'event 1'],
    [
      'an event of another name',
      ask,
      answers(200, 'event: part\nid: 1\ndata: {"sessionId":"s"}\n\n', events),
      'event 1',
    ],
  ])('%s', async (_name, request, answer, problem) => {
    const found = await problemsOf(request, answer);
    if (problem === undefined) expect(found).toEqual([]);
    else expect(found.join('\n')).toContain(problem);
  });
});
