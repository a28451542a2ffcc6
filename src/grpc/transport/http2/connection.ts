import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { addressText, type Address } from '../target';
import type { TlsMaterial } from '../transport';
import type { OpenStream, StreamListener } from './client-stream';
import { ConnectionError, ErrorCode } from './frames';
import { HpackError } from './hpack';
import { ClientSession } from './session';

export interface ConnectionOptions {
  readonly address: Address;
  /** The name that the server's certificate must be for; its address where it is undefined. */
  readonly serverName: string | undefined;
  /** A plain connection where it is left out. */
  readonly tls: TlsMaterial | undefined;
  /** Called whenever {@link Connection.state} or {@link Connection.isGone} has changed. */
  readonly onChange: () => void;
  /** Called where the connection was closed for what the server did, which the protocol does not allow. */
  readonly onViolation: (address: string, error: Error) => void;
}

/**
 * - `connecting`: trying for the first time since it was last ready.
 * - `ready`: the server has answered with its settings.
 * - `failed`: the last attempt failed; stays so until one succeeds, though attempts go on.
 */
export type ConnectionState = 'connecting' | 'ready' | 'failed' | 'closed';

/** Ms. */
const connectTimeout = 10_000;
/** Ms between the starts of two attempts, at first and at most. An upstream that comes back is found within 5 s. */
const backoff = { first: 250, factor: 1.6, most: 2_000, jitter: 0.2 };
/** Ms for which the pauses go on growing after a server has done what the protocol does not allow. */
const probation = 60_000;
/** Ms. Each time that a server refuses the pings as too many the interval doubles, up to the longest. */
const keepalive = { interval: 30_000, longestInterval: 3_600_000, timeout: 5_000 };

/**
 * Ms that a server has to answer the ping that a time-out has caused, and between two of these: servers refuse pings that are too
 * many.
 */
const doubt = { timeout: 300, interval: 10_000 };

