import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import type { LogLevel } from '../telemetry/log';
import type { Sampling, TracingConfig } from '../telemetry/tracing-config';
import { EnvironmentReader, variableName } from './environment-reader';
import { misspellings } from './misspellings';
import { isLoopback, packageRoot, shown } from './values';
import { variables, type Environment, type GraphqlServer, type TransportName, type Variable } from './variables';

/** How to reach an upstream, as configured. */
export interface UpstreamConfig {
  /** A gRPC target with a port. */
  readonly target: string;
  /** PEM, as the files have it; a plain connection where it is left out. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** Ms that any RPC to this upstream may take at most. Where it is left out, the schema's deadlines count alone. */
  readonly deadline?: number;
  readonly transport: TransportName;
  /** The most items that an answer may be decoded to. */
  readonly maxItems: number;
  /** Calls that may be under way at a time, apart from those that serve subscriptions. */
  readonly maxCalls: number;
}

/** An identity provider that people may sign in with. */
export interface ProviderConfig {
  /** As in paths: `/api/v1/auth/{name}/login`. */
  readonly name: string;
  /** Exactly as given: it is compared with `iss` character by character. */
  readonly issuer: string;
  readonly clientId: string;
  /** Separated by single spaces, with `openid` among them. */
  readonly scopes: string;
  /** Whether who signs out here is to be signed out at the provider too. */
  readonly logout: boolean;
}

/** The configuration of the gateway. Times are in ms. */
export interface Config {
  readonly env: Environment;
  readonly production: boolean;
  /** 0 lets the system choose, for `adminPort` too. */
  readonly port: number;
  readonly adminPort: number;
  /** All addresses where it is left out, for `adminHost` too. */
  readonly host?: string;
  readonly adminHost?: string;
  /** The origin, without a slash behind it. */
  readonly publicUrl: string;
  /** True where the session cookie must work over plain HTTP on loopback. Never in production. */
  readonly insecureCookies: boolean;
  /** By the names that the schema gives them. */
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>;
  readonly signIn: {
    readonly providers: readonly ProviderConfig[];
    /** The first seals, every one unseals. Never empty. */
    readonly secrets: readonly string[];
    /** Where users go who came from no page that is allowed: a path, or a URL of `publicUrl` or one of `allowedOrigins`. */
    readonly postLoginUrl: string;
  };
  readonly sessionCacheTtl: number;
  readonly allowedOrigins: readonly string[];
  /** Whether pages of any other origin may read answers to requests without cookies. */
  readonly corsPublic: boolean;
  /** IP addresses, and networks in CIDR notation. */
  readonly trustedProxies: readonly string[];
  readonly requestTimeout: number;
  /** What one operation may take. */
  readonly limits: {
    readonly maxCost: number;
    readonly enforcesCost: boolean;
    readonly maxCalls: number;
    /** Bytes. */
    readonly maxResultSize: number;
  };
  readonly rateLimits: {
    /** A secret: it may hold a password. Replicas count each for itself where it is left out. */
    readonly redisUrl?: string;
    /** RPCs about tokens that were never confirmed, at once. */
    readonly maxTokenChecks: number;
    /** In a minute, for each address; 0 for any number, as of the next two. */
    readonly unknownTokens: number;
    readonly logins: number;
    readonly callbacks: number;
  };
  /** Bytes that requests may hold together, beyond a few KB each. */
  readonly requestMemory: number;
  /** How many connections may be open at a time. */
  readonly connections: { readonly max: number; readonly maxPerAddress: number };
  /** How much may be under way at a time. */
  readonly inFlight: {
    readonly requests: number;
    readonly requestsPerAddress: number;
    readonly streams: number;
    readonly streamsPerAddress: number;
    readonly streamsPerSession: number;
  };
  /** How much of each stream is kept, and for how long its client may come back. Nothing where it is left out. */
  readonly streamReplay?: {
    /** Bytes, about. */
    readonly size: number;
    /** Ms. */
    readonly window: number;
  };
  readonly shutdownGrace: number;
  readonly shutdownDelay: number;
  readonly logLevel: LogLevel;
  readonly graphqlServer: GraphqlServer;
  /** Off where it is left out. */
  readonly tracing?: TracingConfig;
  /** Absolute, as `protoDir` and `protoInclude` are. */
  readonly schemaDir: string;
  readonly protoDir: string;
  readonly protoInclude: readonly string[];
  /** Probable mistakes, to be logged at start. They hold no secrets. */
  readonly warnings: readonly string[];
}

