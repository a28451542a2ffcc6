import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { parse, print, visit, type ASTNode } from 'graphql';
import type { Upstream } from '../src/grpc/upstream';
import { createDocuments, type Documents, type PreparedDocument } from '../src/pipeline/documents';
import { createSlimmer } from '../src/pipeline/slim';
import { buildSchema } from '../src/schema/build';
import { loadSources } from '../src/schema/sources';
import { Writer } from './execution/documents';
import { createSchema } from './execution/schema';

const root = join(__dirname, '..');

const sources = loadSources({ protoDir: join(root, 'proto'), schemaDir: join(root, 'schema') });
const User = sources.protos.lookupType('auth.v1.User');
const user = User.decode(User.encode({ user_id: 'a', email: 'a@example.com', display_name: 'A', status: 1 }).finish());

const { schema } = buildSchema({
  sources,
  upstream: () => ({ unary: () => Promise.resolve(user) }) as unknown as Upstream,
  resolvers: { gateway: () => ({ name: 'gateway', version: '1' }), logout: () => true },
});

/** About 100 characters, each its own. */
function documentOf(index: number): string {
  return `query FindUser${index}($id: ID!) { user${index}: user(id: $id) { id email displayName status createdAt } }`;
}

const context = { scope: {}, caller: { userId: 'a', sessionId: 's', permissions: ['admin:user:list'] } };

/** Runs a document as a request does, so that it is compiled. */
async function run(documents: Documents, source: string, variables = {}): Promise<PreparedDocument> {
  const prepared = documents.prepare(source);
  const result = await prepared.plans[0]?.compiled.execute({ context, variables: { id: 'a', ...variables } });
  expect(result?.errors).toBeUndefined();
  documents.ran(prepared);
  return prepared;
}

// First of all, before others leave something to clean up.
describe('a document takes no more memory than it is weighed with', () => {
  const kinds: Record<string, (index: number) => string> = {
    ordinary: documentOf,
    'with a literal': (index) =>
      `{ user(id: "user-${index}") { id email displayName status createdAt updatedAt roles } }`,
    'with a fragment': (index) => `{ user(id: "a") { ...F${index} } } fragment F${index} on User { id email status }`,
    invalid: (index) => `{ user${index}: user(id: "a") { id telephone } }`,
  };

  test.each(Object.entries(kinds))(
    '%s',
    async (_, source) => {
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc') as () => void;
      const used = (): number => {
        // What the first finds dead may still hold on to something.
        for (let times = 0; times < 3; times++) collect();
        return process.memoryUsage().heapUsed;
      };
      const documents = createDocuments(schema, { introspection: true });
      for (let index = 0; index < 100; index++) await run(documents, source(index), { id: 'a', all: true });
      const count = 800;
      const before = used();
      let weighed = 0;
      for (let index = 1_000; index < 1_000 + count; index++) {
        await run(documents, source(index), { id: 'a', all: true });
        ({ weighed } = documents.prepare(source(index)));
      }
      const taken = (used() - before) / count;
      expect(documents.prepare(source(1_000)).errors.length < 2).toBe(true);
      // What is measured is no more exact than this.
      expect(taken).toBeLessThan(weighed * 1.15);
      expect(taken).toBeGreaterThan(weighed / 2.5);
    },
    60_000,
  );
});

describe('the cache of documents', () => {
  test('holds 10,000 that were run', async () => {
    const documents = createDocuments(schema, { introspection: true });
    const first = documents.prepare(documentOf(0));
    for (let index = 0; index < 10_000; index++) await run(documents, documentOf(index));
    expect(documents.prepare(documentOf(0)) === first).toBe(true);
  }, 60_000);

  test('holds as many as there is room for', () => {
    const documents = createDocuments(schema, { introspection: true });
    const first = documents.prepare(documentOf(0));
    const long = 'x'.repeat(30_000);
    for (let index = 0; index < 1_700; index++) documents.prepare(`{ user(id: "${index}${long}") { id } }`);
    expect(documents.prepare(documentOf(0)) === first).toBe(false);
  }, 60_000);

  test('holds invalid ones, with what is wrong', () => {
    const documents = createDocuments(schema, { introspection: true });
    const source = '{\n  user(id: "a") { telephone }\n}';
    const prepared = documents.prepare(source);
    expect(prepared.errors).toMatchObject([
      { message: 'Cannot query field "telephone" on type "User".', locations: [{ line: 2, column: 19 }] },
    ]);
    expect(documents.prepare(source) === prepared).toBe(true);
  });

  test('weighs a document anew when more of it was compiled', async () => {
    const documents = createDocuments(schema, { introspection: true });
    const source = 'query ($id: ID!, $all: Boolean!) { user(id: $id) { id email @include(if: $all) } }';
    const prepared = documents.prepare(source);
    const weights: number[] = [prepared.weighed];
    for (const all of [true, true, false, true]) weights.push((await run(documents, source, { all })).weighed);
    expect(weights.map((weight, index) => Math.sign(weight - (weights[index - 1] ?? 0)))).toEqual([1, 1, 0, 1, 0]);
    expect(documents.prepare(source) === prepared).toBe(true);
  });
});

describe('a slim document', () => {
  const slim = createSlimmer(createSchema());

  test('is the same document', () => {
    fc.assert(
      fc.property(fc.gen(), (draw) => {
        const parsed = parse(new Writer(draw).document('query'));
        expect(print(slim(parsed).document)).toBe(print(parsed));
      }),
    );
  });

  test('has the places that errors are located at', () => {
    const places = (document: ASTNode): unknown[] => {
      const found: unknown[] = [];
      const note = ({ kind, loc }: ASTNode): void => void found.push([kind, loc?.start, loc?.end, loc?.source.body]);
      visit(document, { Field: note, VariableDefinition: note, Variable: note, ListValue: note, EnumValue: note });
      return found;
    };
    fc.assert(
      fc.property(fc.gen(), (draw) => {
        const parsed = parse(new Writer(draw).document('query'));
        expect(places(slim(parsed).document)).toEqual(places(parsed));
      }),
    );
  });
});
