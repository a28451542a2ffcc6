import { Connection, type TlsMaterial } from './connection';
import { addressText, type Target } from './target';

/** Ms after which a name is resolved anew, so that servers that were added are found within a minute. */
const resolveInterval = 30_000;
/** Ms between two resolutions, at least: a name that fails is asked for again after this. */
const leastResolveInterval = 1_000;

/** Told when a call that waits may go on. */
type Waiter = (connection: Connection | undefined) => void;

/**
 * The connections to all servers of an upstream. Calls take turns among those that are ready, as gRPC's `round_robin` has
 * it; they wait while a first attempt is under way, and fail at once while every server is out of reach.
 */
export class Channel {
  private readonly connections = new Map<string, Connection>();
  private usable: Connection[] = [];
  private turn = 0;
  private readonly waiters = new Set<Waiter>();
  private readonly timer: NodeJS.Timeout | undefined;
  private resolving = false;
  private resolvedAt = -Infinity;
  private resolveError: Error | undefined;
  private hasClosed = false;

  constructor(
    readonly target: Target,
    private readonly tls: TlsMaterial | undefined,
  ) {
    this.resolve();
    if (target.changes) this.timer = setInterval(() => this.resolve(), resolveInterval).unref();
  }

  /** True from {@link close} on. */
  get closed(): boolean {
    return this.hasClosed;
  }

  get ready(): boolean {
    return this.usable.length > 0;
  }

  /** The connection whose turn it is; undefined where none is ready. */
  pick(): Connection | undefined {
    const { usable } = this;
    if (usable.length < 2) return usable[0];
    this.turn = (this.turn + 1) % usable.length;
    return usable[this.turn];
  }

  /**
   * Waits for a connection; gives undefined, maybe at once, where none can be had.
   *
   * @returns a function that ends the wait
   */
  wait(waiter: Waiter): () => void {
    this.waiters.add(waiter);
    this.settle();
    return () => this.waiters.delete(waiter);
  }

  /** Why no connection can be had. */
  problem(): string {
    if (this.hasClosed) return 'the channel is closed';
    const failed = [...this.connections.values()].find(({ lastError }) => lastError);
    const why = failed?.lastError ?? this.resolveError;
    return why ? `No connection established. Last error: ${why.message}` : 'No connection established';
  }

  /** Closes at once; calls under way fail. */
  close(): void {
    this.hasClosed = true;
    clearInterval(this.timer);
    for (const connection of this.connections.values()) connection.close();
    this.connections.clear();
    this.changed();
  }

  private resolve(): void {
    if (this.resolving || this.hasClosed) return;
    this.resolving = true;
    this.resolvedAt = performance.now();
    void this.target.resolve().then(
      (addresses) => {
        this.resolving = false;
        if (this.hasClosed) return;
        this.resolveError = undefined;
        const found = new Map(addresses.map((address) => [addressText(address), address]));
        for (const [text, connection] of this.connections) {
          if (found.has(text)) continue;
          this.connections.delete(text);
          connection.retire();
        }
        for (const [text, address] of found) {
          if (this.connections.has(text)) continue;
          const { authority, serverName } = this.target;
          const onChange = (): void => this.changed();
          this.connections.set(text, new Connection({ address, authority, serverName, tls: this.tls, onChange }));
        }
        this.changed();
      },
      (error: Error) => {
        this.resolving = false;
        if (this.hasClosed) return;
        // Servers that were known may be there still.
        this.resolveError = error;
        if (this.connections.size === 0) setTimeout(() => this.resolve(), leastResolveInterval).unref();
        this.settle();
      },
    );
  }

  private changed(): void {
    const before = this.usable.length;
    this.usable = [...this.connections.values()].filter(({ state }) => state === 'ready');
    // A server that went may have been replaced by another.
    if (this.usable.length < before && this.target.changes) this.resolveSoon();
    this.settle();
  }

  private resolveSoon(): void {
    const wait = this.resolvedAt + leastResolveInterval - performance.now();
    if (wait <= 0) this.resolve();
    else setTimeout(() => this.resolve(), wait).unref();
  }

  /** Lets those who wait go on, where they can or where there is nothing to wait for. */
  private settle(): void {
    if (this.waiters.size === 0) return;
    if (this.usable.length === 0 && this.mayComeUp()) return;
    for (const waiter of this.waiters) {
      this.waiters.delete(waiter);
      waiter(this.pick());
    }
  }

  private mayComeUp(): boolean {
    if (this.hasClosed) return false;
    if (this.connections.size === 0) return this.resolveError === undefined;
    return [...this.connections.values()].some(({ state }) => state === 'connecting');
  }
}
