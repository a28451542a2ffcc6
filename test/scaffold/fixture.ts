/** Imports into folders of their own, from servers of their own. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { ReflectionV1AlphaImplementation } from '@grpc/reflection/build/src/implementations/reflection-v1alpha';
import * as graphqlPlugin from 'prettier/plugins/graphql';
import { format } from 'prettier/standalone';
import { Reader, type Root } from 'protobufjs';
import type { CommandResult } from '../../src/commands/command-result';
import { runImport } from '../../src/commands/run-import';
import { ownResolverNames } from '../../src/contract/built-ins';
import { compileContract } from '../../src/contract/contract';
import { formatFinding, Findings } from '../../src/diagnostics/findings';
import { loadProtos } from '../../src/proto/protos';
import { loadSources, type Sources } from '../../src/schema/sources';
import { descriptorSetOf } from '../proto/descriptor-set';
import { serviceDefinition } from '../upstreams/server';

const root = join(__dirname, '../..');

/** What can be imported with the packages that are installed for the tests. */
export const googleProtos = join(root, 'node_modules/google-proto-files');

/** Folders that a gateway could start from, to import into. */
export interface Workspace {
  readonly schemaDir: string;
  readonly protoDir: string;
  /** The folder that both are in. */
  readonly folder: string;
  protoInclude: string[];
  run(...args: string[]): Promise<CommandResult>;
  /** A file of the schema. */
  sdl(name: string): string;
  /** What the gateway would find wrong when it starts. */
  findings(): string[];
  /** Writes a file into the workspace; gives its path. */
  write(path: string, content: string | Uint8Array): string;
  remove(): void;
}

/** @param options.empty - True for folders with nothing in them; else this repository's own schema and protos. */
export function createWorkspace({ empty = false }: { readonly empty?: boolean } = {}): Workspace {
  const folder = mkdtempSync(join(tmpdir(), 'import-test-'));
  const [schemaDir, protoDir] = [join(folder, 'schema'), join(folder, 'proto')];
  if (!empty) {
    cpSync(join(root, 'schema'), schemaDir, { recursive: true });
    cpSync(join(root, 'proto'), protoDir, { recursive: true });
  }
  const workspace: Workspace = {
    schemaDir,
    protoDir,
    folder,
    protoInclude: [],
    run: async (...args) => {
      const { protoInclude } = workspace;
      const result = await runImport(args, { folders: { schemaDir, protoDir, protoInclude }, check });
      return { ...result, stdout: shown(result.stdout), stderr: shown(result.stderr) };
    },
    sdl: (name) => readFileSync(join(schemaDir, `${name}.graphql`), 'utf8'),
    findings: () => {
      const findings = new Findings();
      check(loadSources({ schemaDir, protoDir, protoInclude: workspace.protoInclude }), findings);
      return findings.list.map(formatFinding);
    },
    write: (path, content) => {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return file;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
  const shown = (text: string): string => text.replaceAll(`${folder}/`, '').replaceAll(`${root}/`, '');
  return workspace;
}

/** What the gateway checks when it starts. */
export function check(sources: Sources, findings: Findings): void {
  const notCalled = (): never => {
    throw new Error('the schema is only checked');
  };
  const resolvers = Object.fromEntries(ownResolverNames.map((name) => [name, notCalled]));
  compileContract(sources, { upstream: notCalled, resolvers }, findings);
}

/** A file as prettier has it with the settings of this repository. */
export function prettier(sdl: string): Promise<string> {
  const settings = JSON.parse(readFileSync(join(root, '.prettierrc.json'), 'utf8')) as object;
  return format(sdl, { ...settings, parser: 'graphql', plugins: [graphqlPlugin] });
}

export interface ServiceOptions {
  readonly proto: string;
  readonly service: string;
  /** By the names of the RPCs. */
  readonly handlers?: UntypedServiceImplementation;
  /**
   * What the server says of itself: as servers in Node.js do, with a file for each package; in the old version alone; as
   * most others do, with each file as it is and only when it is asked for; or nothing.
   */
  readonly reflection: 'of Node.js' | 'v1alpha' | 'file by file' | 'none';
}

const servers: Server[] = [];

/** Ends every server that was started. */
export function stopServices(): void {
  for (const server of servers.splice(0)) server.forceShutdown();
}

/** A gRPC server that keeps the names of its proto, as servers in most languages do. */
export async function startService(options: ServiceOptions): Promise<string> {
  const { proto, service, handlers = {}, reflection } = options;
  const definition = loadSync(proto, {
    includeDirs: [dirname(proto), googleProtos],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const server = new Server();
  server.addService(serviceDefinition(definition, service), handlers);
  if (reflection === 'of Node.js') new ReflectionService(definition).addToServer(server);
  if (reflection === 'v1alpha') new ReflectionV1AlphaImplementation(definition).addToServer(server);
  if (reflection === 'file by file') addReflection(server, proto, service);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  servers.push(server);
  return `127.0.0.1:${port}`;
}

interface DescribedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The files of a root as protoc describes them. */
function filesOf(protos: Root): DescribedFile[] {
  const reader = Reader.create(descriptorSetOf(protos));
  const files: DescribedFile[] = [];
  while (reader.pos < reader.len) {
    reader.uint32();
    const bytes = reader.bytes();
    const file = Reader.create(bytes);
    file.uint32();
    files.push({ name: file.string(), bytes });
  }
  return files;
}

interface ReflectionRequest {
  readonly list_services?: string;
  readonly file_containing_symbol?: string;
  readonly file_by_filename?: string;
}

function addReflection(server: Server, proto: string, service: string): void {
  const reflection = join(root, 'node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto');
  const definition = loadSync(reflection, { keepCase: true });
  const files = filesOf(loadProtos(dirname(proto), [googleProtos]));
  const main = files.find(({ bytes }) => Buffer.from(bytes).includes(service.split('.').at(-1) ?? ''));
  const fileResponse = (file: DescribedFile | undefined) =>
    file
      ? { file_descriptor_response: { file_descriptor_proto: [file.bytes] } }
      : { error_response: { error_code: 5, error_message: 'not found' } };
  const answer = (request: ReflectionRequest): object => {
    const { file_by_filename: name, file_containing_symbol: symbol } = request;
    if (name) return fileResponse(files.find((file) => file.name === name));
    if (symbol) return fileResponse(symbol === service ? main : undefined);
    return { list_services_response: { service: [{ name: service }] } };
  };
  server.addService(serviceDefinition(definition, 'grpc.reflection.v1.ServerReflection'), {
    ServerReflectionInfo: (call: ServerDuplexStream<ReflectionRequest, object>) => {
      call.on('data', (request: ReflectionRequest) => call.write(answer(request)));
      call.on('end', () => call.end());
    },
  });
}
