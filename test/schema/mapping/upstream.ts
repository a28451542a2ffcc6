/** gRPC servers whose answers the tests give: services that the gateway's sources know nothing of. */
import { once } from 'node:events';
import {
  Metadata,
  Server,
  ServerCredentials,
  type MethodDefinition,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { type PackageDefinition } from '@grpc/proto-loader';
import type { Decoded } from '../../gateway-fixture';
import { Control, type RecordedCall } from '../../upstreams/control';
import { toServiceError } from '../../upstreams/rpc-error';
import { serviceDefinition } from '../../upstreams/server';

/** How long calls in progress may go on once a server closes. */
const closeGraceMs = 100;

/** A request as it came: what is on the wire, and nothing that is not. */
export interface Received {
  readonly request: Decoded;
  readonly bytes: Buffer;
  /** Aborted once the caller has cancelled. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
}

/**
 * Answers one RPC: the response, or its bytes where a message of the proto could not say it; an iterable of them where the
 * RPC streams.
 */
export type Answer = (request: Decoded, received: Received) => unknown;

/** How often a method runs at once. */
interface Load {
  running: number;
  peak: number;
}

/** What the servers of a test have in common. RPCs are called `Service.Method`. */
export class Upstreams {
  readonly control: Control;
  private readonly servers: Server[] = [];
  private readonly overrides = new Map<string, Answer>();
  private readonly loads = new Map<string, Load>();

  constructor(
    private readonly definition: PackageDefinition,
    /** Full names of the services. */
    services: readonly string[],
    private readonly answers: Readonly<Record<string, Answer>>,
  ) {
    this.control = new Control(services.flatMap((service) => rpcNames(definition, service)));
  }

  /** Starts a server with these services; gives its address. */
  async start(services: readonly string[]): Promise<string> {
    const server = new Server();
    this.servers.push(server);
    for (const service of services) {
      const methods = Object.entries(serviceDefinition(this.definition, service));
      server.addService(
        Object.fromEntries(methods.map(([method, rpc]) => [method, withBytes(rpc)])),
        Object.fromEntries(methods.map(([method, rpc]) => [method, this.wrap(`${shortName(service)}.${method}`, rpc)])),
      );
    }
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error);
        else resolve(`127.0.0.1:${port}`);
      });
    });
  }

  /** Answers an RPC in another way, until the next reset. */
  answer(rpc: string, answer: Answer): void {
    this.overrides.set(rpc, answer);
  }

  /** Requests of an RPC, in the order in which they came. */
  requests(rpc: string): Decoded[] {
    return this.control.calls(rpc).map(({ request }) => request);
  }

  /** The newest request of an RPC; undefined where there was none since the last reset. */
  request(rpc: string): Decoded {
    return this.requests(rpc).at(-1);
  }

  /** The most calls of an RPC that ran at once. */
  peak(rpc: string): number {
    return this.loads.get(rpc)?.peak ?? 0;
  }

  reset(): void {
    this.overrides.clear();
    this.loads.clear();
    this.control.clearFaults();
    this.control.reset();
  }

  async close(): Promise<void> {
    await Promise.all(
      this.servers.map(async (server) => {
        const cut = setTimeout(() => server.forceShutdown(), closeGraceMs);
        await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
        clearTimeout(cut);
      }),
    );
  }

  private wrap(name: string, rpc: AnyMethod): UntypedHandleCall {
    return rpc.responseStream
      ? (call: ServerWritableStream<Sent, unknown>) => void this.stream(name, call)
      : (call: ServerUnaryCall<Sent, unknown>, callback: sendUnaryData<unknown>) =>
          void this.unary(name, call, callback);
  }

  private async unary(
    name: string,
    call: ServerUnaryCall<Sent, unknown>,
    callback: sendUnaryData<unknown>,
  ): Promise<void> {
    const visit = this.receive(name, call);
    try {
      await visit.strike(0);
      const response = await visit.answer();
      visit.end();
      callback(null, response);
    } catch (error) {
      visit.end();
      if (!visit.signal.aborted) callback(toServiceError(error));
    }
  }

  private async stream(name: string, call: ServerWritableStream<Sent, unknown>): Promise<void> {
    const visit = this.receive(name, call);
    try {
      await visit.strike(0);
      const messages = visit.answer() as AsyncIterable<unknown>;
      call.sendMetadata(new Metadata());
      for await (const message of messages) {
        if (visit.signal.aborted) return;
        visit.record.sent += 1;
        if (!call.write(message)) await once(call, 'drain', { signal: visit.signal });
        await visit.strike(visit.record.sent);
      }
      visit.end();
      call.end();
    } catch (error) {
      visit.end();
      if (!visit.signal.aborted) call.emit('error', toServiceError(error));
    }
  }

  private receive(name: string, call: ServerUnaryCall<Sent, unknown> | ServerWritableStream<Sent, unknown>) {
    const abort = new AbortController();
    const { request, bytes } = call.request;
    const metadata = Object.fromEntries(
      Object.entries(call.metadata.getMap()).map(([key, value]) => [key, String(value)]),
    );
    const record: RecordedCall = { request, metadata, cancelled: false, deadline: null, sent: 0 };
    let ended = false;
    const load = this.loads.get(name) ?? { running: 0, peak: 0 };
    this.loads.set(name, load);
    load.running += 1;
    load.peak = Math.max(load.peak, load.running);
    const end = (): void => {
      if (!ended) load.running -= 1;
      ended = true;
    };
    call.once('cancelled', () => {
      if (!ended) this.control.cancel(record);
      end();
      abort.abort();
    });
    this.control.record(name, record);
    const trouble = this.control.takeTrouble(name);
    const { signal } = abort;
    const answer = this.overrides.get(name) ?? this.answers[name] ?? echo;
    return {
      record,
      signal,
      end,
      strike: async (sent: number) => trouble?.strike(sent, signal),
      answer: () => answer(request, { request, bytes, signal, metadata: call.metadata }),
    };
  }
}

/** What is not answered otherwise is answered with the request itself, byte by byte. */
const echo: Answer = (_request, { bytes }) => bytes;

type AnyMethod = MethodDefinition<unknown, unknown>;

/** A request with the bytes that it was read from. */
interface Sent {
  readonly request: Decoded;
  readonly bytes: Buffer;
}

function withBytes(rpc: AnyMethod): MethodDefinition<Sent, unknown> {
  return {
    ...rpc,
    requestSerialize: ({ bytes }) => bytes,
    requestDeserialize: (bytes) => ({ request: rpc.requestDeserialize(bytes), bytes }),
    responseSerialize: (response) => (Buffer.isBuffer(response) ? response : rpc.responseSerialize(response)),
  };
}

function shortName(service: string): string {
  return service.slice(service.lastIndexOf('.') + 1);
}

function rpcNames(definition: PackageDefinition, service: string): string[] {
  return Object.keys(serviceDefinition(definition, service)).map((method) => `${shortName(service)}.${method}`);
}
