import { createTransport } from '../../../src/grpc/transport/create-transport';
import { startWorld } from '../../gateway-fixture';

let mockLoads = 0;
jest.mock('../../../src/grpc/transport/grpc-js', () => {
  mockLoads += 1;
  return jest.requireActual<object>('../../../src/grpc/transport/grpc-js');
});

test('grpc-js is loaded only where it is chosen', () => {
  createTransport('http2', { target: '127.0.0.1:1' }).close();
  expect(mockLoads).toBe(0);
  createTransport('grpc-js', { target: '127.0.0.1:1' }).close();
  createTransport('grpc-js', { target: '127.0.0.1:1' }).close();
  expect(mockLoads).toBe(1);
});

test('each upstream has the transport that is configured for it', async () => {
  const world = await startWorld({ env: { AUTH_SERVICE_TRANSPORT: 'grpc-js', AI_SERVICE_TRANSPORT: 'http2' } });
  try {
    expect((await world.graphql('{ me { id } conversations { nodes { id } } }')).errors).toBeUndefined();
    const agentOf = (call: { metadata: Readonly<Record<string, string>> } | undefined) => call?.metadata['user-agent'];
    expect(agentOf(world.auth.control.calls('GetUser')[0])).toMatch(/^api-gateway grpc-node-js\//);
    expect(agentOf(world.ai.control.calls('ListConversations')[0])).toBe('api-gateway');
  } finally {
    await world.close();
  }
});

test.each(['http2', 'grpc-js'] as const)('%s takes no target that cannot be read', (name) => {
  expect(() => createTransport(name, { target: 'nowhere' })).toThrow('"nowhere" is not host:port');
});
