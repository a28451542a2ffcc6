/** `npm run openapi -- --against`: what breaks clients of an older OpenAPI document. */
import { spawnSync } from 'node:child_process';
import { rmSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CommandResult } from '../../src/commands/command-result';
import { runOpenApi } from '../../src/commands/run-openapi';
import { openApiChanges, type OpenApiChanges } from '../../src/contract/openapi/openapi-changes';
import { DocumentError } from '../../src/contract/openapi/references';
import { proto, removeFolders, rest, root, sdl, write, type Edits } from './fixture';

const folder = mkdtempSync(join(tmpdir(), 'openapi-changes-'));
const older = join(folder, 'older.json');

/** Runs the command on the shop with some edits. */
function run(edits: Edits, args: readonly string[], stdin: readonly string[] = []): Promise<CommandResult> {
  const at = write(edits);
  const folders = ['--schema', join(at, 'schema'), '--proto', join(at, 'proto')];
  const input = Readable.from(stdin.map((text) => Buffer.from(text)));
  return runOpenApi([...folders, ...args], { schemaDir: 'nowhere', protoDir: 'nowhere' }, input);
}

beforeAll(async () => writeFileSync(older, (await run({}, [])).stdout));
afterAll(() => {
  removeFolders();
  rmSync(folder, { recursive: true });
});

/**
 * What is printed of the difference between the shop and what some edits make of it.
 *
 * @param expected - Lines of breaking changes; then of warnings, and of what is added.
 */
function change(name: string, edits: Edits, expected: readonly string[]): void {
  test(name, async () => {
    const { exitCode, stdout, stderr } = await run(edits, ['--against', older]);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const isBreaking = (line: string): boolean => !/^(warning|added): /.test(line);
    const count = expected.filter(isBreaking).length;
    const summary = `${count === 0 ? 'no' : count} breaking change${count === 1 ? '' : 's'} since ${older}`;
    expect([...lines, stderr, exitCode]).toEqual([...expected, summary, '', count === 0 ? 0 : 1]);
  });
}

describe('of routes', () => {
  change('a route is removed', { [rest]: [['"/shop/products/{id}"', '"/shop/items/{id}"']] }, [
    'GET /shop/products/{id}: was removed',
    'added: GET /shop/items/{id}',
  ]);
  change('a path is removed', { [rest]: [[' alias: ["/orders"],', '']] }, ['POST /orders: was removed']);
  change('another verb', { [rest]: [['method: POST', 'method: PUT']] }, [
    'POST /shop/orders: was removed',
    'POST /orders: was removed',
    'added: PUT /shop/orders; PUT /orders',
  ]);
  change('another status', { [rest]: [[', status: 201', '']] }, [
    'POST /shop/orders: answers 200, and answered 201',
    'POST /orders: answers 200, and answered 201',
  ]);
  change('a session is needed', { [sdl]: [['): Product @public', '): Product @authenticated']] }, [
    'GET /shop/products/{id}: requires bearer, or cookie, and accepted nothing',
  ]);
  change(
    'a variable of a path has another name',
    {
      [rest]: [
        ['{id}', '{key}'],
        ['$id: ID!', '$key: ID!'],
        ['id: $id', 'id: $key'],
      ],
    },
    [],
  );
  change('an operation has another name', { [rest]: [['query GetProduct', 'query FindProduct']] }, [
    'warning: GET /shop/products/{id}: has the operationId FindProduct, and had GetProduct: generated clients call it by that',
  ]);
});