/** The configuration cannot be used. The message lists every problem, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(`the configuration has ${problems.length} problem(s)\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
}

/** The prefix of the variables of an upstream or provider: `USER_PROFILE` for `user-profile`. */
export function prefixOf(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}

/** Where the SDL and the protos are: needed before the rest, since the SDL names the upstreams. Does not check the folders. */
export function sourceFolders(
  env: NodeJS.ProcessEnv,
): Readonly<Pick<Config, 'schemaDir' | 'protoDir' | 'protoInclude'>> {
  const path = ({ name, default: preset }: Variable<string>): string =>
    resolve(packageRoot, env[name] || (typeof preset === 'string' ? preset : '.'));
  const include = (env[variables.protoInclude.name] ?? '').split(':').filter((each) => each !== '');
  return {
    schemaDir: path(variables.schemaDir),
    protoDir: path(variables.protoDir),
    protoInclude: include.map((each) => resolve(packageRoot, each)),
  };
}

/**
 * Reads the whole configuration at once.
 *
 * @param upstreamNames - As the schema calls them; each needs an address.
 * @throws ConfigError with every problem: the variable, what is wrong with it, and what would be right.
 */
export function readConfig(env: NodeJS.ProcessEnv, upstreamNames: readonly string[]): Config {
  const reader = new EnvironmentReader(env);
  const warnings: string[] = [];

  const environment = reader.required(variables.env);
  // A wrong value counts as production, so that it opens nothing.
  const production = environment !== 'development' && environment !== 'test';
  reader.production = production;

  const listenPort = reader.required(variables.port);
  const adminPort = reader.required(variables.adminPort);
  if (listenPort !== 0 && listenPort !== undefined && listenPort === adminPort) {
    reader.problem(variables.adminPort, `${adminPort} is PORT too`);
  }
  const host = reader.optional(variables.host);
  const adminHost = reader.optional(variables.adminHost);
  const publicUrl = readPublicUrl(reader, production, warnings);
  const upstreams = readUpstreams(reader, upstreamNames);
  const providers = readProviders(reader, production);
  const secretList = readSecrets(reader, production && providers.length > 0);
  if (secretList === undefined && providers.length > 0) {
    warnings.push('SESSION_SECRET is not set: sign-ins under way do not survive a restart, nor reach another replica');
  }
  const allowedOrigins = reader.optional(variables.allowedOrigins) ?? [];
  const postLoginUrl = readPostLoginUrl(reader, [...(publicUrl ? [publicUrl.origin] : []), ...allowedOrigins]);
  const shutdownGrace = reader.required(variables.shutdownGrace);
  const shutdownDelay = reader.required(variables.shutdownDelay);
  if (shutdownDelay >= shutdownGrace) {
    reader.problem(variables.shutdownDelay, `${shutdownDelay}ms is not less than SHUTDOWN_GRACE, ${shutdownGrace}ms`);
  }

  const streamReplay = {
    size: reader.required(variables.streamReplay),
    window: reader.required(variables.streamReplayWindow),
  };
  const redisUrl = oneOfTwo(reader, variables.redisUrl, variables.redisUrlFile);
  const tracing = readTracing(reader, warnings);

  const config: Config = {
    env: environment,
    production,
    port: listenPort,
    adminPort,
    ...(host === undefined ? {} : { host }),
    ...(adminHost === undefined ? {} : { adminHost }),
    publicUrl: publicUrl?.origin ?? '',
    insecureCookies: publicUrl !== undefined && !production && publicUrl.protocol === 'http:' && isLoopback(publicUrl),
    upstreams,
    signIn: { providers, secrets: secretList ?? [randomBytes(32).toString('base64url')], postLoginUrl },
    sessionCacheTtl: reader.required(variables.sessionCacheTtl),
    allowedOrigins,
    corsPublic: reader.required(variables.corsPublic),
    trustedProxies: reader.optional(variables.trustedProxies) ?? [],
    requestTimeout: reader.required(variables.requestTimeout),
    limits: {
      maxCost: reader.required(variables.maxCost),
      enforcesCost: reader.required(variables.costMode) === 'enforce',
      maxCalls: reader.required(variables.maxCalls),
      maxResultSize: reader.required(variables.maxResultSize),
    },
    rateLimits: {
      ...(redisUrl === undefined ? {} : { redisUrl }),
      maxTokenChecks: reader.required(variables.maxTokenChecks),
      unknownTokens: reader.required(variables.unknownTokenRateLimit),
      logins: reader.required(variables.loginRateLimit),
      callbacks: reader.required(variables.callbackRateLimit),
    },
    requestMemory: reader.required(variables.maxRequestMemory),
    connections: {
      max: reader.required(variables.maxConnections),
      maxPerAddress: reader.required(variables.maxConnectionsPerAddress),
    },
    inFlight: {
      requests: reader.required(variables.maxRequests),
      requestsPerAddress: reader.required(variables.maxRequestsPerAddress),
      streams: reader.required(variables.maxStreams),
      streamsPerAddress: reader.required(variables.maxStreamsPerAddress),
      streamsPerSession: reader.required(variables.maxStreamsPerSession),
    },
    ...(streamReplay.size === 0 ? {} : { streamReplay }),
    shutdownGrace,
    shutdownDelay,
    logLevel: reader.required(variables.logLevel),
    graphqlServer: reader.required(variables.graphqlServer),
    ...(tracing === undefined ? {} : { tracing }),
    schemaDir: reader.required(variables.schemaDir),
    protoDir: reader.required(variables.protoDir),
    protoInclude: reader.optional(variables.protoInclude) ?? [],
    warnings,
  };

  const hints = misspellings(reader, upstreamNames);
  if (reader.problems.length > 0) throw new ConfigError([...reader.problems, ...hints]);
  warnings.push(...hints);
  return config;
}

