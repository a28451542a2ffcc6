import { LRUCache } from 'lru-cache';
import type { Session } from './auth-service';
import { createLabelIndex } from './label-index';
import { revocationLabels, sessionLabels, type Revocation } from './revocations';

/** The sessions that AuthService has confirmed recently, by the hash of their token. */
export interface ConfirmedSessions {
  get(key: string): Session | undefined;
  /** Ms for which {@link get} will still answer; 0 where it does not. */
  freshFor(key: string): number;
  /** @param age - Ms since AuthService was asked: its answer counts from then. */
  add(key: string, session: Session, age: number): void;
  drop(key: string): void;
  dropRevoked(revocation: Revocation): void;
  clear(): void;
  size(): number;
}

/** How many sessions are kept. Beyond that the least recently used one is dropped, which costs one more RPC. */
const capacity = 50_000;

/** @param ttl - Ms for which a confirmation counts; 0 keeps none. */
export function createConfirmedSessions(ttl: number): ConfirmedSessions {
  const keys = createLabelIndex<string>();
  const sessions = new LRUCache<string, Session>({
    max: capacity,
    // Read the clock on every call: otherwise lru-cache caches the time and starts a timer.
    ttlResolution: 0,
    dispose: (session, key) => keys.remove(key, sessionLabels(session)),
  });

  return {
    get(key) {
      const session = sessions.get(key);
      // The cache counts by the monotonic clock, but a session expires by the wall clock.
      return session && session.expiresAt > Date.now() ? session : undefined;
    },
    freshFor: (key) => (sessions.has(key) ? Math.max(0, sessions.getRemainingTTL(key)) : 0),
    add(key, session, age) {
      const remaining = Math.floor(Math.min(ttl - age, session.expiresAt - Date.now()));
      // To lru-cache a ttl of 0 means forever.
      if (remaining <= 0) return;
      sessions.set(key, session, { ttl: remaining });
      keys.add(key, sessionLabels(session));
    },
    drop: (key) => void sessions.delete(key),
    dropRevoked(revocation) {
      for (const label of revocationLabels(revocation)) for (const key of keys.find(label)) sessions.delete(key);
    },
    clear: () => sessions.clear(),
    size: () => sessions.size,
  };
}