describe('of requests', () => {
  change(
    'a query parameter is removed',
    {
      [rest]: [
        [', $kind: Kind @enumCase(as: PASCAL)', ''],
        [', kind: $kind', ''],
      ],
    },
    ['GET /shop/products: query parameter kind: is no longer accepted'],
  );
  change('a query parameter is needed', { [rest]: [['$pageToken: String', '$pageToken: String!']] }, [
    'GET /shop/products: query parameter pageToken: is required, and was not',
    'GET /shop/products: query parameter pageToken: may no longer be empty',
    'GET /shop/products: query parameter pageToken: has the minLength 1, and had none',
  ]);
  change('a query parameter is written otherwise', { [rest]: [['$kind: Kind @enumCase(as: PASCAL)', '$kind: Kind']] }, [
    'GET /shop/products: query parameter kind: may no longer be "Book", "Toy"',
  ]);
  change(
    'a query parameter is of another type',
    {
      [rest]: [
        ['$pageToken: String', '$pageToken: Int'],
        [', after: $pageToken, kind', ', kind'],
        ['(first: $pageSize', '(first: $pageToken'],
        ['$pageSize: Int, ', ''],
      ],
    },
    [
      'GET /shop/products: query parameter pageSize: is no longer accepted',
      'GET /shop/products: query parameter pageToken: is accepted as integer (int32), and was accepted as string',
    ],
  );
  change('a value of an enum is removed', { [sdl]: [['  TOY\n', '']], [proto]: [['  KIND_TOY = 2;\n', '']] }, [
    'GET /shop/products: query parameter kind: may no longer be "Toy", "TOY"',
  ]);
  change(
    'a member of the body has another name',
    {
      [rest]: [
        ['$items: [ItemInput!]!', '$things: [ItemInput!]!'],
        ['items: $items', 'items: $things'],
      ],
    },
    ['/shop/orders', '/orders'].flatMap((path) => [
      `POST ${path}: body: things: is required, and was not`,
      `POST ${path}: body: items: is no longer accepted`,
    ]),
  );
  change(
    'a member of an input is needed',
    {
      [sdl]: [['input ItemInput {', 'input ItemInput {\n  size: Int!']],
      [proto]: [['message Item {', 'message Item {\n  int32 size = 3;']],
    },
    [
      'POST /shop/orders: body: items[].size: is required, and was not',
      'POST /orders: body: items[].size: is required, and was not',
    ],
  );
  change(
    'a member of an input is removed',
    { [sdl]: [['  productId: ID!\n  count: Int!\n}', '  productId: ID!\n}']] },
    [
      'POST /shop/orders: body: items[].count: is no longer accepted',
      'POST /orders: body: items[].count: is no longer accepted',
    ],
  );
});

describe('of answers', () => {
  const product = 'GET /shop/products/{id}: answer 200';

  change('a field is gone', { [rest]: [['    id\n    name\n    kind', '    id\n    kind']] }, [
    `${product}: name: is gone`,
  ]);
  change('a field may be null', { [sdl]: [['name: String!\n  blurb', 'name: String\n  blurb']] }, [
    `${product}: name: may be null, and was not`,
    'GET /shop/products: answer 200: products[].name: may be null, and was not',
  ]);
  change('a field is another', { [rest]: [['    name\n    kind', '    name: tags\n    kind']] }, [
    `${product}: name: is array, and was string`,
  ]);
  change('a field has another format', { [rest]: [['    name\n    kind', '    name: stock\n    kind']] }, [
    `${product}: name: is integer (int32), and was string`,
  ]);
  change(
    'a field may be left out',
    {
      [rest]: [
        ['GetProduct($id: ID!)', 'GetProduct($id: ID!, $short: Boolean = false)'],
        ['    name\n    kind', '    name @skip(if: $short)\n    kind'],
      ],
    },
    [`${product}: name: may be left out, and was not`, 'added: GET /shop/products/{id}: query parameter short'],
  );
  change('a field is in a header', { [rest]: [['    name\n    kind', '    name @header(name: "X-Name")\n    kind']] }, [
    `${product}: name: is gone`,
    `added: ${product}: header x-name`,
  ]);
  change('an enum is written otherwise', { [rest]: [['kind @enumCase(as: PASCAL)\n', 'kind\n']] }, [
    `warning: ${product}: kind: may be "BOOK", "TOY", which is new`,
  ]);
  change(
    'an enum has one value more, which is a warning',
    {
      [sdl]: [['enum Kind {', 'enum Kind {\n  GAME']],
      [proto]: [['KIND_TOY = 2;', 'KIND_TOY = 2;\n  KIND_GAME = 3;']],
    },
    [
      `warning: ${product}: kind: may be "Game", which is new`,
      'added: GET /shop/products: query parameter kind: more values',
    ],
  );
});

