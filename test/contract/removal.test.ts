import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGateway } from '../../src/gateway';
import { startServer, type RunningServer } from '../../src/http/server';
import { createLog } from '../../src/telemetry/log';
import { testConfig, type Decoded } from '../gateway-fixture';
import { startAuthService } from '../upstreams/auth/service';
import { check, root } from './fixture';

/** The gateway without AIService: its proto, its SDL and its REST file are gone, and nothing else is otherwise. */
describe('a service is removed from the graph by deleting its files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'removal-'));
  let auth: Awaited<ReturnType<typeof startAuthService>>;
  let server: RunningServer;

  beforeAll(async () => {
    for (const name of ['schema', 'proto']) cpSync(join(root, name), join(folder, name), { recursive: true });
    for (const name of ['proto/ai', 'schema/ai.graphql', 'schema/rest/ai.graphql']) {
      rmSync(join(folder, name), { recursive: true });
    }
    auth = await startAuthService();
    const config = testConfig({
      SCHEMA_DIR: join(folder, 'schema'),
      PROTO_DIR: join(folder, 'proto'),
      AUTH_SERVICE_ADDR: auth.address,
    });
    const log = createLog('silent');
    server = await startServer(createGateway(config, { log }), config, log);
  });
  afterAll(async () => {
    await server.close();
    await auth.close();
    rmSync(folder, { recursive: true });
  });

  async function ask(path: string, body?: unknown): Promise<{ status: number; body: Decoded }> {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${auth.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  test('the check is clean, and its map has nothing of the service', () => {
    const { exitCode, stdout } = check(folder);
    expect(stdout).toContain('no findings');
    expect(stdout).not.toContain('ai.v1');
    expect(exitCode).toBe(0);
  });

  test('the rest of the graph answers', async () => {
    const query = '{ me { email permissions } users(first: 2) { nodes { id } totalCount } gateway { name } }';
    const { status, body } = await ask('/graphql', { query });
    expect(body.errors).toBeUndefined();
    expect(status).toBe(200);
    expect(body.data.me.email).toBe('ada.admin@example.com');
    expect(body.data.users.nodes).toHaveLength(2);
  });

  test('the rest of the routes answers', async () => {
    const { status, body } = await ask('/api/v1/users/me');
    expect(status).toBe(200);
    expect(body.email).toBe('ada.admin@example.com');
  });

  test('what it answered is unknown', async () => {
    expect((await ask('/api/ai', { query: 'who am I' })).status).toBe(404);
    expect((await ask('/graphql', { query: 'mutation { ask(input: {}) { conversationId } }' })).status).toBe(400);
  });
});
