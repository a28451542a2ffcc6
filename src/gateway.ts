import type { RequestListener } from 'node:http';
import type { Config } from './config/config';
import type { OwnResolverName } from './contract/built-ins';
import { usesPolicies } from './contract/check-sign-in';
import { loadContract } from './contract/contract';
import { GatewayError } from './errors';
import type * as ExecutableSchema from './graphql/executable-schema';
import { createGraphqlHandler } from './graphql/graphql-handler';
import { createGraphqlRoutes } from './graphql/routes';
import type * as Yoga from './graphql/yoga';
import { createUpstream } from './grpc/create-upstream';
import type { Upstream } from './grpc/upstream';
import { createAdminHandler } from './http/admin-handler';
import type { ConnectionGate } from './http/connection-gate';
import { createHttpHandler } from './http/http-handler';
import type { Refuse } from './http/unreadable-request';
import { createDocuments } from './pipeline/documents';
import type { OperationContext } from './pipeline/operation-context';
import { createPipeline } from './pipeline/pipeline';
import { createDocsRoutes } from './rest/openapi/docs-page';
import { createOpenApi } from './rest/openapi/openapi';
import { createOpenApiRoute } from './rest/openapi/route';
import { createRestRoutes } from './rest/routes';
import { StreamReplays } from './rest/stream-replays';
import { version } from './version';
import type { Resolver, ResolverContext } from './schema/resolver-context';
import { loadSources, type Sources } from './schema/sources';
import { authUpstream, createAuthService } from './session/auth-service';
import { createSessionCookie } from './session/cookies';
import { createGatekeeper } from './session/gatekeeper';
import { createPolicies } from './session/policies';
import { createRateLimits } from './session/rate-limits';
import { createSessions } from './session/sessions';
import { createProviders } from './signin/providers';
import { createSignInRoutes, signInPaths } from './signin/routes';
import { createSignOut, type SignOut } from './signin/sign-out';
import { droppedLines, type Logger } from './telemetry/log';
import { createMetrics, type Metrics } from './telemetry/metrics';
import type * as OpenTelemetry from './telemetry/opentelemetry';

/** The gateway, put together. */
export interface Gateway {
  /** Answers requests of the public listener. */
  readonly handle: RequestListener;
  /** Refuses what came for the public listener and cannot be read. */
  readonly refuse: Refuse;
  /** Decides which connections of the public listener are let in. */
  readonly gate: ConnectionGate;
  /** Answers requests of the admin listener. */
  readonly handleAdmin: RequestListener;
  /** Says "not ready" from now on, and goes on serving. */
  drain(): void;
  /** Ends open streams, each with a last event that says why. */
  endStreams(): void;
  /** Closes channels and watches. Requests that still run fail. */
  close(): void;
  /** Resolves once every request has left its access line, metrics and spans behind. */
  settled(): Promise<void>;
  /** Exports what was recorded of traces. Resolves once that is done or has failed. */
  flush(): Promise<void>;
}

/** What tests and tools put in place of the usual. */
export interface GatewayOverrides {
  readonly log: Logger;
  /** SDL and protos that were read before; from the folders of the configuration where left out. */
  readonly sources?: Sources;
  /** With `graphqlPlugin` where the configuration says GRAPHQL_SERVER=yoga. */
  readonly metrics?: Metrics;
  /** Hand-written resolvers, by the name that @resolver gives, beside the gateway's own. */
  readonly resolvers?: Readonly<Record<string, Resolver>>;
}

/**
 * Puts the gateway together. Listens nowhere and waits for no upstream.
 *
 * @throws SchemaError where SDL, protos and REST operations do not fit
 */
