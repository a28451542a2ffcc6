/** `npm run import -- file.proto`: services of protos, as they are written. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadProtos } from '../../src/proto/protos';
import { upstreamName } from '../../src/scaffold/names';
import { descriptorSetOf } from '../proto/descriptor-set';
import { createWorkspace, googleProtos, prettier, type Workspace } from './fixture';

const root = join(__dirname, '../..');

let workspace: Workspace;
beforeEach(() => {
  workspace = createWorkspace();
});
afterEach(() => workspace.remove());

/** Findings of a gateway that has the proto where it belongs. */
function findingsWith(proto: string, path: string): string[] {
  cpSync(proto, join(workspace.protoDir, path));
  return workspace.findings();
}

describe('the file that is written', () => {
  beforeEach(() => {
    workspace.remove();
    workspace = createWorkspace({ empty: true });
    workspace.write(
      'schema/other.graphql',
      'type Query { users: [User!] @public @resolver(name: "gateway") } type User { id: ID @resolver(name: "gateway") }',
    );
  });

  // To write them anew: npm run import -- test/scaffold/shop.proto --out test/scaffold/shop.graphql --force
  test.each(['shop', 'odd', 'legacy'])('%s', async (name) => {
    expect(await workspace.run(join(__dirname, `${name}.proto`))).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining(
        `- Copy test/scaffold/${name}.proto to proto/${name}.proto.\n- Set ${name.toUpperCase()}_`,
      ),
      stderr: '',
    });
    const sdl = workspace.sdl(name);
    expect(sdl).toBe(readFileSync(join(__dirname, `${name}.graphql`), 'utf8'));
    expect(sdl).toBe(await prettier(sdl));
    const findings = findingsWith(join(__dirname, `${name}.proto`), `${name}.proto`);
    expect(findings.filter((finding) => !finding.includes('sign-in'))).toEqual([]);

    await workspace.run(join(__dirname, `${name}.proto`), '--force');
    expect(workspace.sdl(name)).toBe(sdl);
  });
});

describe('the protos of this repository', () => {
  test.each([
    ['auth', 'updateUser("Never changes." userId: ID!, input: UpdateUserInput!): User!'],
    ['ai', 'conversations(first: Int = 25, after: String, "Whose." userId: ID): ConversationConnection'],
  ])('%s', async (name, field) => {
    const { exitCode, stdout } = await workspace.run(join(workspace.protoDir, `${name}/v1/${name}.proto`), '--force');
    // The routes and joins of the file that is gone are missed.
    expect(exitCode).toBe(1);
    expect(stdout).not.toContain('Copy');
    expect(workspace.sdl(name)).toContain(field);
    expect(workspace.findings().filter((finding) => finding.includes(`schema/${name}.graphql`))).toEqual([]);
  });
});

describe('protos that nobody here wrote', () => {
  test('google.example.library.v1', async () => {
    const proto = 'google/example/library/v1/library.proto';
    expect(await workspace.run(join(googleProtos, proto))).toEqual({
      exitCode: 0,
      stdout: `schema/library.graphql: 11 root field(s) of google.example.library.v1.LibraryService

What is left to do:
- Copy node_modules/google-proto-files/${proto} to proto/${proto}.
- Set PROTO_INCLUDE=node_modules/google-proto-files for what it imports, or copy that as well:
    node_modules/google-proto-files/google/api/client.proto to proto/google/api/client.proto
    node_modules/google-proto-files/google/api/launch_stage.proto to proto/google/api/launch_stage.proto
    node_modules/google-proto-files/google/api/field_behavior.proto to proto/google/api/field_behavior.proto
    node_modules/google-proto-files/google/api/resource.proto to proto/google/api/resource.proto
- Set LIBRARY_SERVICE_ADDR.
- Put your permissions in schema/library.graphql: as it is, nobody may ask for anything.
`,
      stderr: '',
    });
    const sdl = workspace.sdl('library');
    expect(sdl).toContain('type Book @lookup(rpc: "GetBook", key: "name") {');
    expect(sdl).toContain('createShelf(input: ShelfInput!): Shelf!');
    expect(sdl).toContain('@grpc(rpc: "UpdateBook", request: { book: ["$args.input", { name: "$args.name" }] })');
    workspace.protoInclude = [googleProtos];
    expect(findingsWith(join(googleProtos, proto), proto)).toEqual([]);
  });

  test('google.pubsub.v1: two services of one file, beside each other', async () => {
    const proto = 'google/pubsub/v1/pubsub.proto';
    cpSync(join(googleProtos, proto), join(workspace.protoDir, proto));
    workspace.protoInclude = [googleProtos];
    const several = await workspace.run(join(workspace.protoDir, proto));
    expect(several).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `proto/${proto} has several services; say which:\n  google.pubsub.v1.Publisher\n  google.pubsub.v1.Subscriber\n`,
    });
    for (const service of ['Publisher', 'Subscriber']) {
      const result = await workspace.run(join(workspace.protoDir, proto), `google.pubsub.v1.${service}`);
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
      expect(result.stdout).not.toContain('Copy');
    }
    const sdl = workspace.sdl('subscriber');
    expect(sdl).toContain(
      '# rpc StreamingPull(stream StreamingPullRequest) returns (stream StreamingPullResponse): it takes a stream',
    );
    expect(sdl).toContain('# Not MessageTransform, which publisher.graphql has.\n');
    expect(sdl).toBe(await prettier(sdl));
    expect(workspace.findings()).toEqual([]);
  });
});

