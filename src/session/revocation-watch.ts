import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { upstreamStatus } from '../grpc/status';
import type { Logger } from '../telemetry/log';
import type { AuthService } from './auth-service';
import type { Revocation } from './revocations';

export interface RevocationWatchOptions {
  readonly authService: Pick<AuthService, 'watchRevocations'>;
  readonly log: Logger;
  /** Whether the channel to AuthService is connected: a call that still waits for a connection watches nothing. */
  readonly connected: () => boolean;
  readonly onRevocation: (revocation: Revocation) => void;
  /** Called when the watch is back after a gap in which revocations may have been missed. */
  readonly onReconnected: () => void;
}

/** Ms between two attempts: exponential backoff from the first to the longest, each cut by up to a half at random. */
const pause = { first: 250, longest: 5_000 };
/** Ms after which a silent stream counts as established: a server need not send anything. */
const settling = 1_000;

/**
 * Follows AuthService.WatchRevocations for as long as the gateway runs. When the stream ends, it is opened again, unless
 * AuthService answers UNIMPLEMENTED. Logged once when the watch is lost and once when it is back.
 *
 * @returns a watch whose `close` ends it at once and leaves no timer and no call behind.
 */
export function watchRevocations(options: RevocationWatchOptions): { close(): void } {
  const { authService, log, connected, onRevocation, onReconnected } = options;
  const ending = new AbortController();
  /** Attempts since the watch was last established. */
  let attempts = 0;
  let gap = false;
  let warned = false;

  function established(): void {
    attempts = 0;
    if (gap) onReconnected();
    if (warned) log.info('revocations of sessions are watched again');
    gap = false;
    warned = false;
  }

  /** Reads one stream to its end. */
  async function follow(): Promise<void> {
    let settled = false;
    const settle = (): void => {
      if (settled) return;
      settled = true;
      clearInterval(timer);
      established();
    };
    const timer = setInterval(() => {
      if (connected()) settle();
    }, settling).unref();
    try {
      const scope = { requestId: randomUUID(), deadline: Number.POSITIVE_INFINITY, signal: ending.signal };
      for await (const revocation of authService.watchRevocations(scope)) {
        settle();
        onRevocation(revocation);
      }
      // A server that closes an established stream without an error is no outage.
      if (!settled) lost(new Error('the stream ended before it began'));
    } finally {
      clearInterval(timer);
    }
  }

  function lost(error: unknown): void {
    if (warned) return;
    warned = true;
    const reason = upstreamStatus(error) ?? (error instanceof Error ? error.message : String(error));
    log.warn({ reason }, 'revocations of sessions are not watched; they count when a session is next validated');
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (ending.signal.aborted) return;
        if (upstreamStatus(error) === 'UNIMPLEMENTED') {
          log.debug('AuthService has no WatchRevocations; revocations count when a session is next validated');
          return;
        }
        // The watch has its own deadline, after which it is opened again: no outage.
        if (upstreamStatus(error) !== 'DEADLINE_EXCEEDED') lost(error);
      }
      gap = true;
      const longest = Math.min(pause.longest, pause.first * 2 ** attempts);
      attempts += 1;
      await sleep(longest * (0.5 + Math.random() / 2), undefined, { ref: false, signal: ending.signal }).catch(
        () => {},
      );
    }
  }

  void run();
  return { close: () => ending.abort() };
}
