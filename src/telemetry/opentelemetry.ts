import { randomUUID } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { hostname } from 'node:os';
import {
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace as api,
  type Attributes,
  type Context,
  type Span as OpenTelemetrySpan,
  type Tracer as OpenTelemetryTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  TracerProvider,
  type IdGenerator,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_HEADER,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
  HTTP_REQUEST_METHOD_VALUE_OTHER,
} from '@opentelemetry/semantic-conventions';
import { catalogue } from '../errors';
import type { Logger } from './log';
import {
  formatTraceparent,
  randomHex,
  traceFlags,
  UpstreamTime,
  type CallFacts,
  type CallSpan,
  type OperationSpan,
  type ParentSpan,
  type RequestFacts,
  type Span,
  type TraceContext,
  type Tracer,
} from './trace';
import type { Sampling, TracingConfig } from './tracing-config';

export interface TracingOptions {
  /** Of the gateway. */
  readonly version: string;
  /** Where clients reach the gateway. */
  readonly publicUrl: string;
  readonly log: Logger;
}

/**
 * Records requests by OpenTelemetry and exports them to a collector, by the semantic conventions for HTTP, GraphQL and RPC.
 * Imported only where it is asked for: it takes a tenth of a second and some megabytes.
 */
export function createTracer(config: TracingConfig, { version, publicUrl, log }: TracingOptions): Tracer {
  const processor = createProcessor(config, log);
  const ids = new Ids();
  const provider = new TracerProvider({
    resource: resourceOf(config, version),
    // Only what is to be recorded gets as far.
    sampler: new AlwaysOnSampler(),
    idGenerator: ids,
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('api-gateway', version);
  const samples = createSampler(config.sampling);
  const server = publicAttributes(new URL(publicUrl));

  return {
    beginRequest(traceId, parent, { received, began }) {
      if (!samples(traceId, parent)) return undefined;
      ids.nextTraceId = traceId;
      const { tracestate, flags = 0 } = parent ?? {};
      const recording = { tracer, clock: received - began, flags, tracestate, upstreams: new UpstreamTime() };
      const context = parent ? contextOf(traceId, parent) : ROOT_CONTEXT;
      const span = new RecordedSpan(recording, SpanKind.SERVER, 'HTTP', context, began);
      return { trace: span.trace, end: (facts) => span.end(...describeRequest(facts, server)) };
    },
    flush: () => processor.forceFlush(),
  };
}

function contextOf(traceId: string, { spanId, flags, tracestate }: ParentSpan): Context {
  return api.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags,
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  });
}

/** The id of a trace is known before its first span is made. */
class Ids implements IdGenerator {
  nextTraceId = '';

  generateTraceId(): string {
    return this.nextTraceId;
  }

  generateSpanId(): string {
    return randomHex(8);
  }
}

/**
 * Decides by the client's flag and the trace's id alone, so that no span is made of what is not recorded. Of the id it takes
 * what is random in it (W3C Trace Context, level 2, 3.2.2.3), so that whoever samples in the same way takes the same traces.
 */
function createSampler({ parentBased, ratio }: Sampling): (traceId: string, parent: ParentSpan | undefined) => boolean {
  // Of the 56 random bits as many as a number holds.
  const threshold = (1 - ratio) * 2 ** 52;
  return (traceId, parent) =>
    parentBased && parent
      ? (parent.flags & traceFlags.sampled) !== 0
      : Number.parseInt(traceId.slice(18, 31), 16) >= threshold;
}

/** What the spans of a request have in common. */
interface Recording {
  readonly tracer: OpenTelemetryTracer;
  /** Ms to add to the monotonic clock; one for all, so that parts lie within the whole to the microsecond. */
  readonly clock: number;
  /** Of the client's `traceparent`. */
  readonly flags: number;
  readonly tracestate: string | undefined;
  readonly upstreams: UpstreamTime;
}

/** What is known of a part once it has ended. */
type Description = readonly [name: string, attributes: Attributes, isError: boolean];

class RecordedSpan implements Span {
  readonly trace: TraceContext;
  private readonly span: OpenTelemetrySpan;