export function createGateway(config: Config, overrides: GatewayOverrides): Gateway {
  const { log } = overrides;
  const yoga = config.graphqlServer === 'yoga' ? loadYoga() : undefined;
  const metrics = overrides.metrics ?? createMetrics({ processMetrics: false, graphqlPlugin: yoga !== undefined });
  if (yoga && !metrics.graphqlPlugin) throw new Error('GRAPHQL_SERVER=yoga needs metrics made with graphqlPlugin');
  const sources = overrides.sources ?? loadSources(config);

  // What is wrong with the contract is told before anything is opened. Its fields call what is made below.
  const upstream = (name: string): Upstream => upstreams.get(name) ?? unknownUpstream(name);
  const {
    schema: compiled,
    operations,
    rpcs,
  } = loadContract(sources, {
    upstream,
    deadlines: Object.fromEntries(Object.entries(config.upstreams).map(([name, { deadline }]) => [name, deadline])),
    resolvers: { ...ownResolvers((exchange) => signOut.signOut(exchange)), ...overrides.resolvers },
  });

  const upstreams = createUpstreams(config, sources, log, metrics);
  for (const rpc of rpcs) upstream(rpc.upstream).expect(rpc);
  const authService = createAuthService(upstream(authUpstream), sources.protos, {
    deadline: config.upstreams[authUpstream]?.deadline,
    policies: usesPolicies(sources.sdl),
  });

  const cookie = createSessionCookie({ secure: !config.insecureCookies });
  const rateLimits = createRateLimits({ redisUrl: config.rateLimits.redisUrl, log, metrics });
  const sessions = createSessions({
    authService,
    cacheTtl: config.sessionCacheTtl,
    rateLimits,
    maxChecks: config.rateLimits.maxTokenChecks,
    maxRefused: config.rateLimits.unknownTokens,
    metrics,
    log,
    connected: () => upstream(authUpstream).ready(),
  });
  const { publicUrl: publicOrigin, allowedOrigins } = config;
  const gatekeeper = createGatekeeper({ cookie, sessions, publicOrigin, allowedOrigins });
  const providers = createProviders({ ...config, ...config.signIn });
  const signOut = createSignOut({ providers, gatekeeper, insecureCookies: config.insecureCookies });

  const policies = createPolicies(authService);
  const introspection = !config.production;
  const schema = yoga ? yoga.toExecutableSchema(compiled) : compiled;
  const documents = createDocuments(schema, { introspection, metrics });
  const { requestTimeout, limits } = config;
  const steps = {
    documents,
    gatekeeper,
    metrics,
    introspection,
    requestTimeout,
    limits,
    checks: { rateLimits, policies },
  };
  const pipeline = createPipeline(steps);
  const handleGraphql = yoga ? yoga.createYogaHandler({ schema, ...steps }) : createGraphqlHandler(pipeline);
  const resumes = {
    resumed: metrics.streamResumes.series({ result: 'resumed' }),
    refused: metrics.streamResumes.series({ result: 'refused' }),
  };
  const replays = config.streamReplay && new StreamReplays({ ...config.streamReplay, gatekeeper, ...resumes });
  const tracer =
    config.tracing && loadOpenTelemetry().createTracer(config.tracing, { version, publicUrl: publicOrigin, log });
  const http = createHttpHandler({
    routes: [
      ...createGraphqlRoutes({
        handle: handleGraphql,
        graphiql: config.production ? undefined : { providers: providers.names },
      }),
      ...createRestRoutes(operations, pipeline, replays),
      ...(config.production
        ? []
        : [
            createOpenApiRoute(() =>
              createOpenApi({
                schema: compiled,
                operations,
                signInPaths,
                version,
                deployment: { publicUrl: publicOrigin, cookieName: cookie.name, providers },
              }),
            ),
            ...createDocsRoutes(providers.names),
          ]),
      ...createSignInRoutes({
        ...config,
        ...config.signIn,
        providers,
        authService,
        sessions,
        cookie,
        gatekeeper,
        counts: rateLimits,
        signOut,
      }),
    ],
    log,
    metrics,
    requestTimeout,
    strictTransport: config.production,
    cors: {
      origins: [publicOrigin, ...allowedOrigins],
      isPublic: config.corsPublic,
      exposedHeaders: [...new Set(operations.flatMap((operation) => operation.headers))],
    },
    trustedProxies: config.trustedProxies,
    requestMemory: config.requestMemory,
    connections: config.connections,
    inFlight: config.inFlight,
    tracer,
  });

  let isDraining = false;
  const ready = (): boolean => !isDraining;
  metrics.buildInfo.read({ version }, () => 1);
  metrics.ready.read({}, () => (ready() ? 1 : 0));
  for (const state of ['open', 'ended'] as const) {
    metrics.streamsWaiting.read({ state }, () => replays?.idle[state] ?? 0);
  }
  metrics.logLinesDropped.read({}, () => droppedLines(log));
  return {
    handle: http.handle,
    refuse: http.refuse,
    gate: http.gate,
    handleAdmin: createAdminHandler(metrics.registry, ready),
    drain() {
      isDraining = true;
      http.drain();
    },
    endStreams() {
      const reason = new GatewayError('OVERLOADED', 'The gateway is restarting. Connect again.', { retryAfter: 1 });
      http.endStreams(reason);
      replays?.end(reason);
    },
    close() {
      sessions.close();
      rateLimits.close();
      for (const each of upstreams.values()) each.close();
      metrics.close();
    },
    settled: () => http.settled(),
    flush: () => tracer?.flush() ?? Promise.resolve(),
  };
}

function createUpstreams(
  config: Config,
  sources: Sources,
  log: Logger,
  metrics: Metrics,
): ReadonlyMap<string, Upstream> {
  const upstreams = new Map<string, Upstream>();
  for (const name of sources.upstreamNames) {
    const address = config.upstreams[name] ?? unknownUpstream(name);
    upstreams.set(name, createUpstream({ name, address, log, metrics }));
  }
  return upstreams;
}

function unknownUpstream(name: string): never {
  throw new Error(`no upstream is called "${name}": sign-in and the schema need its address`);
}

/** GraphQL Yoga, envelop and @graphql-tools/schema are loaded only where they are asked for. */
function loadYoga() {
  const { createYogaHandler } = require('./graphql/yoga') as typeof Yoga;
  const { toExecutableSchema } = require('./graphql/executable-schema') as typeof ExecutableSchema;
  return { createYogaHandler, toExecutableSchema };
}

/** What records traces is loaded where that is asked for, and costs nothing elsewhere. */
const loadOpenTelemetry = () => require('./telemetry/opentelemetry') as typeof OpenTelemetry;

/** Functions that the gateway's own fields are answered by. */
function ownResolvers(signOut: SignOut['signOut']): Record<OwnResolverName, Resolver> {
  // Both GraphQL servers put the exchange into the context of resolvers.
  const exchangeOf = (context: ResolverContext) =>
    (context as ResolverContext & Pick<OperationContext, 'exchange'>).exchange;
  return {
    gateway: () => ({ name: 'api-gateway', version }),
    async logout(_parent, _args, context) {
      await signOut(exchangeOf(context));
      return true;
    },
    signOut: async (_parent, _args, context) => ({ endSessionUrl: await signOut(exchangeOf(context)) }),
  };
}
