/** ESM-only packages, and one that calls import(): Jest must transform them, since the tests run as CommonJS. */
const esmOnly = ['jose', 'openid-client', 'oauth4webapi', 'oidc-provider', '@opentelemetry/otlp-exporter-base'];

const common = {
  testEnvironment: '<rootDir>/test/environment.ts',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/bench/'],
  // The benchmark has packages of its own, which are not even to be looked through.
  modulePathIgnorePatterns: ['<rootDir>/test/bench/'],
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
  'graphql/audits',
  'graphql/graphiql',
  'graphql/graphql',
  'graphql/graphql-over-http',
  'graphql/streams',
  'grpc/transport/answers',
  'grpc/transport/connections',
  'grpc/transport/names',
  'grpc/transport/tls',
  'grpc/upstream',
  'http/bad-input',
  'http/in-flight',
  'http/client-deadline',
  'http/operators',
  'pipeline/answer-items',
  'pipeline/failures',
  'schema/access',
  'schema/mapping/feed',
  'schema/mapping/joins',
  'schema/policy',
  'schema/public-protos/pubsub',
  'schema/rate-limit',
  'session/cookie',
  'session/credentials',
  'session/races',
  'session/revocation',
  'session/unknown-tokens',
  'session/validation',
  'signin/callback',
  'telemetry/leaks',
  'telemetry/log-lines',
  'telemetry/metrics',
];

/** @type {import('jest').Config} */
module.exports = {
  // Left to itself, Jest leaves one core alone, which with two is half of the machine.
  maxWorkers: '100%',
  projects: [
    {
      ...common,
      displayName: 'default',
      globals: { variant: { graphqlServer: 'native', transport: 'http2' } },
    },
    {
      ...common,
      displayName: 'reference',
      globals: { variant: { graphqlServer: 'yoga', transport: 'grpc-js' } },
      testMatch: reference.map((name) => `<rootDir>/test/${name}.test.ts`),
    },
  ],
};
