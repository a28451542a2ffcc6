import type { LimitName } from '../limits';
import type { CounterSeries } from '../telemetry/metrics';
import type { ClientAddresses } from './client-address';
import type { Connection } from './connection';
import { peerOf } from './peers';
import type { Places } from './places';
import type { RequestMemory } from './request-memory';
import { UnfinishedHeads } from './unfinished-heads';

/** How many connections may be open at a time. */
export interface ConnectionLimits {
  readonly max: number;
  /** Of one address, unless it is a proxy that is trusted. */
  readonly maxPerAddress: number;
}

export interface ConnectionGateOptions {
  readonly limits: ConnectionLimits;
  readonly addresses: ClientAddresses;
  readonly places: Places;
  readonly memory: RequestMemory;
  readonly refusals: (limit: LimitName) => CounterSeries;
}

/** Part of the limit from which on idle connections are closed after {@link shortIdleTime}. */
const crowded = 0.8;

/** Ms that a connection may be idle where it is crowded. */
const shortIdleTime = 5_000;

/** Connections that are looked up at a time to be closed, so that not every newcomer costs a look at all. */
const maxOldest = 100;

/** Ms until all are looked at again where none was idle. */
const scanInterval = 100;

/** A connection as it was when it was found to be idle. */
interface Idle {
  readonly connection: Connection;
  readonly since: number;
}

/** Lets connections in. Where all places are taken, the one that has been idle longest makes room for a newcomer. */
export class ConnectionGate {
  private readonly open = new Set<Connection>();
  private readonly heads: UnfinishedHeads;
  private readonly refusedAtAll: CounterSeries;
  private readonly refusedByAddress: CounterSeries;
  /** The oldest idle connections at the last look, the oldest last. */
  private oldest: Idle[] = [];
  private nextScan = 0;

  constructor(private readonly options: ConnectionGateOptions) {
    this.heads = new UnfinishedHeads({
      memory: options.memory,
      open: this.open,
      refused: options.refusals('head_memory'),
    });
    this.refusedAtAll = options.refusals('connections');
    this.refusedByAddress = options.refusals('connections_per_address');
  }

  /** Connections that are open now. */
  get size(): number {
    return this.open.size;
  }

  /** Counts a connection until it leaves. False where it is to be closed at once. */
  enter(connection: Connection): boolean {
    const { limits, addresses, places } = this.options;
    const peer = peerOf(connection.socket, addresses);
    const place = peer.isProxy ? undefined : places.find(peer.address);
    if (place && place.connections >= limits.maxPerAddress) {
      this.refusedByAddress.inc();
      return false;
    }
    if (this.open.size >= limits.max && !this.closeOldest(0)) {
      this.refusedAtAll.inc();
      if (place) places.release(place);
      return false;
    }
    // Two for each newcomer, so that their number goes down.
    for (let count = 0; count < 2 && this.open.size > crowded * limits.max; count += 1) {
      if (!this.closeOldest(shortIdleTime)) break;
    }
    this.open.add(connection);
    this.heads.watch();
    if (place) {
      place.connections += 1;
      peer.place = place;
    }
    return true;
  }

  /** A connection has closed, or is about to. */
  leave(connection: Connection): void {
    if (!this.open.delete(connection)) return;
    const { addresses, places } = this.options;
    const { place } = peerOf(connection.socket, addresses);
    if (!place) return;
    place.connections -= 1;
    places.release(place);
  }

  /** Closes the connection that has been idle longest, where there is one that has been for so many ms. */
  private closeOldest(idleTime: number): boolean {
    const now = performance.now();
    for (;;) {
      const idle = this.oldest.at(-1);
      if (!idle) {
        if (!this.findOldest(now)) return false;
        continue;
      }
      const { connection, since } = idle;
      // Nothing that has become idle later is older than what the list still has.
      if (since > now - idleTime) return false;
      this.oldest.pop();
      if (!this.open.has(connection) || !connection.isIdle || connection.idleSince !== since) continue;
      this.leave(connection);
      connection.socket.destroy();
      return true;
    }
  }

  /** False where none is idle. */
  private findOldest(now: number): boolean {
    if (now < this.nextScan) return false;
    this.oldest = [...this.open]
      .filter(({ isIdle }) => isIdle)
      .map((connection): Idle => ({ connection, since: connection.idleSince }))
      .sort((one, other) => one.since - other.since)
      .slice(0, maxOldest)
      .toReversed();
    if (this.oldest.length === 0) this.nextScan = now + scanInterval;
    return this.oldest.length > 0;
  }
}