describe('nothing breaks where', () => {
  change('nothing changed', {}, []);
  change(
    'something was added',
    {
      [sdl]: [['input ItemInput {', 'input ItemInput {\n  size: Int']],
      [proto]: [['message Item {', 'message Item {\n  int32 size = 3;']],
      [rest]: [
        ['    name\n    kind', '    name\n    blurb\n    kind'],
        ['alias: ["/orders"]', 'alias: ["/orders", "/api/orders"]'],
        ['$pageSize: Int,', '$pageSize: Int, $text: String,'],
        ['kind: $kind)', 'kind: $kind, filter: { text: $text })'],
      ],
    },
    [
      `added: ${[
        'GET /shop/products/{id}: answer 200: blurb',
        'GET /shop/products: query parameter text',
        'POST /shop/orders: body: items[].size',
        'POST /orders: body: items[].size',
        'POST /api/orders',
      ].join('; ')}`,
    ],
  );
  change('a field becomes non-null', { [sdl]: [['product(id: ID!): Product ', 'product(id: ID!): Product! ']] }, []);
});

test('of many places where something was added, ten are named', async () => {
  const paths = Array.from({ length: 13 }, (_, index) => `"/orders/${index}"`);
  const { stdout } = await run({ [rest]: [['alias: ["/orders"]', `alias: ["/orders", ${paths.join(', ')}]`]] }, [
    '--against',
    older,
  ]);
  expect(stdout).toMatch(/^added: POST \/orders\/0; .*POST \/orders\/9; and 3 more\n/);
});

