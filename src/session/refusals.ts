import { LRUCache } from 'lru-cache';
import type { GatewayError } from '../errors';
import { SessionRefused, unauthenticated } from './session-errors';

/** The tokens that AuthService has refused recently, by their hash. */
export interface Refusals {
  get(key: string): GatewayError | undefined;
  /** @returns the error that the token is refused with. */
  add(key: string, reason: string): GatewayError;
}

/** Ms. A client that insists on a bad token then does not reach AuthService each time. */
const ttl = 5_000;
/** A cache apart from the confirmed sessions, so that made-up tokens cannot push those out. */
const capacity = 10_000;

export function createRefusals(): Refusals {
  const refusals = new LRUCache<string, GatewayError>({ max: capacity, ttl, ttlResolution: 0 });
  return {
    get: (key) => refusals.get(key),
    add(key, reason) {
      const refusal = unauthenticated(undefined, new SessionRefused(reason, true));
      refusals.set(key, refusal);
      return refusal;
    },
  };
}
