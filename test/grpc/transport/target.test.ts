import { parseTarget } from '../../../src/grpc/transport/target';

describe('targets', () => {
  test.each([
    [
      'ipv4:127.0.0.1:1,127.0.0.2:2',
      '127.0.0.1:1',
      [
        { host: '127.0.0.1', port: 1 },
        { host: '127.0.0.2', port: 2 },
      ],
    ],
    [
      'ipv6:[::1]:1,[::2]:2',
      '[::1]:1',
      [
        { host: '::1', port: 1 },
        { host: '::2', port: 2 },
      ],
    ],
    ['127.0.0.1:50051', '127.0.0.1:50051', [{ host: '127.0.0.1', port: 50051 }]],
    ['dns:///[::1]:50051', '[::1]:50051', [{ host: '::1', port: 50051 }]],
    ['unix:relative', 'localhost', [{ path: 'relative' }]],
    ['unix:///absolute', 'localhost', [{ path: '/absolute' }]],
    ['unix:/absolute', 'localhost', [{ path: '/absolute' }]],
  ])('%s', async (text, authority, expected) => {
    const target = parseTarget(text);
    expect(target).toMatchObject({ authority, serverName: undefined, changes: false });
    expect(await target.resolve()).toEqual(expected);
  });

  test.each([
    ['service:1', 'service:1', 'service'],
    ['dns:service.example.:65535', 'service.example.:65535', 'service.example'],
    ['dns:///service.example:80', 'service.example:80', 'service.example'],
  ])('%s', (text, authority, serverName) => {
    expect(parseTarget(text)).toMatchObject({ authority, serverName, changes: true });
  });

  test.each([
    'service',
    'service:',
    'service:0',
    'service:65536',
    ':80',
    '::1:80',
    'http://service:80',
    'dns://8.8.8.8/service:80',
    'ipv4:service:80',
    'ipv4:[::1]:80',
    'ipv4:127.0.0.1:80,',
    'ipv6:127.0.0.1:80',
    'unix:',
    '',
  ])('"%s" is none', (text) => {
    expect(() => parseTarget(text)).toThrow();
  });
});