describe('the older document', () => {
  test('may come from standard input, or from a server', async () => {
    const { stdout: document } = await run({}, []);
    expect(await run({}, ['--against', '-'], [document.slice(0, 100), document.slice(100)])).toEqual({
      exitCode: 0,
      stdout: 'no breaking changes since standard input\n',
      stderr: '',
    });
    const server = createServer((request, response) => {
      const isThere = request.url === '/api/openapi.json';
      response.writeHead(isThere ? 200 : 404, { connection: 'close' }).end(isThere ? document : '');
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [there, missing] = [
      await run({}, ['--against', `${url}/api/openapi.json`]),
      await run({}, ['--against', `${url}/openapi.json`]),
    ];
    await new Promise((resolve) => void server.close(resolve));
    expect([there.exitCode, there.stdout]).toEqual([0, `no breaking changes since ${url}/api/openapi.json\n`]);
    expect([missing.exitCode, missing.stderr]).toEqual([2, `${url}/openapi.json answers 404, and not 200\n`]);
    expect(await run({}, ['--against', `${url}/`])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('cannot be read: fetch failed: connect ECONNREFUSED'),
    });
  });

  test('is read from a pipe by the command', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'src/commands/openapi.ts', '--against', '-'],
      {
        cwd: root,
        encoding: 'utf8',
        input: '{"openapi":"3.1.0","paths":{"/x":{"get":{}}}}',
        env: { PATH: process.env['PATH'] },
      },
    );
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).toMatch(/^GET \/x: was removed\n\nadded: .*\n\n1 breaking change since standard input\n$/);
  });

  const large = Buffer.alloc(16 * 1024 * 1024 + 1, 32);
  test.each<[name: string, content: string | Uint8Array | undefined, problem: RegExp]>([
    ['that is missing', undefined, /^\S+ cannot be read: ENOENT: no such file or directory, .*\n$/],
    ['that is no JSON', 'openapi: 3.1.0', /^\S+ is not JSON: .*\n$/],
    ['that is empty', '', /^\S+ is not JSON: .*\n$/],
    ['that is no text', new Uint8Array([0x22, 0xff, 0x22]), /^\S+ cannot be read: .*utf-8.*\n$/],
    ['that is too large', large, /^\S+ is over 16 MB\n$/],
    [
      'that is no object',
      'null',
      /^\S+ cannot be compared: it is not an OpenAPI 3 document: "openapi" is not there\n$/,
    ],
    ['of Swagger', '{"swagger":"2.0"}', /it is not an OpenAPI 3 document: "openapi" is not there\n$/],
    ['of another version', '{"openapi":"4.0.0"}', /it is not an OpenAPI 3 document: "openapi" is "4.0.0"\n$/],
    [
      'with an unknown reference',
      '{"openapi":"3.1.0","paths":{"/x":{"$ref":"#/components/pathItems/X"}}}',
      /cannot be compared: the reference "#\/components\/pathItems\/X" leads nowhere\n$/,
    ],
  ])('%s is 2, and told', async (name, content, problem) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.json`);
    if (content !== undefined) writeFileSync(path, content);
    const { exitCode, stdout, stderr } = await run({}, ['--against', path]);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(problem);
  });

  test('may not be a folder', async () => {
    expect(await run({}, ['--against', folder])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `${folder} is a folder\n`,
    });
  });
});

type Json = Readonly<Record<string, unknown>>;

/** A document with one route, which takes and answers JSON by a schema. */
function documentOf(schema: unknown, schemas: Json = {}, operation: Json = {}): Json {
  const content = { 'application/json': { schema } };
  const post = { requestBody: { content }, responses: { '200': { description: '', content } }, ...operation };
  return { openapi: '3.1.0', info: {}, paths: { '/x': { post } }, components: { schemas } };
}

function compare(before: Json, after: Json): OpenApiChanges {
  return openApiChanges(JSON.parse(JSON.stringify(before)), JSON.parse(JSON.stringify(after)));
}

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const object = (properties: Json, rest_: Json = {}): Json => ({ type: 'object', properties, ...rest_ });
const text = { type: 'string' };
const whole = { type: 'integer' };
const none = { breaking: [], warnings: [], added: [] };

describe('of schemas', () => {
  test('schemas that share parts at every level are compared in no time', () => {
    const levels = 40;
    const schemas = Object.fromEntries(
      Array.from({ length: levels }, (_, level) => {
        const next = { $ref: `#/components/schemas/X${level + 1}` };
        return [`X${level}`, { allOf: [next, next] }];
      }),
    );
    const document = (leaf: object): object => ({
      openapi: '3.1.0',
      paths: {
        '/x': {
          get: {
            responses: {
              200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/X0' } } } },
            },
          },
        },
      },
      components: { schemas: { ...schemas, [`X${levels}`]: leaf } },
    });
    expect(openApiChanges(document({ type: 'string' }), document({ type: 'integer' })).breaking).toEqual([
      'GET /x: answer 200: is integer, and was string',
    ]);
  });

  const body = 'POST /x: body';
  const answer = 'POST /x: answer 200';

  test.each<[name: string, before: Json, after: Json, breaking: readonly string[]]>([
    ['a whole number is a number', { type: 'integer' }, { type: 'number' }, [`${answer}: is number, and was integer`]],
    [
      'a larger number',
      { type: 'integer', format: 'int32' },
      { type: 'integer', format: 'int64' },
      [`${answer}: is integer (int64), and was integer (int32)`],
    ],
    [
      'a format is gone',
      { type: 'string', format: 'date-time' },
      text,
      [`${answer}: is string, and was string (date-time)`],
    ],
    [
      'a format is new',
      text,
      { type: 'string', format: 'uuid' },
      [`${body}: is accepted as string (uuid), and was accepted as string`],
    ],
    [
      'another pattern',
      { type: 'string', pattern: 'a' },
      { type: 'string', pattern: 'b' },
      [
        `${body}: is accepted as string (b), and was accepted as string (a)`,
        `${answer}: is string (b), and was string (a)`,
      ],
    ],
    ['null is new', text, { type: ['string', 'null'] }, [`${answer}: may be null, and was not`]],
    ['null is gone', { anyOf: [text, { type: 'null' }] }, text, [`${body}: may no longer be null`]],
    ['null by 3.0', text, { type: 'string', nullable: true }, [`${answer}: may be null, and was not`]],
    ['null written otherwise', { anyOf: [text, { type: 'null' }] }, { type: ['null', 'string'] }, []],
    ['a constant is an enum of one', { const: 'a' }, { type: 'string', enum: ['a'] }, []],
    ['an enum is new', text, { type: 'string', enum: ['a'] }, [`${body}: must be one of "a"`]],
    ['an enum is gone', { type: 'string', enum: ['a'] }, text, [`${answer}: may be anything, and was one of "a"`]],
    [
      'a bound is tighter',
      { type: 'string', maxLength: 9 },
      { type: 'string', maxLength: 8 },
      [`${body}: has the maxLength 8, and had 9`],
    ],
    ['a bound is new', whole, { type: 'integer', minimum: 1 }, [`${body}: has the minimum 1, and had none`]],
    ['a bound is wider', { type: 'integer', minimum: 1 }, { type: 'integer', minimum: 0 }, []],
    [
      'objects are closed',
      object({}),
      object({}, { additionalProperties: false }),
      [`${body}: no longer accepts other members`],
    ],
    [
      'maps of another type',
      object({}, { additionalProperties: text }),
      object({}, { additionalProperties: whole }),
      [`${body}: *: is accepted as integer, and was accepted as string`, `${answer}: *: is integer, and was string`],
    ],
    [
      'lists of anything',
      { type: 'array', items: text },
      { type: 'array' },
      [`${answer}: []: may be anything, and was not`],
    ],
    ['anything is text', {}, text, [`${body}: is accepted as string, and was accepted as anything`]],
    [
      'nothing is left',
      text,
      { allOf: [text, whole] },
      [`${body}: is accepted as nothing, and was accepted as string`],
    ],
    ['parts put together', { allOf: [object({ a: text }), object({ b: text })] }, object({ a: text, b: text }), []],
    [
      'a part is needed',
      { allOf: [object({ a: text })] },
      { allOf: [object({ a: text }), { required: ['a'] }] },
      [`${body}: a: is required, and was not`],
    ],
  ])('%s', (_name, before, after, breaking) => {
    expect(compare(documentOf(before), documentOf(after)).breaking).toEqual(breaking);
  });

  test('choices are compared with what they have become', () => {
    const cat = (more: Json = {}): Json =>
      object({ kind: { const: 'cat' }, lives: whole, ...more }, { required: ['kind'] });
    const dog = object({ kind: { const: 'dog' }, name: text }, { required: ['kind'] });
    const bird = object({ kind: { const: 'bird' }, wings: whole }, { required: ['kind'] });
    const changes = compare(
      documentOf({ oneOf: [cat(), dog] }),
      documentOf({ oneOf: [dog, object({ kind: { const: 'cat' }, lives: text }, { required: ['kind'] }), bird] }),
    );
    expect(changes).toEqual({
      breaking: [
        'POST /x: body: lives: is accepted as string, and was accepted as integer',
        'POST /x: answer 200: lives: is string, and was integer',
      ],
      warnings: ['POST /x: answer 200: may be object (kind "bird"), which is new'],
      added: [`${body}: more values`],
    });
    expect(compare(documentOf({ oneOf: [cat(), dog] }), documentOf(dog)).breaking).toEqual([
      'POST /x: body: may no longer be object (kind "cat")',
    ]);
  });

  test('what is not compared is a warning', () => {
    const changes = compare(documentOf(text), documentOf({ type: 'string', not: { const: 'a' } }));
    expect(changes).toEqual({
      breaking: [],
      warnings: ['body', 'answer 200'].map((at) => `POST /x: ${at}: has another "not", which is not compared`),
      added: [],
    });
  });
});

