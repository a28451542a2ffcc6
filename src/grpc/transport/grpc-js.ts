import { createSecureContext } from 'node:tls';
import {
  Client,
  connectivityState,
  credentials,
  InterceptingCall,
  Metadata,
  type ChannelCredentials,
  type ClientOptions,
  type ClientReadableStream,
  type Interceptor,
  type StatusObject,
} from '@grpc/grpc-js';
import { longestTimer } from '../../config/duration';
import { Status, type CallEnd } from '../status';
import { defaultMaxMessageSize, failure, refuse } from './limits';
import { parseTarget } from './target';
import type { CallListener, CallRequest, OpenCall, TlsMaterial, Transport, TransportOptions } from './transport';

/** The same as our own transport does, as far as grpc-js has an option for it. */
function clientOptions(authority: string, maxMessageSize: number): ClientOptions {
  return {
    'grpc.default_authority': authority,
    'grpc.primary_user_agent': 'api-gateway',
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    // A TXT record must not change how the gateway calls.
    'grpc.service_config_disable_resolution': 1,
    'grpc.max_receive_message_length': maxMessageSize,
    'grpc.max_send_message_length': maxMessageSize,
    // A call that no server has processed is sent again, however large it is.
    'grpc.retry_buffer_size': Number.MAX_SAFE_INTEGER,
    'grpc.per_rpc_retry_buffer_size': Number.MAX_SAFE_INTEGER,
    'grpc.initial_reconnect_backoff_ms': 250,
    'grpc.max_reconnect_backoff_ms': 2_000,
    'grpc.dns_min_time_between_resolutions_ms': 1_000,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 0,
    // It stays connected, so that the first call after a quiet time does not wait.
    'grpc.client_idle_timeout_ms': longestTimer,
    // Upstreams share nothing: not their connections, nor their backoff.
    'grpc.use_local_subchannel_pool': 1,
    // Proxies that the environment names are not for upstreams.
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
  };
}

/** gRPC over @grpc/grpc-js, by its public surface. */
export class GrpcJsTransport implements Transport {
  readonly authority: string;
  private readonly client: Client;
  private readonly maxMessageSize: number;
  private readonly calls = new Set<GrpcJsCall>();
  private hasClosed = false;

  constructor({ target, tls, maxMessageSize = defaultMaxMessageSize }: TransportOptions) {
    this.authority = parseTarget(target).authority;
    this.maxMessageSize = maxMessageSize;
    const uri = /^(?:dns|ipv4|ipv6|unix):/.test(target) ? target : `dns:///${target}`;
    this.client = new Client(uri, credentialsOf(tls), clientOptions(this.authority, maxMessageSize));
    this.connectivity(true);
  }

  get ready(): boolean {
    return this.connectivity(false) === connectivityState.READY;
  }

  get closed(): boolean {
    return this.hasClosed;
  }

  call(request: CallRequest, listener: CallListener): OpenCall {
    const refusal = refuse(request, listener, this.maxMessageSize);
    if (refusal) return refusal;
    const call = new GrpcJsCall(this, request, listener);
    if (this.hasClosed) {
      call.fail(closed);
    } else {
      call.start(this.client);
      this.calls.add(call);
    }
    return call;
  }

  /** For calls: one has ended. */
  forget(call: GrpcJsCall): void {
    this.calls.delete(call);
  }

  close(): void {
    this.hasClosed = true;
    // grpc-js lets calls under way finish.
    for (const call of this.calls) call.fail(closed);
    this.client.close();
  }

  private connectivity(connect: boolean): connectivityState {
    return this.client.getChannel().getConnectivityState(connect);
  }
}

const closed = failure(Status.UNAVAILABLE, 'the channel is closed');

function credentialsOf(tls: TlsMaterial | undefined): ChannelCredentials {
  if (!tls) return credentials.createInsecure();
  // createSsl() would take authorities and ciphers from the environment.
  return credentials.createFromSecureContext(createSecureContext(tls));
}

class GrpcJsCall implements OpenCall {
  private stream: ClientReadableStream<Buffer> | undefined;
  private pacer: PacedCall | undefined;
  /** Content type of a response that is not gRPC. */
  private strangeType: string | undefined;
  /** False in the turn of the event loop in which the call is made. */
  private isMade = false;
  private hasEnded = false;

