import { LRUCache } from 'lru-cache';
import type { GatewayError } from '../errors';
import { placeOf } from '../http/client-address';
import { rateLimited, rateLimitHeaders, type Quota, type RateLimits } from './rate-limits';
import { authUnavailable } from './session-errors';

/**
 * Keeps tokens that were made up from keeping AuthService busy. Known is a token that AuthService has confirmed or issued here,
 * also after its session has left the cache; nothing here stands in its way.
 */
export interface UnknownTokens {
  isKnown(key: string): boolean;
  /** AuthService has confirmed the token, or issued it. */
  noteKnown(key: string): void;
  /**
   * AuthService does not know the token, or its session is over. Counts against the address.
   *
   * @param address - Left out where no request has sent the token.
   */
  noteRefused(key: string, address: string | undefined): void;
  /**
   * Lets AuthService be asked about a token that is not known.
   *
   * @returns To be called once it has answered.
   * @throws GatewayError RATE_LIMITED where the address has sent too many tokens that were refused; AUTH_UNAVAILABLE where
   * AuthService is asked about as many as may be at once.
   */
  enter(address: string): () => void;
}

export interface UnknownTokensOptions {
  readonly rateLimits: Pick<RateLimits, 'spend'>;
  /** RPCs about such tokens at once. */
  readonly maxChecks: number;
  /** Refused tokens of one address in a minute; 0 for any number. */
  readonly maxRefused: number;
}

/** Tokens that are remembered as known, by their hash: about 10 MB. One beyond that is not refused, only asked about in turn. */
const knownTokens = 100_000;
/** Addresses that are remembered as over the limit. */
const knownAddresses = 10_000;

export function createUnknownTokens({ rateLimits, maxChecks, maxRefused }: UnknownTokensOptions): UnknownTokens {
  const known = new LRUCache<string, true>({ max: knownTokens });
  /** By address. Kept here, so that an address over its limit is refused without asking anybody. */
  const over = new LRUCache<string, Quota>({ max: knownAddresses, ttlResolution: 0 });
  const rateLimit = { name: 'unknown-tokens', limit: maxRefused, window: 60 };
  let checks = 0;

  return {
    isKnown: (key) => known.has(key),
    noteKnown: (key) => void known.set(key, true),
    noteRefused(key, address) {
      known.delete(key);
      if (address === undefined || maxRefused === 0) return;
      const client = placeOf(address);
      void rateLimits.spend(rateLimit, client, 1).then((quota) => {
        if (quota.remaining === 0) over.set(client, quota, { ttl: quota.resetAfter * 1000 });
      });
    },
    enter(address) {
      const client = placeOf(address);
      const quota = over.get(client);
      if (quota) {
        const left = Math.ceil(over.getRemainingTTL(client) / 1000);
        const now = { ...quota, used: quota.used + 1, resetAfter: Math.max(1, left) };
        throw rateLimited(
          now,
          'unknown_tokens',
          'session tokens that nobody knows, from this address',
          rateLimitHeaders([now]),
        );
      }
      if (checks >= maxChecks) throw tooMany(maxChecks);
      checks += 1;
      return () => (checks -= 1);
    },
  };
}

/**
 * 503 and not 429: whoever has a good token that this replica has not seen yet, fresh from a sign-in or after a restart, is not to
 * blame for those who make tokens up. The cookie is kept, and the next attempt may well get through.
 */
function tooMany(maxChecks: number): GatewayError {
  const message = `Your session cannot be checked right now: ${maxChecks} others are being checked. Try again shortly.`;
  return authUnavailable(new Error('too many unknown tokens are being checked'), message, 'token_checks');
}
