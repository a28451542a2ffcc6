/** Each limit of a document: what is just within it is not refused for it, and what is over it is, by name. */
import type { LimitName } from '../../src/limits';
import { startWorld, type GraphqlAnswer, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld({ env: { MAX_COST: '1000000' } });
});
afterAll(() => world.close());

const repeat = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ');
const fragments = (count: number): string =>
  `{ gateway { name } } ${repeat(count, (index) => `fragment F${index} on Query { __typename }`)}`;

const cases: readonly (readonly [limit: LimitName, make: (size: number) => string, most: number, message: string])[] = [
  ['document_size', (size) => `{ gateway { name } }#${'x'.repeat(size - 21)}`, 32_768, 'at most 32768 characters'],
  ['document_tokens', (size) => `{ ${'a '.repeat(size)}}`, 3_990, 'at most 4000 tokens'],
  [
    'operations',
    (size) => repeat(size, (index) => `query Q${index} { gateway { name } }`),
    20,
    'has 21 operations; it may have at most 20',
  ],
  ['fragments', fragments, 100, 'has 101 fragments; it may have at most 100'],
  ['root_fields', (size) => `{ ${'__typename '.repeat(size)}}`, 50, 'has 51 fields at the root of an operation'],
  ['aliases', (size) => `{ gateway { ${repeat(size, (index) => `a${index}: name`)} } }`, 250, 'has 251 aliases'],
  ['aliases', (size) => `{ gateway { ${'a'.repeat(size)}: name } }`, 128, 'has an alias of 129 characters'],
  ['directives', (size) => `{ gateway { name ${'@skip(if: false) '.repeat(size)} } }`, 250, 'has 251 directives'],
  // 447 fields of one name that have arguments are 99,681 pairs, and 448 are 100,128. Of other fields ten pairs count as one.
  ['repeated_fields', (size) => `{ me { ${'a(x: 1) '.repeat(size)} } }`, 447, 'has 100128 pairs of fields of one name'],
  ['repeated_fields', (size) => `{ gateway { ${'name '.repeat(size)} } }`, 1_414, 'pairs of fields of one name'],
  // Those that do not merge count as the former.
  [
    'repeated_fields',
    (size) => `{ gateway { name: version ${'name '.repeat(size - 1)} } }`,
    447,
    'has 100128 pairs of fields of one name',
  ],
];

/** Where it is not the next. */
const beyond: Partial<Record<LimitName, number>> = { document_tokens: 4_000 };

async function outcome(query: string): Promise<{ answer: GraphqlAnswer; limit: unknown }> {
  const answer = await world.graphql(query, { token: null });
  const { limit } = await world.accessLine(answer);
  return { answer, limit };
}

test.each(cases)('%s', async (limit, make, most, message) => {
  // It may be over another limit, or no operation of the schema.
  expect((await outcome(make(most))).limit).not.toBe(limit);
  const over = await outcome(make(beyond[limit] ?? most + 1));
  expect(over.answer).toMatchObject({ status: 400, errors: [{ extensions: { code: 'OPERATION_TOO_COMPLEX' } }] });
  expect(over.answer.errors![0]!.message).toContain(message);
  expect(over.limit).toBe(limit);
});

/** As deep as 4,000 tokens can be. How deep calls can go is the machine's, so that these may be answered too. */
test.each([
  ['fields', 1_300, 'a { ', '} '],
  ['inline fragments', 1_300, '... { ', '} '],
  ['lists', 1_980, '[', ']'],
  ['objects', 990, '{ a: ', '} '],
])('the deepest document, of %s, is answered or refused', async (_what, depth, open, close) => {
  const [before, after] = open.includes('{ a') || open === '[' ? ['{ user(id: ', ') { id } }'] : ['{ ', ' }'];
  const inner = open === '[' || open.includes(':') ? '1 ' : '__typename ';
  const { answer, limit } = await outcome(before + open.repeat(depth) + inner + close.repeat(depth) + after);
  expect([200, 400, 401]).toContain(answer.status);
  if (answer.status === 400 && limit !== undefined) expect(['document_depth', 'repeated_fields']).toContain(limit);
  expect(world.logs.filter(({ msg }) => msg === 'internal error')).toEqual([]);
});
