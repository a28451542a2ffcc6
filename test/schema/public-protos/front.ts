/** A real gateway in front of a service of a public proto: its SDL file beside the gateway's own, and no TypeScript. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createGateway } from '../../../src/gateway';
import { startServer } from '../../../src/http/server';
import { loadProtos } from '../../../src/proto/protos';
import { createLog } from '../../../src/telemetry/log';
import { testConfig, type Decoded, type GraphqlAnswer } from '../../gateway-fixture';
import { descriptorSetOf } from '../../proto/descriptor-set';
import { startAuthService } from '../../upstreams/auth/service';
import { googleProtos, type Backend } from './backend';

const root = join(__dirname, '../../..');

/** How the gateway is given the protos: as files, with PROTO_INCLUDE for what they import, or as one descriptor set. */
export type Form = 'files' | 'a descriptor set';

export interface FrontOptions {
  /** Name of the SDL file, and of the upstream in it. */
  readonly name: string;
  /** Path in the package. */
  readonly proto: string;
  readonly backend: Backend;
  readonly form?: Form;
}

export interface Front {
  /** Runs an operation as the admin, unless a token says otherwise. */
  graphql(query: string, variables?: Readonly<Record<string, unknown>>, token?: string | null): Promise<GraphqlAnswer>;
  /** As graphql, for what must go well: gives the data. */
  data(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Decoded>;
  readonly memberToken: string;
  close(): Promise<void>;
}

export async function startFront({ name, proto, backend, form = 'files' }: FrontOptions): Promise<Front> {
  const auth = await startAuthService();
  const folders = writeFolders(name, proto, form);
  const end = async (): Promise<void> => {
    await Promise.all([auth.close(), backend.close()]);
    rmSync(folders.all, { recursive: true });
  };
  const server = await startGateway({
    SCHEMA_DIR: folders.schema,
    PROTO_DIR: folders.proto,
    PROTO_INCLUDE: folders.include.join(':'),
    AUTH_SERVICE_ADDR: auth.address,
    [`${name.toUpperCase()}_SERVICE_ADDR`]: backend.address,
  }).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  const front: Front = {
    memberToken: auth.memberToken,
    async graphql(query, variables, token = auth.adminToken) {
      const response = await fetch(`http://127.0.0.1:${server.port}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (await response.json()) as GraphqlAnswer;
      return { status: response.status, headers: response.headers, data, errors };
    },
    async data(query, variables) {
      const { data, errors } = await front.graphql(query, variables);
      if (errors) throw new Error(JSON.stringify(errors, undefined, 2));
      return data;
    },
    async close() {
      await server.close();
      await end();
    },
  };
  return front;
}

async function startGateway(env: Readonly<Record<string, string>>) {
  const config = testConfig(env);
  const log = createLog('error', new PassThrough().resume());
  return startServer(createGateway(config, { log }), config, log);
}

/** The gateway's own files without those of AIService, and what is put beside them. */
export function writeFolders(name: string, proto: string, form: Form) {
  const all = mkdtempSync(join(tmpdir(), 'public-protos-'));
  const include = form === 'files' ? [googleProtos] : [];
  const folders = { all, schema: join(all, 'schema'), proto: join(all, 'proto'), include };
  mkdirSync(folders.schema);
  mkdirSync(folders.proto);
  for (const file of ['auth.graphql', 'gateway.graphql']) {
    symlinkSync(join(root, 'schema', file), join(folders.schema, file));
  }
  symlinkSync(join(__dirname, 'schema', `${name}.graphql`), join(folders.schema, `${name}.graphql`));
  symlinkSync(join(root, 'proto/auth'), join(folders.proto, 'auth'));
  const file = join(folders.proto, basename(proto));
  symlinkSync(join(googleProtos, proto), file);
  if (form === 'a descriptor set') {
    const protos = loadProtos(folders.proto, [googleProtos]);
    rmSync(file);
    const set = descriptorSetOf(protos, { syntax: { 'google/protobuf/descriptor.proto': 'proto2' } });
    writeFileSync(join(folders.proto, `${name}.binpb`), set);
  }
  return folders;
}
