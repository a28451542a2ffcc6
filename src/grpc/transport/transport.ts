import type { CallEnd } from '../status';

/** Names in lower case with their values of printable ASCII. Binary values (`-bin`) are not among them. */
export type Metadata = readonly (readonly [name: string, value: string])[];

/** What a call sends. */
export interface CallRequest {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: Metadata;
  readonly message: Uint8Array;
  /** Ms since the epoch; Infinity for none. */
  readonly deadline: number;
}

/** What a call hears. */
export interface CallListener {
  /** A message of the response. Not called after {@link ended}. */
  message(bytes: Buffer): void;
  /** Called once. A call that cannot be made ends before {@link Transport.call} returns. */
  ended(end: CallEnd): void;
}

/** A call under way. */
export interface OpenCall {
  /** Ends the call with CANCELLED, here and at the server. Does nothing once it has ended. */
  cancel(): void;
  /** Stops reading. Messages that have come already may still be heard. */
  pause(): void;
  resume(): void;
}

/** TLS material as PEM. */
export interface TlsMaterial {
  /** Authorities to trust; the usual ones if left out. */
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface TransportOptions {
  /** A gRPC target: `host:port`, `dns:///host:port`, `ipv4:`, `ipv6:` or `unix:`. */
  readonly target: string;
  /** Plain connections if left out. */
  readonly tls?: TlsMaterial | undefined;
  /** Bytes of a message, either way; 8 MB if left out. */
  readonly maxMessageSize?: number;
  /**
   * Called where a connection was closed for what its server did, which the protocol does not allow; by `http2` alone.
   *
   * @param address - Of the server.
   */
  readonly onViolation?: (address: string, error: Error) => void;
}

/**
 * Carries calls to the servers of one target. It connects as soon as it is made and reconnects by itself; calls take turns
 * among the servers that are ready, wait while a first attempt is under way, and fail at once while every server is out of
 * reach.
 *
 * Every call sends one message and receives any number of them; how many there must be is for the caller to check.
 */
export interface Transport {
  /** Value of `:authority`. */
  readonly authority: string;
  /** True while at least one server is connected. */
  readonly ready: boolean;
  /** True from {@link close} on. */
  readonly closed: boolean;
  call(request: CallRequest, listener: CallListener): OpenCall;
  /** Closes at once; calls under way fail. */
  close(): void;
}
