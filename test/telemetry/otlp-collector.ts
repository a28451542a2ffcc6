import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { parse } from 'protobufjs';
import type { Decoded } from '../gateway-fixture';

/** As much of opentelemetry/proto/collector/trace/v1 as is looked at here. */
const { root } = parse(`
  syntax = "proto3";
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
  message Scope { string name = 1; string version = 2; }
  message Span {
    bytes trace_id = 1;
    bytes span_id = 2;
    string trace_state = 3;
    bytes parent_span_id = 4;
    string name = 5;
    int32 kind = 6;
    fixed64 start_time_unix_nano = 7;
    fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9;
    repeated Event events = 11;
    Status status = 15;
  }
  message Event { string name = 2; }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue {
    oneof value {
      string string_value = 1;
      bool bool_value = 2;
      int64 int_value = 3;
      double double_value = 4;
      ArrayValue array_value = 5;
    }
  }
  message ArrayValue { repeated AnyValue values = 1; }
`);
const requestType = root.lookupType('ExportTraceServiceRequest');

/** A span as it was exported. */
export interface ExportedSpan {
  readonly name: string;
  readonly kind: 'INTERNAL' | 'SERVER' | 'CLIENT';
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the first of a trace. */
  readonly parentSpanId: string | undefined;
  readonly traceState: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
  /** Ns since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  /** Attributes of who sent it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A collector of traces on a port of its own, by OTLP over HTTP. */
export interface Collector {
  readonly url: string;
  /** What it was asked, in order. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** Every span that was taken. */
  readonly spans: readonly ExportedSpan[];
  /** All that was sent, decoded, as text. */
  text(): string;
  /** Forgets the spans. */
  forget(): void;
  /** What it answers from now on; nothing at all where it is `hang`, and without an end where it is `trickle`. */
  answerWith(status: number | 'hang' | 'trickle'): void;
  /** Cuts off whoever waits for an answer. */
  release(): void;
  close(): Promise<void>;
}

const kinds = ['INTERNAL', 'INTERNAL', 'SERVER', 'CLIENT'] as const;

export async function startCollector(): Promise<Collector> {
  const requests: { path: string; headers: IncomingHttpHeaders }[] = [];
  const spans: ExportedSpan[] = [];
  const texts: string[] = [];
  let answer: number | 'hang' | 'trickle' = 200;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url = '', headers } = request;
      requests.push({ path: url, headers });
      if (answer === 'hang') return;
      if (answer === 'trickle') {
        const trickle = setInterval(() => response.write('.'), 10);
        response.on('close', () => clearInterval(trickle));
        return;
      }
      if (answer === 200) {
        const body = Buffer.concat(chunks);
        const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
        const decoded = decode(plain, headers['content-type']);
        texts.push(JSON.stringify(decoded));
        spans.push(...spansOf(decoded));
      }
      response.writeHead(answer, { 'content-type': headers['content-type'] }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans,
    text: () => texts.join('\n'),
    forget() {
      spans.length = 0;
    },
    answerWith(status) {
      answer = status;
    },
    release: () => server.closeAllConnections(),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** In the shape of OTLP's JSON, whose ids are hex and whose numbers of 64 bits are text. */
function decode(body: Buffer, contentType: string | undefined): Decoded {
  if (contentType === 'application/json') return JSON.parse(body.toString());
  if (contentType !== 'application/x-protobuf') throw new Error(`no content type of OTLP: ${contentType}`);
  const message = requestType.toObject(requestType.decode(body), { longs: String, bytes: Array, arrays: true });
  return JSON.parse(
    JSON.stringify(message, (key, value: unknown) =>
      key.endsWith('Id') ? Buffer.from(value as number[]).toString('hex') : value,
    ),
  );
}

function spansOf({ resourceSpans }: Decoded): ExportedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }: Decoded) =>
    scopeSpans.flatMap(({ scope, spans }: Decoded) =>
      spans.map((span: Decoded): ExportedSpan => ({
        name: span.name,
        kind: kinds[span.kind as number] ?? 'INTERNAL',
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId || undefined,
        traceState: span.traceState ?? '',
        attributes: attributesOf(span.attributes),
        isError: span.status?.code === 2,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        resource: { ...attributesOf(resource.attributes), scope: scope.name },
      })),
    ),
  );
}

function attributesOf(pairs: readonly { key: string; value: Decoded }[] = []): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf(value: Decoded): unknown {
  if (value.arrayValue) return value.arrayValue.values.map(valueOf);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
