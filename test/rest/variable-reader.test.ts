import { buildSchema, parse } from 'graphql';
import { Findings } from '../../src/diagnostics/findings';
import { GatewayError, type ErrorCode } from '../../src/errors';
import type { Exchange } from '../../src/http/exchange';
import type { OperationRequest, Pipeline } from '../../src/pipeline/pipeline';
import { PresentedError, type PresentedResult } from '../../src/pipeline/present';
import { compileOperations } from '../../src/rest/compile-operations';
import { createRestRoutes } from '../../src/rest/routes';

const schema = buildSchema(`
  enum Color { RED DEEP_BLUE DeepBlue }
  input Filter { color: Color, sizes: [Int!] }
  type Thing { id: ID, color: Color, parts: [Thing] }
  type Query {
    thing(id: ID!): Thing
    things(
      name: String, need: Int, count: Int, share: Float, on: Boolean, color: Color, plain: Color, ids: [ID!], sizes: [Int!], colors: [Color!]
    ): [Thing]
  }
  type Mutation { paint(id: ID, color: Color, colors: [Color!], note: String, filter: Filter): Thing }
`);

const document = parse(`
  query Thing($id: ID!) @rest(method: GET, path: "/things/{id}") {
    thing(id: $id) { id color @enumCase(as: PASCAL) parts { as: color @enumCase(as: PASCAL) parts { id } } }
  }
  query Things(
    $name: String, $need: Int!, $count: Int = 7, $share: Float, $on: Boolean, $color: Color @enumCase(as: PASCAL), $plain: Color
    $ids: [ID!], $sizes: [Int!], $colors: [Color!] @enumCase(as: PASCAL)
  ) @rest(method: GET, path: "/things") {
    things(
      name: $name, need: $need, count: $count, share: $share, on: $on, color: $color, plain: $plain, ids: $ids, sizes: $sizes, colors: $colors
    ) { id }
  }
  mutation Paint($id: ID, $color: Color @enumCase(as: PASCAL), $colors: [Color!] @enumCase(as: PASCAL), $note: String)
  @rest(method: POST, path: "/things/{id}/paint", body: "*") {
    paint(id: $id, color: $color, colors: $colors, note: $note) { id }
  }
  mutation PaintAll($filter: Filter, $note: String) @rest(method: PUT, path: "/things", body: "filter", status: 202) {
    paint(filter: $filter, note: $note) { id }
  }
`);

const findings = new Findings();
const operations = compileOperations(schema, [document], findings);
findings.throwIfAny();

interface Request {
  readonly query?: string;
  readonly params?: Record<string, string>;
  readonly body?: string;
}

/** Runs a request, and gives back what the pipeline was asked and what was answered. */
async function run(route: string, { query = '', params = {}, body = '' }: Request, result?: PresentedResult) {
  const [method, path] = route.split(' ');
  let asked: OperationRequest | undefined;
  const pipeline: Pipeline = {
    run(request) {
      asked = request;
      return Promise.resolve(result ?? { data: { thing: {}, things: [], paint: {} } });
    },
  };
  const found = createRestRoutes(operations, pipeline).find((each) => each.method === method && each.path === path);
  const exchange = {
    method,
    query,
    headers: { 'content-type': 'application/json' },
    readBody: () => Promise.resolve(Buffer.from(body)),
  } as unknown as Exchange;
  const { status, body: answer } = await found!.handle(exchange, params);
  return { variables: asked?.variables, status, answer: JSON.parse(answer as string) };
}

const refused = async (running: Promise<unknown>) => {
  const error: unknown = await running.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(GatewayError);
  const { code, message, fieldViolations } = error as GatewayError;
  return { code, message, fields: fieldViolations?.map(({ field }) => field) };
};

describe('variables of the path', () => {
  test.each(['1', 'a b', '__proto__', '{}', '😀'])('are text: %j', async (id) => {
    expect((await run('GET /things/{id}', { params: { id } })).variables).toEqual({ id });
  });

  test('are not looked for in the query', async () => {
    const { variables } = await run('GET /things/{id}', { params: { id: '1' }, query: 'id=2&id=3&x=%' });
    expect(variables).toEqual({ id: '1' });
  });
});

