/**
 * Random requests by every door, against services that are well and services that fail. `FUZZ_CASES` says how many: 2,000 by
 * default, 20,000 each night.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { buildClientSchema, getIntrospectionQuery, type GraphQLSchema, type IntrospectionQuery } from 'graphql';
import { anyText } from '../any-text';
import { catalogue, type ErrorCode } from '../../src/errors';
import { startWorld, until, type World } from '../gateway-fixture';
import { RandomDocument, type RandomOperation } from './random-documents';

const cases = Number(process.env['FUZZ_CASES'] ?? 2_000);
/** Ms. */
const patience = 60_000 + 60 * cases;
/** One failing case is enough, and a smaller one like it may take long to find. */
const runs = (share: number) => ({ numRuns: Math.ceil(cases * share), endOnFailure: true });

let world: World;
let schema: GraphQLSchema;
const warnings: string[] = [];
const noteWarning = ({ message }: Error): void => void warnings.push(message);

beforeAll(async () => {
  process.on('warning', noteWarning);
  world = await startWorld({ env: { REQUEST_TIMEOUT: '5s' } });
  const { data } = await world.graphql(getIntrospectionQuery());
  schema = buildClientSchema(data as IntrospectionQuery);
});
afterAll(async () => {
  process.off('warning', noteWarning);
  await world.close();
});

/** What upstreams are told to fail with, or undefined. */
type Fault = number | undefined;
const anyFault = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 16 }) },
);

async function withFault<T>(fault: Fault, act: () => Promise<T>): Promise<T> {
  if (fault === undefined) return act();
  for (const method of ['GetUser', 'ListUsers', 'BatchGetUsers', 'GetEffectivePermissions']) {
    world.auth.control.setFault({ method, code: fault });
  }
  world.ai.control.setFault({ method: '*', code: fault });
  try {
    return await act();
  } finally {
    for (const { control } of [world.auth, world.ai]) control.clearFaults();
  }
}

/** The failure table: statuses that answers may have, by whether a service failed. */
const refusals = [200, 201, 204, 302, 400, 401, 403, 404, 405, 406, 409, 413, 415, 417, 426, 431];
const failures = [429, 501, 502, 503, 504];

/** @throws Error where an answer is none that the failure table has */
function judge(status: number, text: string, fault: Fault): void {
  if (!refusals.includes(status) && !(fault !== undefined && failures.includes(status))) {
    throw new Error(`${status} with the fault ${fault}: ${text.slice(0, 1_000)}`);
  }
  for (const [, code = ''] of text.matchAll(/"(?:code|reason)":"([A-Z_]{3,})"/g)) {
    const known = catalogue[code as ErrorCode] as { readonly http: number } | undefined;
    if (!known || code === 'INTERNAL_SERVER_ERROR' || (known.http >= 500 && fault === undefined)) {
      throw new Error(`${code} with the fault ${fault}: ${text.slice(0, 1_000)}`);
    }
  }
}

/** The session that a request comes with. A document that may sign out gets one of its own. */
function sessionOf(text: string): Record<string, string> {
  const token = text.includes('logout') ? world.auth.createSession('user-ada') : world.auth.adminToken;
  return { authorization: `Bearer ${token}` };
}

/** Sends an operation; gives whether it was executed. */
async function run(operation: RandomOperation, isGet: boolean, fault: Fault): Promise<boolean> {
  const headers = { ...sessionOf(operation.query), 'content-type': 'application/json' };
  const { query, variables } = operation;
  const inUrl = new URLSearchParams({ query, variables: JSON.stringify(variables) }).toString();
  return withFault(fault, async () => {
    const response =
      isGet && inUrl.length < 6_000
        ? await fetch(`${world.url}/graphql?${inUrl}`, { headers })
        : await fetch(`${world.url}/graphql`, { method: 'POST', headers, body: JSON.stringify(operation) });
    const text = await response.text();
    judge(response.status, text, fault);
    return text.includes('"data":{"');
  });
}

