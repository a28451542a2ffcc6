import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { createClient, type ExecutionResult } from 'graphql-sse';
import { prefixOf, readConfig, sourceFolders, type Config } from '../src/config/config';
import { createGateway, type Gateway, type GatewayOverrides } from '../src/gateway';
import { startServer, type RunningServer } from '../src/http/server';
import { loadSources } from '../src/schema/sources';
import { createLog } from '../src/telemetry/log';
import { addresses } from './addresses';
import { audit, takeProblems } from './rest/openapi-audit';
import { startAiService } from './upstreams/ai/service';
import { startAuthService } from './upstreams/auth/service';
import { variant } from './variant';

// For machines that have much else to do.
jest.setTimeout(30_000);

/** Fails the test that asked. What comes after the last one is told by no test, and so by the file. */
function requireDescribed(): void {
  const problems = takeProblems();
  if (problems.length > 0) throw new Error(`not as the OpenAPI document says:\n${problems.join('\n')}`);
}
afterEach(requireDescribed);
afterAll(requireDescribed);

type AuthUpstream = Awaited<ReturnType<typeof startAuthService>>;
type AiUpstream = Awaited<ReturnType<typeof startAiService>>;

/** A line of the gateway's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A real gateway on ports of its own, in front of real upstreams on theirs. */
export interface World {
  /** The AuthService that runs, or ran last. */
  readonly auth: AuthUpstream;
  readonly ai: AiUpstream;
  readonly gateway: Gateway;
  readonly server: RunningServer;
  readonly url: string;
  readonly adminUrl: string;
  readonly logs: readonly LogLine[];
  /** The same lines as they were written. */
  readonly lines: readonly string[];
  /** Runs an operation with the admin's session, unless headers say otherwise. */
  graphql(query: string, options?: GraphqlOptions): Promise<GraphqlAnswer>;
  rest(method: string, path: string, options?: RestOptions): Promise<RestAnswer>;
  /** Asks the assistant with the admin's session for an answer that comes in parts, such as `count to 3`. */
  askStream(query: string, headers?: Readonly<Record<string, string>>): AsyncIterableIterator<ExecutionResult>;
  /**
   * Sends bytes as they are and gives back what comes until the gateway closes the connection.
   *
   * @param options.andEnd - Says that nothing more will come, so that what is incomplete stays so.
   */
  raw(bytes: string | Uint8Array, options?: { readonly andEnd: boolean }): Promise<string>;
  /** The access line of an answer. */
  accessLine(answer: { readonly headers: Headers }): Promise<LogLine>;
  /** Everything that is scraped from `/metrics`. */
  metrics(): Promise<string>;
  /** The value of a series, such as `http_requests_total{method="GET",path="other",status="404"}`. */
  metric(series: string): Promise<number | undefined>;
  /** How much series grow while something happens; NaN for one that is not there before and after. */
  growth(act: () => Promise<unknown>, ...series: string[]): Promise<number[]>;
  /** Starts AuthService again after its close, on the same port and with what it knew. */
  restartAuth(): Promise<void>;
  /** Starts AIService again after its close, on the same port. */
  restartAi(): Promise<void>;
  /** Makes the upstreams behave again and forget their calls. */
  reset(): void;
  close(): Promise<void>;
}

