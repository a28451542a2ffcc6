import { logLevels } from '../telemetry/log';
import { otlpCompressions, otlpProtocols } from '../telemetry/tracing-config';
import { duration } from './duration';
import {
  boolean,
  certificates,
  clientId,
  collectorUrl,
  fileContent,
  folder,
  folders,
  isFieldName,
  issuer,
  listenHost,
  listOf,
  milliseconds,
  network,
  offOr,
  oneOf,
  origin,
  otelServiceName,
  pairs,
  pathOrUrl,
  port,
  privateKey,
  providerName,
  ratio,
  redisUrl,
  rejectText,
  scopes,
  secrets,
  shortestSecret,
  size,
  target,
  wholeNumber,
} from './values';

const environments = ['production', 'development', 'test'] as const;
export type Environment = (typeof environments)[number];

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** What serves `/graphql`. */
const graphqlServers = ['native', 'yoga'] as const;
export type GraphqlServer = (typeof graphqlServers)[number];

const transportNames = ['http2', 'grpc-js'] as const;
export type TransportName = (typeof transportNames)[number];

const perMinute = 'a whole number from 0 to 1000000, such as 300, or 0 for no limit';

const costModes = ['enforce', 'measure'] as const;

/** One variable, or one for each upstream or provider. */
export interface Variable<T> {
  /** `<UPSTREAM>` and `<NAME>` stand for the name of an upstream or provider, in upper case, with `_` for `-`. */
  readonly name: string;
  /** The text that is read where the variable is unset or empty. */
  readonly default?: string | { readonly production: string; readonly otherwise: string };
  /** What the README says where there is no default. */
  readonly without?: string;
  /** For the README, with unit and extremes. */
  readonly description: string;
  /** What to give, for the message about a wrong value: "give ...". */
  readonly expected: string;
  /** @throws InvalidValue saying what is wrong, without the value where it may be a secret. */
  readonly parse: (text: string) => T;
}

/** @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/ */
const otlp = {
  protocol: {
    name: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    default: 'http/protobuf',
    parse: oneOf(otlpProtocols),
    expected: `${otlpProtocols.join(' or ')}, which collectors take on port 4318`,
    description: '`http/protobuf` or `http/json`. There is no `grpc`.',
  },
  headers: {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    without: 'none',
    parse: pairs(isFieldName),
    expected: 'headers as name=value, separated by commas, with percent-encoded values',
    description: 'Headers for the collector, such as `api-key=...`, separated by commas, values percent-encoded.',
  },
  compression: {
    name: 'OTEL_EXPORTER_OTLP_COMPRESSION',
    default: 'none',
    parse: oneOf(otlpCompressions),
    expected: otlpCompressions.join(' or '),
    description: '`gzip` or `none`. `gzip` saves network and costs CPU time.',
  },
  timeout: {
    name: 'OTEL_EXPORTER_OTLP_TIMEOUT',
    default: '10000',
    parse: milliseconds,
    expected: 'whole milliseconds without a unit, from 1 to 999999, such as 10000',
    description:
      'Ms that an export may take, attempts included, before its spans are given up. Requests never wait for it; too long, and more spans are lost while the collector is away.',
  },
} satisfies Record<string, Variable<unknown>>;

/** The variable of the same meaning for traces alone. */
function forTraces<T>(
  { name, parse, expected }: Variable<T>,
  description = 'The same, for traces alone; counts before the other.',
): Variable<T> {
  return { name: name.replace('_OTLP_', '_OTLP_TRACES_'), without: 'unset', parse, expected, description };
}

