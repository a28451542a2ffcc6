/** Answers of upstreams that are small on the wire and would take all the memory there is once they are decoded. */
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { startWorld, type World } from '../gateway-fixture';
import { loadDefinition, serviceDefinition } from '../upstreams/server';

const token = 'token';
/** Answers as they go out, by RPC; empty messages for those that are not here. */
const answers = new Map<string, Buffer>();
let server: Server;
let world: World;

beforeAll(async () => {
  const definition = loadDefinition(['auth/v1/auth.proto', 'ai/v1/ai.proto']);
  server = new Server();
  for (const service of ['auth.v1.AuthService', 'ai.v1.AIService']) {
    const methods = Object.entries(serviceDefinition(definition, service));
    const answerOf = (name: string): Buffer => answers.get(name) ?? Buffer.alloc(0);
    server.addService(
      Object.fromEntries(
        methods.map(([name, rpc]) => [name, { ...rpc, responseSerialize: (value: unknown) => value as Buffer }]),
      ),
      Object.fromEntries(
        methods.map(([name, { responseStream }]) => [
          name,
          responseStream
            ? (call: ServerWritableStream<unknown, Buffer>) => {
                // The watch of revocations is to stay open.
                if (!answers.has(name)) return;
                call.write(answerOf(name));
                call.end();
              }
            : (_: ServerUnaryCall<unknown, Buffer>, done: sendUnaryData<Buffer>) => done(null, answerOf(name)),
        ]),
      ),
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const address = `127.0.0.1:${port}`;
  world = await startWorld({
    env: {
      AUTH_SERVICE_ADDR: address,
      AI_SERVICE_ADDR: address,
      AI_SERVICE_MAX_ITEMS: '1000',
      SESSION_CACHE_TTL: '0s',
    },
  });
});
afterAll(async () => {
  await world.close();
  server.forceShutdown();
});

const soon = Math.floor(Date.now() / 1000) + 3_600;

/** A field of length-delimited bytes, or of text. */
function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content as string);
  const head: number[] = [(number << 3) | 2];
  let length = bytes.length;
  for (; length > 127; length = Math.floor(length / 128)) head.push((length % 128) | 128);
  return Buffer.concat([Buffer.from([...head, length]), bytes]);
}

function timestamp(seconds: number): Buffer {
  const bytes = [8];
  let rest = seconds;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A session as ValidateSession answers with: fields 1 to 4 of its response. */
const session = (permissions: Buffer = field(3, 'admin:user:list')): Buffer =>
  Buffer.concat([field(1, 'session-1'), field(2, 'user-1'), permissions, field(4, timestamp(soon))]);

beforeEach(() => {
  answers.clear();
  answers.set('ValidateSession', session());
});

const millions = Buffer.alloc(8 * 1024 * 1024 - 10, Buffer.from([0x0a, 0]));
const listed = '{ users { totalCount } }';

test('four million empty items are 502, as a failure of their upstream, whose bound the message says', async () => {
  answers.set('ListUsers', millions);
  let answer: Awaited<ReturnType<World['graphql']>> | undefined;
  const errors = 'upstream_grpc_errors_total{service="auth.v1.AuthService",method="ListUsers",code="INTERNAL"}';
  const grown = await world.growth(
    async () => {
      answer = await world.graphql(listed, { token });
      await world.accessLine(answer);
    },
    errors,
    'limit_refusals_total{limit="answer_items"}',
    'http_requests_total{method="POST",path="/graphql",status="502"}',
  );
  const message =
    'An answer of auth.v1.AuthService/ListUsers has 8388598 bytes with more than 500000 items, which is the most that it may have.';
  expect(answer).toMatchObject({
    status: 502,
    errors: [{ message, path: ['users'], extensions: { code: 'UPSTREAM_ERROR' } }],
  });
  expect(grown).toEqual([1, 1, 1]);
  expect(await world.accessLine(answer!)).toMatchObject({ code: 'UPSTREAM_ERROR', limit: 'answer_items' });
  expect(world.logs).toContainEqual(
    expect.objectContaining({
      level: 'error',
      upstream: 'auth',
      grpc: expect.objectContaining({ method: 'ListUsers', code: 'INTERNAL' }) as object,
      err: expect.objectContaining({ message }) as object,
    }),
  );
});

test('the heap stays as it is while many of them come', async () => {
  answers.set('ListUsers', millions);
  const before = process.memoryUsage().heapUsed;
  for (let time = 0; time < 5; time++) expect((await world.graphql(listed, { token })).status).toBe(502);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(150 * 1024 * 1024);
});

test('an answer that is within the bound is read, however large', async () => {
  const user = Buffer.concat([field(1, 'u'), field(3, 'x'.repeat(1_000))]);
  answers.set('ListUsers', Buffer.concat(Array.from({ length: 7_000 }, () => field(1, user))));
  const { status, data } = await world.graphql('{ users { nodes { displayName } } }', { token });
  expect(status).toBe(200);
  expect(data.users.nodes).toHaveLength(25);
});

test('an answer of more than 8 MB is 502 too, and no quota of the client', async () => {
  answers.set('ListUsers', Buffer.alloc(8 * 1024 * 1024 + 1));
  const errors = 'upstream_grpc_errors_total{service="auth.v1.AuthService",method="ListUsers",code="INTERNAL"}';
  const [grown] = await world.growth(async () => {
    const answer = await world.graphql(listed, { token });
    expect(answer).toMatchObject({ status: 502, errors: [{ extensions: { code: 'UPSTREAM_ERROR' } }] });
  }, errors);
  expect(grown).toBe(1);
});

test('a session with too many items cannot be checked', async () => {
  answers.set('ValidateSession', session(Buffer.alloc(4_000_000, Buffer.from([0x1a, 0]))));
  const answer = await world.graphql('{ me { id } }', { token });
  expect(answer).toMatchObject({ status: 503, errors: [{ extensions: { code: 'AUTH_UNAVAILABLE' } }] });
  expect(await world.accessLine(answer)).toMatchObject({ limit: 'answer_items' });
});

test('a message of a stream ends it, by the bound of its own upstream', async () => {
  // Field 4 is an Answer, whose text comes 2,000 times.
  answers.set('StreamQuery', field(4, Buffer.alloc(4_000, Buffer.from([0x0a, 0]))));
  const events: unknown[] = [];
  for await (const event of world.askStream('q', { authorization: `Bearer ${token}` })) events.push(event);
  expect(events).toMatchObject([
    {
      errors: [
        {
          message: expect.stringContaining('4003 bytes with more than 1000 items') as string,
          extensions: { code: 'UPSTREAM_ERROR' },
        },
      ],
    },
  ]);
});
