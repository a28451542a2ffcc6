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
import { Memory } from '../src/execution/memory';
import { compileDocument, type CompiledOperation } from '../src/execution/operation';
import { SchemaTraits } from '../src/execution/selection';
import { subscribe } from '../src/execution/subscription';
import { goodVariables, variables, Writer } from './execution/documents';
import { createSchema, Thing, type Notes } from './execution/schema';

// As long as a busy machine takes.
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

function describedError(error: GraphQLError): unknown {
  const { message, path, locations, nodes, originalError, extensions } = error;
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

async function expectTheSame(source: string, requests: readonly Request[], of = schema): Promise<Outcome[]> {
  const document = parse(source);
  const [operation] = compileDocument(of === schema ? traits : new SchemaTraits(of), document, new Memory());
  const outcomes: Outcome[] = [];
  for (const request of requests) {
    const ours = await compiled(operation!, request);
    expect(described(ours)).toEqual(described(await byGraphqlJs(document, request, of)));
    outcomes.push(ours);
  }
  return outcomes;
}

/**
 * graphql-js leaves rejected promises alone that nobody waits for any more, and Jest fails a test for them: all promises count
 * as handled while both run.
 */
async function withoutUnhandled<T>(run: () => Promise<T>): Promise<T> {
  const { then } = Promise.prototype;
  const handling = function handling(this: Promise<unknown>, ...handlers: Parameters<typeof then>) {
    const derived = then.apply(this, handlers);
    void then.call(derived, undefined, () => {});
    return derived;
  };
  // oxlint-disable-next-line unicorn/no-thenable -- That is the point.
  Object.defineProperty(Promise.prototype, 'then', { value: handling });
  try {
    return await run();
  } finally {
    // oxlint-disable-next-line unicorn/no-thenable -- As above.
    Object.defineProperty(Promise.prototype, 'then', { value: then });
  }
}

const requestsArbitrary = fc.array(
  fc
    .tuple(fc.nat(), fc.oneof({ arbitrary: goodVariables, weight: 3 }, { arbitrary: variables, weight: 1 }))
    .map(([seed, inputs]): Request => ({ root: new Thing(seed), variables: inputs })),
  { minLength: 1, maxLength: 4 },
);

describe('the results are those of graphql-js, run after run', () => {
  const seen = { errors: 0, nulls: 0, async: 0, sync: 0, refused: 0 };

  test.each(['query', 'mutation'] as const)('of a random %s', async (kind) => {
    const property = fc.asyncProperty(fc.gen(), requestsArbitrary, async (draw, requests) => {
      for (const { result, isSync } of await expectTheSame(new Writer(draw).document(kind), requests)) {
        seen[isSync ? 'sync' : 'async']++;
        if (result.errors) seen.errors++;
        if (result.data === null) seen.nulls++;
        if (!('data' in result)) seen.refused++;
      }
    });
    await withoutUnhandled(() => fc.assert(property, { numRuns: 300 }));
  });

  test('of which all kinds were seen', () => {
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
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
