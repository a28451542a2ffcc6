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
    invalid: (index) => `{ user${index}: user(id: "a") { id telephone fax address { street } } }`,
  };
  const perRound = 150;

  test.each(Object.entries(kinds))(
    '%s',
    async (_, source) => {
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc') as () => void;
      const used = (): number => {
        // What the first finds dead may still hold on to something.
        for (let times = 0; times < 2; times++) collect();
        return process.memoryUsage().heapUsed;
      };
      const documents = createDocuments(schema, { introspection: true });
      let next = 1_000;
      let weighed = 0;
      const runMore = async (count: number): Promise<void> => {
        for (const end = next + count; next < end; next++) {
          ({ weighed } = await run(documents, source(next), { all: true }));
        }
      };
      await runMore(perRound);
      const taken: number[] = [];
      let before = used();
      for (let round = 0; round < 3; round++) {
        await runMore(perRound);
        const now = used();
        taken.push((now - before) / perRound);
        before = now;
      }
      expect(documents.prepare(source(1_000)).weighed).toBe(weighed);
      // The median: whatever else came or went on the heap did so in one round.
      const [, each] = taken.sort((left, right) => left - right);
      // What is measured is no more exact than this.
      expect(each).toBeLessThan(weighed * 1.15);
      expect(each).toBeGreaterThan(weighed / 2.5);
    },
    60_000,
  );
});

describe('the cache of documents', () => {
  test('has room for 10,000 ordinary ones that were run, and for no more than 48 MB', async () => {
    const documents = createDocuments(schema, { introspection: true });
    const { weighed } = await run(documents, documentOf(9_999));
    // They fill it as well as many small ones, and sooner.
    const long = '\u2026'.repeat(30_000);
    const prepare = (index: number): PreparedDocument => documents.prepare(`{ user(id: "${index}${long}") { id } }`);
    const [first, second] = [prepare(0), prepare(1)];
    let index = 2;
    for (; (index + 1) * first.weighed < 10_000 * weighed; index++) prepare(index);
    expect(prepare(0) === first).toBe(true);
    for (; index * first.weighed < 48 * 1024 * 1024; index++) prepare(index);
    expect(prepare(1) === second).toBe(false);
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