const documents = (kind: Parameters<RandomDocument['write']>[0]): fc.Arbitrary<RandomOperation> =>
  fc.gen().map((draw) => new RandomDocument(schema, draw).write(kind));

/** Of a check of all cases so far: the gateway still serves, and has said nothing of a bug. */
async function expectWell(): Promise<void> {
  world.reset();
  expect((await world.graphql('{ gateway { name } }', { token: null })).data).toEqual({
    gateway: { name: 'api-gateway' },
  });
  expect(world.logs.filter(({ msg, level }) => msg === 'internal error' || level === 'fatal')).toEqual([]);
  expect(await world.metric('http_requests_total{method="POST",path="/graphql",status="500"}')).toBe(0);
  expect(warnings.filter((each) => !/fetch|Experimental/.test(each))).toEqual([]);
}

/** Bytes in use, after a collection; without what the test itself keeps of the log. */
function heapUsed(): number {
  (world.logs as unknown[]).length = 0;
  (world.lines as unknown[]).length = 0;
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test(
  'documents made from the schema, with variables that fit and that do not',
  async () => {
    const operations = fc.oneof(
      { weight: 5, arbitrary: documents('query') },
      { weight: 1, arbitrary: documents('mutation') },
    );
    let executed = 0;
    await fc.assert(
      fc.asyncProperty(operations, fc.boolean(), anyFault, async (operation, isGet, fault) => {
        if (await run(operation, isGet, fault)) executed += 1;
      }),
      runs(0.3),
    );
    // A good part of them must mean something, or little is tested.
    expect(executed).toBeGreaterThan(cases / 30);
    await expectWell();
  },
  patience,
);

test(
  'subscriptions, with their fields left out or not, read to the end or not',
  async () => {
    const accept = fc.constantFrom('text/event-stream', 'application/json', '*/*', 'text/html');
    await fc.assert(
      fc.asyncProperty(
        documents('subscription'),
        accept,
        anyFault,
        fc.boolean(),
        async (operation, type, fault, leave) => {
          await withFault(fault, async () => {
            const abort = new AbortController();
            const response = await fetch(`${world.url}/graphql`, {
              method: 'POST',
              headers: { ...sessionOf(''), 'content-type': 'application/json', accept: type },
              body: JSON.stringify(operation),
              signal: abort.signal,
            });
            if (leave && response.status === 200) {
              await response.body?.getReader().read();
              abort.abort();
            } else {
              judge(response.status, await response.text(), fault);
            }
          });
        },
      ),
      runs(0.05),
    );
    await until(
      () => world.metric('http_streams_open'),
      (count) => count === 0,
    );
    await expectWell();
  },
  patience,
);

test(
  'paths, queries, headers and bodies of REST',
  async () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), anyText());
    const body = fc.oneof(
      fc
        .record({ query: value, sessionId: value, confirmation: value }, { requiredKeys: [] })
        .map((each) => JSON.stringify(each)),
      fc.json(),
      anyText({ maxLength: 200 }),
    );
    const path = fc.constantFrom(
      '/api/ai',
      '/api/v1/ai',
      '/api/v1/users/me',
      '/api/v1/auth/logout',
      '/api/v1/auth/dev/login',
      '/nowhere',
    );
    const query = fc.webQueryParameters().map((text) => text.replace(/[^!-~]/g, ''));
    const header = fc.string({ maxLength: 40 }).map((text) => text.replace(/[^\t -~]/g, ''));
    const headers = fc.dictionary(
      fc.constantFrom(
        'accept',
        'content-type',
        'content-encoding',
        'cookie',
        'origin',
        'x-csrf',
        'traceparent',
        'tracestate',
        'x-user-id',
        'range',
        'if-none-match',
      ),
      fc.oneof(header, fc.constantFrom('application/json', '*/*', '1', 'session=x', 'gzip')),
      { maxKeys: 4 },
    );
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD');
    await fc.assert(
      fc.asyncProperty(
        method,
        path,
        query,
        headers,
        body,
        anyFault,
        async (verb, place, search, sent, content, fault) => {
          await withFault(fault, async () => {
            const response = await fetch(`${world.url}${place}?${search}`, {
              method: verb,
              headers: { 'content-type': 'application/json', ...sessionOf(place), ...sent },
              ...(verb === 'GET' || verb === 'HEAD' ? {} : { body: content }),
              redirect: 'manual',
            });
            judge(response.status, await response.text(), fault);
          });
        },
      ),
      runs(0.25),
    );
    await expectWell();
  },
  patience,
);

