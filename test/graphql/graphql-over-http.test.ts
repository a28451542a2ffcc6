import { startWorld, type World } from '../gateway-fixture';
import { byServer } from './differences';

/** What of GraphQL over HTTP the audits leave open: how this gateway reads requests, and in what it answers. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly headers: Headers;
  readonly text: string;
}

async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response;
  return { status, type: headers.get('content-type'), headers, text: await response.text() };
}

const authorization = () => ({ authorization: `Bearer ${world.auth.adminToken}` });

async function post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${world.url}/graphql`, {
    method: 'POST',
    headers: { ...authorization(), 'content-type': 'application/json', ...headers },
    body: new Uint8Array(Buffer.from(body)),
  });
  return answerOf(response);
}

async function get(query: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${world.url}/graphql${query}`, { method, headers: { ...authorization(), ...headers } });
  return answerOf(response);
}

const me = '"query":"{ me { id } }"';
const ada = '{"data":{"me":{"id":"user-ada"}}}';
const query = `query=${encodeURIComponent('{ me { id } }')}`;

const json = 'application/json; charset=utf-8';
const graphql = 'application/graphql-response+json; charset=utf-8';
const events = 'text/event-stream; charset=utf-8';

/** Message and code of the only error. */
function refusal({ status, text }: Answer): { status: number; code: unknown; message: string } {
  const { errors, ...rest } = JSON.parse(text);
  expect(rest).toEqual({});
  expect(errors).toHaveLength(1);
  return { status, code: errors[0].extensions.code, message: errors[0].message };
}

