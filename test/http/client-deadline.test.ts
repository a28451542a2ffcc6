/** What a client cuts short by its own X-Request-Timeout-Ms or Grpc-Timeout is told to it, and counts against nobody. */
import { startWorld, type World } from '../gateway-fixture';
import { hold } from '../session/session-fixture';
import { startSignInWorld, type SignInWorld } from '../signin/sign-in-fixture';
import { signInAt } from '../upstreams/idp/browser';

const headers = { 'x-request-timeout-ms': '0' };
const short = { 'grpc-timeout': '300m' };
const me = '{ me { id } }';

/** Series that alerts, or people, take for failures. */
async function failuresOf(world: World): Promise<string[]> {
  const patterns = [
    /^http_requests_total\{.*status="5/,
    /^upstream_grpc_errors_total\{/,
    /^graphql_envelop_error_result\{.*(GATEWAY_TIMEOUT|UNAVAILABLE|UPSTREAM)/,
  ];
  const lines = (await world.metrics()).split('\n');
  return lines.filter((line) => patterns.some((pattern) => pattern.test(line)));
}

describe('the client’s own deadline', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: { SESSION_CACHE_TTL: '0s' } });
  });
  afterAll(() => world.close());
  let before: readonly string[] = [];
  beforeEach(async () => {
    world.reset();
    before = await failuresOf(world);
  });

  /** Failures that were counted since the test began. */
  const failures = async (): Promise<string[]> => (await failuresOf(world)).filter((line) => !before.includes(line));

  const recorded = async (answer: { readonly headers: Headers }): Promise<unknown> => {
    const { status, code, reason } = await world.accessLine(answer);
    return { status, code, reason };
  };
  const cut = { status: 499, code: 'CLIENT_CLOSED_REQUEST', reason: 'client deadline' };

  test('no time at all, with a session that nobody has: 504 to it, 499 for the alerts', async () => {
    const series = 'http_requests_total{method="POST",path="/graphql",status="499"}';
    const errors = 'graphql_envelop_error_result{operation_type="query",code="CLIENT_CLOSED_REQUEST"}';
    let answer: Awaited<ReturnType<World['graphql']>> | undefined;
    const grown = await world.growth(
      async () => {
        answer = await world.graphql(me, { token: 'made-up', headers });
        await world.accessLine(answer);
      },
      series,
      errors,
    );
    expect(answer).toMatchObject({
      status: 504,
      errors: [
        {
          message: 'The time that the request gave itself, by X-Request-Timeout-Ms or Grpc-Timeout, is over.',
          extensions: { code: 'GATEWAY_TIMEOUT' },
        },
      ],
    });
    expect(grown).toEqual([1, 1]);
    expect(await recorded(answer!)).toEqual(cut);
    expect(await failures()).toEqual([]);
  });

  test.each<[string, () => Promise<{ status: number; headers: Headers }>]>([
    ['REST, with no time at all', () => world.rest('GET', '/api/v1/users/me', { headers })],
    ['the assistant', () => world.rest('POST', '/api/ai', { body: { query: 'who am I' }, headers: short })],
    [
      'a mutation',
      () => world.graphql('mutation { ask(input: { query: "hi" }) { conversationId } }', { headers: short }),
    ],
    ['a query whose call hangs', () => world.graphql('{ conversations { nodes { id } } }', { headers: short })],
    ['a join', () => world.graphql('{ me { permissions } }', { headers: short })],
  ])('%s', async (_what, ask) => {
    world.ai.control.setFault({ method: '*', hang: true });
    world.auth.control.setFault({ method: 'GetEffectivePermissions', hang: true });
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const answer = await ask();
    expect(answer.status).toBe(504);
    expect(await recorded(answer)).toEqual(cut);
    expect(await failures()).toEqual([]);
    const { requestId } = await world.accessLine(answer);
    expect(world.logs.filter((line) => line['level'] === 'error' && line['requestId'] === requestId)).toEqual([]);
  });

  test('while AuthService is asked about the session', async () => {
    const letGo = hold(world.auth.control, 'ValidateSession');
    const answer = await world.graphql(me, { headers: short });
    letGo();
    expect(answer.status).toBe(504);
    expect(await recorded(answer)).toEqual(cut);
    expect(await failures()).toEqual([]);
  });

  test('a part of the data that came in time is 200, and its error counts as the client’s', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const answer = await world.graphql('{ me { id } users { totalCount } }', { headers: short });
    expect(answer).toMatchObject({ status: 200, errors: [{ extensions: { code: 'GATEWAY_TIMEOUT' } }] });
    expect(await recorded(answer)).toEqual({ status: 200, code: 'CLIENT_CLOSED_REQUEST', reason: undefined });
    expect(await failures()).toEqual([]);
  });

  test('a stream tells it in its last event, and nothing counts it', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const events: unknown[] = [];
    for await (const event of world.askStream('count to 5', short)) events.push(event);
    expect(events.at(-1)).toMatchObject({ errors: [{ extensions: { code: 'GATEWAY_TIMEOUT' } }] });
    expect(await failures()).toEqual([]);
  });

  test('what fails beside it for another reason counts as ever', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    world.ai.control.setFault({ method: 'ListConversations', code: 13 });
    const answer = await world.graphql('{ me { id } conversations { nodes { id } } }', { headers: short });
    expect(answer.status).toBe(504);
    expect(await recorded(answer)).toMatchObject({ status: 502 });
  });

  test.each([
    ['X-Request-Timeout-Ms', 'soon'],
    ['X-Request-Timeout-Ms', '-1'],
    ['X-Request-Timeout-Ms', '1.5'],
    ['X-Request-Timeout-Ms', ''],
    ['X-Request-Timeout-Ms', '1e3'],
    ['X-Request-Timeout-Ms', '1000000000'],
    ['X-Request-Timeout-Ms', '100, 200'],
    ['Grpc-Timeout', '5'],
    ['Grpc-Timeout', '5s'],
    ['Grpc-Timeout', '123456789m'],
    ['Grpc-Timeout', 'S'],
    ['Grpc-Timeout', ''],
  ])('%s: %s is 400, by either door, and names the header', async (name, value) => {
    const wrong = { [name]: value };
    const graphql = await world.graphql(me, { headers: wrong });
    const rest = await world.rest('GET', '/api/v1/users/me', { headers: wrong });
    expect(graphql).toMatchObject({
      status: 400,
      errors: [
        {
          message: expect.stringContaining(`The header "${name}" is not`) as string,
          extensions: { code: 'BAD_USER_INPUT', requestId: graphql.headers.get('x-request-id') },
        },
      ],
    });
    expect(rest.status).toBe(400);
    expect(rest.body.error).toMatchObject({
      reason: 'BAD_USER_INPUT',
      message: expect.stringContaining(`The header "${name}" is not`) as string,
    });
    expect(world.auth.control.count('ValidateSession')).toBe(0);
  });

  test('of two deadlines the earlier counts, and each must be one', async () => {
    world.auth.control.setFault({ method: 'GetUser', hang: true });
    const both = await world.rest('GET', '/api/v1/users/me', {
      headers: { 'x-request-timeout-ms': '900000', ...short },
    });
    expect(both.status).toBe(504);
    const wrong = await world.rest('GET', '/api/v1/users/me', { headers: { ...headers, 'grpc-timeout': 'x' } });
    expect(wrong.status).toBe(400);
  });
});

