import type { CounterSeries } from '../telemetry/metrics';
import { longestHead, type Connection } from './connection';
import { freeSize, type RequestMemory } from './request-memory';

/** Ms between two measurements. */
const interval = 100;

/** Part of the budget that unfinished heads may take unmeasured. */
const unmeasured = 0.25;

export interface UnfinishedHeadsOptions {
  readonly memory: RequestMemory;
  /** All connections that are open, the oldest first. */
  readonly open: ReadonlySet<Connection>;
  readonly refused: CounterSeries;
}

/**
 * Counts heads that have come in part toward the budget. node:http tells nothing of a head before its end, so connections are looked
 * at from time to time, and only while there are so many that their heads could take a good part of the budget.
 */
export class UnfinishedHeads {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: UnfinishedHeadsOptions) {}

  /** To be called when a connection has opened. */
  watch(): void {
    if (this.isWorthIt) this.timer ??= setInterval(() => this.measure(), interval).unref();
  }

  private get isWorthIt(): boolean {
    const { open, memory } = this.options;
    return open.size * (longestHead - freeSize) > unmeasured * memory.max;
  }

  private measure(): void {
    const { open, memory, refused } = this.options;
    if (!this.isWorthIt) {
      clearInterval(this.timer);
      this.timer = undefined;
      memory.unfinished = 0;
      return;
    }
    const large: Connection[] = [];
    let total = 0;
    for (const connection of open) {
      const more = connection.unfinishedBytes - freeSize;
      if (more <= 0) continue;
      total += more;
      large.push(connection);
    }
    memory.unfinished = total;
    for (const connection of large) {
      if (memory.left >= 0) break;
      memory.unfinished -= connection.unfinishedBytes - freeSize;
      refused.inc();
      connection.socket.destroy();
    }
  }
}
