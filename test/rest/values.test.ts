/** What requests may look like: methods, paths, values in path, query and body, and bodies themselves. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import type { Decoded } from '../gateway-fixture';
import { takeProblems } from './openapi-audit';

const proto = `
syntax = "proto3";
package own.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
service OwnService {
  rpc Get(Values) returns (Values) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Change(Values) returns (Values);
  rpc Watch(Values) returns (stream Values);
}
enum State { STATE_UNSPECIFIED = 0; STATE_IN_PROGRESS = 1; STATE_DONE = 2; }
message Values {
  bool yes = 1; int32 small = 2; int64 big = 3; uint64 unsigned = 4; bytes raw = 5; float single = 6; double twice = 7;
  State state = 8; string text = 9; google.protobuf.Timestamp at = 10; google.protobuf.Duration takes = 11;
  repeated int64 bigs = 12; string etag = 13; Values inner = 14; repeated Values list = 15;
}`;
const fields =
  'yes: Boolean small: Int big: BigInt unsigned: BigInt raw: String single: Float twice: Float state: State text: String ' +
  'at: DateTime takes: Duration bigs: [BigInt!]';
const variables = fields.replaceAll(/(\w+): /g, '$$$1: ');
const passed = fields.replaceAll(/(\w+): \S+/g, '$1: $$$1');
const names = [...fields.matchAll(/(\w+):/g)].map(([, name]) => name).join(' ');
const sdl = `
type Query { get(${fields}): Values @public @grpc(rpc: "Get") }
type Mutation { change(${fields} inner: ValuesInput list: [ValuesInput!]): Values @public @grpc(rpc: "Change") }
type Subscription { watch(text: String): Values @public @grpc(rpc: "Watch") }
type Values { ${fields} etag: String inner: Values }
input ValuesInput { ${fields} inner: ValuesInput list: [ValuesInput!] }
enum State { IN_PROGRESS DONE }`;
const rest = `
query Get(${variables}) @rest(method: GET, path: "/get") { get(${passed}) { ${names} etag @header(name: "ETag") } }
query Text($text: String!) @rest(method: GET, path: "/text/{text}") { get(text: $text) { text } }
query When($at: DateTime!) @rest(method: GET, path: "/at/{at}") { get(at: $at) { at } }
mutation Drop($text: String!) @rest(method: DELETE, path: "/text/{text}", status: 204) { change(text: $text) { text } }
mutation Change(${variables} $inner: ValuesInput $list: [ValuesInput!])
@rest(method: [POST, PUT, PATCH], path: "/change", body: "*") { change(${passed} inner: $inner list: $list) { ${names} } }
mutation Whole($inner: ValuesInput) @rest(method: POST, path: "/whole", body: "inner") { change(inner: $inner) { inner { text } } }
mutation Plain @rest(method: POST, path: "/plain") { change { text } }
subscription Watch($text: String) @rest(method: GET, path: "/watch") { watch(text: $text) { text } }
query Either($text: String) @rest(method: GET, path: "/either") { get(text: $text) { text } }
subscription EitherStream($text: String) @rest(method: GET, path: "/either") { watch(text: $text) { text } }
`;

let here: OwnWorld;
beforeAll(async () => {
  here = await startOwnWorld({
    proto,
    sdl,
    rest,
    handlers: {
      Get: (request: object) => ({ ...request, etag: '"v1"' }),
      Change: (request: object) => request,
      async *Watch() {
        yield { text: 'a' };
      },
    },
  });
});
afterAll(() => here.close());
beforeEach(() => here.own.control.reset());

const calls = (): number => ['Get', 'Change', 'Watch'].reduce((sum, rpc) => sum + here.own.control.count(rpc), 0);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Decoded;
}

/** Sends a path and a body as they are given, which fetch would not. */
function send(
  method: string,
  path: string,
  { body, headers = {} }: { body?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const own =
    body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  const options = { host: '127.0.0.1', port: here.world.server.port, method, path, headers: { ...own, ...headers } };
  return new Promise((resolve, reject) => {
    const request = httpRequest(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        const isJson = response.headers['content-type']?.startsWith('application/json') && text !== '';
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: isJson ? JSON.parse(text) : undefined,
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** What is wrong, in the words of the answer. */
function refusal({ status, body }: Answer): unknown {
  const { message, fieldViolations } = body.error;
  return [status, message, ...(fieldViolations ?? []).map(({ field }: Decoded) => field)];
}

const nothing = [404, 'There is nothing at this path.'];
const events = { accept: 'text/event-stream' };

describe('HEAD', () => {
  test.each(['/get', '/text/a', '/either', '/get?small=x'])('has the head of GET, and no body: %s', async (path) => {
    const [get, head] = [await send('GET', path), await send('HEAD', path)];
    const own = ({ headers }: Answer) => ({ ...headers, date: '', 'x-request-id': '' });
    expect([head.status, head.text]).toEqual([get.status, '']);
    expect(own(head)).toEqual(own(get));
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.text)));
  });

  test.each([{}, events])('where there is a stream alone is 405, and begins none: %j', async (headers) => {
    const head = await send('HEAD', '/watch', { headers });
    expect([head.status, head.headers.allow, head.text]).toEqual([405, 'GET, OPTIONS', '']);
    expect(calls()).toBe(0);
  });

  test('never begins the stream that is beside an answer', async () => {
    expect((await send('HEAD', '/either', { headers: events })).status).toBe(406);
    expect((await send('HEAD', '/either', { headers: { accept: '*/*' } })).status).toBe(200);
    expect(here.own.control.count('Watch')).toBe(0);
    expect((await send('GET', '/either', { headers: events })).text).toContain('"text":"a"');
  });
});

describe('methods', () => {
  test.each([
    ['POST', '/get', 'GET, HEAD, OPTIONS'],
    ['PUT', '/text/a', 'GET, DELETE, HEAD, OPTIONS'],
    ['GET', '/change', 'POST, PUT, PATCH, OPTIONS'],
    ['HEAD', '/change', 'POST, PUT, PATCH, OPTIONS'],
    ['POST', '/watch', 'GET, OPTIONS'],
    ['POST', '/either', 'GET, HEAD, OPTIONS'],
  ])('%s %s is 405, and OPTIONS tells the same: %s', async (method, path, allow) => {
    const refused = await send(method, path);
    expect([refused.status, refused.headers.allow]).toEqual([405, allow]);
    const options = await send('OPTIONS', path);
    expect([options.status, options.headers.allow, options.text]).toEqual([204, allow, '']);
    expect(options.headers['content-length']).toBeUndefined();
    expect(calls()).toBe(0);
  });
});

describe('paths', () => {
  test.each([
    ['/text/a%2Fb', 'a/b'],
    ['/text/a%252Fb', 'a%2Fb'],
    ['/text/%00', '\0'],
    ['/text/%F0%9F%98%80?text=other', '😀'],
    ['/text/a+b', 'a+b'],
    ['/text/%20', ' '],
    ['/text/a;b=c', 'a;b=c'],
    ['/text/..', '..'],
    ['/text/%2e', '.'],
    ['/text/true', 'true'],
    ['/text/__proto__', '__proto__'],
  ])('%s is the text %j', async (path, text) => {
    expect((await send('GET', path)).body).toEqual({ text });
  });

  test.each([
    '/get/',
    '//get',
    '/text/',
    '/text//',
    '/text/a/',
    '/text//a',
    '/./get',
    '/text/../get',
    '/GET',
    '/text/%ff',
    '/text/%ed%a0%80',
    '/text/%zz',
    '/text/%',
  ])('%s is 404', async (path) => {
    expect(refusal(await send('GET', path))).toEqual(nothing);
    expect(calls()).toBe(0);
  });
});

describe('values of the query', () => {
  test.each<[query: string, values: object]>([
    ['yes=true&small=-2147483648', { yes: true, small: -2147483648 }],
    ['yes=&small=&text=&state=&at=&bigs=', { yes: false, small: 0, text: '', state: null, at: null, bigs: [] }],
    ['small=1e2', { small: 100 }],
    [
      'big=9223372036854775807&unsigned=18446744073709551615',
      { big: '9223372036854775807', unsigned: '18446744073709551615' },
    ],
    ['big=-9223372036854775808', { big: '-9223372036854775808' }],
    ['bigs=1&bigs=9007199254740993', { bigs: ['1', '9007199254740993'] }],
    ['raw=AQID', { raw: 'AQID' }],
    ['raw=_-8', { raw: '/+8=' }],
    ['twice=1e308&single=0.5', { twice: 1e308, single: 0.5 }],
    ['state=IN_PROGRESS', { state: 'IN_PROGRESS' }],
    ['at=2024-01-01T00:00:00.123456789%2B02:00', { at: '2023-12-31T22:00:00.123456789Z' }],
    ['at=0001-01-01T00:00:00Z', { at: '0001-01-01T00:00:00Z' }],
    ['takes=-1.5s', { takes: '-1.500s' }],
    ['text=%zz', { text: '%zz' }],
    ['text=%EF%BF%BD', { text: '\ufffd' }],
    ['%74ext=a%26b', { text: 'a&b' }],
    ['text=a&x=%ff&__proto__=1', { text: 'a' }],
  ])('%s', async (query, values) => {
    expect((await send('GET', `/get?${query}`)).body).toMatchObject(values);
  });

  const wrong = (name: string, value: string, why: string) =>
    `Variable "$${name}" got invalid value "${value}"; ${why}`;
  const dateTime = 'DateTime takes a date and time as in RFC 3339, such as "2026-01-31T12:00:00Z".';
  const bigInt = 'BigInt takes a whole number of up to 64 bits, as a string or a safe integer.';
  test.each<[query: string, field: string, message: string]>([
    ['yes=1', 'yes', 'yes must be true or false.'],
    ['yes=True', 'yes', 'yes must be true or false.'],
    ['small=2147483648', 'small', 'small must be a whole number.'],
    ['small=1&small=1', 'small', 'small is there more than once.'],
    ['big=9223372036854775808', 'big', 'big: does not fit a signed 64-bit number.'],
    ['big=1.0', 'big', wrong('big', '1.0', bigInt)],
    ['unsigned=-1', 'unsigned', 'unsigned: does not fit an unsigned 64-bit number.'],
    ['bigs=1&bigs=', 'bigs[1]', `Variable "$bigs" got invalid value "" at "bigs[1]"; ${bigInt}`],
    ['raw=!', 'raw', 'raw: is not base64.'],
    ['single=1e39', 'single', 'single: does not fit a float of 32 bits.'],
    ['twice=NaN', 'twice', 'twice must be a number.'],
    ['twice=Infinity', 'twice', 'twice must be a number.'],
    ['twice=1e309', 'twice', 'twice must be a number.'],
    ['state=in_progress', 'state', 'state must be one of IN_PROGRESS, DONE.'],
    ['state=1', 'state', 'state must be one of IN_PROGRESS, DONE.'],
    ['at=2024-01-01', 'at', wrong('at', '2024-01-01', dateTime)],
    ['at=2024-02-30T00:00:00Z', 'at', wrong('at', '2024-02-30T00:00:00Z', dateTime)],
    ['at=1700000000', 'at', wrong('at', '1700000000', dateTime)],
    ['takes=1500', 'takes', wrong('takes', '1500', 'Duration takes seconds with an s behind, such as "1.5s".')],
    ['text=%ff', 'text', 'text is not UTF-8.'],
    ['text=%ed%a0%80', 'text', 'text is not UTF-8.'],
    ['text=%zz%ff', 'text', 'text is not UTF-8.'],
  ])('%s is 400, and names %s', async (query, field, message) => {
    expect(refusal(await send('GET', `/get?${query}`))).toEqual([400, message, field]);
    expect(calls()).toBe(0);
  });

  test('of the path are read alike', async () => {
    expect((await send('GET', '/at/2024-01-01T00:00:00Z')).body).toEqual({ at: '2024-01-01T00:00:00Z' });
    expect(refusal(await send('GET', '/at/today'))).toEqual([400, wrong('at', 'today', dateTime), 'at']);
  });
});

const nested = (levels: number, open: string, close: string, inside: string): string =>
  open.repeat(levels) + inside + close.repeat(levels);

/** Rows with a short title. */
function titled<Row extends readonly [body: string, ...unknown[]]>(...rows: Row[]) {
  return rows.map((row) => [JSON.stringify(row[0].slice(0, 60)), row] as const);
}

describe('values of the body', () => {
  test.each(
    titled<[body: string, values: object]>(
      ['{}', { text: '', small: 0 }],
      ['{"text":null,"small":null,"state":null,"bigs":null}', { text: '', small: 0, state: null, bigs: [] }],
      ['{"small":1.0,"twice":1e308}', { small: 1, twice: 1e308 }],
      ['{"big":1,"unsigned":"18446744073709551615"}', { big: '1', unsigned: '18446744073709551615' }],
      ['{"text":"a","text":"b"}', { text: 'b' }],
      ['{"text":"\\u0000"}', { text: '\0' }],
      // No text of protobuf holds half of a pair.
      ['{"text":"\\ud800"}', { text: '\ufffd' }],
      [`{"text":"${'x'.repeat(500_000)}"}`, { text: 'x'.repeat(500_000) }],
      ['\ufeff{"text":"bom"}', { text: 'bom' }],
      [' \r\n\t{"text":"a"}\n', { text: 'a' }],
      [`{"inner":${nested(98, '{"inner":', '}', '{}')}}`, { text: '' }],
    ),
  )('%s', async (_title, [body, values]) => {
    const answer = await send('POST', '/change', { body });
    expect([answer.status, answer.body]).toMatchObject([200, values]);
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.text)));
    expect(Object.keys(answer.body).join(' ')).toBe(names);
  });

  test('one value is taken for a list of it, as GraphQL does; the OpenAPI document has the list alone', async () => {
    const { status, body } = await send('POST', '/change', { body: '{"bigs":"7"}' });
    expect([status, body.bigs]).toEqual([200, ['7']]);
    expect(takeProblems()).toHaveLength(1);
  });

  const got = (name: string, value: string, why: string) => `Variable "$${name}" got invalid value ${value}; ${why}`;
  const noField = (name: string) => `Field "${name}" is not defined by type "ValuesInput".`;
  test.each(
    titled<[body: string, message: string | RegExp, ...fields: string[]]>(
      ['', 'The body is not valid JSON.'],
      [' \n', 'The body is not valid JSON.'],
      ['\ufeff\ufeff{}', 'The body is not valid JSON.'],
      ['{"twice":NaN}', 'The body is not valid JSON.'],
      ['null', 'The body must be a JSON object.'],
      ['[]', 'The body must be a JSON object.'],
      ['{"nope":1,"text":2}', 'The body has unknown fields: nope.', 'nope'],
      ['{"__proto__":{"text":"a"}}', 'The body has unknown fields: __proto__.', '__proto__'],
      ['{"inner":{"nope":1}}', got('inner', '{ nope: 1 }', noField('nope')), 'inner'],
      ['{"inner":{"__proto__":{"text":"a"}}}', got('inner', '{}', noField('__proto__')), 'inner'],
      ['{"list":[{},{"inner":{"nope":1}}]}', /"nope" is not defined/, 'list[1].inner'],
      ['{"inner":[]}', got('inner', '[]', 'Expected type "ValuesInput" to be an object.'), 'inner'],
      ['{"small":"1"}', got('small', '"1"', 'Int cannot represent non-integer value: "1"'), 'small'],
      ['{"small":1.5}', got('small', '1.5', 'Int cannot represent non-integer value: 1.5'), 'small'],
      ['{"text":1}', got('text', '1', 'String cannot represent a non string value: 1'), 'text'],
      ['{"yes":"true"}', got('yes', '"true"', 'Boolean cannot represent a non boolean value: "true"'), 'yes'],
      ['{"twice":"1.5"}', got('twice', '"1.5"', 'Float cannot represent non numeric value: "1.5"'), 'twice'],
      ['{"twice":1e309}', got('twice', 'Infinity', 'Float cannot represent non numeric value: Infinity'), 'twice'],
      ['{"state":"in_progress"}', /Value "in_progress" does not exist in "State" enum/, 'state'],
      ['{"state":1}', /Enum "State" cannot represent non-string value: 1/, 'state'],
      // As a number it is another one already when it has been read.
      ['{"big":9007199254740993}', /BigInt takes a whole number/, 'big'],
      ['{"bigs":[null]}', /Expected non-nullable type "BigInt!" not to be null/, 'bigs[0]'],
      ['{"inner":{"big":"9223372036854775808"}}', 'inner.big: does not fit a signed 64-bit number.', 'inner.big'],
      ['{"raw":"!"}', 'raw: is not base64.', 'raw'],
      [
        `{"inner":${nested(120, '{"inner":', '}', '{}')}}`,
        /^(inner\.)+inner: is nested too deeply\.$/,
        `inner${'.inner'.repeat(100)}`,
      ],
      [`{"inner":${nested(20_000, '{"inner":', '}', '{}')}}`, 'Variable "$inner" is nested too deeply.', 'inner'],
      [`{"inner":${nested(20_000, '{"inner":', '}', '{"x":1}')}}`, 'Variable "$inner" is nested too deeply.', 'inner'],
      [`{"list":${nested(20_000, '[{"list":', '}]', '[]')}}`, 'Variable "$list" is nested too deeply.', 'list'],
    ),
  )('%s is 400', async (_title, [body, message, ...named]) => {
    const answer = await send('POST', '/change', { body });
    const expected = typeof message === 'string' ? message : expect.stringMatching(message);
    expect(refusal(answer)).toEqual([400, expected, ...named]);
    expect(calls()).toBe(0);
  });

  test('that is one variable is no bare null either', async () => {
    expect((await send('POST', '/whole', { body: '{"text":"a"}' })).body).toEqual({ inner: { text: 'a' } });
    expect(refusal(await send('POST', '/whole', { body: 'null' }))).toEqual([400, 'The body must be a JSON object.']);
  });

  test.each([undefined, '', 'text', '{"text":"a"}'])('nobody reads where the route has no body: %j', async (body) => {
    const headers = body === 'text' ? { 'content-type': 'text/plain' } : undefined;
    const sent = { ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) };
    expect((await send('POST', '/plain', sent)).body).toEqual({ text: '' });
    const dropped = await send('DELETE', '/text/a', sent);
    expect([dropped.status, dropped.text, dropped.headers['content-length']]).toEqual([204, '', undefined]);
  });
});