/** Every variable that the gateway reads. The README's table is made from this one. */
export const variables = {
  env: {
    name: 'NODE_ENV',
    default: 'production',
    parse: oneOf(environments),
    expected: 'production, development or test',
    description:
      '`production`, `development` or `test`. Outside production GraphiQL, introspection and the page of the REST routes are open, and on loopback the session cookie works without TLS; that is why unset means production.',
  },
  port: {
    name: 'PORT',
    default: '3000',
    parse: port,
    expected: 'a whole number from 0 to 65535, such as 3000',
    description: 'Port of the public listener. `0` takes a free one.',
  },
  host: {
    name: 'HOST',
    without: 'all addresses',
    parse: listenHost,
    expected: 'an IP address without brackets, such as 127.0.0.1, or leave it unset for all',
    description: 'Address that the public listener binds to.',
  },
  adminPort: {
    name: 'ADMIN_PORT',
    default: '9090',
    parse: port,
    expected: 'a whole number from 0 to 65535 that is not PORT',
    description:
      'Port of the admin listener (`/metrics`, `/livez`, `/readyz`, `/startupz`); another one than `PORT`. `0` takes a free one.',
  },
  adminHost: {
    name: 'ADMIN_HOST',
    without: 'all addresses',
    parse: listenHost,
    expected: 'an IP address without brackets, such as 127.0.0.1, or leave it unset for all',
    description: 'Address that the admin listener binds to.',
  },
  publicUrl: {
    name: 'PUBLIC_URL',
    without: 'required',
    parse: origin,
    expected: 'the origin that browsers see, such as https://app.example.com',
    description:
      'The origin that browsers see, such as `https://app.example.com`. Redirects of the sign-in and the cross-site check rely on it. Must be https in production, except on loopback.',
  },
  upstreamAddress: {
    name: '<UPSTREAM>_SERVICE_ADDR',
    without: 'required',
    parse: target,
    expected: 'a gRPC target with a port, such as dns:///auth-service:50051 or 127.0.0.1:50051',
    description:
      'gRPC target of the upstream that the schema calls by that name, such as `AUTH_SERVICE_ADDR`. `dns:///host:port` calls all addresses of a headless Service; `host:port`, `ipv4:`, `ipv6:` and `unix:` work too.',
  },
  upstreamCa: {
    name: '<UPSTREAM>_SERVICE_TLS_CA',
    without: 'no TLS',
    parse: certificates,
    expected: 'the path of a PEM file with certificates',
    description:
      'PEM file with the authorities that the upstream’s certificate is checked against. Turns TLS on. Read once, at start.',
  },
  upstreamCert: {
    name: '<UPSTREAM>_SERVICE_TLS_CERT',
    without: 'unset',
    parse: certificates,
    expected: 'the path of a PEM file with the certificate of the gateway',
    description:
      'PEM file with the gateway’s own certificate, for mutual TLS; needs the key beside it. Without a CA the system’s authorities count.',
  },
  upstreamKey: {
    name: '<UPSTREAM>_SERVICE_TLS_KEY',
    without: 'unset',
    parse: privateKey,
    expected: 'the path of a PEM file with the private key of the certificate',
    description: 'PEM file with the private key of that certificate.',
  },
  upstreamDeadline: {
    name: '<UPSTREAM>_SERVICE_DEADLINE',
    without: 'as the schema says',
    parse: duration('1ms', '10m'),
    expected: 'a duration from 1ms to 10m, such as 2s',
    description:
      'How long an RPC to this upstream may take at most, whatever the schema allows. Too short, and slow answers become 504.',
  },
  upstreamTransport: {
    name: '<UPSTREAM>_SERVICE_TRANSPORT',
    default: 'http2',
    parse: oneOf(transportNames),
    expected: transportNames.join(', '),
    description:
      'What carries the RPCs: `http2`, the gateway’s own client, or `grpc-js`, the reference implementation for Node, which costs more CPU time. `docs/decisions/transport.md` tells where they differ.',
  },
  upstreamMaxItems: {
    name: '<UPSTREAM>_SERVICE_MAX_ITEMS',
    default: '500000',
    parse: wholeNumber(1_000, 10_000_000),
    expected: 'a whole number from 1000 to 10000000, such as 500000',
    description:
      'How many items an answer, or one message of a stream, may be decoded to: its values, and the messages, lists and maps they are in. More is 502 `UPSTREAM_ERROR`. An item takes up to 100 bytes of memory or so.',
  },
  upstreamMaxCalls: {
    name: '<UPSTREAM>_SERVICE_MAX_CALLS',
    default: '2000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 2000',
    description:
      'How many calls to this upstream may be under way at a time in one replica, those of subscriptions and the checks of sessions aside. More is 503 `SERVICE_UNAVAILABLE`, at once: requests that wait for a service that hangs leave room for those that do not need it. Keep it well below `MAX_REQUESTS`.',
  },
  providers: {
    name: 'SSO_PROVIDERS',
    without: 'no sign-in',
    parse: listOf(providerName),
    expected: 'names of lower-case letters, digits and hyphens, each once, separated by commas, such as google,dev',
    description:
      'Names of the identity providers, separated by commas, such as `google,dev`. They are part of the paths `/api/v1/auth/{provider}/login`.',
  },
  providerIssuer: {
    name: 'SSO_<NAME>_ISSUER',
    without: 'required for each provider',
    parse: issuer,
    expected:
      'the issuer URL of the provider exactly as its discovery document has it, such as https://accounts.google.com',
    description:
      'Issuer URL of the provider, exactly as its discovery document has it. https; plain http only on loopback outside production.',
  },
  providerClientId: {
    name: 'SSO_<NAME>_CLIENT_ID',
    without: 'required for each provider',
    parse: clientId,
    expected: 'the client id that the provider gave to this application',
    description: 'Client id at the provider. The client secret belongs to AuthService, which exchanges the code.',
  },
  providerScopes: {
    name: 'SSO_<NAME>_SCOPES',
    default: 'openid email profile',
    parse: scopes,
    expected: 'scopes separated by spaces, openid among them',
    description: 'Scopes to ask for, separated by spaces; `openid` must be among them.',
  },
  providerLogout: {
    name: 'SSO_<NAME>_LOGOUT',
    default: 'false',
    parse: boolean,
    expected: 'true or false',
    description:
      '`true` lets who signs out here sign out at the provider too: `POST /api/v1/auth/logout` answers 200 with `endSessionUrl`, for the browser to go to. The provider must know `POST_LOGIN_URL`, under `PUBLIC_URL` where it is a path, as a post-logout redirect URI.',
  },
  secret: {
    name: 'SESSION_SECRET',
    without: 'required in production with `SSO_PROVIDERS`',
    parse: secrets,
    expected: `${shortestSecret} characters or more each, such as the output of openssl rand -base64 32`,
    description: `Seals the sign-in cookie: ${shortestSecret} characters or more. Several, separated by commas, for rotation: the first seals, all open. Outside production a random one is made at each start, so that sign-ins under way do not survive it.`,
  },
  secretFile: {
    name: 'SESSION_SECRET_FILE',
    without: 'unset',
    parse: (text) => secrets(fileContent(text).toString('utf8').trim()),
    expected: `the path of a file with secrets of ${shortestSecret} characters or more, separated by commas`,
    description: 'File to read `SESSION_SECRET` from instead. Read once, at start.',
  },
  postLoginUrl: {
    name: 'POST_LOGIN_URL',
    default: '/',
    parse: pathOrUrl,
    expected: 'a path such as /home, or a URL of PUBLIC_URL or one of ALLOWED_ORIGINS',
    description:
      'Where users go after sign-in whose `returnTo` is missing or not allowed: a path, or a URL whose origin is `PUBLIC_URL` or one of `ALLOWED_ORIGINS`. In production the gateway itself has no page at `/`.',
  },
  sessionCacheTtl: {
    name: 'SESSION_CACHE_TTL',
    default: '10s',
    parse: duration('0s', '60s'),
    expected: 'a duration from 0s to 60s, such as 10s',
    description:
      'How long a valid session is taken as valid without asking AuthService again, 0s to 60s. Longer, and a revoked session works on for that long; `0s` asks for every request.',
  },
  allowedOrigins: {
    name: 'ALLOWED_ORIGINS',
    without: 'only `PUBLIC_URL`',
    parse: listOf((text) => {
      if (text === '*' || text === 'null') rejectText(text, 'would let any site act for its visitors');
      if (text.includes('*')) rejectText(text, 'has a wildcard, which no origin fits');
      return origin(text).origin;
    }),
    expected: 'exact origins, each once, separated by commas, such as https://app.example.com',
    description:
      'Other origins whose pages may send requests with the session cookie and read the answers (CORS), separated by commas. Exact: no wildcards, no paths.',
  },
  corsPublic: {
    name: 'CORS_PUBLIC',
    default: 'false',
    parse: boolean,
    expected: 'true or false',
    description:
      '`true` lets pages of every origin read answers to requests without cookies, as those with a bearer token are. Requests with the session cookie stay with `PUBLIC_URL` and `ALLOWED_ORIGINS`.',
  },
  trustedProxies: {
    name: 'TRUSTED_PROXIES',
    without: 'none',
    parse: listOf(network),
    expected: 'IP addresses and networks, each once, separated by commas, such as 10.0.0.0/8,192.0.2.7',
    description:
      'Addresses and networks of the proxies in front, separated by commas, such as `10.0.0.0/8`. From them alone `X-Forwarded-For` counts: the client is the last address there that is none of these. Unset behind a proxy, all clients have its address; a network that clients are in lets them choose theirs.',
  },
  requestTimeout: {
    name: 'REQUEST_TIMEOUT',
    default: '30s',
    parse: duration('100ms', '10m'),
    expected: 'a duration from 100ms to 10m, such as 30s',
    description:
      'Time budget of a request, 100ms to 10m, where its route has none of its own. All RPCs of the request share it; spent, the answer is 504.',
  },
  maxCost: {
    name: 'MAX_COST',
    default: '10000',
    parse: wholeNumber(1, 1_000_000_000),
    expected: 'a whole number from 1 to 1000000000, such as 10000',
    description:
      'What an operation may cost: a field is 1, an RPC 10, and what is in a list counts for each of its items; `@cost` and `@listSize` say otherwise. More is 400 `OPERATION_TOO_COMPLEX`. `npm run check` prints what REST routes cost.',
  },
  costMode: {
    name: 'COST_MODE',
    default: 'enforce',
    parse: oneOf(costModes),
    expected: costModes.join(' or '),
    description:
      '`enforce`, or `measure`: operations over `MAX_COST` run, and their access lines and `limit_refusals_total{limit="cost_measured"}` tell of them. To find the limit that fits.',
  },
  maxCalls: {
    name: 'MAX_CALLS',
    default: '200',
    parse: wholeNumber(1, 100_000),
    expected: 'a whole number from 1 to 100000, such as 200',
    description:
      'RPCs that an operation may make, or one event of a stream; a batch is one. More ends it with 400 `OPERATION_TOO_COMPLEX` and cancels what is under way.',
  },
  maxResultSize: {
    name: 'MAX_RESULT_SIZE',
    default: '10MB',
    parse: size('1KB', '100MB'),
    expected: 'a size from 1KB to 100MB, such as 10MB',
    description:
      'How large the result of an operation may become, or that of one event of a stream. More ends it with 400 `OPERATION_TOO_COMPLEX`. Several times this is held in memory while it is sent.',
  },
  redisUrl: {
    name: 'REDIS_URL',
    without: 'each replica counts for itself',
    parse: redisUrl,
    expected:
      'a URL such as redis://redis:6379 or rediss://user:password@redis:6380/1, the user and password percent-encoded',
    description:
      'Redis that the replicas count rate limits in, together: `redis://` or, with TLS, `rediss://`. While it is away each replica counts for itself, and no request fails for it.',
  },
  redisUrlFile: {
    name: 'REDIS_URL_FILE',
    without: 'unset',
    parse: (text) => redisUrl(fileContent(text).toString('utf8').trim()),
    expected: 'the path of a file with a URL such as rediss://user:password@redis:6380/1',
    description: 'File to read `REDIS_URL` from instead, where it holds a password. Read once, at start.',
  },
  maxTokenChecks: {
    name: 'MAX_TOKEN_CHECKS',
    default: '50',
    parse: wholeNumber(1, 10_000),
    expected: 'a whole number from 1 to 10000, such as 50',
    description:
      'How many session tokens that were never confirmed here AuthService is asked about at once; more are 503 `AUTH_UNAVAILABLE`. Too few, and sign-ins at the same time and a restart hurt; too many, and made-up tokens keep AuthService busy.',
  },
  unknownTokenRateLimit: {
    name: 'UNKNOWN_TOKEN_RATE_LIMIT',
    default: '300',
    parse: wholeNumber(0, 1_000_000),
    expected: perMinute,
    description:
      'How many session tokens that AuthService does not know one address may send in a minute, before tokens from there that were never confirmed here are 429 `RATE_LIMITED`. `0` for any number.',
  },
  loginRateLimit: {
    name: 'LOGIN_RATE_LIMIT',
    default: '300',
    parse: wholeNumber(0, 1_000_000),
    expected: perMinute,
    description:
      'How many sign-ins one address may begin in a minute; more are 429 `RATE_LIMITED`. `0` for any number.',
  },
  callbackRateLimit: {
    name: 'CALLBACK_RATE_LIMIT',
    default: '300',
    parse: wholeNumber(0, 1_000_000),
    expected: perMinute,
    description:
      'How many returns from identity providers one address may make in a minute; more are 429 `RATE_LIMITED`. `0` for any number.',
  },
  maxRequestMemory: {
    name: 'MAX_REQUEST_MEMORY',
    default: '48MB',
    parse: size('64KB', '4096MB'),
    expected: 'a size from 64KB to 4096MB, such as 48MB',
    description:
      'What requests may hold in memory together, from their first byte to their end, beyond 8 KB of each. More is 503 `OVERLOADED`, or the connection closes where the head has not come whole. Less than the pod has left beside its heap.',
  },
  maxConnections: {
    name: 'MAX_CONNECTIONS',
    default: '10000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 10000',
    description:
      'Connections of clients that may be open at a time in one replica; each takes some 20 KB. With more, the one that has been idle longest is closed; from four fifths on, those that have been idle for 5 s. Keep it over `MAX_REQUESTS` and `MAX_STREAMS` together where you can, so that a newcomer always finds one idle.',
  },
  maxConnectionsPerAddress: {
    name: 'MAX_CONNECTIONS_PER_ADDRESS',
    default: '2000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 2000',
    description:
      'The same for each address, or each /64 network of IPv6; proxies of `TRUSTED_PROXIES` may have any number. More are closed at once.',
  },
  maxRequests: {
    name: 'MAX_REQUESTS',
    default: '5000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 5000',
    description:
      'Requests that may be under way at a time in one replica, streams aside. More is 503 `OVERLOADED`, at once. Too high, and a service that hangs fills the memory with those that wait for it.',
  },
  maxRequestsPerAddress: {
    name: 'MAX_REQUESTS_PER_ADDRESS',
    default: '2000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 2000',
    description:
      'The same for each client address, or each /64 network of IPv6. More is 429 `RATE_LIMITED`. Behind a proxy that is not in `TRUSTED_PROXIES`, all clients have one address.',
  },
  maxStreams: {
    name: 'MAX_STREAMS',
    default: '5000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 5000',
    description: 'Streams that may be open at a time in one replica; each takes some 25 KB. More is 503 `OVERLOADED`.',
  },
  maxStreamsPerAddress: {
    name: 'MAX_STREAMS_PER_ADDRESS',
    default: '1000',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 1000',
    description: 'The same for each client address, as above. More is 429 `RATE_LIMITED`.',
  },
  maxStreamsPerSession: {
    name: 'MAX_STREAMS_PER_SESSION',
    default: '100',
    parse: wholeNumber(1, 1_000_000),
    expected: 'a whole number from 1 to 1000000, such as 100',
    description:
      'The same for each session, in one replica. More is 429 `RATE_LIMITED`. Too low, and a user with many tabs is turned away.',
  },
  streamReplay: {
    name: 'STREAM_REPLAY',
    default: 'off',
    parse: offOr(size('1KB', '16MB')),
    expected: 'off, or a size from 1KB to 16MB, such as 64KB',
    description:
      'How much of each REST stream is kept, so that a client whose connection broke off can go on within `STREAM_REPLAY_WINDOW` (`Last-Event-ID`, or `?after=`): `off`, or a size from 1KB to 16MB. All streams of a replica keep 64 MB at most, a stream that nobody reads with 10 KB beside its events: some 6,500 can wait. Only the replica that has a stream can go on with it. With `off`, the call of a client that leaves is cancelled at once.',
  },
  streamReplayWindow: {
    name: 'STREAM_REPLAY_WINDOW',
    default: '60s',
    parse: duration('1s', '10m'),
    expected: 'a duration from 1s to 10m, such as 60s',
    description:
      'How long a client may take to come back to a stream, 1s to 10m, where `STREAM_REPLAY` is on. The call of a client that left goes on for as long.',
  },
  shutdownGrace: {
    name: 'SHUTDOWN_GRACE',
    default: '25s',
    parse: duration('100ms', '10m'),
    expected: 'a duration from 100ms to 10m, such as 25s',
    description:
      'How long a shutdown may take from SIGTERM on, 100ms to 10m. Keep it under the pod’s `terminationGracePeriodSeconds`, or running requests are killed.',
  },
  shutdownDelay: {
    name: 'SHUTDOWN_DELAY',
    default: { production: '5s', otherwise: '0s' },
    parse: duration('0s', '10m'),
    expected: 'a duration from 0s to less than SHUTDOWN_GRACE, such as 5s',
    description:
      'How much of it goes to serving on while unready, so that load balancers notice first. Less than `SHUTDOWN_GRACE`; too short, and new connections are refused during a rollout.',
  },
  logLevel: {
    name: 'LOG_LEVEL',
    default: 'info',
    parse: oneOf(logLevels),
    expected: logLevels.join(', '),
    description: `${logLevels.map((level) => `\`${level}\``).join(', ')}. From \`warn\` on there are no access lines.`,
  },
  otlpEndpoint: {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    without: 'no tracing',
    parse: collectorUrl,
    expected: 'the URL of an OTLP collector without /v1/traces, such as http://otel-collector:4318',
    description:
      'Collector that traces are exported to by OTLP over HTTP, such as `http://otel-collector:4318`; `/v1/traces` is appended. Of OpenTelemetry’s variables those in this table are read, and as it has them.',
  },
  otlpTracesEndpoint: {
    name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    without: 'unset',
    parse: collectorUrl,
    expected: 'the whole URL that traces are sent to, such as http://otel-collector:4318/v1/traces',
    description: 'The same as a whole URL, taken as it is; counts before the other.',
  },
  otlpProtocol: otlp.protocol,
  otlpTracesProtocol: forTraces(otlp.protocol),
  otlpHeaders: otlp.headers,
  otlpTracesHeaders: forTraces(otlp.headers, 'More of them, for traces alone; of two of one name this one counts.'),
  otlpCompression: otlp.compression,
  otlpTracesCompression: forTraces(otlp.compression),
  otlpTimeout: otlp.timeout,
  otlpTracesTimeout: forTraces(otlp.timeout),
  otelServiceName: {
    name: 'OTEL_SERVICE_NAME',
    without: '`api-gateway`',
    parse: otelServiceName,
    expected: 'the name of this service, such as api-gateway',
    description: 'Name of this service in traces; counts before `service.name` of the attributes below.',
  },
  otelResourceAttributes: {
    name: 'OTEL_RESOURCE_ATTRIBUTES',
    without: 'none',
    parse: pairs(isFieldName),
    expected: 'attributes as name=value, separated by commas, with percent-encoded values',
    description:
      'More about this service, such as `deployment.environment.name=production,service.namespace=shop`, values percent-encoded.',
  },
  tracesSampler: {
    name: 'OTEL_TRACES_SAMPLER',
    default: 'parentbased_always_on',
    parse: oneOf(samplers),
    expected: samplers.join(', '),
    description: `Which requests are recorded: ${samplers.map((name) => `\`${name}\``).join(', ')}. \`parentbased_...\` does as the client’s \`traceparent\` says, where it sends one. Recording all costs CPU time and fills the collector; take \`parentbased_traceidratio\` under load.`,
  },
  tracesSamplerArg: {
    name: 'OTEL_TRACES_SAMPLER_ARG',
    default: '1',
    parse: ratio,
    expected: 'a number from 0 to 1, such as 0.01',
    description:
      'Which part of the requests the `...traceidratio` samplers record, 0 to 1. Set alone, it chooses `parentbased_traceidratio`.',
  },
  otelSdkDisabled: {
    name: 'OTEL_SDK_DISABLED',
    default: 'false',
    parse: boolean,
    expected: 'true or false',
    description: '`true` turns tracing off, whatever else is set. Trace ids are passed on and logged all the same.',
  },
  graphqlServer: {
    name: 'GRAPHQL_SERVER',
    default: 'native',
    parse: oneOf(graphqlServers),
    expected: graphqlServers.join(' or '),
    description:
      '`native` or `yoga`. `yoga` serves `/graphql` by GraphQL Yoga with envelop plugins, for several times the CPU time of a request. Where the two differ: docs/decisions/graphql-door.md.',
  },
  schemaDir: {
    name: 'SCHEMA_DIR',
    default: 'schema',
    parse: folder,
    expected: 'the path of the folder with the .graphql files',
    description:
      'Folder of the SDL files. A relative path counts from the gateway’s own folder; so with every path here.',
  },
  protoDir: {
    name: 'PROTO_DIR',
    default: 'proto',
    parse: folder,
    expected: 'the path of the folder with the .proto files',
    description:
      'Folder of the protos: `.proto` files, and descriptor sets as `buf build -o` and `protoc --include_imports -o` write them (`.binpb`, `.pb`, `.desc`, `.protoset`, `.fds`).',
  },
  protoInclude: {
    name: 'PROTO_INCLUDE',
    without: 'none',
    parse: folders,
    expected: 'the paths of folders, separated by colons, such as vendor/googleapis:/usr/include',
    description:
      'More folders to look up imports of protos in, separated by colons; first comes `PROTO_DIR`, last what protobuf itself brings along (`google/protobuf`). Nothing in them is read but what is imported.',
  },
} satisfies Record<string, Variable<unknown>>;
