import { addressText, type Address, type Target } from '../target';
import type { TlsMaterial } from '../transport';
import { Connection } from './connection';

/** Ms after which a name is resolved anew, so that servers that were added are found within a minute. */
const resolveInterval = 30_000;
/** Ms between two resolutions, at least. */
const leastResolveInterval = 1_000;

/** A call that waits for a connection. */
export interface Waiter {
  /** The wait is over. @param connection - undefined if none can be had. */
  connected(connection: Connection | undefined): void;
}

/**
 * The connections to all servers of an upstream. Calls go to the ready one with fewer of them under way, of the one whose turn it is
 * and another at random ("power of two choices"), so that a slow server gets less. They wait while a first attempt is under way, and
 * fail at once while every server is out of reach.
 */
export class Channel {
  /** By the address. */
  private readonly connections = new Map<string, Connection>();
  /** Connections to addresses that were removed, with requests still under way. */
  private readonly leaving = new Set<Connection>();
  private usable: Connection[] = [];
  private turn = 0;
  private readonly waiters = new Set<Waiter>();
  private readonly interval: NodeJS.Timeout | undefined;
  private nextResolve: NodeJS.Timeout | undefined;
  private resolving = false;
  private resolvedAt = -Infinity;
  private resolveError: Error | undefined;
  private hasClosed = false;

  constructor(
    private readonly target: Target,
    private readonly tls: TlsMaterial | undefined,
    private readonly onViolation: (address: string, error: Error) => void,
  ) {
    this.resolve();
    if (target.changes) this.interval = setInterval(() => this.resolve(), resolveInterval).unref();
  }

  /** True from {@link close} on. */
  get closed(): boolean {
    return this.hasClosed;
  }

  get ready(): boolean {
    return this.usable.length > 0;
  }

  /** The connection for a call; undefined where none is ready. */
  pick(): Connection | undefined {
    const { usable } = this;
    const { length } = usable;
    if (length < 2) return usable[0];
    this.turn = (this.turn + 1) % length;
    const next = usable[this.turn]!;
    const distance = length === 2 ? 1 : 1 + Math.floor(Math.random() * (length - 1));
    const other = usable[(this.turn + distance) % length]!;
    return other.size < next.size ? other : next;
  }

  /** Waits for a connection, until {@link leave}. May end before it returns. */
  wait(waiter: Waiter): void {
    this.waiters.add(waiter);
    this.settle();
  }

  /** Ends a wait without telling the waiter. */
  leave(waiter: Waiter): void {
    this.waiters.delete(waiter);
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
    clearInterval(this.interval);
    clearTimeout(this.nextResolve);
    this.usable = [];
    const all = [...this.connections.values(), ...this.leaving];
    this.connections.clear();
    this.leaving.clear();
    for (const connection of all) connection.close();
    this.settle();
  }

  private resolve(): void {
    clearTimeout(this.nextResolve);
    this.nextResolve = undefined;
    if (this.resolving || this.hasClosed) return;
    this.resolving = true;
    this.resolvedAt = performance.now();
    void this.target.resolve().then(
      (addresses) => {
        this.resolving = false;
        if (this.hasClosed) return;
        this.resolveError = undefined;
        this.use(addresses);
      },
      (error: Error) => {
        this.resolving = false;
        if (this.hasClosed) return;
        // The addresses that are known stay in use.
        this.resolveError = error;
        if (this.connections.size === 0) this.resolveSoon();
        this.settle();
      },
    );
  }

  /** Connects to new addresses, and retires the connections to those that were removed. */
  private use(addresses: readonly Address[]): void {
    const found = new Map(addresses.map((address) => [addressText(address), address]));
    const gone = [...this.connections].filter(([text]) => !found.has(text));
    for (const [text] of gone) this.connections.delete(text);
    for (const [text, address] of found) {
      if (this.connections.has(text)) continue;
      const { serverName } = this.target;
      const { tls, onViolation } = this;
      const onChange = (): void => this.changed();
      this.connections.set(text, new Connection({ address, serverName, tls, onChange, onViolation }));
    }
    this.changed();
    // Last, so that their requests that were not sent go to the new ones.
    for (const [, connection] of gone) {
      this.leaving.add(connection);
      connection.retire();
    }
    this.forget();
  }

  private changed(): void {
    if (this.hasClosed) return;
    this.forget();
    const before = this.usable.length;
    const all = [...this.connections.values()];
    this.usable = all.filter(({ state }) => state === 'ready');
    // Servers that are gone may have been replaced.
    const isOut = this.usable.length === 0 && all.some(({ state }) => state === 'failed');
    if (this.target.changes && (isOut || this.usable.length < before)) this.resolveSoon();
    this.settle();
  }

  private forget(): void {
    for (const connection of this.leaving) if (connection.isGone) this.leaving.delete(connection);
  }

  private resolveSoon(): void {
    if (this.nextResolve) return;
    const wait = Math.max(0, this.resolvedAt + leastResolveInterval - performance.now());
    this.nextResolve = setTimeout(() => this.resolve(), wait).unref();
  }

  /** Ends the waits whose outcome is known: there is a connection, or none can be expected. */
  private settle(): void {
    for (const waiter of this.waiters) {
      if (this.usable.length === 0 && this.mayComeUp()) return;
      this.waiters.delete(waiter);
      waiter.connected(this.pick());
    }
  }

  private mayComeUp(): boolean {
    if (this.hasClosed) return false;
    if (this.connections.size === 0) return this.resolveError === undefined;
    return [...this.connections.values()].some(({ state }) => state === 'connecting');
  }
}
