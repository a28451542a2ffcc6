import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { upstreamStatus } from '../grpc/status';
import type { Logger } from '../telemetry/log';
import type { AuthService, Session } from './auth-service';

/** The end of one session, or of all sessions of a user (auth.v1.Revocation). */
export interface Revocation {
  readonly sessionId?: string;
  readonly userId?: string;
}

/** What a session is found by when a {@link Revocation} comes. */
export function sessionLabels(session: Pick<Session, 'sessionId' | 'userId'>): string[] {
  return [`session ${session.sessionId}`, `user ${session.userId}`];
}

/** Which of {@link sessionLabels} a revocation concerns. */
export function revocationLabels({ sessionId, userId }: Revocation): string[] {
  return [
    ...(sessionId === undefined ? [] : [`session ${sessionId}`]),
    ...(userId === undefined ? [] : [`user ${userId}`]),
  ];
}

/** True where a session is among those that ended. */
export function isRevokedBy(revocation: Revocation, session: Session): boolean {
  return revocation.sessionId === session.sessionId || revocation.userId === session.userId;
}

/** Finds things by any of the labels that they were added under. */
export interface LabelIndex<Item> {
  add(item: Item, labels: readonly string[]): void;
  remove(item: Item, labels: readonly string[]): void;
  /** A copy, so that what is found can be removed while walking over it. */
  find(label: string): Item[];
}

export function createLabelIndex<Item>(): LabelIndex<Item> {
  const items = new Map<string, Set<Item>>();

  return {
    add(item, labels) {
      for (const label of labels) {
        const found = items.get(label);
        if (found) found.add(item);
        else items.set(label, new Set([item]));
      }
    },
    remove(item, labels) {
      for (const label of labels) {
        const found = items.get(label);
        // A label without items must not stay, or the index grows with every session there ever was.
        if (found?.delete(item) && found.size === 0) items.delete(label);
      }
    },
    find: (label) => [...(items.get(label) ?? [])],
  };
}

export interface RevocationWatchOptions {
  readonly authService: Pick<AuthService, 'watchRevocations'>;
  readonly log: Logger;
  /** Whether the channel to AuthService is connected; a call that waits for it is not yet a watch. */
  readonly connected: () => boolean;
  readonly onRevocation: (revocation: Revocation) => void;
  /** The watch is there again after a gap, in which revocations may have been missed. */
  readonly onReconnected: () => void;
}

/** Ms between two attempts: from the first pause, doubled up to the longest, each cut by up to a half at random. */
const pause = { first: 250, longest: 5_000 };
/** Ms after which a stream that has brought nothing counts as established, since a server need not send anything. */
const settling = 1_000;

/**
 * Follows AuthService.WatchRevocations for as long as the gateway runs. An AuthService that does not have it is left in
 * peace; any other end of the stream is followed by another attempt. Logged once when the watch is lost and once when it
 * is back.
 *
 * @returns How to end it. It ends at once and leaves no timer and no call behind.
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
      // A server that ends a stream in good order, once it has been there, is no outage.
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
        // A watch that has run its time is begun anew; that is no outage.
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
