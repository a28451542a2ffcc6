import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { GatewayError } from '../../src/errors';
import { createUpstream } from '../../src/grpc/create-upstream';
import { UpstreamFailure } from '../../src/grpc/status';
import type { TlsMaterial } from '../../src/grpc/transport/transport';
import type { CallScope, Rpc, Upstream } from '../../src/grpc/upstream';
import { createLog } from '../../src/telemetry/log';
import { createMetrics } from '../../src/telemetry/metrics';
import { variant } from '../variant';

// For machines that have much else to do.
jest.setTimeout(30_000);

/** Kept for those who wait while a test has the time in its hands. */
const { setTimeout: realSetTimeout } = globalThis;

const bytes = (value: Buffer): Buffer => value;
const base = {
  service: 'test.Test',
  idempotency: 'NONE',
  encode: bytes,
  decode: bytes,
  hasMoreItems: () => false,
} as const;
/** RPCs whose messages are bytes. */
export const echo: Rpc<Buffer, Buffer> = { ...base, method: 'Echo', serverStreaming: false };
export const feed: Rpc<Buffer, Buffer> = { ...base, method: 'Feed', serverStreaming: true };

/** Everything a test opened, closed behind it in reverse. */
const opened: (() => unknown)[] = [];

export function closeLater(close: () => unknown): void {
  opened.push(close);
}

/** Timers that the client has set and that have not gone off or been cleared, those included that keep no process alive. */
const timers = new Set<unknown>();

function watchTimers(): void {
  const { setTimeout: set, setInterval: repeat, clearTimeout: clear } = globalThis;
  /** Reads call sites as V8 gives them: Jest would look up each in a source map. */
  const isOurs = (): boolean => {
    // oxlint-disable-next-line unbound-method -- put back as it was
    const { prepareStackTrace } = Error;
    const holder: { readonly stack?: unknown } = {};
    Error.prepareStackTrace = (_, sites) =>
      sites.some((site) => /[/\\]src[/\\]grpc[/\\]/.test(site.getFileName() ?? ''));
    Error.captureStackTrace(holder);
    const { stack } = holder;
    Error.prepareStackTrace = prepareStackTrace;
    return stack === true;
  };
  const setTimer = (callback: () => void, delay: number): NodeJS.Timeout => {
    const timer = set(() => {
      timers.delete(timer);
      callback();
    }, delay);
    if (isOurs()) timers.add(timer);
    return timer;
  };
  const setRepeated = (callback: () => void, delay: number): NodeJS.Timeout => {
    const timer = repeat(callback, delay);
    if (isOurs()) timers.add(timer);
    return timer;
  };
  const clearTimer = (timer: NodeJS.Timeout | undefined): void => {
    timers.delete(timer);
    clear(timer);
  };
  Object.assign(globalThis, { setTimeout: setTimer, setInterval: setRepeated });
  Object.assign(globalThis, { clearTimeout: clearTimer, clearInterval: clearTimer });
}

watchTimers();

/** Sockets and servers that are open, and timers of the client. */
function handles(): string {
  const kinds = process.getActiveResourcesInfo().filter((kind) => /TCP|TLS|PipeConnect|PipeServer/.test(kind));
  return [...kinds.sort(), `${timers.size} timers`].join();
}

/** Closes what the test has opened, and sees to it that nothing is left of it. */
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
  await until(
    () => handles(),
    (now) => now === '0 timers',
  );
});

