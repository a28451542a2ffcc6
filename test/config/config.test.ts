import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ConfigError, readConfig, sourceFolders, type Config } from '../../src/config/config';
import { configTable } from '../../src/config/config-table';
import { parseDuration } from '../../src/config/duration';
import { variables } from '../../src/config/variables';
import { anyText } from '../any-text';

const root = join(__dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Apart, so that no search for leaked keys takes the one below for real. */
const kind = 'PRIVATE';
/** A certificate for a hundred years, and its key. */
const pem = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUWiVzM2o3N+5hF8dLFbU69KD9vbIwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjMwNDM0MzdaGA8yMTI2MTAzMDA0MzQzN1ow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLIgheQg4kiA
M0oh7Q+ZHC8WXpRsK3/kuik9HzLpSQ1QGdpKwaYgKBWPKnP+jJTkGIHY8BXIh1mw
EN0YjcvIyFijUzBRMB0GA1UdDgQWBBSWW6vEMsG4ITFSCWAcNyJQ3RQUOjAfBgNV
HSMEGDAWgBSWW6vEMsG4ITFSCWAcNyJQ3RQUOjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIBR8uqA63WYUkLmIIdGNUfTPnv1JLnHjrlNyqouUPec0
AiAEpKckNsxBLD9KGbd0ROjvSpZxDUGK8+3RD02Yce03ZA==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN ${kind} KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGp5KlQ0HOWFuYFQV
EZhm+ONaRS+7WCSPUR0u53JvIEqhRANCAASyIIXkIOJIgDNKIe0PmRwvFl6UbCt/
5LopPR8y6UkNUBnaSsGmICgVjypz/oyU5BiB2PAVyIdZsBDdGI3LyMhY
-----END ${kind} KEY-----
`,
};

const secret = 'correct horse battery staple 123456';
const upstreams = ['auth', 'ai'];
const sources = { SCHEMA_DIR: folder, PROTO_DIR: folder };
const minimal = {
  PUBLIC_URL: 'https://app.example.com',
  AUTH_SERVICE_ADDR: 'dns:///auth-service.production.svc.cluster.local:50051',
  AI_SERVICE_ADDR: 'localhost:50052',
  ...sources,
};
const signIn = {
  SSO_PROVIDERS: 'google',
  SSO_GOOGLE_ISSUER: 'https://accounts.google.com',
  SSO_GOOGLE_CLIENT_ID: 'client-1',
  SESSION_SECRET: secret,
};
const development = { NODE_ENV: 'development', PUBLIC_URL: 'http://localhost:3000' };

function read(env: NodeJS.ProcessEnv = {}): Config {
  return readConfig({ ...minimal, ...env }, upstreams);
}

function problems(env: NodeJS.ProcessEnv, names = upstreams): readonly string[] {
  try {
    readConfig({ ...minimal, ...env }, names);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('what is read', () => {
  test('the least that has to be set, and the defaults of the rest', () => {
    const { signIn: signInConfig, ...config } = read();
    expect(config).toEqual({
      env: 'production',
      production: true,
      port: 3000,
      adminPort: 9090,
      publicUrl: 'https://app.example.com',
      insecureCookies: false,
      upstreams: {
        auth: {
          target: 'dns:///auth-service.production.svc.cluster.local:50051',
          transport: 'http2',
          maxItems: 500_000,
          maxCalls: 2_000,
        },
        ai: { target: 'localhost:50052', transport: 'http2', maxItems: 500_000, maxCalls: 2_000 },
      },
      sessionCacheTtl: 10_000,
      allowedOrigins: [],
      corsPublic: false,
      trustedProxies: [],
      requestTimeout: 30_000,
      limits: { maxCost: 10_000, enforcesCost: true, maxCalls: 200, maxResultSize: 10_485_760 },
      rateLimits: { maxTokenChecks: 50, unknownTokens: 300, logins: 300, callbacks: 300 },
      requestMemory: 50_331_648,
      connections: { max: 10_000, maxPerAddress: 2_000 },
      inFlight: {
        requests: 5_000,
        requestsPerAddress: 2_000,
        streams: 5_000,
        streamsPerAddress: 1_000,
        streamsPerSession: 100,
      },
      shutdownGrace: 25_000,
      shutdownDelay: 5_000,
      logLevel: 'info',
      graphqlServer: 'native',
      schemaDir: folder,
      protoDir: folder,
      protoInclude: [],
      warnings: [],
    });
    expect(signInConfig.providers).toEqual([]);
    expect(signInConfig.postLoginUrl).toBe('/');
    expect(signInConfig.secrets).toEqual([expect.stringMatching(/^.{43}$/)]);
  });

  test('everything', () => {
    const config = read({
      ...signIn,
      NODE_ENV: 'development',
      PORT: '0',
      ADMIN_PORT: '0',
      HOST: '127.0.0.1',
      ADMIN_HOST: '::1',
      PUBLIC_URL: 'http://LOCALHOST:8080/',
      AI_SERVICE_DEADLINE: '1m',
      AI_SERVICE_TRANSPORT: 'grpc-js',
      AI_SERVICE_MAX_ITEMS: '2000000',
      AI_SERVICE_MAX_CALLS: '3',
      SSO_PROVIDERS: 'google, my-idp',
      SSO_GOOGLE_SCOPES: 'openid  email',
      SSO_MY_IDP_ISSUER: 'http://127.0.0.1:4000/realms/a',
      SSO_MY_IDP_CLIENT_ID: 'client 2',
      SSO_MY_IDP_LOGOUT: 'true',
      SESSION_SECRET: `${secret},${'b'.repeat(32)}`,
      POST_LOGIN_URL: 'https://A.example/home?from=sign-in#top',
      SESSION_CACHE_TTL: '0s',
      ALLOWED_ORIGINS: 'https://a.example:443, http://localhost:5173',
      CORS_PUBLIC: 'true',
      TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::1',
      REQUEST_TIMEOUT: '1.5s',
      MAX_COST: '500',
      COST_MODE: 'measure',
      MAX_CALLS: '50',
      MAX_RESULT_SIZE: '1.5MB',
      REDIS_URL: 'rediss://gateway:hunter2@redis:6380/1',
      MAX_TOKEN_CHECKS: '10',
      UNKNOWN_TOKEN_RATE_LIMIT: '0',
      LOGIN_RATE_LIMIT: '20',
      CALLBACK_RATE_LIMIT: '30',
      MAX_REQUEST_MEMORY: '64KB',
      MAX_CONNECTIONS: '20',
      MAX_CONNECTIONS_PER_ADDRESS: '10',
      MAX_REQUESTS: '5',
      MAX_REQUESTS_PER_ADDRESS: '4',
      MAX_STREAMS: '3',
      MAX_STREAMS_PER_ADDRESS: '2',
      MAX_STREAMS_PER_SESSION: '1',
      STREAM_REPLAY: '64KB',
      STREAM_REPLAY_WINDOW: '30s',
      SHUTDOWN_GRACE: '10s',
      SHUTDOWN_DELAY: '9999ms',
      LOG_LEVEL: 'silent',
      GRAPHQL_SERVER: 'yoga',
    });
    expect(config).toMatchObject({
      env: 'development',
      production: false,
      port: 0,
      adminPort: 0,
      host: '127.0.0.1',
      adminHost: '::1',
      publicUrl: 'http://localhost:8080',
      insecureCookies: true,
      upstreams: {
        ai: { target: 'localhost:50052', deadline: 60_000, transport: 'grpc-js', maxItems: 2_000_000, maxCalls: 3 },
        auth: { transport: 'http2', maxItems: 500_000, maxCalls: 2_000 },
      },
      signIn: {
        providers: [
          {
            name: 'google',
            issuer: 'https://accounts.google.com',
            clientId: 'client-1',
            scopes: 'openid email',
            logout: false,
          },
          {
            name: 'my-idp',
            issuer: 'http://127.0.0.1:4000/realms/a',
            clientId: 'client 2',
            scopes: 'openid email profile',
            logout: true,
          },
        ],
        secrets: [secret, 'b'.repeat(32)],
        postLoginUrl: 'https://a.example/home?from=sign-in#top',
      },
      sessionCacheTtl: 0,
      allowedOrigins: ['https://a.example', 'http://localhost:5173'],
      corsPublic: true,
      trustedProxies: ['10.0.0.0/8', '2001:db8::1'],
      requestTimeout: 1500,
      limits: { maxCost: 500, enforcesCost: false, maxCalls: 50, maxResultSize: 1_572_864 },
      rateLimits: {
        redisUrl: 'rediss://gateway:hunter2@redis:6380/1',
        maxTokenChecks: 10,
        unknownTokens: 0,
        logins: 20,
        callbacks: 30,
      },
      requestMemory: 65_536,
      connections: { max: 20, maxPerAddress: 10 },
      inFlight: { requests: 5, requestsPerAddress: 4, streams: 3, streamsPerAddress: 2, streamsPerSession: 1 },
      streamReplay: { size: 65_536, window: 30_000 },
      shutdownGrace: 10_000,
      shutdownDelay: 9999,
      logLevel: 'silent',
      graphqlServer: 'yoga',
      warnings: [],
    });
  });

  test('an empty variable is an unset one', () => {
    const names = [...Object.values(variables).map(({ name }) => name), 'SSO_GOOGLE_ISSUER', 'AI_SERVICE_TLS_CA'];
    const empty = Object.fromEntries(names.map((name) => [name, '']));
    const { signIn: first, ...withEmpty } = read({ ...empty, ...minimal });
    const { signIn: second, ...without } = read();
    expect(withEmpty).toEqual(without);
    expect(first.providers).toEqual(second.providers);
    expect(problems({ PUBLIC_URL: '' })).toEqual([expect.stringContaining('PUBLIC_URL is not set')]);
  });

  test('an upstream with a hyphen reads variables with an underscore', () => {
    const config = readConfig({ ...minimal, USER_PROFILE_SERVICE_ADDR: 'a:1' }, ['auth', 'ai', 'user-profile']);
    expect(config.upstreams['user-profile']).toEqual({
      target: 'a:1',
      transport: 'http2',
      maxItems: 500_000,
      maxCalls: 2_000,
    });
  });

  test('unset, or misspelt, the environment is production', () => {
    expect(read({ NODE_ENV: '' }).production).toBe(true);
    expect(problems({ NODE_ENV: 'prod', PUBLIC_URL: 'http://app.example.com' })).toEqual([
      expect.stringContaining('NODE_ENV: "prod" is none of them; give production, development or test'),
      expect.stringContaining('PUBLIC_URL: "http://app.example.com" is not https'),
    ]);
  });

  test('outside production there is no delay in a shutdown', () => {
    expect(read(development).shutdownDelay).toBe(0);
    expect(read({ ...development, NODE_ENV: 'test' }).shutdownDelay).toBe(0);
  });

  test('insecure cookies are for plain http on loopback, never in production', () => {
    expect(read({ ...development, NODE_ENV: 'test' }).insecureCookies).toBe(true);
    expect(read({ ...development, PUBLIC_URL: 'https://localhost' }).insecureCookies).toBe(false);
    expect(read({ ...development, PUBLIC_URL: 'http://127.evil.example' }).insecureCookies).toBe(false);
    expect(read({ ...development, NODE_ENV: 'production' }).insecureCookies).toBe(false);
    expect(read({ ...development, PUBLIC_URL: 'http://192.168.1.5' })).toMatchObject({
      insecureCookies: false,
      warnings: [expect.stringContaining('browsers will not keep the session cookie')],
    });
  });

  test('folders count from the package, wherever the process was started', () => {
    expect(sourceFolders({})).toEqual({
      schemaDir: join(root, 'schema'),
      protoDir: join(root, 'proto'),
      protoInclude: [],
    });
    expect(sourceFolders({ SCHEMA_DIR: '/elsewhere', PROTO_DIR: 'src', PROTO_INCLUDE: 'test:/usr/include' })).toEqual({
      schemaDir: '/elsewhere',
      protoDir: join(root, 'src'),
      protoInclude: [join(root, 'test'), '/usr/include'],
    });
    expect(read({ PROTO_DIR: '' }).protoDir).toBe(join(root, 'proto'));
    expect(read({ PROTO_INCLUDE: '' }).protoInclude).toEqual([]);
    expect(read({ PROTO_INCLUDE: `src:${__dirname}` }).protoInclude).toEqual([join(root, 'src'), __dirname]);
  });
});

describe('problems', () => {
  test('are told all at once, each with what would be right', () => {
    expect(() => readConfig({ PORT: 'x', REQUEST_TIMEOUT: '30', LOG_LEVEL: 'loud', ...sources }, ['auth']))
      .toThrow(`the configuration has 5 problem(s)
  PORT: "x" is not a port; give a whole number from 0 to 65535, such as 3000
  PUBLIC_URL is not set; give the origin that browsers see, such as https://app.example.com
  AUTH_SERVICE_ADDR is not set; give a gRPC target with a port, such as dns:///auth-service:50051 or 127.0.0.1:50051
  REQUEST_TIMEOUT: "30" has no unit; give a duration from 100ms to 10m, such as 30s
  LOG_LEVEL: "loud" is none of them; give trace, debug, info, warn, error, fatal, silent`);
  });

  const wrong: Record<string, readonly string[]> = {
    NODE_ENV: ['Production', 'dev', '1', 'production,test'],
    PORT: [
      '-1',
      '65536',
      '80 ',
      ' 80',
      '1e3',
      '0x50',
      '080',
      '3000.0',
      '٣',
      'NaN',
      'tcp://10.0.0.1:80',
      '9'.repeat(400),
    ],
    ADMIN_PORT: ['3000', '-0', '+1', 'admin'],
    HOST: ['http://localhost', '[::1]', 'a b', '*', '256.1.1.1', 'a..b', 'localhost:3000', 'münchen', 'x'.repeat(300)],
    ADMIN_HOST: ['/', '0.0.0', '::g'],
    PUBLIC_URL: [
      'app.example.com',
      'ftp://app.example.com',
      'https:app.example.com',
      'https://user:hunter2@app.example.com',
      'https://app.example.com/path',
      'https://app.example.com?x=1',
      'https://app.example.com#x',
      'https://app.example.com//',
      'https://app.example.com\\x',
      'https://app.ex ample.com',
      'https://app.example.com:99999',
      'https://',
      'http://app.example.com',
      'http://localhost.example.com',
      'javascript:alert(1)',
      '💥',
    ],
    AUTH_SERVICE_ADDR: [
      'auth-service',
      'auth-service:0',
      'auth-service:65536',
      'auth-service:http',
      'http://auth-service:50051',
      'https://user:hunter2@auth-service:50051',
      'dns://auth-service:50051',
      'dns:///auth-service',
      'dns:',
      'xds:///auth-service:50051',
      '::1:50051',
      '[::1]',
      '[::g]:1',
      '1.2.3:1',
      'ipv4:[::1]:1',
      'ipv4:1.2.3.4',
      'ipv4:1.2.3.4:1,',
      'ipv6:1.2.3.4:1',
      'ipv6:::1:1',
      'unix:',
      'unix://host/path',
      'unix:/dir/',
      'a:1,b:1',
      ':50051',
      'a b:1',
    ],
    AUTH_SERVICE_TRANSPORT: ['http', 'HTTP2', 'grpc_js', 'grpc'],
    AUTH_SERVICE_MAX_CALLS: ['0', '1000001', '-1', 'all'],
    AUTH_SERVICE_MAX_ITEMS: ['0', '999', '10000001', '1e5', '-1', '5000.5', 'many'],
    AUTH_SERVICE_DEADLINE: [
      '0ms',
      '2',
      '11m',
      '-2s',
      '1e3ms',
      '2S',
      'PT2S',
      '2 s',
      '0.0001s',
      '½s',
      '9'.repeat(40) + 's',
    ],
    SSO_PROVIDERS: ['Google', 'google,', ',', 'google,google', 'a_b', 'a/b', '-a', 'a b', 'ä', 'x'.repeat(64)],
    SSO_GOOGLE_ISSUER: [
      'accounts.google.com',
      'http://accounts.google.com',
      'http://localhost:4000',
      'https://a.example?x',
      'https://a.example#x',
      'https://u:hunter2@a.example',
      'https://u:hunter/2@a.example',
    ],
    SSO_GOOGLE_CLIENT_ID: ['a\nb', 'clé', 'a\u0000'],
    SSO_GOOGLE_SCOPES: ['email', 'openid,email', 'openid "x"', 'openid é', 'openid\temail', 'OpenID'],
    SSO_GOOGLE_LOGOUT: ['yes', '1', 'https://accounts.google.com/logout'],
    SESSION_SECRET: ['short', 'x'.repeat(31), `${secret},`, `${secret},short`, ','],
    POST_LOGIN_URL: [
      'home',
      '//evil.example',
      '/\\evil.example',
      '/.//evil.example',
      '/a b',
      'https://evil.example/',
      'http://app.example.com/',
      'https://app.example.com:444/',
      'https://u:p@app.example.com/',
      'https://app.example.com\\@evil.example',
      'javascript:alert(1)',
    ],
    SESSION_CACHE_TTL: ['60001ms', '1.1m', '10', '-1s', 's', '1h'],
    ALLOWED_ORIGINS: [
      '*',
      'null',
      'app.example.com',
      'https://a.example/x',
      'https://a.example,',
      'https://*.example?',
      'https://*.example.com',
      'https://a.example, https://*.example.com',
    ],
    CORS_PUBLIC: ['*', 'yes', '1', 'https://a.example'],
    TRUSTED_PROXIES: [
      'proxy.example.com',
      '10.0.0.0/33',
      '10.0.0/8',
      '10.0.0.0/',
      '10.0.0.0/-1',
      '::1/129',
      'fe80::1%eth0',
      '::ffff:10.0.0.0/8',
      '[::1]',
      '0x7f.1',
      '10.0.0.1,',
      '10.0.0.1,10.0.0.1',
      '*',
    ],
    REQUEST_TIMEOUT: ['99ms', '10.1m', '0s', 'forever', '1e3s'],
    MAX_COST: ['0', '-1', '1.5', '1e4', '10k', '99999999999'],
    COST_MODE: ['off', 'Measure', 'true'],
    MAX_CALLS: ['0', '100001', 'many'],
    MAX_RESULT_SIZE: ['10', '0KB', '1B', '101MB', '10 MB', '10mb', '1GB', '-1KB'],
    REDIS_URL: [
      'redis:6379',
      'http://redis:6379',
      'redis://',
      'redis://u:hunter2@',
      'redis://redis:6379/one',
      'redis://redis:6379?db=hunter2',
      'redis://u:hunter 2@redis:6379',
    ],
    REDIS_URL_FILE: ['/nowhere', '/', join(root, 'package.json')],
    MAX_TOKEN_CHECKS: ['0', '10001', 'many'],
    UNKNOWN_TOKEN_RATE_LIMIT: ['-1', '1.5', '300/1m', '1000001'],
    LOGIN_RATE_LIMIT: ['-1', 'off', '1000001'],
    CALLBACK_RATE_LIMIT: ['-1', 'off', '1000001'],
    MAX_REQUEST_MEMORY: ['63KB', '4097MB', '48', '1GB'],
    MAX_CONNECTIONS: ['0', '1000001', 'x'],
    MAX_CONNECTIONS_PER_ADDRESS: ['0', '-5'],
    MAX_REQUESTS: ['0', '1000001', 'all'],
    MAX_REQUESTS_PER_ADDRESS: ['0', '-1'],
    MAX_STREAMS: ['0', '1.5'],
    MAX_STREAMS_PER_ADDRESS: ['0', '1e3'],
    MAX_STREAMS_PER_SESSION: ['0', 'none'],
    STREAM_REPLAY: ['0', 'on', '64', '1B', '17MB', 'offKB'],
    STREAM_REPLAY_WINDOW: ['999ms', '11m', '60', 'off'],
    SHUTDOWN_GRACE: ['99ms', '11m', '5s', '1s'],
    SHUTDOWN_DELAY: ['25s', '1m', '-1s'],
    LOG_LEVEL: ['INFO', 'verbose', '30'],
    GRAPHQL_SERVER: ['Yoga', 'apollo', 'true'],
    OTEL_EXPORTER_OTLP_ENDPOINT: [
      'otel-collector:4318',
      'grpc://otel-collector:4317',
      'http://',
      'http://user:hunter2@otel-collector:4318',
      'http://otel-collector:4318?key=hunter2',
      'http://otel-collector:4318/#hunter2',
    ],
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ['/v1/traces', 'http://otel-collector:4318/v1/traces?key=hunter2'],
    OTEL_EXPORTER_OTLP_PROTOCOL: ['grpc', 'http', 'HTTP/JSON'],
    OTEL_EXPORTER_OTLP_HEADERS: [
      'hunter2',
      'api-key=hunter2,',
      'a=1,a=hunter2',
      'a b=hunter2',
      'a:=hunter2',
      '=hunter2',
      'a=hunter2%',
      'a=hunter2%0d%0ab: c',
    ],
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: ['grpc'],
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: ['hunter2', 'a=1,a=hunter2'],
    OTEL_EXPORTER_OTLP_COMPRESSION: ['zstd', 'GZIP', 'true'],
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: ['deflate'],
    OTEL_EXPORTER_OTLP_TIMEOUT: ['0', '10s', '-1', '1.5', '1e3', '1000000'],
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: ['10s'],
    OTEL_SERVICE_NAME: ['a\nb', 'a\u0000'],
    OTEL_RESOURCE_ATTRIBUTES: ['service.name', 'a=1;b=2,', 'a=%zz', 'a=1,a=2'],
    OTEL_TRACES_SAMPLER: ['on', 'parentbased', 'jaeger_remote', 'ALWAYS_ON'],
    OTEL_TRACES_SAMPLER_ARG: ['1.1', '-0.1', '1 %', '1e-2', '0,1', '.', 'half'],
    OTEL_SDK_DISABLED: ['yes', '1', 'no'],
    SCHEMA_DIR: ['/nowhere', __filename, '\u0000', 'x'.repeat(5000)],
    PROTO_DIR: ['/nowhere', __filename],
    PROTO_INCLUDE: ['/nowhere', 'src:/nowhere', `${__filename}:src`, 'src:', ':', 'src,test'],
    AUTH_SERVICE_TLS_CA: ['/nowhere', '/', join(root, 'package.json'), '\u0000', 'x'.repeat(5000)],
    SESSION_SECRET_FILE: ['/nowhere', '/'],
  };

  const cases = Object.entries(wrong).flatMap(([name, values]) => values.map((value) => [name, value] as const));
  test.each(cases)('%s=%j', (name, value) => {
    const env: NodeJS.ProcessEnv = { ...signIn, [name]: value };
    if (name === 'SESSION_SECRET_FILE') delete env['SESSION_SECRET'];
    // 5 s of delay do not fit a grace of 5 s: that is told of the delay.
    const told = name === 'SHUTDOWN_GRACE' && value.endsWith('s') && !value.endsWith('ms') ? 'SHUTDOWN_DELAY' : name;
    const list = problems(env);
    expect(list).toHaveLength(1);
    expect(list[0]).toMatch(new RegExp(`^${told}: .+; give .+`));
    expect(list[0]?.length).toBeLessThan(400);
    expect(list[0]).not.toMatch(/[\n\0]|hunter/);
  });

  test('every variable of the table is in that list, or tested by itself', () => {
    const tested = new Set([...Object.keys(wrong), 'AUTH_SERVICE_TLS_CERT', 'AUTH_SERVICE_TLS_KEY']);
    const concrete = Object.values(variables).map(({ name }) =>
      name.replace('<UPSTREAM>', 'AUTH').replace('<NAME>', 'GOOGLE'),
    );
    expect(concrete.filter((name) => !tested.has(name))).toEqual([]);
  });

  test('accepted: what looks odd and is right', () => {
    const right: Record<string, readonly string[]> = {
      PORT: ['0', '1', '65535'],
      HOST: ['0.0.0.0', '::', 'localhost', 'my_host', 'fe80::1%eth0'],
      PUBLIC_URL: [
        'https://münchen.example',
        'HTTPS://APP.example.com/',
        'http://localhost',
        'http://127.0.0.1:1',
        'http://[::1]:80',
      ],
      AUTH_SERVICE_ADDR: [
        'a:1',
        'auth_service.default.svc.:65535',
        '[::1]:50051',
        '1.2.3.4:5',
        'dns:a:1',
        'dns:///[::1]:1',
        'ipv4:1.2.3.4:1,5.6.7.8:2',
        'ipv6:[::1]:1',
        'unix:/tmp/socket',
        'unix:///tmp/socket',
        'unix:socket',
      ],
      AUTH_SERVICE_DEADLINE: ['1ms', '10m', '0.5s', '1.1s'],
      AUTH_SERVICE_MAX_ITEMS: ['1000', '500000', '10000000'],
      SESSION_CACHE_TTL: ['0ms', '60s', '1m'],
      SSO_GOOGLE_ISSUER: ['https://login.example/tenant/v2.0', 'https://a.example/'],
      OTEL_EXPORTER_OTLP_ENDPOINT: ['http://otel-collector:4318', 'https://otlp.example/tenant/'],
      OTEL_EXPORTER_OTLP_HEADERS: ['api-key=a%2Cb==', 'a = 1 , B=2', 'a='],
      OTEL_RESOURCE_ATTRIBUTES: ['service.namespace=shop,k8s.pod.name=a-1', 'a=%C3%A9'],
      OTEL_TRACES_SAMPLER_ARG: ['0', '1', '1.0', '.5', '0.000001'],
      OTEL_SDK_DISABLED: ['true', 'TRUE', 'False'],
    };
    for (const [name, values] of Object.entries(right)) {
      const told = values.map((value) => [value, ...problems({ ...signIn, [name]: value })]);
      expect(told).toEqual(values.map((value) => [value]));
    }
  });

  test('whatever a variable holds, it is read or it is a problem', () => {
    const names = Object.keys(wrong);
    const text = fc.oneof(fc.string(), anyText(), fc.webUrl(), fc.double().map(String), fc.ipV6());
    fc.assert(
      fc.property(fc.constantFrom(...names), text, fc.boolean(), (name, value, production) => {
        const list = problems({ ...signIn, NODE_ENV: production ? 'production' : 'test', [name]: value });
        const hint = /^\w+ (is of no provider in SSO_PROVIDERS|looks like \w+)$/;
        for (const line of list) if (!hint.test(line)) expect(line).toMatch(/^\w+(: .+| is not set); give .+$/s);
      }),
      { numRuns: 1000 },
    );
  });

  test('two upstreams that would read the same variable', () => {
    expect(problems({ A_B_SERVICE_ADDR: 'a:1' }, [...upstreams, 'a-b', 'a_b'])).toEqual([
      'A_B_SERVICE_ADDR: both a-b and a_b read it; give one of these upstreams another name',
    ]);
  });

  test('ports may both be 0, and not both something else', () => {
    expect(problems({ PORT: '0', ADMIN_PORT: '0' })).toEqual([]);
    expect(problems({ PORT: '9090' })).toEqual([expect.stringContaining('ADMIN_PORT: 9090 is PORT too')]);
  });
});

describe('secrets', () => {
  const { SESSION_SECRET: _, ...withoutSecret } = signIn;

  test('are required in production where people sign in', () => {
    expect(problems(withoutSecret)).toEqual([expect.stringContaining('SESSION_SECRET is not set; give 32 characters')]);
  });

  test('are made up elsewhere, with a warning', () => {
    const first = read({ ...development, ...withoutSecret });
    const second = read({ ...development, ...withoutSecret });
    expect(first.warnings).toEqual([expect.stringContaining('SESSION_SECRET is not set')]);
    expect(first.signIn.secrets).not.toEqual(second.signIn.secrets);
    expect(first.signIn.secrets[0]?.length).toBeGreaterThanOrEqual(32);
  });

  test('come from a file, newline and all', () => {
    const path = file('secret', `${secret},\n${'b'.repeat(32)}\n`);
    expect(read({ ...withoutSecret, SESSION_SECRET_FILE: path }).signIn.secrets).toEqual([secret, 'b'.repeat(32)]);
    expect(problems({ ...signIn, SESSION_SECRET_FILE: path })).toEqual([
      'SESSION_SECRET: SESSION_SECRET_FILE is set too; give one of them',
    ]);
    expect(problems({ ...withoutSecret, SESSION_SECRET_FILE: file('short', 'short\n') })).toEqual([
      expect.stringContaining('SESSION_SECRET_FILE: its secret has 5 characters'),
    ]);
  });

  test('the URL of Redis, too', () => {
    const url = 'rediss://gateway:hunter2@redis:6380';
    const path = file('redis', `${url}\n`);
    expect(read({ REDIS_URL_FILE: path }).rateLimits.redisUrl).toBe(url);
    expect(problems({ REDIS_URL_FILE: path, REDIS_URL: url })).toEqual([
      'REDIS_URL: REDIS_URL_FILE is set too; give one of them',
    ]);
  });

  test('are never in a message, wherever they were put by mistake', () => {
    const told = [
      ...problems({ SESSION_SECRET: 'hunter2' }),
      ...problems({ SESSION_SECRET: `${secret},hunter2` }),
      ...problems({ SESSION_SECRET: 'hunter2\n' }),
      ...problems({ SESSION_SECRET_FILE: 'hunter2' }),
      ...problems({ AUTH_SERVICE_TLS_KEY: 'hunter2' }),
      ...problems({ AUTH_SERVICE_TLS_KEY: pem.key, AUTH_SERVICE_TLS_CERT: pem.cert }),
      ...problems({ PUBLIC_URL: 'https://x:hunter2@a.example' }),
      ...problems({ REDIS_URL: 'http://x:hunter2@redis' }),
      ...problems({ REDIS_URL_FILE: file('wrong-redis', 'hunter2') }),
      ...problems({ OTEL_EXPORTER_OTLP_HEADERS: 'api-key=hunter2,hunter2' }),
      ...read({ SESSION_SECRETS: 'hunter2' }).warnings,
    ];
    expect(told.length).toBeGreaterThan(8);
    expect(told.join('\n')).not.toMatch(/hunter|MIGHAg|correct horse/);
  });
});

describe('TLS', () => {
  test('reads files', () => {
    const env = {
      AUTH_SERVICE_TLS_CA: file('ca.crt', pem.cert + pem.cert),
      AUTH_SERVICE_TLS_CERT: file('tls.crt', pem.cert),
      AUTH_SERVICE_TLS_KEY: file('tls.key', pem.key),
    };
    const { auth, ai } = read(env).upstreams;
    expect(auth?.tls?.ca?.toString()).toBe(pem.cert + pem.cert);
    expect(auth?.tls?.cert?.toString()).toBe(pem.cert);
    expect(auth?.tls?.key?.toString()).toBe(pem.key);
    expect(ai?.tls).toBeUndefined();
    expect(read({ AI_SERVICE_TLS_CA: env.AUTH_SERVICE_TLS_CA }).upstreams['ai']?.tls).toEqual({
      ca: Buffer.from(pem.cert + pem.cert),
    });
  });

  test('refuses what could not work', () => {
    const cert = file('tls.crt', pem.cert);
    const key = file('tls.key', pem.key);
    const ec = { namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' } } as const;
    const other = generateKeyPairSync('ec', { ...ec, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } }).privateKey;
    const locked = generateKeyPairSync('ec', {
      ...ec,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    }).privateKey;
    const told = (certFile: string, keyFile: string): readonly string[] =>
      problems({ AUTH_SERVICE_TLS_CERT: certFile, AUTH_SERVICE_TLS_KEY: keyFile });

    expect(told(cert, key)).toEqual([]);
    expect(told(cert, '')).toEqual([
      expect.stringMatching(/^AUTH_SERVICE_TLS_KEY: it is not set, but AUTH_SERVICE_TLS_CERT is; give the path/),
    ]);
    expect(told('', key)).toEqual([expect.stringMatching(/^AUTH_SERVICE_TLS_CERT: it is not set/)]);
    expect(told(cert, file('other.key', other))).toEqual([
      expect.stringMatching(/^AUTH_SERVICE_TLS_KEY: the key is of another certificate/),
    ]);
    expect(told(cert, file('locked.key', locked))).toEqual([expect.stringContaining('without a passphrase')]);
    expect(told(key, key)).toEqual([expect.stringContaining('the file has no PEM certificate')]);
    expect(told(file('broken.crt', pem.cert.replace('MIIB', 'AAAA')), key)).toEqual([
      expect.stringContaining('the file has a certificate that cannot be read'),
    ]);
    expect(told(cert, '/nowhere')).toEqual([expect.stringContaining('the file cannot be read (ENOENT)')]);
  });
});

describe('tracing', () => {
  const collector = 'http://otel-collector:4318';

  test('is off, unless there is a collector', () => {
    expect(read().tracing).toBeUndefined();
    expect(read({ OTEL_TRACES_SAMPLER: 'always_on', OTEL_SERVICE_NAME: 'front' }).tracing).toBeUndefined();
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }).tracing).toBeUndefined();
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_SDK_DISABLED: 'True' }).tracing).toBeUndefined();
  });

  test('with a collector, and the defaults of the rest', () => {
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: collector }).tracing).toEqual({
      url: `${collector}/v1/traces`,
      protocol: 'http/protobuf',
      headers: {},
      compression: 'none',
      timeout: 10_000,
      serviceName: 'api-gateway',
      resourceAttributes: {},
      sampling: { parentBased: true, ratio: 1 },
    });
  });

  test('everything', () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector}/base/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%2Cb%3D, x = 1',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=front,service.namespace=shop%20floor',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    };
    const expected = {
      url: `${collector}/base/v1/traces`,
      protocol: 'http/json',
      headers: { 'api-key': 'a,b=', x: '1' },
      compression: 'gzip',
      timeout: 500,
      serviceName: 'front',
      resourceAttributes: { 'service.namespace': 'shop floor' },
      sampling: { parentBased: false, ratio: 0.25 },
    };
    expect(read(env).tracing).toEqual(expected);
    const before = {
      OTEL_SERVICE_NAME: 'door',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://a.example/traces',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x=2,y=3',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'none',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '600',
    };
    expect(read({ ...env, ...before }).tracing).toEqual({
      ...expected,
      url: 'https://a.example/traces',
      headers: { 'api-key': 'a,b=', x: '2', y: '3' },
      protocol: 'http/protobuf',
      compression: 'none',
      timeout: 600,
      serviceName: 'door',
    });
  });

  test('a number that the sampler does not look at is pointed out', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_TRACES_SAMPLER_ARG: '0.1' };
    const { tracing, warnings } = read({ ...env, OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
    expect(tracing?.sampling).toEqual({ parentBased: true, ratio: 0 });
    expect(warnings).toEqual(['OTEL_TRACES_SAMPLER_ARG says nothing with OTEL_TRACES_SAMPLER=parentbased_always_off']);
    expect(read(env)).toMatchObject({ tracing: { sampling: { parentBased: true, ratio: 0.1 } }, warnings: [] });
  });

  test('says what there is instead of gRPC', () => {
    expect(problems({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toEqual([
      'OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is none of them; give http/protobuf or http/json, which collectors take on port 4318',
    ]);
  });
});

describe('hints', () => {
  test.each([
    ['REQUEST_TIMEOUTS', 'REQUEST_TIMEOUT'],
    ['REQEUST_TIMEOUT', 'REQUEST_TIMEOUT'],
    ['request_timeout', 'REQUEST_TIMEOUT'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['SSO_PROVIDER', 'SSO_PROVIDERS'],
    ['AUTH_SERVICE_TLS_CERTS', 'AUTH_SERVICE_TLS_CERT'],
    ['SESSION_SECRET_FIEL', 'SESSION_SECRET_FILE'],
    ['OTEL_EXPORTER_OLTP_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    ['OTEL_TRACE_SAMPLER', 'OTEL_TRACES_SAMPLER'],
  ])('%s looks like %s', (name, meant) => {
    expect(read({ [name]: 'x' }).warnings).toEqual([`${name} looks like ${meant}`]);
  });

  test('stand with the problems where there are some', () => {
    const { PUBLIC_URL: _, ...env } = minimal;
    try {
      readConfig({ ...env, PUBLIC_ULR: 'https://app.example.com' }, upstreams);
    } catch (error) {
      expect((error as ConfigError).problems).toEqual([
        expect.stringContaining('PUBLIC_URL is not set'),
        'PUBLIC_ULR looks like PUBLIC_URL',
      ]);
    }
    expect.assertions(1);
  });

  test('addresses of upstreams and settings of providers that there are not', () => {
    expect(read({ BILLING_SERVICE_ADDR: 'a:1', SSO_OKTA_ISSUER: 'https://a.example' }).warnings).toEqual([
      'BILLING_SERVICE_ADDR is the address of no upstream of the schema (it has: auth, ai)',
      'SSO_OKTA_ISSUER is of no provider in SSO_PROVIDERS',
    ]);
    // Where the schema could not be read, it is not the addresses that are wrong.
    expect(readConfig(minimal, []).warnings).toEqual([]);
  });

  test('no false alarms for what Kubernetes, npm, Node and shells set', () => {
    const links = ['AUTH_SERVICE', 'AI_SERVICE', 'API_GATEWAY', 'AUTH', 'AI', 'AUTH_SERVICE_ADDR', 'ADMN'].flatMap(
      (name) =>
        Object.entries({
          SERVICE_HOST: '10.0.0.1',
          SERVICE_PORT: '50051',
          SERVICE_PORT_GRPC: '50051',
          PORT: 'tcp://10.0.0.1:50051',
          PORT_50051_TCP: 'tcp://10.0.0.1:50051',
          PORT_50051_TCP_PROTO: 'tcp',
          PORT_50051_TCP_PORT: '50051',
          PORT_50051_TCP_ADDR: '10.0.0.1',
        }).map(([suffix, value]) => [`${name}_${suffix}`, value]),
    );
    const names = `PATH HOME HOSTNAME HOSTTYPE PORTS PWD OLDPWD SHELL USER LOGNAME LANG TERM SHLVL TZ CI DEBUG COLORTERM
      NODE_OPTIONS NODE_PATH NODE_VERSION NODE_EXTRA_CA_CERTS NODE_DEBUG NODE_NAME YARN_VERSION HTTP_PROXY NO_PROXY
      npm_config_user_agent npm_package_name npm_lifecycle_event INIT_CWD JEST_WORKER_ID SSH_CLIENT POD_NAME POD_IP
      NAMESPACE HOST_IP KUBERNETES_SERVICE_HOST KUBERNETES_PORT_443_TCP_ADDR DEV_AUTH_PORT DEV_AI_PORT DEV_IDP_PORT
      DATABASE_URL TRUSTED_DOCUMENTS OTEL_PROPAGATORS OTEL_TRACES_EXPORTER
      OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER OTEL_EXPORTER_OTLP_METRICS_ENDPOINT OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_BSP_SCHEDULE_DELAY OTEL_LOG_LEVEL`;
    const common = names.split(/\s+/).map((name) => [name, 'x']);
    expect(read(Object.fromEntries([...links, ...common]) as NodeJS.ProcessEnv).warnings).toEqual([]);
  });
});

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['2s', 2000],
    ['1m', 60_000],
    ['1.5s', 1500],
    ['0.001s', 1],
    ['1.1s', 1100],
    ['0.29s', 290],
    ['2147483647ms', 2_147_483_647],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    '',
    '1',
    's',
    '-1s',
    '+1s',
    '1e3ms',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1h',
    '.5s',
    '5.s',
    '0.5ms',
    '1.0005s',
    '٣s',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('none is longer than a timer can wait', () => {
    expect(parseDuration('2147483648ms')).toBeUndefined();
    expect(parseDuration('9999999999m')).toBeUndefined();
  });
});

describe('the README', () => {
  test('holds the table of the code, exactly', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const [, table] = /<!-- config:begin -->\n+(.*?)\n+<!-- config:end -->/s.exec(readme) ?? [];
    expect(table).toBe(configTable());
  });

  test('may hold it as it is: prettier changes nothing', () => {
    const prettier = join(root, 'node_modules/prettier/bin/prettier.cjs');
    const { stdout } = spawnSync(process.execPath, [prettier, '--stdin-filepath', 'table.md'], {
      cwd: root,
      input: configTable(),
      encoding: 'utf8',
    });
    expect(stdout.trimEnd()).toBe(configTable());
  });
});