describe('Accept', () => {
  test.each([
    ['', json],
    [' ', json],
    ['*/*', json],
    ['application/json', json],
    ['Application/JSON', json],
    ['application/*', json],
    ['application/graphql-response+json', graphql],
    ['application/graphql-response+json, application/json;q=0.9', graphql],
    ['application/json, application/graphql-response+json', json],
    ['*/*, application/graphql-response+json', json],
    ['text/html, application/xhtml+xml, */*;q=0.1', json],
    ['text/event-stream, application/graphql-response+json', graphql],
    ['multipart/mixed, application/json', json],
    ['application/json;charset=utf-8', json],
    ['application/json; charset="UTF-8"', json],
    ['application/json; charset=latin1, application/graphql-response+json', graphql],
    ['application/json ; q=1', json],
    ['application/json;', json],
    [',,application/json,,', json],
    ['application/json,'.repeat(500), json],
    ['text/event-stream', events],
    ['text/*', events],
  ])('%j is answered in %s', async (accept, type) => {
    // The second time it is known.
    for (let times = 0; times < 2; times += 1) {
      const answer = await post(`{${me}}`, { accept });
      expect(answer).toMatchObject({ status: 200, type });
      expect(answer.text).toBe(type === events ? `:\n\nevent: next\ndata: ${ada}\n\nevent: complete\ndata:\n\n` : ada);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  test.each([
    'image/png',
    'text/html',
    'multipart/mixed',
    'application/jsonx',
    'application / json',
    'application/graphql+json',
    '*',
    '*/json',
    ',',
    ';',
    'application/json; charset=latin1',
    'application/json; charset = latin1',
    '__proto__',
    'x'.repeat(5_000),
  ])('%j is 406, told in application/json', async (accept) => {
    for (let times = 0; times < 2; times += 1) {
      const answer = await post(`{${me}}`, { accept });
      expect(answer.type).toBe(json);
      expect(refusal(answer)).toMatchObject({ status: 406, code: 'NOT_ACCEPTABLE' });
    }
    expect(world.auth.control.count('GetUser')).toBe(0);
  });

  test('of whatever variety is answered all the same', async () => {
    for (let index = 0; index < 300; index += 1) {
      const { status, type } = await post('{"query":"{ __typename }"}', { accept: `application/json;q=0.${index}` });
      expect({ status, type }).toEqual({ status: 200, type: json });
    }
    expect(await post(`{${me}}`, { accept: 'application/graphql-response+json' })).toMatchObject({ type: graphql });
  });

  test.each([
    ['application/json', 200, json],
    ['text/event-stream, application/json', 200, json],
    ['application/graphql-response+json', 400, graphql],
    ['application/json, application/graphql-response+json', 400, json],
    ['application/*', 400, json],
    ['*/*', 400, json],
    ['text/event-stream', 400, events],
  ])('%s reads of a wrong document with %d', async (accept, status, type) => {
    for (const document of ['{', '{ nope }', 'query ($id: ID!) { user(id: $id) { id } }']) {
      expect(await post(JSON.stringify({ query: document }), { accept })).toMatchObject({ status, type });
    }
  });

  test.each([
    ['application/json', json],
    ['application/graphql-response+json', graphql],
    ['text/event-stream', events],
  ])('%s is what a request is refused in that is no operation, with its own status', async (accept, type) => {
    expect(await post('{', { accept })).toMatchObject({ status: 400, type });
    expect(await post(Buffer.from([0x7b, 0xff, 0x7d]), { accept })).toMatchObject({ status: 400, type });
    expect(await post('{"query":1}', { accept })).toMatchObject({ status: 400, type });
    expect(await post(' '.repeat(1024 * 1024 + 1), { accept })).toMatchObject({ status: 413, type });
    expect(await post('x', { accept, 'content-type': 'text/plain' })).toMatchObject({ status: 415, type });
    expect(await get('', 'GET', { accept })).toMatchObject({ status: 400, type });
  });

  test('text/event-stream alone reads headers that errors bring', async () => {
    const answer = await post(`{${me}}`, { accept: 'text/event-stream', authorization: '' });
    expect(answer).toMatchObject({ status: 401, type: events });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api-gateway"');
    expect(answer.text).toMatch(/^:\n\nevent: next\ndata: \{"errors":.*\}\n\nevent: complete\ndata:\n\n$/);
  });
});

describe('POST', () => {
  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])(
    'takes a body of the type %s',
    async (type) => {
      expect(await post(`{${me}}`, { 'content-type': type })).toMatchObject({ status: 200, text: ada });
    },
  );

  test.each([
    ['spaces around', `\r\n\t {${me}} \n`],
    ['a byte order mark', `\ufeff{${me}}`],
    ['null for what may be left out', `{${me},"variables":null,"operationName":null,"extensions":null}`],
    ['null for what there is not', `{${me},"id":null,"__proto__":null}`],
    ['extensions', `{${me},"extensions":{"persistedQuery":{"version":1}}}`],
    ['the same parameter twice, of which the last counts', `{"query":1,${me}}`],
    ['__proto__ among the variables', `{${me},"variables":{"__proto__":{"query":1}}}`],
  ])('takes %s', async (_what, body) => {
    expect(await post(body)).toMatchObject({ status: 200, text: ada });
  });

  test.each([
    ['nothing', '', 'The body is not valid JSON.'],
    ['something behind it', `{${me}} x`, 'The body is not valid JSON.'],
    ['a second object', `{${me}}{}`, 'The body is not valid JSON.'],
    ['null', 'null', 'POST body is expected to be object but received null'],
    ['text', '"x"', 'POST body is expected to be object but received string'],
    ['an empty list', '[]', 'Batching is not supported.'],
    ['a list', `[{${me}}]`, 'Batching is not supported.'],
    ['no query', '{}', 'Must provide query string.'],
    ['null for the query', '{"query":null}', 'Must provide query string.'],
    ['an object for the query', '{"query":{}}', 'Expected "query" param to be a string, but given object.'],
    [
      'a list of variables',
      `{${me},"variables":[]}`,
      'Expected "variables" param to be empty or an object, but given array.',
    ],
    [
      'variables in text',
      `{${me},"variables":"{}"}`,
      'Expected "variables" param to be empty or an object, but given string.',
    ],
    [
      '0 for variables',
      `{${me},"variables":0}`,
      'Expected "variables" param to be empty or an object, but given number.',
    ],
    [
      'a list of extensions',
      `{${me},"extensions":[]}`,
      'Expected "extensions" param to be empty or an object, but given array.',
    ],
    [
      'false for a name',
      `{${me},"operationName":false}`,
      'Expected "operationName" param to be empty or a string, but given boolean.',
    ],
    [
      'a list of names',
      `{${me},"operationName":["x"]}`,
      'Expected "operationName" param to be empty or a string, but given array.',
    ],
    ['an unknown parameter', `{${me},"id":1}`, 'Unexpected parameter "id" in the request body.'],
    ['__proto__', `{${me},"__proto__":{}}`, 'Unexpected parameter "__proto__" in the request body.'],
    ['everything in __proto__', `{"__proto__":{${me}}}`, 'Unexpected parameter "__proto__" in the request body.'],
    ['toString', `{${me},"toString":1}`, 'Unexpected parameter "toString" in the request body.'],
    ['half a surrogate pair', `{${me},"\\ud800":1}`, 'Unexpected parameter "\ud800" in the request body.'],
    [
      'a long name',
      `{${me},"${'k'.repeat(9_000)}":1}`,
      `Unexpected parameter "${'k'.repeat(100)}" in the request body.`,
    ],
  ])('refuses %s, whatever type is accepted', async (_what, body, message) => {
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      expect(refusal(await post(body, { accept }))).toEqual({ status: 400, code: 'BAD_USER_INPUT', message });
    }
  });

  test('passes text on as it came', async () => {
    for (const id of ['😀', '\u2028', '\u0000', '\ud800', '\\"']) {
      const body = JSON.stringify({ query: 'query ($id: ID!) { user(id: $id) { id } }', variables: { id } });
      expect((await post(body)).status).toBe(404);
    }
    const ids = world.auth.control.calls('BatchGetUsers').concat(world.auth.control.calls('GetUser'));
    expect(ids.length).toBeGreaterThan(0);
  });
});