describe('the type of a body', () => {
  test.each([
    ['application/json', 200, 200],
    ['APPLICATION/JSON; Charset=UTF-8', 200, 200],
    ['application/json;charset="utf-8"', 200, 200],
    ['application/json;', 200, 200],
    ['application/json; charset=utf-8;', 200, 200],
    ['application/merge-patch+json', 415, 200],
    ['application/merge-patch+json; charset=utf-8', 415, 200],
    ['application/json; charset=latin1', 415, 415],
    ['application/json; charset=utf8', 415, 415],
    ['application/json; profile=x', 415, 415],
    ['application/merge-patch+json; charset=utf-16', 415, 415],
    ['application/json-patch+json', 415, 415],
    ['application/problem+json', 415, 415],
    ['', 415, 415],
  ])('%j: %d, and as a PATCH %d', async (type, status, patchStatus) => {
    const ask = async (method: string) =>
      (await send(method, '/change', { body: '{}', headers: { 'content-type': type } })).status;
    expect([await ask('POST'), await ask('PUT'), await ask('PATCH')]).toEqual([status, status, patchStatus]);
  });

  test.each([
    ['identity', 200],
    ['Identity', 200],
    ['gzip', 415],
    ['identity, identity', 415],
    ['', 415],
  ])('in the encoding %j: %d', async (encoding, status) => {
    const headers = { 'content-encoding': encoding };
    expect((await send('POST', '/change', { body: '{}', headers })).status).toBe(status);
  });

  test.each([
    [{}, 415],
    [{ 'content-length': '0' }, 415],
    [{ 'content-type': 'application/json', 'content-length': '0' }, 400],
  ])('no body at all, with %j: %d', async (headers, status) => {
    expect((await send('POST', '/change', { headers })).status).toBe(status);
  });
});

describe('X-Request-Timeout-Ms', () => {
  const message = 'The header "X-Request-Timeout-Ms" is not a number of milliseconds: one to nine digits.';
  test.each(['', 'abc', '1.5', '-1', '+1', '1e3', '0x10', '1000000000', '5000, 6000', '5s'])(
    '%j is 400',
    async (time) => {
      expect(refusal(await send('GET', '/get', { headers: { 'x-request-timeout-ms': time } }))).toEqual([400, message]);
      expect(calls()).toBe(0);
    },
  );

  test.each([
    ['999999999', 200],
    ['000060000', 200],
    ['0', 504],
  ])('%s is %d', async (time, status) => {
    expect((await send('GET', '/get', { headers: { 'x-request-timeout-ms': time } })).status).toBe(status);
  });
});