  constructor(
    private readonly recording: Recording,
    kind: SpanKind,
    name: string,
    parent: Context,
    began = performance.now(),
  ) {
    const { tracer, clock, flags, tracestate, upstreams } = recording;
    this.span = tracer.startSpan(name, { kind, startTime: clock + began }, parent);
    const { traceId, spanId } = this.span.spanContext();
    const traceparent = formatTraceparent(traceId, spanId, flags | traceFlags.sampled);
    this.trace = { traceId, traceparent, tracestate, span: this, upstreams };
  }

  beginOperation(): OperationSpan {
    const span = this.begin(SpanKind.INTERNAL, 'GraphQL Operation');
    return {
      trace: span.trace,
      end({ type, failure }) {
        const attributes = { 'graphql.operation.type': type, [ATTR_ERROR_TYPE]: failure };
        span.end(type ?? 'GraphQL Operation', attributes, failure !== undefined);
      },
    };
  }

  beginCall(call: CallFacts): CallSpan {
    const name = `${call.service}/${call.method}`;
    const span = this.begin(SpanKind.CLIENT, name);
    return {
      trace: span.trace,
      end(code, failure) {
        span.end(name, describeCall(call, code, failure), failure !== undefined);
      },
    };
  }

  end(...[name, attributes, isError]: Description): void {
    this.span.updateName(name).setAttributes(attributes);
    if (isError) this.span.setStatus({ code: SpanStatusCode.ERROR });
    this.span.end(this.recording.clock + performance.now());
  }

  private begin(kind: SpanKind, name: string): RecordedSpan {
    return new RecordedSpan(this.recording, kind, name, api.setSpan(ROOT_CONTEXT, this.span));
  }
}

/** Stands in the log for the answer to a client that went away. */
const neverSent = catalogue.CLIENT_CLOSED_REQUEST.http;

/** @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server */
function describeRequest(facts: RequestFacts, server: Attributes): Description {
  const { requestId, method, route, status, code } = facts;
  const isError = status >= 500;
  const attributes: Attributes = {
    ...server,
    [ATTR_HTTP_REQUEST_METHOD]: method ?? HTTP_REQUEST_METHOD_VALUE_OTHER,
    [ATTR_HTTP_ROUTE]: route,
    // Variables of a path are values like others, and in no trace.
    [ATTR_URL_PATH]: route,
    [ATTR_HTTP_RESPONSE_STATUS_CODE]: status === neverSent ? undefined : status,
    [ATTR_HTTP_RESPONSE_HEADER('x-request-id')]: [requestId],
    [ATTR_ERROR_TYPE]: errorTypeOf(status, code),
  };
  return [[method ?? 'HTTP', route].filter((part) => part !== undefined).join(' '), attributes, isError];
}

/** What is the caller's fault is no error of the server. */
function errorTypeOf(status: number, code: string | undefined): string | undefined {
  if (status === neverSent) return 'CLIENT_CLOSED_REQUEST';
  return status < 500 ? undefined : (code ?? String(status));
}

/** @see https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ */
function describeCall(
  { service, method, authority }: CallFacts,
  code: number,
  failure: string | undefined,
): Attributes {
  return {
    ...addressAttributes(authority),
    'rpc.system': 'grpc',
    'rpc.service': service,
    'rpc.method': method,
    'rpc.grpc.status_code': code,
    [ATTR_ERROR_TYPE]: failure,
  };
}

/** @param authority - `host:port`; a name alone for a socket of this machine. */
function addressAttributes(authority: string): Attributes {
  const [, address, port] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(authority) ?? [];
  return { [ATTR_SERVER_ADDRESS]: address, [ATTR_SERVER_PORT]: port === undefined ? undefined : Number(port) };
}

/** The gateway as its clients know it, whatever stands in front of it. */
function publicAttributes({ protocol, host, port }: URL): Attributes {
  const usualPort = protocol === 'https:' ? 443 : 80;
  return {
    ...addressAttributes(port === '' ? `${host}:${usualPort}` : host),
    [ATTR_URL_SCHEME]: protocol.slice(0, -1),
  };
}

