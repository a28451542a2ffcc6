import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { LimitName } from '../limits';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';
import type * as RedisCounts from './redis-counts';

/** So many in a window, which begins with the first of them. */
export interface RateLimit {
  /** From the schema or the code, never from a client: clients read it in the headers. */
  readonly name: string;
  /** At least 1. */
  readonly limit: number;
  /** Whole seconds. */
  readonly window: number;
}

/** What is left of a {@link RateLimit} for one key. */
export interface Quota {
  readonly rateLimit: RateLimit;
  readonly isOver: boolean;
  /** How many were counted in this window, with what is over the limit. */
  readonly used: number;
  /** At least 0. */
  readonly remaining: number;
  /** Whole seconds until the window ends, at least 1. */
  readonly resetAfter: number;
}

/** Counts by key, in memory or, where replicas share them, in Redis. While Redis is away: in memory. */
export interface RateLimits {
  /**
   * Counts, also what is over the limit. Never fails.
   *
   * @param key - May be secret: what is kept is its hash.
   * @param times - Whole, at least 1.
   */
  spend(rateLimit: RateLimit, key: string, times: number): Promise<Quota>;
  /** Closes the connection to Redis and forgets what is in memory. */
  close(): void;
}

export interface RateLimitsOptions {
  /** Counts are in memory where it is left out. */
  readonly redisUrl?: string | undefined;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'rateLimitRedisAway'>;
}

/** Keys that are counted in memory at most. Beyond that the least recently used one begins anew. About 35 MB. */
export const memoryCapacity = 50_000;

/** More than any limit: what is over one is decided here, so that one counter does for all limits. */
const limiter = { points: Number.MAX_SAFE_INTEGER, duration: 1, keyPrefix: 'api-gateway' };

export function createRateLimits({ redisUrl, log, metrics }: RateLimitsOptions): RateLimits {
  const memory = createBoundedMemory();
  const redis =
    redisUrl === undefined ? undefined : loadRedisCounts().connectCounts({ redisUrl, limiter, log, metrics });

  if (!redis) metrics.rateLimitRedisAway.read({}, () => 0);

  return {
    async spend(rateLimit, key, times) {
      const { name, limit, window } = rateLimit;
      const full = `${name}:${hash('sha256', key, 'base64url')}`;
      const shared = redis && (await redis.add(full, times, window));
      const { consumedPoints, msBeforeNext } = shared ?? (await memory.add(full, times, window));
      return {
        rateLimit,
        isOver: consumedPoints > limit,
        used: consumedPoints,
        remaining: Math.max(0, limit - consumedPoints),
        resetAfter: Math.max(1, Math.ceil(msBeforeNext / 1000)),
      };
    },
    close() {
      memory.clear();
      redis?.close();
    },
  };
}

/** ioredis is loaded only where Redis is asked for. */
const loadRedisCounts = () => require('./redis-counts') as typeof RedisCounts;

/** rate-limiter-flexible alone keeps every key until its window ends, however many there are. */
function createBoundedMemory() {
  const counts = new RateLimiterMemory(limiter);
  const keys = new LRUCache<string, true>({ max: memoryCapacity, dispose: (_, key) => void counts.delete(key) });
  return {
    add(key: string, times: number, window: number): Promise<RateLimiterRes> {
      if (keys.get(key) === undefined) keys.set(key, true);
      return counts.penalty(key, times, { customDuration: window });
    },
    clear: () => keys.clear(),
  };
}

/**
 * The error of a request that is over a limit: RATE_LIMITED, which says when to come again.
 *
 * @param what - What there were too many of, for the message: "sign-ins from this address".
 * @param headers - What the answer must carry besides Retry-After.
 */
export function rateLimited(
  { rateLimit, used, resetAfter }: Quota,
  limit: LimitName,
  what: string,
  headers: Readonly<Record<string, string>> = {},
): GatewayError {
  const { limit: most, window } = rateLimit;
  return new GatewayError(
    'RATE_LIMITED',
    `Too many ${what}: ${used} within ${window} s, and ${most} are allowed. Try again in ${resetAfter} s.`,
    { limit, retryAfter: resetAfter, headers },
  );
}

/**
 * The headers that tell a client where it stands.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
export function rateLimitHeaders(quotas: readonly Quota[]): Record<'ratelimit-policy' | 'ratelimit', string> {
  const policies = quotas.map(({ rateLimit: { name, limit, window } }) => `"${name}";q=${limit};w=${window}`);
  const left = quotas.map(
    ({ rateLimit: { name }, remaining, resetAfter }) => `"${name}";r=${remaining};t=${resetAfter}`,
  );
  return { 'ratelimit-policy': policies.join(', '), ratelimit: left.join(', ') };
}

/** Adds {@link rateLimitHeaders} to an answer. */
export function tellQuotas({ addedHeaders }: Pick<Exchange, 'addedHeaders'>, quotas: readonly Quota[]): void {
  addedHeaders.push(...Object.entries(rateLimitHeaders(quotas)).flat());
}
