/** The page of the REST routes, as it is served. test/browser/docs-page.test.ts uses it. */
import { request, type IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { startWorld, type World } from '../gateway-fixture';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The answer as it is sent, compressed where it is. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${world.url}${path}`, { headers, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    outgoing.on('error', reject).end();
  });
}

/** Everything that the page's HTML refers to. */
async function references(): Promise<string[]> {
  const { body } = await ask('/api/docs');
  return [...body.toString().matchAll(/(?:src|href|action)="([^"]*)"/g)].map(([, reference]) => reference ?? '');
}

test('the page is HTML with everything from this host, and may run nothing else', async () => {
  const { status, headers, body } = await ask('/api/docs');
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
  expect(headers['cache-control']).toBe('no-cache');
  expect(String(headers['content-security-policy']).split('; ').toSorted()).toEqual([
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "img-src 'self' data:",
    "script-src 'self'",
    "style-src 'self'",
  ]);
  expect(body.toString()).not.toMatch(/https?:\/\/|\/\/\w/);
  const found = await references();
  expect(found.filter((each) => !each.startsWith('/api/docs/assets/'))).toEqual(['data:,']);
  expect(found).toHaveLength(7);
});

test('HEAD answers as GET does, without a body', async () => {
  const paths = ['/api/docs', ...(await references()).filter((each) => each.startsWith('/'))];
  for (const path of paths) {
    const [get, head] = [await ask(path), await ask(path, {}, 'HEAD')];
    expect([head.status, head.body.length]).toEqual([200, 0]);
    for (const name of ['content-type', 'content-length', 'etag', 'cache-control', 'content-security-policy']) {
      expect(head.headers[name]).toBe(get.headers[name]);
    }
  }
});

test('its files have their types, come compressed, and are kept', async () => {
  const files = (await references()).filter((each) => each.startsWith('/'));
  for (const file of files) {
    const plain = await ask(file);
    const type = file.includes('.css') ? 'text/css' : 'text/javascript';
    expect(plain.headers).toMatchObject({
      'content-type': `${type}; charset=utf-8`,
      'cache-control': 'public, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'",
    });
    const zipped = await ask(file, { 'accept-encoding': 'gzip' });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
    expect(zipped.headers.etag).not.toBe(plain.headers.etag);
    for (const [etag = '', headers] of [
      [plain.headers.etag, {}],
      [zipped.headers.etag, { 'accept-encoding': 'gzip' }],
    ] as const) {
      expect(etag).toMatch(/^"[\w-]+"$/);
      const again = await ask(file, { ...headers, 'if-none-match': etag });
      expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, etag]);
      expect((await ask(file, { ...headers, 'if-none-match': '"other"' })).status).toBe(200);
    }
    expect((await ask(`${file}0`)).headers['cache-control']).toBe('no-cache');
  }
});

test('a file that there is not, and other methods, are errors as REST writes them', async () => {
  for (const file of ['nothing.js', '..%2f..%2fpackage.json', '__proto__', 'swagger-ui-bundle.js']) {
    const { status, body } = await world.rest('GET', `/api/docs/assets/${file}`);
    expect([status, body.error.reason]).toEqual([404, 'NOT_FOUND']);
  }
  const { status, headers } = await world.rest('POST', '/api/docs', { body: {} });
  expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
});

test('there is none in production', async () => {
  const production = await startWorld({
    env: { NODE_ENV: 'production', PUBLIC_URL: 'https://gateway.example', SHUTDOWN_DELAY: '0s' },
  });
  try {
    for (const path of ['/api/docs', '/api/docs/assets/swagger-ui.js', '/api/openapi.json']) {
      expect((await production.rest('GET', path)).status).toBe(404);
    }
  } finally {
    await production.close();
  }
});