describe('variables of the query', () => {
  test.each<[string, unknown]>([
    ['need=1', { need: 1 }],
    ['need=-3&count=0&share=1e2&on=true', { need: -3, count: 0, share: 100, on: true }],
    ['need=1.0e1&on=false&share=0.5', { need: 10, on: false, share: 0.5 }],
    ['need=1&name=a+b%20c%F0%9F%98%80', { need: 1, name: 'a b c😀' }],
    ['need=1&name=', { need: 1 }],
    ['need=1&color=Red&plain=RED', { need: 1, color: 'RED', plain: 'RED' }],
    ['need=1&color=RED', { need: 1, color: 'RED' }],
    // What two values are called in PascalCase means the first.
    ['need=1&color=DeepBlue', { need: 1, color: 'DEEP_BLUE' }],
    ['need=1&plain=DeepBlue', { need: 1, plain: 'DeepBlue' }],
    ['need=1&ids=a', { need: 1, ids: ['a'] }],
    ['need=1&ids=a&ids=&ids=b', { need: 1, ids: ['a', '', 'b'] }],
    ['need=1&sizes=1&sizes=2&colors=Red&colors=DeepBlue', { need: 1, sizes: [1, 2], colors: ['RED', 'DEEP_BLUE'] }],
    ['need=1&x=1&__proto__=2&constructor=3&toString=4&ids[]=5', { need: 1 }],
    ['&&need=1&&=', { need: 1 }],
    [`${'a=1&'.repeat(3_000)}need=1`, { need: 1 }],
  ])('%s', async (query, variables) => {
    expect((await run('GET /things', { query })).variables).toEqual(variables);
  });

  test.each([
    ['', 'need is required in the query.'],
    ['need=', 'need is required in the query.'],
    ['NEED=1', 'need is required in the query.'],
    ['need=1&need=2', 'need is there more than once.'],
    ['need=1&need=', 'need is there more than once.'],
    ['need=1&name=a&name=b', 'name is there more than once.'],
    ['need=1.5', 'need must be a whole number.'],
    ['need=2147483648', 'need must be a whole number.'],
    ['need=0x10', 'need must be a whole number.'],
    ['need=%201', 'need must be a whole number.'],
    ['need=1&share=1e999', 'share must be a number.'],
    ['need=1&share=NaN', 'share must be a number.'],
    ['need=1&on=TRUE', 'on must be true or false.'],
    ['need=1&plain=Red', 'plain must be one of RED, DEEP_BLUE, DeepBlue.'],
    ['need=1&color=red', 'color must be one of Red, DeepBlue, Deepblue.'],
    ['need=1&color=__proto__', 'color must be one of Red, DeepBlue, Deepblue.'],
    ['need=1&plain=toString', 'plain must be one of RED, DEEP_BLUE, DeepBlue.'],
    ['need=1&sizes=1&sizes=x', 'sizes must be a whole number.'],
  ])('%s is refused: %s', async (query, message) => {
    const [field] = message.split(' ');
    expect(await refused(run('GET /things', { query }))).toEqual({ code: 'BAD_USER_INPUT', message, fields: [field] });
  });
});

describe('variables of the body', () => {
  test.each<[string, string, unknown]>([
    [
      'each field',
      '{"color":"Red","colors":["DeepBlue","RED"],"note":"Red"}',
      { color: 'RED', colors: ['DEEP_BLUE', 'RED'], note: 'Red' },
    ],
    ['null', '{"color":null,"colors":null,"note":null}', { color: null, colors: null, note: null }],
    ['what the operation will refuse', '{"color":1,"colors":"Red","note":{}}', { color: 1, colors: 'RED', note: {} }],
    ['nothing', '{}', {}],
  ])('%s', async (_what, body, variables) => {
    const asked = await run('POST /things/{id}/paint', { params: { id: '1' }, query: 'note=x', body });
    expect(asked.variables).toEqual({ id: '1', ...(variables as object) });
  });

  test('all of it as one, beside the query', async () => {
    const body = '{"color":"RED","x":{"__proto__":1}}';
    const { status, variables } = await run('PUT /things', { query: 'note=x', body });
    expect(status).toBe(202);
    expect(variables).toEqual({ note: 'x', filter: JSON.parse(body) });
  });

  test.each<[string, string[]]>([
    ['{"colour":"RED","note":"x"}', ['colour']],
    ['{"id":"2"}', ['id']],
    ['{"__proto__":{"note":"x"},"constructor":1}', ['__proto__', 'constructor']],
    [
      `{${Array.from({ length: 20 }, (_, index) => `"k${index}":1`).join()}}`,
      Array.from({ length: 10 }, (_, index) => `k${index}`),
    ],
    [`{"${'k'.repeat(5_000)}":1}`, ['k'.repeat(100)]],
  ])('%s is refused', async (body, fields) => {
    expect(await refused(run('POST /things/{id}/paint', { params: { id: '1' }, body }))).toEqual({
      code: 'BAD_USER_INPUT',
      message: `The body has unknown fields: ${fields.join(', ')}.`,
      fields,
    });
  });

  test.each(['[]', 'null', '"x"', '1'])('%s is no object', async (body) => {
    for (const route of ['POST /things/{id}/paint', 'PUT /things']) {
      expect(await refused(run(route, { params: { id: '1' }, body }))).toMatchObject({
        message: 'The body must be a JSON object.',
      });
    }
  });
});

describe('the answer', () => {
  const thing = (data: unknown, errors: ErrorCode[] = []): Promise<{ status: number; answer: unknown }> =>
    run(
      'GET /things/{id}',
      { params: { id: '1' } },
      {
        data: { thing: data },
        ...(errors.length === 0
          ? {}
          : {
              errors: errors.map((code) => new PresentedError('x', undefined, undefined, {}, new GatewayError(code))),
            }),
      },
    );

  test('is written as the route has it, however deep', async () => {
    const parts = [{ as: 'RED', parts: [{ id: 'DEEP_BLUE' }] }, null, { as: null, parts: [] }];
    const { status, answer } = await thing({ id: null, color: 'DEEP_BLUE', parts });
    expect(status).toBe(200);
    expect(answer).toEqual({
      id: null,
      color: 'DeepBlue',
      parts: [{ as: 'Red', parts: [{ id: 'DEEP_BLUE' }] }, null, { as: null, parts: [] }],
    });
  });

  test('of nothing is NOT_FOUND', async () => {
    expect(await refused(thing(null))).toMatchObject({ code: 'NOT_FOUND' });
  });

  test.each<[ErrorCode[], ErrorCode]>([
    [['FORBIDDEN'], 'FORBIDDEN'],
    [['NOT_FOUND', 'GATEWAY_TIMEOUT', 'FORBIDDEN'], 'GATEWAY_TIMEOUT'],
    [['SERVICE_UNAVAILABLE', 'OVERLOADED'], 'SERVICE_UNAVAILABLE'],
    [['OVERLOADED', 'SERVICE_UNAVAILABLE'], 'OVERLOADED'],
  ])('of which parts failed with %j is %s', async (codes, code) => {
    expect(await refused(thing({ id: '1' }, codes))).toMatchObject({ code });
  });
});