/** The connection to one server of an upstream, made anew whenever it is lost. */
export class Connection {
  state: ConnectionState = 'connecting';
  /** Why there was no connection the last time. */
  lastError: Error | undefined;
  private session: ClientSession | undefined;
  /** {@link session}, and earlier ones with requests still under way. */
  private readonly sessions = new Set<ClientSession>();
  private attempts = 0;
  private attemptedAt = 0;
  private probationEnd = -Infinity;
  private retry: NodeJS.Timeout | undefined;
  private keepaliveInterval = keepalive.interval;
  /** The last session that was doubted. */
  private doubted: ClientSession | undefined;
  private doubtedAt = -Infinity;
  private doubtTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: ConnectionOptions) {
    this.attempt();
  }

  /**
   * Sends a request with all of its body.
   *
   * @param headers - A header block, as text of one byte each character.
   * @returns undefined where the connection has just been lost, or takes no more requests
   */
  open(headers: string, body: Buffer, listener: StreamListener): OpenStream | undefined {
    return this.session?.request(headers, body, listener);
  }

  /** Requests under way. */
  get size(): number {
    return this.session?.size ?? 0;
  }

  /** How often something came from the server. */
  get received(): number {
    return this.session?.received ?? 0;
  }

  /**
   * Nothing has come from the server while a request waited for as long as it may: asks whether it is there. Where it does not say so
   * at once, later requests go over a new connection, and those under way fail when it has not said so for long.
   */
  doubt(): void {
    const { session, state } = this;
    const now = performance.now();
    if (!session || state !== 'ready' || now < this.doubtedAt + doubt.interval) return;
    this.doubtedAt = now;
    this.doubted = session;
    const isSilent = new Error(`${addressText(this.options.address)} does not answer pings`);
    this.doubtTimer = setTimeout(() => {
      this.doubtTimer = setTimeout(() => session.destroy(isSilent), keepalive.timeout).unref();
      session.close(isSilent);
    }, doubt.timeout).unref();
    session.ping(() => this.trust(session));
  }

  /** Ends a {@link doubt}. */
  private trust(session: ClientSession): void {
    if (this.doubted === session) clearTimeout(this.doubtTimer);
  }

  /** Takes no more requests, and closes when those under way have ended. */
  retire(): void {
    this.state = 'closed';
    clearTimeout(this.retry);
    for (const session of this.sessions) session.close(new Error('closed'));
  }

  /** Closes at once; requests under way fail. */
  close(): void {
    this.state = 'closed';
    clearTimeout(this.retry);
    for (const session of this.sessions) session.destroy(new Error('closed'));
  }

  /** True once nothing is left of a connection that was retired or closed. */
  get isGone(): boolean {
    return this.state === 'closed' && this.sessions.size === 0;
  }

  private attempt(): void {
    this.attemptedAt = performance.now();
    const timer = setTimeout(() => session.destroy(new Error('timed out')), connectTimeout);
    let stopPings: (() => void) | undefined;
    let wasReady = false;
    const session = new ClientSession(this.connectSocket(), {
      ready: () => {
        clearTimeout(timer);
        if (performance.now() >= this.probationEnd) this.attempts = 0;
        this.lastError = undefined;
        wasReady = true;
        stopPings = this.keepAlive(session);
        this.become('ready');
      },
      retired: ({ code, error }) => {
        const isTooEager = code === ErrorCode.ENHANCE_YOUR_CALM && error.message.endsWith('too_many_pings');
        if (isTooEager) this.keepaliveInterval = Math.min(2 * this.keepaliveInterval, keepalive.longestInterval);
        this.lastError = error;
        const isViolation = wasReady && (error instanceof ConnectionError || error instanceof HpackError);
        if (isViolation) this.options.onViolation(addressText(this.options.address), error);
        this.replace(isViolation);
      },
      closed: () => {
        clearTimeout(timer);
        stopPings?.();
        this.trust(session);
        this.sessions.delete(session);
        if (this.isGone) this.options.onChange();
      },
    });
    this.session = session;
    this.sessions.add(session);
  }

  private connectSocket(): Socket {
    const { address, serverName, tls } = this.options;
    if (!tls) return connectTcp({ ...address, noDelay: true });
    const socket = connectTls({
      ...address,
      ...tls,
      // An empty one: names in SNI are never addresses (RFC 6066, 3).
      servername: serverName ?? '',
      ALPNProtocols: ['h2'],
    });
    socket.setNoDelay();
    socket.once('secureConnect', () => {
      // Required of both sides (RFC 9113, 3.2).
      if (socket.alpnProtocol !== 'h2') socket.destroy(new Error('the server does not offer HTTP/2 by ALPN'));
    });
    return socket;
  }

  /** Replaces a session that takes no more requests, once the backoff allows. */
  private replace(isViolation: boolean): void {
    if (this.state === 'closed') return;
    // Calls need not wait for a server that does it again and again.
    const isWorthWaiting = this.state === 'ready' && !(isViolation && this.attempts > 0);
    if (isViolation) this.probationEnd = performance.now() + probation;
    const pause = Math.min(backoff.first * backoff.factor ** this.attempts, backoff.most);
    const jittered = pause * (1 + backoff.jitter * (Math.random() * 2 - 1));
    this.attempts++;
    const wait = Math.max(0, this.attemptedAt + jittered - performance.now());
    this.retry = setTimeout(() => this.attempt(), wait);
    this.become(isWorthWaiting ? 'connecting' : 'failed');
  }

  private become(state: ConnectionState): void {
    this.state = state;
    this.options.onChange();
  }

  /**
   * Pings while requests are under way, so that they do not wait for a server that is gone.
   *
   * @returns what ends it
   * @see https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md
   */
  private keepAlive(session: ClientSession): () => void {
    let late: NodeJS.Timeout | undefined;
    const interval = setInterval(() => {
      if (session.size === 0) return;
      late = setTimeout(() => {
        session.destroy(new Error(`${addressText(this.options.address)} does not answer pings`));
      }, keepalive.timeout).unref();
      session.ping(() => clearTimeout(late));
    }, this.keepaliveInterval).unref();
    return () => {
      clearInterval(interval);
      clearTimeout(late);
    };
  }
}