describe('the same while signing in', () => {
  let signIn: SignInWorld;
  beforeAll(async () => {
    signIn = await startSignInWorld();
  });
  afterAll(() => signIn.close());

  test('at the login and at the callback, for people and for programs', async () => {
    const { world } = signIn;
    const before = await failuresOf(world);
    const counted = (path: string): string => `http_requests_total{method="GET",path="${path}",status="499"}`;
    const path = '/api/v1/auth/{provider}';
    const statuses: number[] = [];
    const grown = await world.growth(
      async () => {
        // The provider has not been asked for its metadata yet.
        const login = await signIn.open().rest('GET', '/api/v1/auth/dev/login', headers);
        statuses.push(login.status);
        await world.accessLine(login);
        const browser = signIn.open();
        for (const accept of ['text/html', 'application/json']) {
          const callback = await signInAt(await browser.begin(), 'ada.admin@example.com');
          world.auth.control.setFault({ method: 'HandleSsoCallback', hang: true });
          const answer = await browser.comeBack(callback, { ...short, accept });
          statuses.push(answer.status);
          await world.accessLine(answer);
        }
      },
      counted(`${path}/login`),
      counted(`${path}/callback`),
    );
    expect(statuses).toEqual([504, 504, 504]);
    expect(grown).toEqual([1, 2]);
    expect(await failuresOf(world)).toEqual(before);
    expect(world.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
