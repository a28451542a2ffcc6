import { request, type IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { startWorld, type World } from '../gateway-fixture';

describe('the files of GraphiQL', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  /** A GET that shows the answer as it is sent, compressed where it is. */
  function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${world.url}${path}`, { headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }));
      });
      outgoing.on('error', reject).end();
    });
  }

  async function assetsOfPage(): Promise<string[]> {
    const { body } = await get('/graphql', { accept: 'text/html' });
    return [...body.toString().matchAll(/"(\/graphql\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
  }

  test('those that the page names are kept for good, and those of another version are asked about each time', async () => {
    const assets = await assetsOfPage();
    expect(assets).toHaveLength(6);
    for (const asset of assets) {
      expect((await get(asset)).headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect((await get(`${asset}0`)).headers['cache-control']).toBe('no-cache');
    }
  });

  test('they come compressed to who takes that', async () => {
    const [asset = ''] = await assetsOfPage();
    const plain = await get(asset, { 'accept-encoding': 'br, gzip;q=0' });
    expect(plain.headers).not.toHaveProperty('content-encoding');
    const zipped = await get(asset, { 'accept-encoding': 'gzip, deflate, br' });
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding, Origin' });
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
  });

  test('workers may talk to nobody', async () => {
    const { headers } = await get('/graphql/assets/graphql.worker.js');
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'content-security-policy': "default-src 'none'",
    });
  });

  test('one that there is not is answered in the error envelope', async () => {
    const { status, body } = await world.rest('GET', '/graphql/assets/nothing.js');
    expect(status).toBe(404);
    expect(body).toMatchObject({ error: { code: 404, reason: 'NOT_FOUND' } });
  });
});

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
