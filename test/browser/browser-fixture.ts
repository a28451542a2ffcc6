import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContext } from 'playwright-core';
import { startWorld, type World } from '../gateway-fixture';
import { startIdentityProvider, type IdentityProvider } from '../upstreams/idp/provider';
import { freePort } from '../free-ports';

const commands = ['chromium', 'chromium-browser', 'google-chrome'];

/**
 * The path of a Chromium on this machine: `CHROMIUM_PATH` and nothing else where that is set, or one of the usual commands.
 * Undefined where there is none.
 */
function findChromium(): string | undefined {
  const { CHROMIUM_PATH: wanted, PATH = '' } = process.env;
  const directories = [...PATH.split(delimiter), '/usr/bin'];
  const candidates = commands.flatMap((command) => directories.map((directory) => join(directory, command)));
  return (wanted ? [wanted] : candidates).find(isExecutable);
}

/** Describes tests that need Chromium. They are skipped, with a warning, where there is none. */
export function describeInChromium(name: string, tests: () => void): void {
  const isInstalled = findChromium() !== undefined;
  if (!isInstalled) {
    const where = process.env['CHROMIUM_PATH'] || commands.join(', ');
    console.warn(`The tests "${name}" are SKIPPED: there is no ${where} here. CHROMIUM_PATH can name one.`);
  }
  (isInstalled ? describe : describe.skip)(name, tests);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts a browser that reaches this machine and nothing else. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium() ?? '',
    args: [
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost',
      '--disable-gpu',
      '--disable-quic',
      '--disable-component-update',
    ],
  });
}

/**
 * Notes everything that a page should never do, as long as the context lives: requests to other hosts, errors and warnings
 * of the console (violations of the Content-Security-Policy and failed requests are among them), and uncaught errors.
 */
export function noteTroubles(context: BrowserContext, troubles: string[]): void {
  context.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (/^(https?|wss?):$/.test(protocol) && hostname !== 'localhost') troubles.push(`request to ${request.url()}`);
  });
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(`${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => troubles.push(`uncaught: ${String(error.error())}`));
}

/** A world with an identity provider that its users can sign in at. */
export interface SignInWorld {
  readonly world: World;
  readonly provider: IdentityProvider;
  /** Where browsers reach the gateway. */
  readonly url: string;
  close(): Promise<void>;
}

/** @param env - Environment variables beside those that the fixture sets. */
export async function startSignInWorld(env: Readonly<Record<string, string>> = {}): Promise<SignInWorld> {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const provider = await startIdentityProvider({ redirectUris: [`${url}/api/v1/auth/dev/callback`] });
  const { issuer, clientId } = provider;
  const world = await startWorld({
    env: {
      PORT: String(port),
      PUBLIC_URL: url,
      SESSION_SECRET: 'a secret of the browser tests that protects nothing',
      SSO_PROVIDERS: 'dev',
      SSO_DEV_ISSUER: issuer,
      SSO_DEV_CLIENT_ID: clientId,
      ...env,
    },
    auth: { providers: { dev: { issuer, clientId } } },
  }).catch(async (error: unknown) => {
    await provider.close();
    throw error;
  });
  const close = async () => {
    await world.close();
    await provider.close();
  };
  return { world, provider, url, close };
}

/** Signs a user in: gives a browser the cookie of a new session. */
export async function addSession(context: BrowserContext, { world, url }: SignInWorld, userId: string): Promise<void> {
  const value = world.auth.createSession(userId);
  await context.addCookies([{ name: 'session', value, url, httpOnly: true, sameSite: 'Lax' }]);
}

/** Visitors of a {@link SignInWorld}, each with a browser of their own. */
export interface Visitors {
  readonly signIn: SignInWorld;
  /** What {@link noteTroubles} has noted in the test that runs. What is left at its end fails it. */
  readonly troubles: string[];
  /** Opens a browser, signed in where a user is named. It is closed at the end of the test. */
  open(userId?: string): Promise<BrowserContext>;
}

/** Starts a world and a Chromium for the tests of a block. */
export function useVisitors(): Visitors {
  let signIn: SignInWorld;
  let browser: Browser;
  let troubles: string[];
  beforeAll(async () => {
    signIn = await startSignInWorld();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await signIn?.close();
  });
  beforeEach(() => {
    troubles = [];
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    signIn.world.reset();
    expect(troubles).toEqual([]);
  });
  return {
    get signIn() {
      return signIn;
    },
    get troubles() {
      return troubles;
    },
    async open(userId) {
      const context = await browser.newContext();
      noteTroubles(context, troubles);
      if (userId !== undefined) await addSession(context, signIn, userId);
      return context;
    },
  };
}

/** An application on an origin of its own: the same empty page at every path, and scripts that tests put there. */
export interface PageSite {
  readonly port: number;
  /** By path, the text of a module. */
  readonly scripts: Map<string, string>;
  close(): Promise<void>;
}

export async function startPageSite(): Promise<PageSite> {
  const scripts = new Map<string, string>();
  const server = createServer(({ url = '/' }, response) => {
    const script = scripts.get(url);
    const type = script === undefined ? 'text/html' : 'text/javascript';
    response.setHeader('content-type', `${type}; charset=utf-8`);
    response.end(script ?? '<!doctype html><title>app</title><link rel="icon" href="data:,">');
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const close = async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { port: (server.address() as AddressInfo).port, scripts, close };
}