/** Reads until what is read is as it should be; fails with what it is where that does not happen within 20 s. */
export async function until<T>(
  read: () => T | Promise<T>,
  accept: (value: T) => boolean = (value) => Boolean(value),
): Promise<T> {
  const end = performance.now() + 20_000;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(value)}`);
    await new Promise((resolve) => realSetTimeout(resolve, 1));
  }
}

/** Lets sockets be read and written once. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface CallOptions {
  /** Ms. */
  readonly timeout?: number;
  /** Of the request, by what the gateway gives it. */
  readonly deadline?: number;
  /** The same, by what its client says. */
  readonly clientDeadline?: number;
  readonly signal?: AbortSignal;
}

/** An upstream as the gateway has it, and what it counts and logs. */
export interface Client {
  readonly upstream: Upstream;
  /** The answer to a message, as text. */
  call(message?: string | Buffer, options?: CallOptions): Promise<string>;
  /** The same; or how it failed, as `STATUS: details`. */
  outcome(message?: string | Buffer, options?: CallOptions): Promise<string>;
  feed(message?: string | Buffer, options?: CallOptions): AsyncIterable<Buffer>;
  /** Waits until there is a connection. */
  ready(): Promise<void>;
  /** Upstream calls counted so far, such as `Echo OK 2` or `Echo UNAVAILABLE 1 error 1`. */
  counted(): Promise<string[]>;
  readonly logs: readonly string[];
}

export function startClient(target: string | number, tls?: TlsMaterial): Client {
  const logs: string[] = [];
  const metrics = createMetrics({ processMetrics: false });
  const upstream = createUpstream({
    name: 'test',
    address: {
      target: typeof target === 'number' ? `127.0.0.1:${target}` : target,
      ...(tls ? { tls } : {}),
      transport: variant.transport,
      maxItems: Infinity,
      maxCalls: Infinity,
    },
    log: createLog('info', { write: (line) => void logs.push(line) }),
    metrics,
  });
  closeLater(() => upstream.close());
  const call = async (message: string | Buffer = 'hello', options: CallOptions = {}): Promise<string> =>
    (await upstream.unary(echo, Buffer.from(message), scopeOf(options), options.timeout ?? 10_000)).toString();
  return {
    upstream,
    call,
    outcome: (message, options) => call(message, options).catch(failureText),
    feed: (message = 'hello', options = {}) =>
      upstream.stream(feed, Buffer.from(message), scopeOf(options), options.timeout ?? 10_000, 'subscribe'),
    async ready() {
      await until(() => upstream.ready());
    },
    async counted() {
      const text = await metrics.registry.metrics();
      const counts = new Map<string, string>();
      for (const [, kind, labels = '', count] of text.matchAll(
        /^upstream_grpc_(requests|errors)_total\{(.*)\} (\d+)$/gm,
      )) {
        const label = (name: string) => new RegExp(`${name}="(.*?)"`).exec(labels)?.[1];
        if (count === '0') continue;
        const key = `${label('method')} ${label('code')}`;
        counts.set(key, kind === 'requests' ? `${key} ${count}` : `${counts.get(key)} error ${count}`);
      }
      return [...counts.values()].sort();
    },
    logs,
  };
}

function scopeOf({ deadline = Infinity, clientDeadline = Infinity, signal }: CallOptions): CallScope {
  const earlier = Math.min(deadline, clientDeadline);
  return { requestId: 'test', deadline: earlier, clientDeadline, ...(signal ? { signal } : {}) };
}

/** How a call failed, as `STATUS: details`, or as the code of an error that is none of the upstream's. */
export function failureText(error: unknown): string {
  if (!(error instanceof GatewayError)) throw error;
  const { cause } = error;
  return cause instanceof UpstreamFailure ? `${cause.status}: ${cause.message}` : error.code;
}

/** Reads a stream to its end: its messages as text, and how it failed, if it did. */
export async function collect(stream: AsyncIterable<Buffer>): Promise<string[]> {
  const read: string[] = [];
  try {
    for await (const message of stream) read.push(message.toString());
  } catch (error) {
    read.push(failureText(error));
  }
  return read;
}

/** Destroys the connections of a server, whatever is under way. */
export class Sockets {
  private readonly sockets = new Set<Socket>();

  add(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
  }

  get size(): number {
    return this.sockets.size;
  }

  destroy(): void {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Makes a server listen on a free port, until the test is over. */
export async function listen(server: Server): Promise<number> {
  const sockets = new Sockets();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(() => {
    sockets.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Length-Prefixed-Message of gRPC. */
export function framed(message: string | Buffer, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  const body = Buffer.from(message);
  head[0] = flag;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}