function readPublicUrl(reader: EnvironmentReader, production: boolean, warnings: string[]): URL | undefined {
  const publicUrl = reader.required(variables.publicUrl) as URL | undefined;
  if (publicUrl === undefined || publicUrl.protocol === 'https:' || isLoopback(publicUrl)) return publicUrl;
  if (production) reader.problem(variables.publicUrl, `${shown(publicUrl.origin)} is not https`);
  else warnings.push('PUBLIC_URL is plain http and not loopback: browsers will not keep the session cookie');
  return publicUrl;
}

/** @param origins - Those that users may be sent to. */
function readPostLoginUrl(reader: EnvironmentReader, origins: readonly string[]): string {
  const text = reader.required(variables.postLoginUrl);
  // Undefined where the value is wrong, which has been reported.
  const place = text === undefined || text.startsWith('/') ? undefined : new URL(text).origin;
  if (place !== undefined && !origins.includes(place)) {
    reader.problem(variables.postLoginUrl, `${shown(place)} is neither PUBLIC_URL nor one of ALLOWED_ORIGINS`);
  }
  return text;
}

function readUpstreams(reader: EnvironmentReader, names: readonly string[]): Record<string, UpstreamConfig> {
  const byPrefix = new Map<string, string>();
  const upstreams: Record<string, UpstreamConfig> = {};
  for (const name of names) {
    const prefix = prefixOf(name);
    const other = byPrefix.get(prefix);
    if (other !== undefined) {
      const variable = variableName(variables.upstreamAddress, prefix);
      reader.problems.push(`${variable}: both ${other} and ${name} read it; give one of these upstreams another name`);
      continue;
    }
    byPrefix.set(prefix, name);
    const address = reader.required(variables.upstreamAddress, prefix);
    const tls = readTls(reader, prefix);
    const deadline = reader.optional(variables.upstreamDeadline, prefix);
    upstreams[name] = {
      target: address,
      ...(tls === undefined ? {} : { tls }),
      ...(deadline === undefined ? {} : { deadline }),
      transport: reader.required(variables.upstreamTransport, prefix),
      maxItems: reader.required(variables.upstreamMaxItems, prefix),
      maxCalls: reader.required(variables.upstreamMaxCalls, prefix),
    };
  }
  return upstreams;
}

