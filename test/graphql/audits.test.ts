import { serverAudits } from 'graphql-http';
import { startWorld, type World } from '../gateway-fixture';

/**
 * The audits of graphql-http against the gateway: the requirements of GraphQL over HTTP that a server MUST, SHOULD and
 * MAY meet. All of them apply.
 *
 * @see https://graphql.github.io/graphql-over-http/draft/
 */
describe('GraphQL over HTTP', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  const audits = serverAudits({ url: () => `${world.url}/graphql`, fetchFn: fetch });

  test.each(audits.map((audit) => ({ id: audit.id, name: audit.name, audit })))('$id $name', async ({ audit }) => {
    const result = await audit.fn();
    // The reason is what a reader wants to see, so it is what is compared.
    expect('reason' in result ? `${result.status}: ${result.reason}` : result.status).toBe('ok');
    await endOf(result);
  });

  test('there are audits of every level', () => {
    const levels = new Set(audits.map(({ name }) => name.split(' ')[0]));
    expect(levels).toEqual(new Set(['MUST', 'SHOULD', 'MAY']));
  });
});

/** Reads what is left of an answer, so that its connection ends. */
async function endOf(result: object): Promise<void> {
  const { response } = result as { response?: Response };
  if (response && !response.bodyUsed) await response.body?.cancel();
}
