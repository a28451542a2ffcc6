/** Development only. A small promise-based gRPC client, for upstreams that call upstreams and for the tests. */
import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { detailsTrailer, RpcError } from './rpc-error';
import { loadDefinition, serviceDefinition } from './server';

/** What goes along with a call. */
export interface CallOptions {
  metadata?: Readonly<Record<string, string>> | undefined;
  /** Cancels the call. */
  signal?: AbortSignal | undefined;
  /** When to give up; null or unset never does. */
  deadline?: Date | null | undefined;
}

/** Calls the RPCs of one service by name. */
export interface RpcClient {
  /** One request, one response. Rejects with an RpcError. */
  call<Response>(method: string, request: object, options?: CallOptions): Promise<Response>;
  /** One request, many responses. Throws an RpcError where the stream fails; cancels the call where the loop ends. */
  stream<Response>(method: string, request: object, options?: CallOptions): AsyncIterable<Response>;
  close(): void;
}

/** Connects to a service of a proto file in `proto/` or in this directory, in plain text. */
export function createRpcClient(address: string, proto: string, service: string): RpcClient {
  const rpcs = serviceDefinition(loadDefinition([proto]), service);
  const client = new Client(address, credentials.createInsecure(), {
    // Upstreams are on this machine or beside it: proxies from the environment are never meant for them.
    'grpc.enable_http_proxy': 0,
    // Clients of one upstream know nothing of each other, so that one of them cannot make another wait to reconnect.
    'grpc.use_local_subchannel_pool': 1,
    // An upstream that was away is found again within moments.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  const rpcOf = (method: string) => {
    const rpc = rpcs[method];
    if (!rpc) throw new Error(`${service} has no RPC ${method}`);
    return rpc;
  };
  return {
    call: <Response>(method: string, request: object, options: CallOptions = {}) =>
      new Promise<Response>((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = rpcOf(method);
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize as (bytes: Buffer) => Response,
          request,
          toMetadata(options.metadata),
          toGrpcOptions(options),
          (error, response) => (error ? reject(toRpcError(error)) : resolve(response as Response)),
        );
        cancelWith(call, options.signal);
      }),
    async *stream<Response>(method: string, request: object, options: CallOptions = {}) {
      const { path, requestSerialize, responseDeserialize } = rpcOf(method);
      const call = client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => Response,
        request,
        toMetadata(options.metadata),
        toGrpcOptions(options),
      );
      cancelWith(call, options.signal);
      try {
        for await (const response of call) yield response as Response;
      } catch (error) {
        throw toRpcError(error as ServiceError);
      } finally {
        call.cancel();
      }
    },
    close: () => client.close(),
  };
}

function toMetadata(entries: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
}

function toGrpcOptions({ deadline }: CallOptions): { deadline?: Date } {
  return deadline ? { deadline } : {};
}

function cancelWith(call: { cancel(): void; once(event: 'status', done: () => void): unknown }, signal?: AbortSignal) {
  if (!signal) return;
  const cancel = () => call.cancel();
  if (signal.aborted) return cancel();
  signal.addEventListener('abort', cancel, { once: true });
  call.once('status', () => signal.removeEventListener('abort', cancel));
}

function toRpcError(error: ServiceError): RpcError {
  const [trailer] = error.metadata?.get(detailsTrailer) ?? [];
  return new RpcError(error.code, error.details, Buffer.isBuffer(trailer) ? trailer : undefined);
}
