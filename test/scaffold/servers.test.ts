/** `npm run import -- host:port`: services that real servers tell about themselves. */
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, print, visit } from 'graphql';
import { startAiService } from '../upstreams/ai/service';
import { startAuthService } from '../upstreams/auth/service';
import { createWorkspace, prettier, startService, stopServices, type ServiceOptions, type Workspace } from './fixture';

const shop = { proto: join(__dirname, 'shop.proto'), service: 'acme.shop.v1.ShopService' };

let workspace: Workspace;
afterEach(() => {
  stopServices();
  workspace.remove();
});

describe('the development upstreams', () => {
  let auth: Awaited<ReturnType<typeof startAuthService>>;
  let ai: Awaited<ReturnType<typeof startAiService>>;
  beforeAll(async () => {
    auth = await startAuthService();
    ai = await startAiService({ authAddress: auth.address });
  });
  afterAll(async () => {
    await ai.close();
    await auth.close();
  });

  test('into empty folders: both, one beside the other', async () => {
    workspace = createWorkspace({ empty: true });
    expect(await workspace.run(auth.address, 'auth.v1.AuthService')).toEqual({
      exitCode: 0,
      stdout: `schema/auth.graphql: 10 root field(s) of auth.v1.AuthService
proto/auth.binpb: its protos

What is left to do:
- Set AUTH_SERVICE_ADDR.
- Put your permissions in schema/auth.graphql: as it is, nobody may ask for anything.
`,
      stderr: '',
    });
    expect((await workspace.run(ai.address, 'ai.v1.AIService')).exitCode).toBe(0);
    expect(workspace.findings()).toEqual([]);

    const sdl = workspace.sdl('auth');
    expect(sdl).toBe(await prettier(sdl));
    expect(sdl).toContain(`
  user(userId: ID!): User @requiresScopes(scopes: [["auth:GetUser"]]) @grpc(rpc: "GetUser")

  users(first: Int = 25, after: String, status: UserStatus, search: String): UserConnection
    @requiresScopes(scopes: [["auth:ListUsers"]])
    @grpc(rpc: "ListUsers")
`);
    expect(sdl).toContain(
      'type User @lookup(rpc: "BatchGetUsers", keys: "userIds", items: "users", match: "userId") {\n  userId: ID!\n',
    );
    expect(sdl).toContain('\nenum UserStatus {\n  ACTIVE\n  INACTIVE\n  INVITED\n}\n');
    expect(workspace.sdl('ai')).toContain('type Conversation @lookup(rpc: "GetConversation", key: "sessionId") {');
  });

  test('where proto/ has the service, its own protos are used: they have comments', async () => {
    workspace = createWorkspace();
    const { exitCode, stdout } = await workspace.run(ai.address, 'ai.v1.AIService', '--name', 'assistant');
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: `schema/assistant.graphql: 4 root field(s) of ai.v1.AIService

What is left to do:
- ai/v1/ai.proto defines ai.v1.AIService already, and was used.
- Set ASSISTANT_SERVICE_ADDR.
- Put your permissions in schema/assistant.graphql: as it is, nobody may ask for anything.
`,
    });
    expect(workspace.sdl('assistant')).toContain('"What the user says. Needed unless `confirmation` is set."');
    expect(workspace.findings()).toEqual([]);
  });

  test('what is there is not overwritten, unless it is asked for', async () => {
    workspace = createWorkspace();
    const own = workspace.sdl('ai');
    expect(await workspace.run(ai.address, 'ai.v1.AIService')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'schema/ai.graphql: it is there already. --force overwrites it, --name and --out lead elsewhere.\n',
    });
    expect(workspace.sdl('ai')).toBe(own);

    const forced = await workspace.run(ai.address, 'ai.v1.AIService', '--force');
    // The route of schema/rest goes to a field that the first draft calls otherwise.
    expect(forced).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^\nThe gateway will not start before this is mended:\nschema\/rest\/ai.graphql:/),
    });
    expect(workspace.sdl('ai')).toContain('A first draft for ai.v1.AIService');
  });

  test('several services: it must be said which', async () => {
    workspace = createWorkspace({ empty: true });
    expect(await workspace.run(ai.address)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `${ai.address} has several services; say which:\n  ai.v1.AIService\n  dev.v1.Control\n`,
    });
    expect(await workspace.run(ai.address, 'ai.v1.AiService')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `${ai.address} has no service "ai.v1.AiService". Did you mean "ai.v1.AIService"?
It has:
  ai.v1.AIService
  dev.v1.Control
`,
    });
  });
});

