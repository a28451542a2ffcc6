import { connect as connectHttp2, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { addressText, type Address } from './target';

/** TLS material as PEM. */
export interface TlsMaterial {
  /** Authorities to trust; the usual ones where it is left out. */
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface ConnectionOptions {
  readonly address: Address;
  readonly authority: string;
  /** The name that the server's certificate must be for; its address where it is undefined. */
  readonly serverName: string | undefined;
  /** A plain connection where it is left out. */
  readonly tls: TlsMaterial | undefined;
  /** Called whenever {@link Connection.state} has changed. */
  readonly onChange: () => void;
}

/** What a stream of a connection tells, in this order; `closed` comes last, and once. */
export interface StreamListener {
  /** The response's head, or all of it where a call fails at once. */
  headers(headers: IncomingHttpHeaders): void;
  data(chunk: Buffer): void;
  trailers(headers: IncomingHttpHeaders): void;
  closed(how: StreamEnd): void;
}

/** How a stream ended. */
export interface StreamEnd {
  /** HTTP/2 error code (RFC 9113, 7); 0 for an end in good order. */
  readonly code: number;
  /** Why, where the connection was lost with the stream. */
  readonly lost: Error | undefined;
}

/** A request under way. */
export interface OpenStream {
  /** Stops reading, and so in the end the upstream's writing, until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Ends it with RST_STREAM CANCEL. */
  cancel(): void;
}

/** Headers of a request, the pseudo ones included. */
export type RequestHeaders = Readonly<Record<string, string>>;

/**
 * - `connecting`: trying for the first time since it was last ready.
 * - `ready`: the server has answered with its settings.
 * - `failed`: the last attempt failed; stays so until one succeeds, though attempts go on.
 */
export type ConnectionState = 'connecting' | 'ready' | 'failed' | 'closed';

/** Ms. */
const connectTimeout = 10_000;
/** Ms between the beginnings of two attempts, at first and at most. An upstream that comes back is found well within 5 s. */
const backoff = { first: 250, factor: 1.6, most: 2_000, jitter: 0.2 };
/** Ms. A server that does not answer in time is gone, though nothing has said so. */
const keepalive = { interval: 30_000, timeout: 5_000 };

const closedByServer = new Error('closed by the server');

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM } = constants;

/** One of the sessions that a connection has, one after the other. */
interface Session {
  readonly http2: ClientHttp2Session;
  /** What it failed with. */
  error?: Error;
}

/** The connection to one server of an upstream: HTTP/2, made anew whenever it is lost. */
export class Connection {
  state: ConnectionState = 'connecting';
  /** Why there was no connection the last time. */
  lastError: Error | undefined;
  private current: Session | undefined;
  private attempts = 0;
  private attemptedAt = 0;
  private retry: NodeJS.Timeout | undefined;
  private keepaliveInterval = keepalive.interval;
  private streams = 0;

  constructor(private readonly options: ConnectionOptions) {
    this.attempt();
  }

  /**
   * Sends a request with all of its body.
   *
   * @returns undefined where the connection has just been lost, or takes no more requests
   */
  open(headers: RequestHeaders, body: Buffer, listener: StreamListener): OpenStream | undefined {
    const { current } = this;
    if (!current || current.http2.closed || current.http2.destroyed) return undefined;
    const stream = current.http2.request(headers, { endStream: false });
    let failure: Error | undefined;
    this.streams++;
    stream.on('response', (head) => listener.headers(head));
    stream.on('data', (chunk: Buffer) => listener.data(chunk));
    stream.on('trailers', (trailers: IncomingHttpHeaders) => listener.trailers(trailers));
    stream.on('error', (error: Error) => {
      failure = error;
    });
    stream.on('close', () => {
      this.streams--;
      const lost = current.http2.destroyed ? (current.error ?? failure ?? closedByServer) : undefined;
      listener.closed({ code: stream.rstCode ?? 0, lost });
    });
    stream.end(body);
    return {
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      cancel: () => stream.close(NGHTTP2_CANCEL),
    };
  }

  /** Takes no more requests, and closes when those under way have ended. */
  retire(): void {
    this.state = 'closed';
    clearTimeout(this.retry);
    this.current?.http2.close();
  }

  /** Closes at once; requests under way fail. */
  close(): void {
    this.state = 'closed';
    clearTimeout(this.retry);
    this.current?.http2.destroy();
  }

  private attempt(): void {
    this.attemptedAt = performance.now();
    const { authority, tls } = this.options;
    const socket = this.connectSocket();
    const http2 = connectHttp2(`${tls ? 'https' : 'http'}://${authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false },
      // Its default would refuse streams once those that are open hold 10 MB.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
    });
    const session: Session = { http2 };
    this.current = session;
    const timer = setTimeout(() => http2.destroy(new Error('timed out')), connectTimeout);
    http2.once('remoteSettings', () => {
      clearTimeout(timer);
      this.attempts = 0;
      this.keepAlive(http2);
      this.become('ready');
    });
    http2.on('error', (error) => {
      session.error ??= error;
    });
    http2.on('goaway', (code, _lastStreamId, data) => {
      const isTooEager = code === NGHTTP2_ENHANCE_YOUR_CALM && Buffer.from(data ?? []).toString() === 'too_many_pings';
      if (isTooEager) this.keepaliveInterval *= 2;
      this.ended(session);
    });
    http2.once('close', () => {
      clearTimeout(timer);
      this.ended(session);
    });
  }

  private connectSocket(): Socket {
    const { address, serverName, tls } = this.options;
    if (!tls) return connectTcp(address);
    return connectTls({
      ...address,
      ...tls,
      // An empty one: names in SNI are never addresses (RFC 6066, 3).
      servername: serverName ?? '',
      ALPNProtocols: ['h2'],
    });
  }

  /** The session takes no more requests: a new one is made, not sooner than the backoff allows. */
  private ended(session: Session): void {
    if (this.current !== session) return;
    this.current = undefined;
    this.lastError = session.error ?? closedByServer;
    if (this.state === 'closed') return;
    const wasReady = this.state === 'ready';
    const pause = Math.min(backoff.first * backoff.factor ** this.attempts, backoff.most);
    const jittered = pause * (1 + backoff.jitter * (Math.random() * 2 - 1));
    this.attempts++;
    const wait = Math.max(0, this.attemptedAt + jittered - performance.now());
    this.retry = setTimeout(() => this.attempt(), wait);
    this.become(wasReady ? 'connecting' : 'failed');
  }

  private become(state: ConnectionState): void {
    this.state = state;
    this.options.onChange();
  }

  /** Pings while requests are under way, so that they do not wait for a server that is gone. */
  private keepAlive(http2: ClientHttp2Session): void {
    const timer = setInterval(() => {
      if (this.streams === 0) return;
      const late = setTimeout(() => {
        http2.destroy(new Error(`${addressText(this.options.address)} does not answer pings`));
      }, keepalive.timeout).unref();
      http2.ping(() => clearTimeout(late));
    }, this.keepaliveInterval).unref();
    http2.once('close', () => clearInterval(timer));
  }
}
