import { startWorld, type World } from '../gateway-fixture';

const self = 'http://localhost:3000';
const app = 'https://app.example';
const shop = 'https://shop.example:8443';
const allowed = [self, app, shop];

const worlds: Record<'closed' | 'open', World> = {} as never;
beforeAll(async () => {
  const env = { ALLOWED_ORIGINS: `${app},${shop}`, PUBLIC_URL: self };
  worlds.closed = await startWorld({ env });
  worlds.open = await startWorld({ env: { ...env, CORS_PUBLIC: 'true' } });
});
afterAll(async () => {
  await worlds.closed?.close();
  await worlds.open?.close();
});

const foreign = [
  'https://evil.example',
  'null',
  'http://app.example',
  'https://app.example:444',
  'https://app.example.evil.example',
  'https://evilapp.example',
  'https://sub.app.example',
  'https://app.example.',
  'https://app.example/',
  'https://APP.example',
  'https://app.example, https://evil.example',
  'https://app.example,https://app.example',
  'https://аpp.example',
  'http://localhost:3001',
  'http://localhost',
  'http://127.0.0.1:3000',
  '*',
  '',
];

const exposed = 'x-request-id, retry-after, ratelimit, ratelimit-policy';
const taken =
  'content-type, authorization, x-csrf, x-request-timeout-ms, traceparent, tracestate, last-event-id, grpc-timeout';

interface Place {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
}

const json = { 'content-type': 'application/json' };
/** Every kind of answer that there is. */
const places: Record<string, Place> = {
  'a query': { method: 'POST', path: '/graphql', body: '{"query":"{gateway{name}}"}', headers: json, status: 200 },
  'a query that is refused': { method: 'POST', path: '/graphql', body: '{', headers: json, status: 400 },
  'a stream': {
    method: 'POST',
    path: '/graphql',
    body: '{"query":"{gateway{name}}"}',
    headers: { ...json, accept: 'text/event-stream' },
    status: 200,
  },
  GraphiQL: { method: 'GET', path: '/graphql', headers: { accept: 'text/html' }, status: 200 },
  'a redirect': { method: 'GET', path: '/', status: 302 },
  HEAD: { method: 'HEAD', path: '/', status: 302 },
  'no such path': { method: 'GET', path: '/nothing', status: 404 },
  'no such method': { method: 'DELETE', path: '/api/ai', status: 405 },
  'a body of another type': { method: 'POST', path: '/api/ai', body: 'x', status: 415 },
  'a path that takes OPTIONS': { method: 'OPTIONS', path: '/api/ai', status: 204 },
  'OPTIONS of no path': { method: 'OPTIONS', path: '/nothing', status: 404 },
};

const credentials: Record<string, Readonly<Record<string, string>>> = {
  'no credential': {},
  'a cookie of another kind': { cookie: 'theme=dark' },
  'the session cookie': { cookie: 'session=abc', 'x-csrf': '1' },
  'a bearer token': { authorization: 'Bearer abc' },
};

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

/** Sends each head as it is: fetch would not send Origin. Several requests go over one connection. */
async function heads(
  world: World,
  requests: readonly (Place & { readonly lines: readonly string[] })[],
): Promise<Head[]> {
  const answers: Head[] = [];
  for (const { method, path, body = '', headers = {}, lines } of requests) {
    const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const head = [`${method} ${path} HTTP/1.1`, 'Host: gateway', 'Connection: close', ...own, ...lines];
    const text = await world.raw(`${[...head, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`);
    answers.push(readHead(text));
  }
  return answers;
}

