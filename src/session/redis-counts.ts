import { Redis } from 'ioredis';
import { RateLimiterRedis, type IRateLimiterOptions, type RateLimiterRes } from 'rate-limiter-flexible';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';

/** Counts of rate limits in Redis, which several gateways share. */
export interface SharedCounts {
  /** Counts; undefined where Redis is away, slow or failing. Never fails, and says in the log when Redis goes and comes. */
  add(key: string, times: number, window: number): Promise<RateLimiterRes | undefined>;
  close(): void;
}

export interface SharedCountsOptions {
  readonly redisUrl: string;
  readonly limiter: IRateLimiterOptions;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'rateLimitRedisAway'>;
}

/** Ms that a request waits for Redis. Only the first ones do: the connection is then given up. */
const patience = 500;
/** Ms between attempts to connect, at most. */
const longestPause = 1_000;

/** Connects to Redis, and again whenever the connection is lost. */
export function connectCounts({ redisUrl, limiter, log, metrics }: SharedCountsOptions): SharedCounts {
  const client = new Redis(redisUrl, {
    // What cannot be counted at once is counted elsewhere. Sent later, it would count twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: patience,
    socketTimeout: patience,
    retryStrategy: (attempt) => Math.min(attempt * 50, longestPause),
  });
  const counts = new RateLimiterRedis({ ...limiter, storeClient: client, rejectIfRedisNotReady: true });
  /** Whether Redis counts; undefined until it is known. */
  let isShared: boolean | undefined;
  let isClosed = false;
  let lastError: Error | undefined;

  function noteBack(): void {
    if (isShared !== true) log.info('rate limits are counted in Redis');
    isShared = true;
  }

  function noteAway(error: Error | undefined): void {
    if (isShared !== false && !isClosed) {
      log.warn(
        { reason: reasonOf(error) },
        'Redis does not count: rate limits are counted in memory, by each replica for itself',
      );
    }
    isShared = false;
  }

  // Without a listener ioredis writes errors to the console.
  client.on('error', (error: Error) => (lastError = error));
  client.on('ready', noteBack);
  client.on('close', () => noteAway(lastError));
  metrics.rateLimitRedisAway.read({}, () => (isShared ? 0 : 1));

  return {
    async add(key, times, window) {
      try {
        const result = await counts.penalty(key, times, { customDuration: window });
        noteBack();
        return result;
      } catch (error) {
        // A client that is not ready says so itself, by its events.
        if (client.status === 'ready') noteAway(error as Error);
        return undefined;
      }
    },
    close() {
      isClosed = true;
      client.disconnect();
    },
  };
}

/** Not the whole error: ioredis puts the command into it, and with that the password. */
function reasonOf(error: (Error & { code?: string }) | undefined): string | undefined {
  return error?.message || error?.code;
}
