import { LRUCache } from 'lru-cache';
import type { Session } from './auth-service';
import { createLabelIndex } from './label-index';
import { revocationLabels, sessionLabels, type Revocation } from './revocation';

/** How many sessions are kept; beyond that the one unused for longest goes, and costs one more look-up. */
const capacity = 50_000;

/** The sessions that AuthService has confirmed a moment ago, by the hash of their token. */
export interface ConfirmedSessions {
  get(key: string): Session | undefined;
  /** Ms for which {@link get} will still answer; 0 where it does not. */
  freshFor(key: string): number;
  /** @param age - Ms since AuthService was asked: what it said holds from then. */
  add(key: string, session: Session, age: number): void;
  drop(key: string): void;
  dropRevoked(revocation: Revocation): void;
  clear(): void;
}

/** @param ttl - Ms for which a confirmation counts; 0 keeps none. */
export function createConfirmedSessions(ttl: number): ConfirmedSessions {
  const keys = createLabelIndex<string>();
  const sessions = new LRUCache<string, Session>({
    max: capacity,
    // The clock is read anew each time: lru-cache would otherwise hold it still by a timer.
    ttlResolution: 0,
    dispose: (session, key) => keys.remove(key, sessionLabels(session)),
  });

  return {
    get(key) {
      const session = sessions.get(key);
      // The cache counts by the monotonic clock, a session ends by the calendar.
      return session && session.expiresAt > Date.now() ? session : undefined;
    },
    freshFor: (key) => (sessions.has(key) ? Math.max(0, sessions.getRemainingTTL(key)) : 0),
    add(key, session, age) {
      const remaining = Math.floor(Math.min(ttl - age, session.expiresAt - Date.now()));
      // To lru-cache a ttl of 0 means for ever.
      if (remaining <= 0) return;
      sessions.set(key, session, { ttl: remaining });
      keys.add(key, sessionLabels(session));
    },
    drop: (key) => void sessions.delete(key),
    dropRevoked(revocation) {
      for (const label of revocationLabels(revocation)) for (const key of keys.find(label)) sessions.delete(key);
    },
    clear: () => sessions.clear(),
  };
}