describe('where imports are found', () => {
  const files = {
    'lib/acme/common/money.proto': 'syntax = "proto3"; package acme.common; message Money { int64 units = 1; }',
    'src/acme/pay/v1/pay.proto': `syntax = "proto3"; package acme.pay.v1; import "acme/common/money.proto"; import "acme/pay/v1/card.proto";
      service PayService { rpc GetCard(GetCardRequest) returns (Card); }
      message GetCardRequest { string name = 1; }`,
    'src/acme/pay/v1/card.proto': `syntax = "proto3"; package acme.pay.v1; import "acme/common/money.proto";
      message Card { string name = 1; acme.common.Money limit = 2; }`,
  };
  beforeEach(() => {
    for (const [path, content] of Object.entries(files)) workspace.write(path, content);
  });
  const pay = (): string => join(workspace.folder, 'src/acme/pay/v1/pay.proto');

  test('nowhere', async () => {
    expect(await workspace.run(pay())).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(
        'proto/acme/pay/v1/pay.proto: imports "acme/common/money.proto", which is not in proto, nor in src',
      ),
    });
  });

  test('in --include, and in the folder that the package is a path from', async () => {
    expect(await workspace.run(pay(), '--include', join(workspace.folder, 'lib'))).toEqual({
      exitCode: 0,
      stdout: `schema/pay.graphql: 1 root field(s) of acme.pay.v1.PayService

What is left to do:
- Copy src/acme/pay/v1/pay.proto to proto/acme/pay/v1/pay.proto.
- Set PROTO_INCLUDE=lib:src for what it imports, or copy that as well:
    lib/acme/common/money.proto to proto/acme/common/money.proto
    src/acme/pay/v1/card.proto to proto/acme/pay/v1/card.proto
- Set PAY_SERVICE_ADDR.
- Put your permissions in schema/pay.graphql: as it is, nobody may ask for anything.
`,
      stderr: '',
    });
  });

  test('in PROTO_INCLUDE, which the gateway has too', async () => {
    workspace.protoInclude = ['lib', 'src'].map((each) => join(workspace.folder, each));
    const { stdout } = await workspace.run(pay());
    expect(stdout).toContain(
      '- Copy src/acme/pay/v1/pay.proto to proto/acme/pay/v1/pay.proto.\n- Set PAY_SERVICE_ADDR.',
    );
  });

  test('the same file is there already', async () => {
    workspace.protoInclude = ['lib', 'src'].map((each) => join(workspace.folder, each));
    workspace.write('proto/acme/pay/v1/pay.proto', files['src/acme/pay/v1/pay.proto']);
    expect((await workspace.run(pay())).stdout).not.toContain('Copy');
    workspace.write('proto/acme/pay/v1/pay.proto', 'syntax = "proto3";');
    expect((await workspace.run(pay(), '--force')).stdout).toContain(
      'Copy src/acme/pay/v1/pay.proto over proto/acme/pay/v1/pay.proto.',
    );
  });

  test('in a descriptor set everything is', async () => {
    const protos = loadProtos(join(workspace.folder, 'src'), [join(workspace.folder, 'lib')]);
    const set = workspace.write('pay.binpb', descriptorSetOf(protos));
    const { exitCode, stdout } = await workspace.run(set, 'acme.pay.v1.PayService');
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining('- Copy pay.binpb to proto/pay.binpb.\n- Set PAY_SERVICE_ADDR.'),
    });
    cpSync(set, join(workspace.protoDir, 'pay.binpb'));
    expect(workspace.findings()).toEqual([]);
  });
});

