import { PassThrough } from 'node:stream';
import { readConfig, type Config } from '../src/config';
import { createGateway, type Gateway, type GatewayOverrides } from '../src/gateway';
import { startServer, type RunningServer } from '../src/http/server';
import { createLog } from '../src/log';
import { loadSources } from '../src/schema/sources';
import { startAiService } from './upstreams/ai/service';
import { startAuthService } from './upstreams/auth/service';

type AuthUpstream = Awaited<ReturnType<typeof startAuthService>>;
type AiUpstream = Awaited<ReturnType<typeof startAiService>>;

/** A line of the gateway's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A real gateway on ports of its own, in front of real upstreams on theirs. */
export interface World {
  readonly auth: AuthUpstream;
  readonly ai: AiUpstream;
  readonly gateway: Gateway;
  readonly server: RunningServer;
  readonly url: string;
  readonly adminUrl: string;
  readonly logs: readonly LogLine[];
  /** Runs an operation with the admin's session, unless headers say otherwise. */
  graphql(query: string, options?: GraphqlOptions): Promise<GraphqlAnswer>;
  rest(method: string, path: string, options?: RestOptions): Promise<RestAnswer>;
  close(): Promise<void>;
}

export interface GraphqlOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  /** A session's token; null for none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GraphqlAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: never;
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
  readonly body: never;
}

export interface WorldOptions {
  /** Environment variables beside those that the fixture sets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly auth?: Parameters<typeof startAuthService>[0];
  readonly ai?: Partial<Parameters<typeof startAiService>[0]>;
  readonly overrides?: Partial<GatewayOverrides>;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const auth = await startAuthService(options.auth);
  const ai = await startAiService({ authAddress: auth.address, ...options.ai });
  const config = testConfig({
    AUTH_SERVICE_ADDR: auth.address,
    AI_SERVICE_ADDR: ai.address,
    ...options.env,
  });
  const logs: LogLine[] = [];
  const sink = new PassThrough();
  sink.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) if (line !== '') logs.push(JSON.parse(line) as LogLine);
  });
  const log = createLog('trace', sink);
  const gateway = createGateway(config, { log, ...options.overrides });
  const server = await startServer(gateway, config, log);
  const url = `http://127.0.0.1:${server.port}`;

  return {
    auth,
    ai,
    gateway,
    server,
    url,
    adminUrl: `http://127.0.0.1:${server.adminPort}`,
    logs,
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
        body: (text === '' ? undefined : JSON.parse(text)) as never,
      };
    },
    async close() {
      await server.close();
      await ai.close();
      await auth.close();
    },
  };
}

/** The configuration of a gateway under test: nothing but what is given, and free ports. */
export function testConfig(env: Readonly<Record<string, string>>): Config {
  const all = { NODE_ENV: 'test', PORT: '0', ADMIN_PORT: '0', PUBLIC_URL: 'http://localhost:3000', ...env };
  const { upstreamNames } = loadSources({ schemaDir: 'schema', protoDir: 'proto' });
  return readConfig(all, upstreamNames);
}

function bearer(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** Waits until something is so; fails with what it last was. */
export async function until<T>(read: () => T | Promise<T>, holds: (value: T) => boolean, within = 10_000): Promise<T> {
  const end = Date.now() + within;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`it never came to hold; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