export interface GraphqlOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  /** A session's token; null for none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Decoded JSON. Its shape is what the tests are about, so the compiler need not know it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Decoded = any;

export interface GraphqlAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Decoded;
  readonly errors: readonly { message: string; path?: unknown[]; extensions: Record<string, unknown> }[] | undefined;
}

export interface RestOptions {
  readonly token?: string | null;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Decoded;
}

export interface WorldOptions {
  /** Environment variables beside those that the fixture sets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly auth?: Parameters<typeof startAuthService>[0];
  readonly ai?: Partial<Parameters<typeof startAiService>[0]>;
  readonly overrides?: Partial<GatewayOverrides>;
  /** False where what the audit keeps of answers would be in the way: they are not held against the OpenAPI document then. */
  readonly audited?: boolean;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  let auth = await startAuthService(options.auth);
  let ai = await startAiService({ authAddress: auth.address, ...options.ai });
  const lines: string[] = [];
  const logs: LogLine[] = [];
  const onLine = (line: string) => {
    lines.push(line);
    logs.push(JSON.parse(line) as LogLine);
  };
  const { gateway, server } = await start(options, auth, ai, onLine).catch(async (error: unknown) => {
    await Promise.all([auth.close(), ai.close()]);
    throw error;
  });
  const url = `http://127.0.0.1:${server.port}`;
  const adminUrl = `http://127.0.0.1:${server.adminPort}`;

  const world: World = {
    get auth() {
      return auth;
    },
    get ai() {
      return ai;
    },
    gateway,
    server,
    url,
    adminUrl,
    logs,
    lines,
    async graphql(query, { variables, token = auth.adminToken, headers } = {}) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...bearer(token), ...headers },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (await response.json()) as GraphqlAnswer;
      return { status: response.status, headers: response.headers, data, errors };
    },
    async rest(method, path, { token = auth.adminToken, body, headers } = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...bearer(token),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? undefined : JSON.parse(text),
      };
    },
    askStream(query, headers = {}) {
      const client = createClient({
        url: `${url}/graphql`,
        fetchFn: fetch,
        retryAttempts: 0,
        headers: { ...bearer(auth.adminToken), ...headers },
      });
      return client.iterate({ query: `subscription { askStream(input: { query: "${query}" }) { textDelta } }` });
    },
    raw: (bytes, { andEnd } = { andEnd: false }) => sendRaw(server.port, bytes, andEnd),
    accessLine({ headers }) {
      const requestId = headers.get('x-request-id');
      const find = () => logs.find((line) => line['msg'] === 'request' && line['requestId'] === requestId);
      return until(find, (line) => line !== undefined) as Promise<LogLine>;
    },
    metrics: async () => (await fetch(`${adminUrl}/metrics`)).text(),
    metric: async (series) => valueOf(await world.metrics(), series),
    async growth(act, ...series) {
      const before = await world.metrics();
      await act();
      const after = await world.metrics();
      return series.map((each) => (valueOf(after, each) ?? NaN) - (valueOf(before, each) ?? NaN));
    },
    async restartAuth() {
      auth = await startAuthService({ ...options.auth, port: auth.port, state: auth.state });
    },
    async restartAi() {
      ai = await startAiService({ authAddress: auth.address, ...options.ai, port: ai.port });
    },
    reset() {
      for (const { control } of [auth, ai]) {
        control.clearFaults();
        control.reset();
      }
    },
    async close() {
      await server.close();
      await ai.close();
      await auth.close();
    },
  };
  return world;
}

async function start(
  { env, overrides, audited = true }: WorldOptions,
  auth: AuthUpstream,
  ai: AiUpstream,
  onLine: (line: string) => void,
) {
  const config = testConfig({ AUTH_SERVICE_ADDR: auth.address, AI_SERVICE_ADDR: ai.address, ...env });
  const sink = new PassThrough();
  sink.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) if (line !== '') onLine(line);
  });
  const log = createLog('trace', sink);
  const gateway = createGateway(config, { log, ...overrides });
  const handle = audited ? audit(gateway.handle, config, overrides) : gateway.handle;
  return { gateway, server: await startServer({ ...gateway, handle }, config, log) };
}

/**
 * The configuration of a gateway under test: nothing but what is given, free ports, the transport of this run, and upstreams
 * that are not there.
 */
export function testConfig(env: Readonly<Record<string, string>>): Config {
  const own = {
    NODE_ENV: 'test',
    PORT: '0',
    ADMIN_PORT: '0',
    PUBLIC_URL: 'http://localhost:3000',
    GRAPHQL_SERVER: variant.graphqlServer,
  };
  const { upstreamNames } = loadSources(sourceFolders({ ...own, ...env }));
  const transports = upstreamNames.map((name) => [`${prefixOf(name)}_SERVICE_TRANSPORT`, variant.transport]);
  const perUpstream = { ...addresses(upstreamNames), ...Object.fromEntries(transports) };
  return readConfig({ ...own, ...perUpstream, ...env }, upstreamNames);
}

function bearer(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** Talks plain TCP, for what no HTTP client would send. Ends when the other side closes. */
function sendRaw(port: number, bytes: string | Uint8Array, andEnd: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    const answer = () => Buffer.concat(chunks).toString('latin1');
    socket.setTimeout(20_000, () => socket.destroy(new Error(`nothing came for 20 s after: ${answer()}`)));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Whoever answers before everything has been read may cut the rest off.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => resolve(answer()));
    if (andEnd) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** Reads one series off a scrape. */
export function valueOf(scrape: string, series: string): number | undefined {
  const line = scrape.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Waits until something is so; fails with what it last was. */
export async function until<T>(read: () => T | Promise<T>, holds: (value: T) => boolean, within = 20_000): Promise<T> {
  const end = Date.now() + within;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`it never came to hold; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