describe('of other parts', () => {
  const withParameter = (parameter: Json): Json =>
    documentOf(text, {}, { parameters: [{ name: 'X-A', in: 'header', ...parameter }] });

  test('parameters, headers and cookies of requests', () => {
    expect(compare(withParameter({ schema: text }), withParameter({ name: 'x-a', schema: whole })).breaking).toEqual([
      'POST /x: header parameter x-a: is accepted as integer, and was accepted as string',
    ]);
    expect(compare(withParameter({ schema: text }), withParameter({ schema: text, explode: true })).breaking).toEqual([
      'POST /x: header parameter x-a: is written with explode true, and was with false',
    ]);
    const inQuery = { in: 'query', schema: text };
    const spelledOut = { ...inQuery, style: 'form', explode: true, allowReserved: false };
    expect(compare(withParameter(inQuery), withParameter(spelledOut)).breaking).toEqual([]);
    expect(compare(withParameter(inQuery), withParameter({ ...inQuery, style: 'spaceDelimited' })).breaking).toEqual([
      'POST /x: query parameter X-A: is written with style spaceDelimited, and was with form',
      'POST /x: query parameter X-A: is written with explode false, and was with true',
    ]);
    expect(compare(documentOf(text), withParameter({ in: 'cookie', required: true })).breaking).toEqual([
      'POST /x: cookie parameter X-A: is required, and was not',
    ]);
  });

  test('media types, bodies, and headers of answers', () => {
    const both = { 'application/json': { schema: text }, 'text/plain': { schema: text } };
    const json = { 'application/json': { schema: text } };
    const operation = (content: Json, headers: Json, body?: Json): Json =>
      documentOf(text, {}, { responses: { 200: { content, headers } }, requestBody: body });
    const withBody = (content: Json, required = false): Json => operation(json, {}, { content, required });
    expect(compare(operation(both, { 'X-B': { schema: text } }), operation(json, {})).breaking).toEqual([
      'POST /x: answer 200: text/plain: is no longer answered',
      'POST /x: answer 200: header x-b: is gone',
    ]);
    expect(compare(withBody(both), withBody(json, true)).breaking).toEqual([
      'POST /x: body: is required, and was not',
      'POST /x: body: text/plain: is no longer accepted',
    ]);
    expect(compare(withBody(json), operation(json, {})).breaking).toEqual(['POST /x: body: is no longer accepted']);
    expect(compare(operation(json, {}), withBody(json)).added).toEqual(['POST /x: body']);
  });

  test('answers for other statuses, those of errors once each', () => {
    const error = (schema: Json): Json => ({ content: { 'application/json': { schema } } });
    const answers = (responses: Json): Json =>
      documentOf(text, {}, { responses: { 200: { description: '' }, ...responses } });
    expect(compare(answers({ 400: error(text), 404: error(text) }), answers({ '4XX': error(whole) })).breaking).toEqual(
      ['POST /x: answer 400: is integer, and was string', 'POST /x: answer 404: is integer, and was string'],
    );
    expect(compare(answers({ default: error(text) }), answers({ 409: error(whole) })).breaking).toEqual([
      'POST /x: answer 409: is integer, and was string',
    ]);
    expect(compare(answers({}), answers({ 202: { description: '' } })).warnings).toEqual([
      'POST /x: may answer 202, which is new',
    ]);
  });

  test('who is let in', () => {
    const secured = (security: readonly Json[], name = 'X-Key'): Json => ({
      ...documentOf(text, {}, { security }),
      components: {
        securitySchemes: { key: { type: 'apiKey', in: 'header', name }, bearer: { type: 'http', scheme: 'bearer' } },
      },
    });
    const key = { key: [] };
    const bearer = { bearer: [] };
    expect(compare(secured([key]), secured([key, bearer]))).toEqual(none);
    expect(compare(secured([{}]), secured([]))).toEqual(none);
    expect(compare(secured([key, bearer]), secured([key])).breaking).toEqual([
      'POST /x: requires key, and accepted bearer',
    ]);
    expect(compare(secured([key]), secured([{ ...key, ...bearer }])).breaking).toEqual([
      'POST /x: requires key and bearer, and accepted key',
    ]);
    expect(compare(secured([key]), secured([key], 'X-Other')).breaking).toEqual([
      'POST /x: accepts key in another way than before',
    ]);
  });
});

