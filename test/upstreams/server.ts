/** Development only. What every development upstream has in common: a gRPC server, health, reflection and control. */
import { once } from 'node:events';
import { join } from 'node:path';
import {
  Metadata,
  Server,
  ServerCredentials,
  type MethodDefinition,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedHandleCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { Control, controlHandlers, type RecordedCall } from './control';
import { demandFreePort } from './ports';
import { toServiceError } from './rpc-error';

const protoDirs = [join(__dirname, '../../proto'), __dirname];
/** How long calls in progress may go on once a server closes. */
const closeGraceMs = 100;

/** What a handler learns about a call besides its request. */
export interface CallContext {
  /** Keys in lower case; binary values in base64. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborted once nobody waits for the answer: the caller cancelled, its deadline passed, or the server closed. */
  readonly signal: AbortSignal;
  /** When the caller's patience ends; null where it set none. */
  readonly deadline: Date | null;
}

/** Answers one RPC: the response or a promise of it, or an async iterable where the RPC streams. */
export type Handler = (request: never, call: CallContext) => unknown;

/** What to serve, and where. */
export interface ServerOptions {
  /** The proto file, relative to `proto/`. */
  proto: string;
  /** The service's full name, such as `auth.v1.AuthService`. */
  service: string;
  /** One handler for each RPC, by its bare name. An RPC without one is UNIMPLEMENTED. */
  handlers: Record<string, Handler>;
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** Default 0: any free port. */
  port?: number | undefined;
}

/** A running upstream. */
export interface Upstream {
  /** Host and port to connect to. */
  address: string;
  port: number;
  control: Control;
  /** Ends it: calls in progress get a moment to finish, then they are cut. Afterwards the port is free again. */
  readonly close: () => Promise<void>;
}

/** Starts a gRPC server with one service, `grpc.health.v1.Health`, reflection and `dev.v1.Control`. */
export async function startUpstream(options: ServerOptions): Promise<Upstream> {
  const protos = [options.proto, 'control.proto'];
  const definition = loadDefinition(protos);
  const methods = Object.keys(options.handlers);
  const control = new Control(methods);
  const closing = new AbortController();
  const server = new Server();
  serve(server, definition, options.service, options.handlers, { control, closing: closing.signal });
  serve(server, definition, 'dev.v1.Control', controlHandlers(control, methods), { closing: closing.signal });
  new HealthImplementation({ '': 'SERVING', [options.service]: 'SERVING' }).addToServer(server);
  reflectionOf(protos).addToServer(server);
  const host = options.host ?? '127.0.0.1';
  await demandFreePort(options.port ?? 0, host);
  const port = await bind(server, host, options.port ?? 0);
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= shutDown(server, closing));
  return { address: joinAddress(host, port), port, control, close };
}

/** Tests start many upstreams, and parsing the protos would be most of what a start takes. */
const definitions = new Map<string, PackageDefinition>();
const reflections = new Map<string, ReflectionService>();

/** Loads proto files of `proto/` or of this directory, the way all development upstreams do. */
export function loadDefinition(protos: readonly string[], options: Options = {}): PackageDefinition {
  const key = JSON.stringify([protos, options]);
  const known = definitions.get(key);
  if (known) return known;
  const usual = { includeDirs: protoDirs, longs: String, enums: String, defaults: true, oneofs: true };
  const definition = loadSync([...protos], { ...usual, ...options });
  definitions.set(key, definition);
  return definition;
}

function reflectionOf(protos: readonly string[]): ReflectionService {
  const key = JSON.stringify(protos);
  const known = reflections.get(key);
  if (known) return known;
  // What it tells are the names of the protos, as other servers do.
  const reflection = new ReflectionService(loadDefinition(protos, { keepCase: true }));
  reflections.set(key, reflection);
  return reflection;
}

/** The definition of one service, for a server or a client. */
export function serviceDefinition(definition: PackageDefinition, name: string): ServiceDefinition {
  const service = definition[name];
  if (!service || 'format' in service) throw new Error(`${name} is not a service of these proto files`);
  return service;
}

interface Surroundings {
  /** Recorded and disturbed by this; the control service itself has none. */
  control?: Control;
  /** Aborted when the server closes. */
  closing: AbortSignal;
}

