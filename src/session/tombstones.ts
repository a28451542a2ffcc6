import { LRUCache } from 'lru-cache';
import type { GatewayError } from '../errors';
import { sessionTimeout } from './auth-service';
import { SessionRefused, unauthenticated } from './session-errors';

/**
 * The tokens that were signed out here, by their hash. A tombstone outweighs every answer of AuthService, so that a
 * validation which was asked before the sign-out cannot bring the session back.
 */
export interface Tombstones {
  get(key: string): GatewayError | undefined;
  /**
   * @param settled - Whether AuthService has confirmed the sign-out; see {@link SessionRefused}.
   * @returns the error that the token is refused with from now on.
   */
  add(key: string, settled: boolean): GatewayError;
}

const capacity = 50_000;

/** @param cacheTtl - Ms for which a confirmed session counts. */
export function createTombstones(cacheTtl: number): Tombstones {
  // A validation asked just before the sign-out may take this long to answer, and its answer may then be cached.
  const ttl = Math.ceil(cacheTtl) + 2 * sessionTimeout;
  const tombstones = new LRUCache<string, GatewayError>({ max: capacity, ttl, ttlResolution: 0 });
  return {
    get: (key) => tombstones.get(key),
    add(key, settled) {
      const tombstone = unauthenticated(undefined, new SessionRefused('the session was signed out', settled));
      tombstones.set(key, tombstone);
      return tombstone;
    },
  };
}