describe('GET', () => {
  const parameter = (value: unknown) => encodeURIComponent(JSON.stringify(value));

  test.each([
    ['spaces as +', '?query=%7Bme+%7Bid%7D%7D'],
    ['a name that is encoded', `?%71uery=${encodeURIComponent('{ me { id } }')}`],
    ['the same parameter twice, of which the first counts', `?${query}&query=x&variables=%7B%7D&variables=%7B`],
    ['empty parameters, which are none', `?${query}&variables=&extensions=&operationName=`],
    ['null', `?${query}&variables=null&extensions=null`],
    ['what it does not know', `?${query}&id=1&__proto__=2&constructor=3&query[]=4`],
    ['a thousand parameters', `?${'a=1&'.repeat(1_000)}${query}`],
    ['one of 12 KB', `?${query}&a=${'x'.repeat(12 * 1024)}`],
    ['__proto__ among the variables', `?${query}&variables=${encodeURIComponent('{"__proto__":{"query":1}}')}`],
    ['empty parts', `?&&${query}&&=`],
  ])('takes %s', async (_what, search) => {
    expect(await get(search)).toMatchObject({ status: 200, text: ada });
  });

  test.each([
    ['nothing', '', 'Must provide query string.'],
    ['an empty query', '?query=', 'Must provide query string.'],
    ['an empty query before another', `?query=&${query}`, 'Must provide query string.'],
    ['a list', `?query[]=${encodeURIComponent('{ me { id } }')}`, 'Must provide query string.'],
    ['another case', `?QUERY=${encodeURIComponent('{ me { id } }')}`, 'Must provide query string.'],
    ['variables that are no JSON', `?${query}&variables=x`, 'variables and extensions must be JSON.'],
    [
      'variables with more behind them',
      `?${query}&variables=${encodeURIComponent('{} x')}`,
      'variables and extensions must be JSON.',
    ],
    [
      'variables behind a byte order mark',
      `?${query}&variables=%EF%BB%BF%7B%7D`,
      'variables and extensions must be JSON.',
    ],
    [
      'a list of variables',
      `?${query}&variables=${parameter([])}`,
      'Expected "variables" param to be empty or an object, but given array.',
    ],
    [
      'text for variables',
      `?${query}&variables=${parameter('x')}`,
      'Expected "variables" param to be empty or an object, but given string.',
    ],
    ['extensions that are no JSON', `?${query}&extensions=%7B`, 'variables and extensions must be JSON.'],
    [
      'a number for extensions',
      `?${query}&extensions=1`,
      'Expected "extensions" param to be empty or an object, but given number.',
    ],
  ])('refuses %s, whatever type is accepted', async (_what, search, message) => {
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const answer = await get(search, 'GET', { accept });
      expect(refusal(answer)).toEqual({ status: 400, code: 'BAD_USER_INPUT', message });
    }
  });

  test.each(['application/json', 'application/graphql-response+json', 'text/event-stream'])(
    'is what HEAD tells the length of: %s',
    async (accept) => {
      const answer = await get(`?${query}`, 'GET', { accept });
      const head = await get(`?${query}`, 'HEAD', { accept });
      expect(head).toMatchObject({ status: 200, type: answer.type, text: '' });
      const length = String(Buffer.byteLength(answer.text));
      const ofStream = byServer('HEAD of an event stream', { native: length, yoga: null });
      expect(head.headers.get('content-length')).toBe(accept === 'text/event-stream' ? ofStream : length);
    },
  );
});