function readHead(text: string): Head {
  const [first = '', ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const headers: Record<string, string[]> = {};
  for (const line of lines) {
    const at = line.indexOf(':');
    (headers[line.slice(0, at).toLowerCase()] ??= []).push(line.slice(at + 1).trim());
  }
  return { status: Number(first.split(' ')[1]), headers };
}

/** All that an answer says about other origins. */
function corsOf({ headers }: Head): Record<string, string> {
  const named = Object.entries(headers).filter(([name]) => name.startsWith('access-control-'));
  return Object.fromEntries(
    named.map(([name, values]) => [name.slice('access-control-'.length), values.join(' AND ')]),
  );
}

const varies = ({ headers }: Head): string[] =>
  (headers['vary'] ?? [])
    .join(',')
    .split(',')
    .map((each) => each.trim());

describe.each(['closed', 'open'] as const)('%s to other origins', (which) => {
  const isOpen = which === 'open';

  describe.each(Object.entries(places))('%s', (_place, place) => {
    const forPreflight =
      place.status === 204
        ? { 'allow-methods': 'POST', 'allow-headers': taken, 'max-age': '7200' }
        : ({} as Record<string, string>);

    test.each(Object.entries(credentials))('with %s: exactly the origins of the configuration', async (_what, sent) => {
      const lines = Object.entries(sent).map(([name, value]) => `${name}: ${value}`);
      const origins = [undefined, ...allowed, ...foreign];
      const answers = await heads(
        worlds[which],
        origins.map((origin) => ({ ...place, lines: origin === undefined ? lines : [...lines, `Origin: ${origin}`] })),
      );
      for (const [index, answer] of answers.entries()) {
        const origin = origins[index];
        const expected =
          origin === undefined
            ? {}
            : allowed.includes(origin)
              ? { 'allow-origin': origin, 'allow-credentials': 'true', 'expose-headers': exposed, ...forPreflight }
              : isOpen && sent['cookie'] === undefined
                ? { 'allow-origin': '*', 'expose-headers': exposed, ...forPreflight }
                : {};
        expect({ origin, ...corsOf(answer) }).toEqual({ origin, ...expected });
        expect(varies(answer)).toContain('Origin');
      }
    });
  });
});

describe('a preflight', () => {
  const ask = (path: string, origin: string, method: string, wanted = 'content-type'): Promise<Response> =>
    fetch(`${worlds.closed.url}${path}`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': wanted },
    });

  test.each([
    ['/graphql', 'GET, POST, HEAD'],
    ['/api/v1/users/me', 'GET, PUT, PATCH, HEAD'],
    ['/api/v1/users', 'GET, HEAD'],
    ['/api/ai', 'POST'],
    ['/api/v1/auth/logout', 'POST'],
  ])('of %s names its methods and no other: %s', async (path, methods) => {
    for (const method of ['POST', 'DELETE', 'X']) {
      const { status, headers } = await ask(path, app, method);
      expect(status).toBe(204);
      expect(headers.get('access-control-allow-methods')).toBe(methods);
    }
  });

  test('repeats no header that it is asked for', async () => {
    const { headers } = await ask('/graphql', app, 'POST', 'x-evil, *, authorization');
    expect(headers.get('access-control-allow-headers')).toBe(taken);
  });

  test('from elsewhere is told nothing', async () => {
    const { status, headers } = await ask('/graphql', 'https://evil.example', 'POST');
    expect(status).toBe(204);
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('asks nobody, whatever it carries', async () => {
    worlds.closed.reset();
    await fetch(`${worlds.closed.url}/api/v1/users/me`, {
      method: 'OPTIONS',
      headers: { origin: app, cookie: 'session=abc', 'access-control-request-method': 'GET' },
    });
    expect(worlds.closed.auth.control.count('ValidateSession')).toBe(0);
  });
});

test('an Origin header that comes twice is no origin', async () => {
  const lines = [`Origin: ${app}`, `Origin: ${app}`];
  for (const world of Object.values(worlds)) {
    const [answer] = await heads(world, [{ ...places['a query']!, lines }]);
    expect(corsOf(answer!)['allow-credentials']).toBeUndefined();
    expect(corsOf(answer!)['allow-origin']).not.toBe(app);
  }
});

test('what an answer varies by on its own stays beside Origin, in one header', async () => {
  const [page] = await heads(worlds.closed, [{ ...places['GraphiQL']!, lines: [] }]);
  expect(page!.headers['vary']).toEqual(['accept, Origin']);
});

test('what is no HTTP says so too', async () => {
  const answer = readHead(await worlds.closed.raw('NONSENSE\r\n\r\n'));
  expect(answer.status).toBe(400);
  expect(varies(answer)).toEqual(['Origin']);
});
