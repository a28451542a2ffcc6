/** A small gRPC server for the services of a public proto, in memory, which remembers what it was asked. */
import {
  Server,
  ServerCredentials,
  status,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedHandleCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Decoded } from '../../gateway-fixture';
import { RpcError, toServiceError } from '../../upstreams/rpc-error';

/** The package that the public protos are read from. */
export const googleProtos = join(__dirname, '../../../node_modules/google-proto-files');

/** One handler for each RPC by its name; requests hold what was on the wire and nothing else. */
export type Handlers = Readonly<Record<string, (request: Decoded) => unknown>>;

export interface Backend {
  readonly address: string;
  /** Requests of an RPC since the last reset, in the order in which they came. */
  requests(rpc: string): Decoded[];
  /** Answers an RPC with this, until the next reset. */
  answerWith(rpc: string, response: Decoded): void;
  /** Forgets the requests. */
  reset(): void;
  close(): Promise<void>;
}

/**
 * @param proto - Path in the package, such as `google/pubsub/v1/pubsub.proto`.
 * @param services - Handlers by the full name of their service.
 */
export async function startBackend(proto: string, services: Readonly<Record<string, Handlers>>): Promise<Backend> {
  const definition = loadSync(proto, { includeDirs: [googleProtos], keepCase: true, longs: String, enums: String });
  const received: { readonly rpc: string; readonly request: Decoded }[] = [];
  const answers = new Map<string, Decoded>();
  const handle =
    (rpc: string, handler: Handlers[string]): UntypedHandleCall =>
    (call: ServerUnaryCall<Decoded, unknown>, callback: sendUnaryData<unknown>) => {
      received.push({ rpc, request: structuredClone(call.request) });
      try {
        callback(null, answers.get(rpc) ?? handler(call.request));
      } catch (error) {
        callback(toServiceError(error));
      }
    };
  const server = new Server();
  for (const [name, handlers] of Object.entries(services)) {
    const wrapped = Object.entries(handlers).map(([rpc, handler]) => [rpc, handle(rpc, handler)]);
    server.addService(definition[name] as ServiceDefinition, Object.fromEntries(wrapped));
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    requests: (rpc) => received.filter((each) => each.rpc === rpc).map(({ request }) => request),
    answerWith: (rpc, response) => answers.set(rpc, response),
    reset() {
      received.length = 0;
      answers.clear();
    },
    close: () => new Promise<void>((resolve) => server.tryShutdown(() => resolve())),
  };
}

/** Names of all RPCs of services. */
export function rpcsOf(proto: string, services: readonly string[]): string[] {
  const definition = loadSync(proto, { includeDirs: [googleProtos] });
  return services.flatMap((name) => Object.keys(definition[name] as ServiceDefinition));
}

/** Names of the RPCs that an SDL file uses. */
export function rpcsIn(name: string): string[] {
  const sdl = readFileSync(join(__dirname, 'schema', `${name}.graphql`), 'utf8');
  return [...sdl.matchAll(/rpc: "(\w+)"/g)].map(([, rpc]) => rpc!);
}

/** Objects by their names, which are what the APIs of Google find them by. */
export class Collection<T extends { readonly name: string }> {
  private readonly items = new Map<string, T>();

  get(name: string): T {
    const found = this.items.get(name);
    if (!found) throw new RpcError(status.NOT_FOUND, `there is no ${name}`);
    return found;
  }

  has(name: string): boolean {
    return this.items.has(name);
  }

  add(item: T): T {
    if (this.items.has(item.name)) throw new RpcError(status.ALREADY_EXISTS, `there is a ${item.name} already`);
    return this.set(item);
  }

  set(item: T): T {
    this.items.set(item.name, item);
    return item;
  }

  delete(name: string): T {
    const found = this.get(name);
    this.items.delete(name);
    return found;
  }

  /** Those whose names begin so. */
  below(prefix: string): T[] {
    return [...this.items.values()].filter(({ name }) => name.startsWith(prefix));
  }
}

/** A page of a list, as AIP-158 has it; the token is where the next one begins. */
export function pageOf<T>(items: readonly T[], request: { page_size?: number; page_token?: string }) {
  const start = Number(request.page_token ?? 0);
  const end = start + (request.page_size || 10);
  return { page: items.slice(start, end), next_page_token: end < items.length ? String(end) : '' };
}

/** Changes an object where a FieldMask says so, as AIP-134 has it: a path that nothing is given for is cleared. */
export function update<T extends object>(current: T, change: Decoded, mask: readonly string[]): T {
  const result: Decoded = structuredClone(current);
  for (const path of mask) {
    const names = path.split('.');
    const last = names.pop() ?? '';
    let target: Decoded = result;
    let source: Decoded = change;
    for (const name of names) {
      target[name] ??= {};
      target = target[name];
      source = source?.[name];
    }
    if (source?.[last] === undefined || source[last] === null) delete target[last];
    else target[last] = source[last];
  }
  return result as T;
}