function readTls(reader: EnvironmentReader, prefix: string): UpstreamConfig['tls'] {
  const ca = reader.optional(variables.upstreamCa, prefix);
  const cert = reader.optional(variables.upstreamCert, prefix);
  const key = reader.optional(variables.upstreamKey, prefix);
  const hasCert = reader.isSet(variables.upstreamCert, prefix);
  if (hasCert !== reader.isSet(variables.upstreamKey, prefix)) {
    const [missing, there] = hasCert
      ? [variables.upstreamKey, variables.upstreamCert]
      : [variables.upstreamCert, variables.upstreamKey];
    reader.problem(missing, `it is not set, but ${variableName(there, prefix)} is`, prefix);
  } else if (cert && key && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    reader.problem(variables.upstreamKey, 'the key is of another certificate', prefix);
  }
  if (!ca && !cert && !key) return undefined;
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

function readProviders(reader: EnvironmentReader, production: boolean): ProviderConfig[] {
  return (reader.optional(variables.providers) ?? []).map((name) => {
    const prefix = prefixOf(name);
    const issuerUrl = reader.required(variables.providerIssuer, prefix);
    if (issuerUrl !== undefined && !/^https:/i.test(issuerUrl) && (production || !isLoopback(new URL(issuerUrl)))) {
      reader.problem(variables.providerIssuer, `${shown(issuerUrl)} is not https`, prefix);
    }
    return {
      name,
      issuer: issuerUrl,
      clientId: reader.required(variables.providerClientId, prefix),
      scopes: reader.required(variables.providerScopes, prefix),
      logout: reader.required(variables.providerLogout, prefix),
    };
  });
}

function readSecrets(reader: EnvironmentReader, needed: boolean): string[] | undefined {
  const neither = !reader.isSet(variables.secretFile) && !reader.isSet(variables.secret);
  if (neither && needed) reader.problem(variables.secret, undefined);
  return oneOfTwo(reader, variables.secret, variables.secretFile);
}

/** A secret that is given itself, or by the name of a file that it is in. */
function oneOfTwo<T>(reader: EnvironmentReader, direct: Variable<T>, file: Variable<T>): T | undefined {
  const fromFile = reader.optional(file);
  const given = reader.optional(direct);
  if (reader.isSet(file) && reader.isSet(direct)) {
    reader.problems.push(`${direct.name}: ${file.name} is set too; give one of them`);
  }
  return given ?? fromFile;
}

/** Reads OpenTelemetry's variables for traces, as its specification has them. */
function readTracing(reader: EnvironmentReader, warnings: string[]): TracingConfig | undefined {
  const base = reader.optional(variables.otlpEndpoint);
  const whole = reader.optional(variables.otlpTracesEndpoint);
  const { 'service.name': givenName, ...resourceAttributes } = reader.optional(variables.otelResourceAttributes) ?? {};
  const tracing = {
    protocol: ofTraces(reader, variables.otlpProtocol, variables.otlpTracesProtocol),
    headers: { ...reader.optional(variables.otlpHeaders), ...reader.optional(variables.otlpTracesHeaders) },
    compression: ofTraces(reader, variables.otlpCompression, variables.otlpTracesCompression),
    timeout: ofTraces(reader, variables.otlpTimeout, variables.otlpTracesTimeout),
    serviceName: reader.optional(variables.otelServiceName) ?? givenName ?? 'api-gateway',
    resourceAttributes,
    sampling: readSampling(reader, warnings),
  };
  const url = whole ?? (base === undefined ? undefined : `${base.replace(/\/$/, '')}/v1/traces`);
  const isDisabled = reader.required(variables.otelSdkDisabled);
  return url === undefined || isDisabled ? undefined : { url, ...tracing };
}

/** Reads both variables, so that a mistake in either is reported. */
function ofTraces<T>(reader: EnvironmentReader, general: Variable<T>, own: Variable<T>): T {
  const value = reader.required(general);
  return reader.optional(own) ?? value;
}

function readSampling(reader: EnvironmentReader, warnings: string[]): Sampling {
  const sampler = reader.required(variables.tracesSampler);
  const arg = reader.required(variables.tracesSamplerArg);
  const parentBased = sampler?.startsWith('parentbased_');
  const takesArg = sampler?.endsWith('traceidratio') || !reader.isSet(variables.tracesSampler);
  if (takesArg) return { parentBased, ratio: arg };
  if (reader.isSet(variables.tracesSamplerArg)) {
    warnings.push(`OTEL_TRACES_SAMPLER_ARG says nothing with OTEL_TRACES_SAMPLER=${sampler}`);
  }
  return { parentBased, ratio: sampler?.endsWith('always_on') ? 1 : 0 };
}