describe('nasty schemas', () => {
  /** A tree whose leaves have a value. */
  const tree = (value: Json): Json => ({
    Tree: object({
      value,
      left: ref('Tree'),
      others: { type: 'array', items: { anyOf: [ref('Tree'), { type: 'null' }] } },
    }),
  });

  test('that hold themselves are compared once', () => {
    expect(compare(documentOf(ref('Tree'), tree(text)), documentOf(ref('Tree'), tree(text)))).toEqual(none);
    expect(compare(documentOf(ref('Tree'), tree(text)), documentOf(ref('Tree'), tree(whole))).breaking).toEqual([
      'POST /x: body: value: is accepted as integer, and was accepted as string',
      // A tree or null is another schema than a tree.
      'POST /x: body: others[].value: is accepted as integer, and was accepted as string',
      'POST /x: answer 200: value: is integer, and was string',
      'POST /x: answer 200: others[].value: is integer, and was string',
    ]);
    // One that holds itself in two steps is the same.
    const twice = {
      Tree: object({
        value: text,
        left: ref('Other'),
        others: { type: 'array', items: { anyOf: [{ type: 'null' }, ref('Other')] } },
      }),
      Other: { allOf: [ref('Tree')] },
    };
    expect(compare(documentOf(ref('Tree'), tree(text)), documentOf(ref('Other'), twice))).toEqual(none);
  });

  test('that are their own choice are compared', () => {
    const either = (schema: Json): Json => ({
      Either: { anyOf: [ref('Either'), schema, object({ in: ref('Either') })] },
    });
    expect(compare(documentOf(ref('Either'), either(text)), documentOf(ref('Either'), either(text)))).toEqual(none);
    expect(compare(documentOf(ref('Either'), either(text)), documentOf(ref('Either'), either(whole))).breaking).toEqual(
      ['POST /x: body: may no longer be string'],
    );
  });

  const chain = (length: number, link: (next: Json) => Json): Json =>
    Object.fromEntries(
      Array.from({ length }, (_, index) => [`S${index}`, index + 1 < length ? link(ref(`S${index + 1}`)) : text]),
    );
  const branches = (depth: number): Json =>
    Object.fromEntries(
      Array.from({ length: depth }, (_, index) => {
        const next = ref(`S${index + 1}`);
        return [`S${index}`, object({ a: next, b: next })];
      }),
    );

  test.each<[name: string, schema: Json, schemas: Json, problem: string]>([
    ['an unknown reference', ref('None'), {}, 'POST /x: body: the reference "#/components/schemas/None" leads nowhere'],
    [
      'a reference out of the document',
      { $ref: 'other.json#/A' },
      {},
      'leads out of the document, which is not followed',
    ],
    ['a reference that is none', { $ref: '#A' }, {}, 'the reference "#A" is no JSON Pointer'],
    [
      'a reference that is not encoded',
      { $ref: '#/%' },
      {},
      'the reference "#/%" is not percent-encoded as it should be',
    ],
    ['a reference to itself', ref('A'), { A: ref('A') }, 'a schema is a part of itself by $ref, allOf or anyOf'],
    [
      'a circle of allOf',
      ref('A'),
      { A: { allOf: [ref('B')] }, B: { allOf: [object({}), ref('A')] } },
      'a schema is a part of itself',
    ],
    ['a long chain of allOf', ref('S0'), chain(10_000, (next) => ({ allOf: [next] })), 'has more than 200 parts'],
    [
      'a long chain of choices',
      ref('S0'),
      chain(10_000, (next) => ({ anyOf: [next, whole, object({})] })),
      'has more than 200 parts',
    ],
    [
      'a long chain of members',
      ref('S0'),
      chain(10_000, (next) => object({ next })),
      'hold each other more than 200 levels deep',
    ],
    [
      'many choices',
      { allOf: Array.from({ length: 12 }, () => ({ anyOf: [text, whole, object({})] })) },
      {},
      'has more than 1000 choices',
    ],
  ])('%s is told', (_name, schema, schemas, problem) => {
    const document = documentOf(schema, schemas);
    expect(() => compare(document, document)).toThrow(DocumentError);
    expect(() => compare(document, document)).toThrow(problem);
  });

  test('that branch at each level are compared, or said to be too large, within a second', () => {
    const [before, after] = [text, whole].map((leaf) => documentOf(ref('S0'), { ...branches(40), S40: leaf })) as [
      Json,
      Json,
    ];
    const begin = performance.now();
    expect(compare(before, before)).toEqual(none);
    expect(() => compare(before, after)).toThrow('the schemas are too large to be compared');
    expect(performance.now() - begin).toBeLessThan(1_000);
  });

  test('are found in parameters and answers too', () => {
    const circle = { $ref: '#/components/responses/A' };
    const document = {
      ...documentOf(text, {}, { responses: { 200: circle } }),
      components: { responses: { A: circle } },
    };
    expect(() => compare(document, document)).toThrow('leads back to itself');
  });
});