describe('what cannot be imported', () => {
  const cases: Record<string, { readonly proto?: string; readonly args?: readonly string[]; readonly told: string }> = {
    'a proto that is none': { proto: 'syntax = "proto3"; message {', told: "proto/bad.proto:1: illegal type name '{'" },
    'a proto without a service': { proto: 'syntax = "proto3"; message M {}', told: 'bad.proto has no service\n' },
    'a service that it has not': {
      proto: 'syntax = "proto3"; package p; message M {} service Users { rpc Get(M) returns (M); }',
      args: ['p.User'],
      told: 'bad.proto has no service "p.User". Did you mean "p.Users"?',
    },
    'a type that is nowhere': {
      proto: 'syntax = "proto3"; service S { rpc Get(M) returns (M); }',
      told: 'refers to "M", which no file defines',
    },
    'a file that is not there': { args: ['nowhere.proto'], told: 'nowhere.proto cannot be read (ENOENT)\n' },
    nothing: { args: [], told: 'say what to import: HOST:PORT or FILE.proto\n' },
    'two services': { args: ['a.proto', 'p.A', 'p.B'], told: '"p.B" is too much: one service at a time\n' },
    'an option that there is not': { args: ['--forse'], told: "Unknown option '--forse'" },
    'a name that is none': {
      args: ['a.proto', '--name', 'A b'],
      told: '"A b" cannot name an upstream: use lower-case',
    },
  };
  test.each(Object.entries(cases))('%s', async (_, { proto, args = [], told }) => {
    const path = proto === undefined ? [] : [workspace.write('bad.proto', proto)];
    const result = await workspace.run(...path, ...args);
    expect(result).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringContaining(told) });
    expect(existsSync(join(workspace.schemaDir, 'bad.graphql'))).toBe(false);
  });

  test('beside a schema that cannot be read', async () => {
    workspace.write('schema/ai.graphql', 'type {');
    expect(await workspace.run(join(__dirname, 'shop.proto'))).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `${join(workspace.schemaDir, 'ai.graphql')}:1: Syntax Error: Expected Name, found "{".\n`.replace(
        `${workspace.folder}/`,
        '',
      ),
    });
  });
});

test('a file that cannot be read may be overwritten', async () => {
  workspace.write('schema/shop.graphql', 'type {');
  expect(await workspace.run(join(__dirname, 'shop.proto'), '--force')).toMatchObject({ exitCode: 0, stderr: '' });
});

test('help', async () => {
  const { exitCode, stdout } = await workspace.run('--help');
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('npm run import -- HOST:PORT') });
});

test.each([
  ['auth.v1.AuthService', 'auth'],
  ['ai.v1.AIService', 'ai'],
  ['acme.v1.UserAdminService', 'user-admin'],
  ['google.pubsub.v1.Publisher', 'publisher'],
  ['google.cloud.kms.v1.KeyManagementService', 'key-management'],
  ['grpc.health.v1.Health', 'health'],
  ['acme.users.v1.Service', 'users'],
  ['acme.HTTPProxyV2API', 'http-proxy-v2'],
  ['S', 's'],
])('%s is the upstream %s', (service, name) => {
  expect(upstreamName(service)).toBe(name);
});

test('the command', async () => {
  await workspace.run(join(__dirname, 'shop.proto'));
  const env = { ...process.env, SCHEMA_DIR: workspace.schemaDir, PROTO_DIR: workspace.protoDir };
  const args = [join(root, 'node_modules/tsx/dist/cli.mjs'), 'src/commands/import.ts', 'test/scaffold/shop.proto'];
  await expect(promisify(execFile)(process.execPath, args, { cwd: root, env })).rejects.toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('shop.graphql: it is there already.'),
  });
}, 30_000);
