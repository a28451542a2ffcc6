/** A real gateway in front of services that its sources know nothing of: those that an SDL file of `schema/` names. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { loadSync } from '@grpc/proto-loader';
import { createClient } from 'graphql-sse';
import { createGateway } from '../../../src/gateway';
import { startServer } from '../../../src/http/server';
import { createLog } from '../../../src/telemetry/log';
import { testConfig, type Decoded, type GraphqlAnswer, type LogLine } from '../../gateway-fixture';
import { startAuthService } from '../../upstreams/auth/service';
import { Upstreams, type Answer } from './upstream';

const protoDir = join(__dirname, 'proto');
/** Where the common types of Google's APIs are, as they are published. */
const googleDir = join(__dirname, '../../../node_modules/google-proto-files');

export interface Lab {
  readonly upstreams: Upstreams;
  /** Lines of the log, from warnings on. */
  readonly logs: readonly LogLine[];
  readonly url: string;
  /** The sessions of an admin and of a member. */
  readonly adminToken: string;
  readonly memberToken: string;
  /** Runs an operation without a session, unless a token says otherwise. */
  graphql(query: string, variables?: Readonly<Record<string, unknown>>, token?: string): Promise<GraphqlAnswer>;
  /** As graphql, for what must go well: gives the data. */
  data(query: string, variables?: Readonly<Record<string, unknown>>, token?: string): Promise<Decoded>;
  /** The events of a subscription. Leaving the loop ends it. */
  subscribe(query: string, variables?: Readonly<Record<string, unknown>>): AsyncIterableIterator<Decoded>;
  close(): Promise<void>;
}

export interface LabOptions {
  /** How RPCs are answered, by `Service.Method`; those that are not here answer with what they were asked. */
  readonly answers?: Readonly<Record<string, Answer>>;
  /** SDL beside the files. */
  readonly sdl?: string;
}

/** @param names - The SDL files, without `.graphql`. */
export async function startLab(names: string | readonly string[], options: LabOptions = {}): Promise<Lab> {
  const { answers = {}, sdl } = options;
  const files = [names].flat().map((name) => join(__dirname, 'schema', `${name}.graphql`));
  const documents = Object.fromEntries(files.map((file) => [basename(file), readFileSync(file, 'utf8')]));
  if (sdl !== undefined) documents['more.graphql'] = sdl;
  const folder = writeSources(documents);
  const services = servicesOf(Object.values(documents).join('\n'));
  const upstreams = new Upstreams(loadProtos(), [...services.values()].flat(), answers);
  const auth = await startAuthService();
  const env: Record<string, string> = {
    // Whole messages are asked for, however deep.
    MAX_COST: '1000000000',
    MAX_CALLS: '100000',
    SCHEMA_DIR: join(folder, 'schema'),
    PROTO_DIR: join(folder, 'proto'),
    AUTH_SERVICE_ADDR: auth.address,
  };
  for (const [upstream, each] of services) {
    env[`${upstream.toUpperCase()}_SERVICE_ADDR`] = await upstreams.start(each);
  }
  const closeUpstreams = async (): Promise<void> => {
    await Promise.all([auth.close(), upstreams.close()]);
    rmSync(folder, { recursive: true });
  };
  const logs: LogLine[] = [];
  const server = await startGateway(env, logs).catch(async (error: unknown) => {
    await closeUpstreams();
    throw error;
  });
  const url = `http://127.0.0.1:${server.port}/graphql`;
  const sse = createClient({ url, retryAttempts: 0 });
  const lab: Lab = {
    upstreams,
    logs,
    url,
    adminToken: auth.adminToken,
    memberToken: auth.memberToken,
    async graphql(query, variables, token) {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (await response.json()) as GraphqlAnswer;
      return { status: response.status, headers: response.headers, data, errors };
    },
    async data(query, variables, token) {
      const { data, errors } = await lab.graphql(query, variables, token);
      if (errors) throw new Error(JSON.stringify(errors, undefined, 2));
      return data;
    },
    subscribe: (query, variables = {}) => sse.iterate({ query, variables }),
    async close() {
      sse.dispose();
      await server.close();
      await closeUpstreams();
    },
  };
  return lab;
}

async function startGateway(env: Readonly<Record<string, string>>, logs: LogLine[]) {
  const config = testConfig(env);
  const sink = new PassThrough();
  createInterface({ input: sink }).on('line', (line) => logs.push(JSON.parse(line) as LogLine));
  const log = createLog('warn', sink);
  return startServer(createGateway(config, { log }), config, log);
}

/** Sign-in and sessions call AuthService, whatever the graph has of it. */
const authSdl = 'extend schema @upstream(name: "auth", service: "auth.v1.AuthService")';

/** The folders that the gateway reads: the SDL, the protos of the tests, and those that sign-in needs. */
function writeSources(documents: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'lab-'));
  cpSync(protoDir, join(folder, 'proto'), { recursive: true });
  cpSync(join(__dirname, '../../../proto/auth'), join(folder, 'proto/auth'), { recursive: true });
  cpSync(join(googleDir, 'google/type'), join(folder, 'proto/google/type'), { recursive: true });
  mkdirSync(join(folder, 'schema'));
  for (const [name, text] of Object.entries({ ...documents, 'auth.graphql': authSdl })) {
    writeFileSync(join(folder, 'schema', name), text);
  }
  return folder;
}

/** Services of an SDL file, by the upstream that has them. */
function servicesOf(sdl: string): Map<string, string[]> {
  const services = new Map<string, string[]>();
  for (const [, name = '', service = ''] of sdl.matchAll(/@upstream\(name: "(\w+)", service: "([\w.]+)"/g)) {
    services.set(name, [...(services.get(name) ?? []), service]);
  }
  return services;
}

/** The protos as the servers read them: names as they are written, 64 bits as text, and nothing that is not on the wire. */
export function loadProtos() {
  const files = readdirSync(protoDir, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.proto'));
  return loadSync(files, { includeDirs: [protoDir, googleDir], keepCase: true, longs: String });
}