const kinds: readonly ServiceOptions['reflection'][] = ['of Node.js', 'v1alpha', 'file by file'];

test.each(kinds)('reflection %s: the same file as from the proto', async (reflection) => {
  workspace = createWorkspace();
  const address = await startService({ ...shop, reflection });
  expect(await workspace.run(shop.proto)).toMatchObject({ exitCode: 0, stderr: '' });
  const fromProto = workspace.sdl('shop');

  expect(await workspace.run(address, '--force')).toMatchObject({ exitCode: 0, stderr: '' });
  const fromServer = workspace.sdl('shop');
  expect(withoutDescriptions(fromServer)).toBe(withoutDescriptions(fromProto));
  expect(fromServer).toBe(await prettier(fromServer));
  expect(workspace.findings()).toEqual([]);
});

test('a server without reflection', async () => {
  workspace = createWorkspace({ empty: true });
  const address = await startService({ ...shop, reflection: 'none' });
  expect(await workspace.run(address, shop.service)).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: `${address} has no server reflection. Import the service from its .proto file instead.\n`,
  });
});

test('a server that is not there', async () => {
  workspace = createWorkspace({ empty: true });
  const address = await freeAddress();
  const { exitCode, stderr } = await workspace.run(address, shop.service);
  expect({ exitCode, stderr: stderr.split(':').slice(0, 3).join(':') }).toEqual({
    exitCode: 2,
    stderr: `${address} cannot be reached: UNAVAILABLE, No connection established. Last error`,
  });
});

test('what is no address', async () => {
  workspace = createWorkspace({ empty: true });
  expect((await workspace.run('https://users.example:443')).stderr).toBe(
    'https://users.example:443 is no address of a server: give users.example:443, and --tls where it speaks TLS\n',
  );
  expect((await workspace.run(workspace.folder)).stderr).toMatch(/ is neither a \.proto file nor a descriptor set\n$/);
});

test('the protos that are written: the same ones stay, others are refused', async () => {
  workspace = createWorkspace({ empty: true });
  const address = await startService({ ...shop, reflection: 'file by file' });
  await workspace.run(address);
  const again = await workspace.run(address, '--out', join(workspace.schemaDir, 'other.graphql'));
  expect(again).toEqual({
    exitCode: 0,
    stdout: `schema/other.graphql: 11 root field(s) of acme.shop.v1.ShopService

What is left to do:
- schema/shop.graphql names the upstream "shop" too: both are reached at SHOP_SERVICE_ADDR. --name gives another.
- Put your permissions in schema/other.graphql: as it is, nobody may ask for anything.
`,
    stderr: '',
  });

  const path = join(workspace.protoDir, 'shop.binpb');
  writeFileSync(path, Buffer.concat([readFileSync(path), readFileSync(path)]));
  expect(await workspace.run(address, '--out', join(workspace.folder, 'elsewhere.graphql'))).toMatchObject({
    exitCode: 1,
    stderr: 'proto/shop.binpb: it is there already. --force overwrites it, --name and --out lead elsewhere.\n',
  });
});

/** Not every server tells the comments of its protos. */
function withoutDescriptions(sdl: string): string {
  return print(
    visit(parse(sdl), { enter: (node) => ('description' in node ? { ...node, description: undefined } : node) }),
  );
}

/** An address that nobody listens on. */
async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}
