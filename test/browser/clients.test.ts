import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import {
  addSession,
  describeInChromium,
  launchChromium,
  startPageSite,
  startSignInWorld,
  type PageSite,
  type SignInWorld,
} from './browser-fixture';
import type * as ClientPage from './client-page';

jest.setTimeout(90_000);

const root = join(__dirname, '../..');

/** One script for the page, with all that it imports. esbuild runs apart: it does not work within Jest's globals. */
async function bundle(file: string): Promise<string> {
  const options = ['--bundle', '--format=iife', '--global-name=clients', '--platform=browser', '--target=es2022'];
  const { stdout } = await promisify(execFile)(
    join(root, 'node_modules/.bin/esbuild'),
    [join(__dirname, file), ...options, '--define:process.env.NODE_ENV="production"', '--log-level=error'],
    { maxBuffer: 20_000_000 },
  );
  return stdout;
}

describeInChromium('clients of an application on an allowed origin', () => {
  let app: PageSite;
  let signIn: SignInWorld;
  let browser: Browser;

  beforeAll(async () => {
    app = await startPageSite();
    app.scripts.set('/clients.js', await bundle('client-page.ts'));
    signIn = await startSignInWorld({ ALLOWED_ORIGINS: `http://localhost:${app.port}` });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([signIn?.close(), app?.close()]);
  });

  test.each([
    ['apollo', 'Mel by Apollo'],
    ['urql', 'Mel by urql'],
    ['graphqlSse', 'Mel by graphql-sse'],
  ] as const)('%s queries, mutates, streams and is told what it may not', async (name, newName) => {
    const context = await browser.newContext();
    await addSession(context, signIn, 'user-mel');
    const page = await context.newPage();
    await page.goto(`http://localhost:${app.port}/`);
    await page.addScriptTag({ url: '/clients.js' });
    const outcome = await page.evaluate(
      ([client, url]) => (globalThis as unknown as { clients: typeof ClientPage }).clients[client](url),
      [name, `${signIn.url}/graphql`] as const,
    );
    await context.close();
    expect(outcome).toMatchObject({
      query: { me: { id: 'user-mel' } },
      mutation: { updateMe: { id: 'user-mel', displayName: newName } },
      streamed: '1 2 3',
      refused: 'FORBIDDEN',
    });
  });
});
