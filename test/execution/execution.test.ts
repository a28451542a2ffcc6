import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import {
  buildSchema,
  execute,
  getIntrospectionQuery,
  GraphQLError,
  parse,
  subscribe as subscribeByGraphqlJs,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { GatewayError } from '../../src/errors';
import { compileDocument, type CompiledOperation } from '../../src/execution/compiled-operation';
import { Memory } from '../../src/execution/memory';
import { SchemaTraits } from '../../src/execution/selection';
import { subscribe } from '../../src/execution/subscribe';
import { anyVariables, goodVariables, Writer } from './documents';
import { createSchema, Thing, type Notes } from './schema';

jest.setTimeout(60_000);

const schema = createSchema();
const traits = new SchemaTraits(schema);

type Inputs = Readonly<Record<string, unknown>>;

interface Request {
  readonly root?: unknown;
  readonly variables?: Inputs | null;
}

interface Outcome {
  readonly result: ExecutionResult;
  readonly isSync: boolean;
  readonly calls: readonly string[];
}

async function outcomeOf(given: ExecutionResult | Promise<ExecutionResult>, notes: Notes): Promise<Outcome> {
  const result = await given;
  // What nobody waits for any more may go on.
  return { isSync: !(given instanceof Promise), result, calls: [...notes.calls] };
}

function byGraphqlJs(document: DocumentNode, request: Request, of: GraphQLSchema = schema): Promise<Outcome> {
  const notes: Notes = { calls: [] };
  const { root: rootValue, variables: variableValues } = request;
  const given = execute({
    schema: of,
    document,
    rootValue,
    contextValue: notes,
    variableValues: variableValues ?? null,
  });
  return outcomeOf(given, notes);
}

function compiled(operation: CompiledOperation, request: Request): Promise<Outcome> {
  const notes: Notes = { calls: [] };
  const { values, errors } = operation.coerce(request.variables);
  const given = values ? operation.execute({ root: request.root, context: notes, variables: values }) : { errors };
  return outcomeOf(given, notes);
}

/** Objects as lists of their entries: the order counts, and so does what JSON would leave out. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : value;
  return Object.entries(value).map(([key, each]) => [key, ordered(each)]);
}

/** What is wrong with variables also names the field, which graphql-js does not. */
function describedError(error: GraphQLError): unknown {
  const { message, path, locations, nodes, originalError } = error;
  const { fieldViolations: _, ...extensions } = { ...error.extensions };
  return {
    message,
    path,
    locations,
    extensions,
    nodes: nodes?.map(({ kind, loc }) => [kind, loc?.start]),
    isGraphQLError: error instanceof GraphQLError,
    originalError: originalError && [originalError.constructor.name, originalError.message],
  };
}

function described({ result, isSync, calls }: Outcome): unknown {
  return {
    keys: Object.keys(result),
    data: ordered(result.data),
    errors: result.errors?.map(describedError),
    isSync,
    calls,
  };
}

/** Of what is wrong with variables, only the beginning is told. */
function cutShort(outcome: Outcome): Outcome {
  const { errors, data } = outcome.result;
  return errors && data === undefined ? { ...outcome, result: { errors: errors.slice(0, 5) } } : outcome;
}

async function expectTheSame(source: string, requests: readonly Request[], of = schema): Promise<Outcome[]> {
  const document = parse(source);
  const [operation] = compileDocument(of === schema ? traits : new SchemaTraits(of), document, new Memory());
  const outcomes: Outcome[] = [];
  for (const request of requests) {
    const ours = await compiled(operation!, request);
    expect(described(ours)).toEqual(described(cutShort(await byGraphqlJs(document, request, of))));
    outcomes.push(ours);
  }
  return outcomes;
}

/**
 * graphql-js leaves rejected promises alone that nobody waits for any more, and Jest fails a test for them: all promises count
 * as handled while both run.
 */
async function withoutUnhandled<T>(run: () => Promise<T>): Promise<T> {
  const prototype = Promise.prototype as { then: (this: Promise<unknown>, ...handlers: never[]) => Promise<unknown> };
  const { then } = prototype;
  const nothing = (() => {}) as never;
  // oxlint-disable-next-line unicorn/no-thenable -- It is a promise.
  prototype.then = function handling(...handlers) {
    const derived = then.apply(this, handlers);
    void then.call(derived, nothing, nothing);
    return derived;
  };
  try {
    return await run();
  } finally {
    // oxlint-disable-next-line unicorn/no-thenable -- It is a promise.
    prototype.then = then;
  }
}

const requestsArbitrary = fc.array(
  fc
    .tuple(fc.nat(), fc.oneof({ arbitrary: goodVariables, weight: 3 }, { arbitrary: anyVariables, weight: 1 }))
    .map(([seed, inputs]): Request => ({ root: new Thing(seed), variables: inputs })),
  { minLength: 1, maxLength: 4 },
);

describe('the results are those of graphql-js, run after run', () => {
  test.each(['query', 'mutation'] as const)('of a random %s', async (kind) => {
    const seen = { errors: 0, nulls: 0, async: 0, sync: 0, refused: 0 };
    const property = fc.asyncProperty(fc.gen(), requestsArbitrary, async (draw, requests) => {
      for (const { result, isSync } of await expectTheSame(new Writer(draw).document(kind), requests)) {
        seen[isSync ? 'sync' : 'async']++;
        if (result.errors) seen.errors++;
        if (result.data === null) seen.nulls++;
        if (!('data' in result)) seen.refused++;
      }
    });
    await withoutUnhandled(() => fc.assert(property, { numRuns: 300 }));
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });

  test('and no promise is left that nobody waits for', async () => {
    const property = fc.asyncProperty(fc.gen(), requestsArbitrary, async (draw, requests) => {
      const [operation] = compileDocument(traits, parse(new Writer(draw).document('query')), new Memory());
      for (const request of requests) await compiled(operation!, request);
      // Node tells of rejections that are not handled by now.
      await new Promise(setImmediate);
    });
    await fc.assert(property, { numRuns: 200 });
  });
});

describe('the results are those of graphql-js', () => {
  test('of introspection', async () => {
    await expectTheSame(getIntrospectionQuery({ inputValueDeprecation: true, directiveIsRepeatable: true }), [{}, {}]);
  });

  test('of an operation that the schema has no type for', async () => {
    const without = buildSchema('type Query { a: Int }');
    await expectTheSame('mutation { a }', [{}], without);
  });

  test.each(['7', '[1, 2]', '{}', '"text"', 'null', '{ __typename: "Thing" }', '[{ a: 1 }, null]'])(
    'of %s where a schema has no resolvers',
    async (value) => {
      const without = buildSchema(`
        type Query { one: Thing, list: [Thing!], leaf: Int, text: [String], any: Anything, call(with: Int): Thing }
        interface Anything { a: Int }
        type Thing implements Anything { a: Int }
      `);
      const source = '{ one { a } list { a } leaf text any { a __typename } call(with: 3) { a } }';
      const data: unknown = runInNewContext(`(${value})`);
      const root = { one: data, list: data, leaf: data, text: data, any: data, call: () => data };
      await expectTheSame(source, [{ root }, { root: undefined }, { root: () => root }], without);
    },
  );

  test('of fields that are all there many times', async () => {
    const deep = Array.from(
      { length: 12 },
      (_, level) => `fragment L${level} on Query { a: f0 b: f1 ...L${level + 1} ...L${level + 1} }`,
    );
    await expectTheSame(`{ ...L0 } ${deep.join(' ')} fragment L12 on Query { f2 }`, [{ root: new Thing(1) }]);
  });
});

describe('a subscription', () => {
  const events = buildSchema(
    'type Query { a: Int } type Subscription { count(to: Int!): Count } type Count { at: Int!, half: Int! }',
  );
  const count = events.getSubscriptionType()!.getFields()['count']!;
  count.subscribe = async function* counting(_source: unknown, { to }: { to: number }) {
    if (to > 5) throw new Error('too far');
    for (let at = 1; at <= to; at++) yield { at, half: at / 2 };
  } as never;
  count.resolve = (event: unknown) => event;

  async function collected(results: ExecutionResult | AsyncIterable<ExecutionResult>): Promise<unknown> {
    if (!(Symbol.asyncIterator in results)) return { errors: results.errors?.map(describedError) };
    const found: unknown[] = [];
    try {
      for await (const { data, errors } of results) found.push([ordered(data), errors?.map(describedError)]);
    } catch (error) {
      found.push(describedError(error as GraphQLError));
    }
    return found;
  }

  test.each<[document: string, variables: Inputs]>([
    ['subscription ($to: Int!) { count(to: $to) { at } }', { to: 3 }],
    ['subscription ($to: Int!) { c: count(to: $to) { at half } }', { to: 3 }],
    ['subscription ($to: Int!) { count(to: $to) { at } }', { to: 'three' }],
    ['subscription ($to: Int!) { count(to: $to) { at } }', { to: 6 }],
    ['subscription { count { at } }', {}],
    ['subscription { other }', {}],
  ])('gives the results of graphql-js: %s of %j', async (source, variableValues) => {
    const document = parse(source);
    const args = { schema: events, document, variableValues };
    const [operation] = compileDocument(new SchemaTraits(events), document, new Memory());
    const { values: variables = {} } = operation!.coerce(variableValues);
    const executeEvent = (root: unknown) => operation!.execute({ root, context: undefined, variables });
    expect(await collected(await subscribe(args, executeEvent))).toEqual(
      await collected(await subscribeByGraphqlJs(args)),
    );
  });
});

test('what is written once is compiled once, and no more is kept than of a few outcomes of conditions', async () => {
  const cats = buildSchema('type Query { cat: Cat } type Cat { cat: Cat name: String }');
  // Each level doubles what is executed, and what would be compiled if a fragment were compiled wherever it is spread.
  const depth = 8;
  const levels = Array.from(
    { length: depth },
    (_, level) => `fragment L${level} on Cat { a: cat { ...L${level + 1} } b: cat { ...L${level + 1} } }`,
  );
  let root: Inputs = { name: 'Tom' };
  for (let level = 0; level <= depth; level++) root = { cat: root };
  const variableNames = Array.from({ length: 6 }, (_, index) => `v${index}`);
  const conditional = variableNames.map((name) => `${name}: __typename @skip(if: $${name})`).join(' ');
  const definitions = variableNames.map((name) => `$${name}: Boolean!`).join(' ');
  const memory = new Memory();
  const source = `query (${definitions}) { ${conditional} cat { ...L0 } } ${levels.join(' ')} fragment L${depth} on Cat { name }`;
  const [operation] = compileDocument(new SchemaTraits(cats), parse(source), memory);
  for (let seed = 0; seed < 200; seed++) {
    const variables = Object.fromEntries(variableNames.map((name, index) => [name, (seed >> index) % 2 === 1]));
    const { errors } = await operation!.execute({ root, context: {}, variables });
    expect(errors).toBeUndefined();
  }
  expect(memory.bytes).toBeLessThan(8 * 25_000);
});

test.each([
  'query {\n  a {\n    x: c\n  }\n}',
  '{a{c}}',
  '\r\n{ a {\r\r\n c\n\r c } }',
  '\n\r\n\r{ a { c } \n } #\u2028\n',
  `#${'\n'.repeat(20_000)}{ a { c x: c } a { c } }${'\n'.repeat(5_000)}`,
])('an error of the catalogue is located as graphql-js locates it: %j', async (source) => {
  const failing = buildSchema('type Query { a: B } type B { c: [Int] }');
  const fails = (): never => {
    throw new GatewayError('FORBIDDEN');
  };
  const document = parse(source);
  const rootValue = { a: { c: fails } };
  const expected = await execute({ schema: failing, document, rootValue });
  const [operation] = compileDocument(new SchemaTraits(failing), document, new Memory());
  const actual = await operation!.execute({ root: rootValue, context: {}, variables: {} });
  expect(JSON.stringify(actual)).toBe(JSON.stringify(expected));
  const [error] = actual.errors ?? [];
  expect(error).toBeInstanceOf(GraphQLError);
  expect(error?.originalError).toBeInstanceOf(GatewayError);
});