test(
  'oddities on the wire',
  async () => {
    const eol = fc.constantFrom('\r\n', '\n', '\r', '\r\n\r\n', '\u0000');
    const line = fc.oneof(
      fc.constantFrom(
        'Host: a',
        'Host: a\r\nHost: b',
        'Transfer-Encoding: chunked',
        'Transfer-Encoding: chunked, gzip',
        'Transfer-Encoding: xchunked',
        'Content-Length: 5',
        'Content-Length: -1',
        'Content-Length: 5, 5',
        'Content-Length: 99999999999999999999',
        'Expect: 100-continue',
        'Expect: anything',
        'Connection: close',
        'Connection: upgrade\r\nUpgrade: websocket',
        'Upgrade: h2c',
        'Content-Type: application/json',
        'X-Request-Timeout-Ms: 1e9',
        `X-Long: ${'x'.repeat(20_000)}`,
        ' folded: yes',
        'No-Colon',
        ': no name',
      ),
      anyText({ maxLength: 60 }),
    );
    const start = fc.constantFrom(
      'GET / HTTP/1.1',
      'POST /api/ai HTTP/1.1',
      'POST /graphql HTTP/1.1',
      'GET http://a/graphql?query={gateway{name}} HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'CONNECT a:443 HTTP/1.1',
      'PRI * HTTP/2.0',
      'GET /graphql?query=%ff HTTP/1.0',
      'get / http/1.1',
      'GET  /  HTTP/1.1',
      'GET / HTTP/9.9',
      '',
    );
    const tail = fc.oneof(
      fc.constantFrom(
        '',
        '5\r\nhello\r\n0\r\n\r\n',
        'ffffffffffffffff\r\n',
        '0\r\n\r\n',
        '{"query":"{gateway{name}}"}',
        '-1\r\n',
      ),
      anyText({ maxLength: 100 }),
    );
    const request = fc
      .tuple(start, fc.array(line, { maxLength: 5 }), eol, tail)
      .map(([first, lines, end, rest]) => `${[first, ...lines].join('\r\n')}${end}\r\n${rest}`);
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 2 }), async (requests) => {
        const answer = await world.raw(requests.join(''), { andEnd: true });
        // 501 is right for a coding that is none.
        if (/HTTP\/1\.1 5(?!01)\d\d/.test(answer)) throw new Error(answer.slice(0, 1_000));
      }),
      runs(0.35),
    );
    await expectWell();
  },
  patience,
);

test(
  'none of it stays in memory',
  async () => {
    const burst = async (): Promise<number> => {
      await fc.assert(
        fc.asyncProperty(documents('query'), async (operation) => {
          await run(operation, false, undefined);
        }),
        runs(0.025),
      );
      await until(
        () => world.metric('http_requests_in_flight'),
        (count) => count === 0,
      );
      return heapUsed();
    };
    const first = await burst();
    const last = await burst();
    // Documents are kept, up to 48 MB; what is compiled of each is most of that.
    const kept = (await world.metric('graphql_document_cache_bytes')) ?? 0;
    expect(last - first).toBeLessThan(kept + 10_000_000);
    await expectWell();
  },
  patience,
);
