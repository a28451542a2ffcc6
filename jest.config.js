/** ESM-only packages, and one that calls import(): Jest must transform them, since the tests run as CommonJS. */
const esmOnly = ['jose', 'openid-client', 'oauth4webapi', 'oidc-provider', '@opentelemetry/otlp-exporter-base'];

const common = {
  testEnvironment: '<rootDir>/test/environment.ts',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/bench/'],
  transform: {
    '^.+\\.(t|j)s$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join('|')})/)`],
};

/** Tests that run a second time, with the reference implementations. */
const reference = [
  'failures',
  'grpc/transport/answers',
  'grpc/transport/connections',
  'grpc/transport/names',
  'grpc/transport/tls',
  'grpc/upstream',
  'log-lines',
  'mapping/feed',
  'mapping/joins',
  'metrics',
  'operators',
  'public-protos/pubsub',
  'session-races',
  'session-revocation',
  'session-validation',
  'sign-in-callback',
  'streams',
];

/** @type {import('jest').Config} */
module.exports = {
  projects: [
    {
      ...common,
      displayName: 'default',
      globals: { variant: { graphqlServer: 'native', transport: 'http2' } },
    },
    {
      ...common,
      displayName: 'reference',
      globals: { variant: { graphqlServer: 'native', transport: 'grpc-js' } },
      testMatch: reference.map((name) => `<rootDir>/test/${name}.test.ts`),
    },
  ],
};