/** Who sends the spans. */
function resourceOf({ serviceName, resourceAttributes }: TracingConfig, version: string): Resource {
  return defaultResource().merge(
    resourceFromAttributes({
      [ATTR_SERVICE_VERSION]: version,
      [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
      'host.name': hostname(),
      ...resourceAttributes,
      [ATTR_SERVICE_NAME]: serviceName,
    }),
  );
}

/** Of a collector's refusal, its status: what it says of it may be anything. */
function reasonOf(error: Error & { readonly code?: unknown }): string {
  return typeof error.code === 'number' ? `HTTP status ${error.code}` : error.message;
}

type ExporterOptions = NonNullable<ConstructorParameters<typeof JsonExporter>[0]>;

/** What sends batches to the collector, and can be made to let go of it. */
interface Sender {
  readonly exporter: JsonExporter;
  /** Breaks off what is being sent. */
  destroy(): void;
}

function createSender({ url, protocol, headers, compression, timeout }: TracingConfig): Sender {
  const agent = new (url.startsWith('https:') ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const Exporter = protocol === 'http/json' ? JsonExporter : ProtobufExporter;
  const exporter = new Exporter({
    url,
    headers: { ...headers },
    // Its enum comes from a package that is not for use by others.
    compression: compression as NonNullable<ExporterOptions['compression']>,
    timeoutMillis: timeout,
    // What is left out the exporter reads from the environment by itself, such as certificates for its agent. Headers it
    // takes from there all the same, which is why the configuration joins them as the exporter does.
    httpAgentOptions: () => agent,
  });
  return { exporter, destroy: () => agent.destroy() };
}

/** Ms beyond its time limit after which an export is broken off: the exporter's own limit ends with the first byte of an answer. */
const leeway = 1_000;

/** `ExportResultCode.FAILED`, of a package of which nothing else is needed. */
const failed = 1;

/** Spans that wait for their export at most. */
const longestQueue = 2048;
/** Ms between two lines about spans that are lost, at least. */
const warningInterval = 60_000;

/** Exports spans in batches, and tells of every one that is lost: once a minute at most, and when it is flushed. */
function createProcessor(config: TracingConfig, log: Logger): SpanProcessor {
  let sender = createSender(config);
  let waiting = 0;
  let lost = 0;
  let reason: string | undefined;
  let lastTold = -Infinity;

  function tell(): void {
    if (lost === 0) return;
    log.warn({ reason, lost }, 'spans were not exported: the collector does not take them');
    lost = 0;
    reason = undefined;
    lastTold = performance.now();
  }

  const batches = new BatchSpanProcessor({
    maxQueueSize: longestQueue,
    exporter: {
      export(spans, done) {
        waiting -= spans.length;
        let isOver = false;
        const end: typeof done = (result) => {
          if (isOver) return;
          isOver = true;
          clearTimeout(giveUp);
          if (result.error) {
            lost += spans.length;
            reason = reasonOf(result.error);
          }
          // After a success too: so ends what was lost before.
          if (performance.now() - lastTold >= warningInterval) tell();
          done(result);
        };
        const used = sender;
        const giveUp = setTimeout(() => {
          used.destroy();
          // Of exports that never end, an exporter takes thirty and then no more.
          if (sender === used) sender = createSender(config);
          end({ code: failed, error: new Error('the answer does not end') });
        }, config.timeout + leeway).unref();
        used.exporter.export(spans, end);
      },
      shutdown: () => sender.exporter.shutdown(),
    },
  });

  return {
    onStart() {},
    onEnd(span) {
      // Beyond its queue the batch processor drops spans and tells nobody.
      if (waiting < longestQueue) {
        waiting += 1;
        batches.onEnd(span);
      } else {
        lost += 1;
        reason ??= `more than ${longestQueue} spans wait`;
      }
    },
    async forceFlush() {
      // It ends with the first failure; the exporter waits for all.
      await batches.forceFlush().catch(() => {});
      await sender.exporter.forceFlush();
      tell();
    },
    shutdown: () => batches.shutdown(),
  };
}