  constructor(
    private readonly transport: GrpcJsTransport,
    private readonly request: CallRequest,
    private readonly listener: CallListener,
  ) {}

  start(client: Client): void {
    const { path, message, deadline } = this.request;
    const interceptor: Interceptor = (options, next) => (this.pacer = new PacedCall(next(options)));
    const stream = client.makeServerStreamRequest(path, asIs, asIs, asBuffer(message), this.metadata(), {
      deadline: deadline - Date.now() < longestTimer ? deadline : Infinity,
      interceptors: [interceptor],
    });
    this.stream = stream;
    stream.on('metadata', (metadata) => this.headers(metadata));
    stream.on('data', (bytes: Buffer) => {
      if (!this.hasEnded) this.listener.message(bytes);
    });
    // Its status follows.
    stream.on('error', () => undefined);
    stream.on('status', (status) => this.end(this.endOf(status)));
    setImmediate(() => {
      this.isMade = true;
      if (this.hasEnded) stream.cancel();
    });
  }

  cancel(): void {
    this.fail(failure(Status.CANCELLED, 'cancelled'));
  }

  /** Ends the call, here and at the server. */
  fail(end: CallEnd): void {
    if (this.hasEnded) return;
    // A call that is cancelled in the turn in which it is made would be sent all the same, and never reset.
    if (this.isMade) this.stream?.cancel();
    this.end(end);
  }

  pause(): void {
    this.pacer?.pause();
  }

  resume(): void {
    this.pacer?.resume();
  }

  private metadata(): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of this.request.metadata) metadata.set(name, value);
    return metadata;
  }

  private headers(metadata: Metadata): void {
    const [type] = metadata.get('content-type');
    if (typeof type === 'string' && !type.startsWith('application/grpc')) this.strangeType = type;
  }

  private end(end: CallEnd): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.transport.forget(this);
    this.listener.ended(end);
  }

  private endOf(status: StatusObject): CallEnd {
    // Declared as always there; errors of decompression have none.
    const code = status.code as Status | undefined;
    const [statusDetails] = status.metadata.get('grpc-status-details-bin');
    return (
      this.correctionOf(code, status.details) ?? {
        code: code !== undefined && code in Status ? code : Status.UNKNOWN,
        details: status.details,
        statusDetails: Buffer.isBuffer(statusDetails) ? statusDetails : undefined,
      }
    );
  }

  /** Corrects statuses that grpc-js gives a call itself, where they would mislead. */
  private correctionOf(code: Status | undefined, details: string): CallEnd | undefined {
    const { ready } = this.transport;
    if (code === undefined) {
      // Its decompression fails with errors that have no code.
      return failure(Status.INTERNAL, 'a message is compressed in a way that was not offered');
    }
    if (code === Status.DEADLINE_EXCEEDED && Date.now() + 1 >= this.request.deadline) {
      return failure(code, ready ? 'no answer in time' : 'No connection established');
    }
    if (code === Status.RESOURCE_EXHAUSTED && this.strangeType !== undefined) {
      // The beginning of a page was taken for the length of a message.
      return failure(Status.UNKNOWN, `content of type ${this.strangeType} instead of a gRPC answer`);
    }
    if (code === Status.RESOURCE_EXHAUSTED && details.startsWith('Received message larger than max')) {
      // A failure of the upstream, and no quota that callers have used up.
      return failure(Status.INTERNAL, details);
    }
    // node:http2 closes the streams of a lost connection as if the server had cancelled them, or as failed here.
    const mayBeLost = code === Status.CANCELLED || code === Status.INTERNAL;
    return mayBeLost && !ready && /^(?:Call cancelled$|Received RST_STREAM )/.test(details)
      ? failure(Status.UNAVAILABLE, `the connection was lost: ${details}`)
      : undefined;
  }
}

/** Reads no message while it is paused. Without it, a stream of grpc-js reads 16 of them ahead. */
class PacedCall extends InterceptingCall {
  private isPaused = false;
  private isAsked = false;

  override startRead(): void {
    if (this.isPaused) this.isAsked = true;
    else super.startRead();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (!this.isAsked) return;
    this.isAsked = false;
    super.startRead();
  }
}

const asIs = (bytes: Buffer): Buffer => bytes;

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