function serve(
  server: Server,
  definition: PackageDefinition,
  name: string,
  handlers: Record<string, Handler>,
  surroundings: Surroundings,
): void {
  const service = serviceDefinition(definition, name);
  const wrapped = Object.entries(handlers).map(([method, handler]) => {
    const rpc = service[method];
    if (!rpc) throw new Error(`${name} has no RPC ${method}`);
    return [method, wrap(method, rpc, handler, surroundings)] as const;
  });
  server.addService(service, Object.fromEntries(wrapped));
}

/** The one wrapper around all handlers: it records, runs into faults, turns errors into statuses and paces streams. */
function wrap(
  method: string,
  rpc: MethodDefinition<unknown, unknown>,
  handler: Handler,
  surroundings: Surroundings,
): UntypedHandleCall {
  return rpc.responseStream
    ? (call: ServerWritableStream<unknown, unknown>) => void answerStream(call, method, handler, surroundings)
    : (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
        void answerUnary(call, callback, method, handler, surroundings);
}

async function answerUnary(
  call: ServerUnaryCall<unknown, unknown>,
  callback: sendUnaryData<unknown>,
  method: string,
  handler: Handler,
  surroundings: Surroundings,
): Promise<void> {
  const visit = receive(call, method, surroundings);
  try {
    await visit.strike(0);
    const response = await handler(call.request as never, visit.context);
    visit.end();
    visit.record.sent = 1;
    callback(null, response);
  } catch (error) {
    visit.end();
    if (!visit.context.signal.aborted) callback(toServiceError(error));
  }
}

async function answerStream(
  call: ServerWritableStream<unknown, unknown>,
  method: string,
  handler: Handler,
  surroundings: Surroundings,
): Promise<void> {
  const visit = receive(call, method, surroundings);
  const { signal } = visit.context;
  try {
    await visit.strike(0);
    const messages = handler(call.request as never, visit.context) as AsyncIterable<unknown>;
    // Headers now and not with the first message, so that a caller can tell when a quiet stream has begun.
    call.sendMetadata(new Metadata());
    for await (const message of messages) {
      if (signal.aborted) return;
      visit.record.sent += 1;
      if (!call.write(message)) await once(call, 'drain', { signal });
      await visit.strike(visit.record.sent);
    }
    visit.end();
    call.end();
  } catch (error) {
    visit.end();
    if (!signal.aborted) call.emit('error', toServiceError(error));
  }
}

interface Visit {
  context: CallContext;
  record: RecordedCall;
  /** Runs into the fault that is set for this call, if it strikes before message number `sent`. */
  strike(sent: number): Promise<void>;
  /** To be called before the answer: from here on nothing counts as cancelled. */
  end(): void;
}

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

function receive(call: AnyCall, method: string, { control, closing }: Surroundings): Visit {
  const abort = new AbortController();
  const deadline = readDeadline(call.getDeadline());
  const metadata = readMetadata(call.metadata);
  const request = { ...(call.request as object) };
  const record: RecordedCall = { request, metadata, cancelled: false, deadline, sent: 0 };
  let ended = false;
  // grpc-js emits this also after an answer was sent, and where the server itself cuts the call.
  call.once('cancelled', () => {
    if (!ended && !closing.aborted) control?.cancel(record);
    abort.abort();
  });
  control?.record(method, record);
  const trouble = control?.takeTrouble(method);
  return {
    context: { metadata, signal: abort.signal, deadline },
    record,
    strike: async (sent) => trouble?.strike(sent, abort.signal),
    end: () => {
      ended = true;
    },
  };
}

function readMetadata(metadata: Metadata): Record<string, string> {
  const keys = Object.keys(metadata.getMap());
  const text = (value: string | Buffer) => (typeof value === 'string' ? value : value.toString('base64'));
  return Object.fromEntries(keys.map((key) => [key, metadata.get(key).map(text).join(', ')]));
}

function readDeadline(deadline: Date | number): Date | null {
  if (deadline instanceof Date) return deadline;
  return Number.isFinite(deadline) ? new Date(deadline) : null;
}

async function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(joinAddress(host, port), ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
}

function joinAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

async function shutDown(server: Server, closing: AbortController): Promise<void> {
  closing.abort();
  const cut = setTimeout(() => server.forceShutdown(), closeGraceMs);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(cut);
}
