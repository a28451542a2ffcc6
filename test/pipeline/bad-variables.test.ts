/** Values of variables that do not fit: the answer is short, whatever was sent. */
import { startWorld, type Decoded, type GraphqlAnswer, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

/** Just under the largest body. */
const large = 'x'.repeat(1_000_000);
const manyKeys = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`k${index}`, 1]));

const ask = 'mutation ($input: AskInput!) { ask(input: $input) { conversationId } }';
const page = 'query ($first: Int, $status: UserStatus) { users(first: $first, status: $status) { totalCount } }';

const sent: readonly (readonly [what: string, query: string, variables: Decoded])[] = [
  ['a text for a number', page, { first: large }],
  ['a text for an enum', page, { status: large }],
  ['a list for a number', page, { first: Array.from({ length: 300_000 }, () => 1) }],
  ['an object for a number', page, { first: manyKeys }],
  ['unknown keys', ask, { input: manyKeys }],
  ['an unknown key of any length', ask, { input: { [large]: 1 } }],
  ['unknown keys in an object', ask, { input: { confirmation: manyKeys } }],
  ['a text for an object', ask, { input: large }],
  ['what is nested deeply', ask, { input: JSON.parse('['.repeat(2_000) + ']'.repeat(2_000)) }],
  ['wrong values in many places', ask, { input: Array.from({ length: 50_000 }, () => ({ query: 1 })) }],
];

const sizeOf = ({ errors, data }: GraphqlAnswer): number => JSON.stringify({ errors, data }).length;

test.each(sent)('%s: a few errors, in few words', async (_what, query, variables) => {
  const answer = await world.graphql(query, { variables });
  expect(answer).toMatchObject({ status: 400, data: undefined });
  expect(answer.errors!.length).toBeLessThanOrEqual(5);
  for (const { extensions } of answer.errors!) expect(extensions['code']).toBe('BAD_USER_INPUT');
  expect(sizeOf(answer)).toBeLessThan(5_000);
});

test.each(sent)('%s: nobody looks at it for a caller without a session', async (_what, query, variables) => {
  const answer = await world.graphql(query, { variables, token: null });
  expect(answer).toMatchObject({ status: 401, data: undefined });
  expect(answer.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  expect(sizeOf(answer)).toBeLessThan(500);
});

test.each([
  ['unknown fields', manyKeys],
  ['an unknown field of any length', { [large]: 1 }],
  ['unknown keys in an object', { confirmation: manyKeys }],
  ['a text for an object', { confirmation: large }],
  ['an object for a text', { query: manyKeys }],
])('a REST body with %s', async (_what, body) => {
  const { status, body: answer } = await world.rest('POST', '/api/ai', { body });
  expect([status, answer.error.reason]).toEqual([400, 'BAD_USER_INPUT']);
  expect(JSON.stringify(answer).length).toBeLessThan(5_000);
  const anonymous = await world.rest('POST', '/api/ai', { body, token: null });
  expect([400, 401]).toContain(anonymous.status);
  expect(JSON.stringify(anonymous.body).length).toBeLessThan(5_000);
});

test('what a document writes is repeated in few words too', async () => {
  const text = 'x'.repeat(30_000);
  for (const query of [
    `{ user(id: { a: "${text}" }) { id } }`,
    `{ users(first: "${text}") { totalCount } }`,
    `{ me { ${text} } }`,
    `{ ${text} }`,
    `query ($${text}: Int) { me { id } }`,
    `{ me @${text} { id } }`,
  ]) {
    const answer = await world.graphql(query);
    expect(answer.status).toBe(400);
    expect(sizeOf(answer)).toBeLessThan(12_000);
  }
});

test('a mistake is told as exactly as before', async () => {
  const { errors } = await world.graphql(page, { variables: { first: 'three', status: 'GONE' } });
  expect(errors?.map(({ message }) => message)).toEqual([
    'Variable "$first" got invalid value "three"; Int cannot represent non-integer value: "three"',
    'Variable "$status" got invalid value "GONE"; Value "GONE" does not exist in "UserStatus" enum.',
  ]);
});
