import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { GatewayError } from '../errors';
import { upstreamStatus } from '../grpc/status';
import type { CallScope } from '../grpc/upstream';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';
import { sessionTimeout, type AuthService, type Session } from './auth-service';
import { createGuards, type SessionGuard } from './guards';
import {
  createLabelIndex,
  isRevokedBy,
  revocationLabels,
  sessionLabels,
  watchRevocations,
  type Revocation,
} from './revocations';
import { authUnavailable, SessionRefused, unauthenticated } from './session-errors';
import { waitFor } from './wait-for';

/** Says whose session a token is, at a cost of about one RPC per session and {@link SessionsOptions.cacheTtl}. */
export interface Sessions {
  /**
   * What is known of a token: its session, or why it is refused, as {@link validate} would; undefined where AuthService must
   * be asked.
   */
  known(token: string): Session | GatewayError | undefined;
  /**
   * The session of a token. Requests that ask at the same time share one RPC, which outlives each of them: a caller
   * whose signal aborts or whose deadline passes only stops waiting.
   *
   * @throws GatewayError UNAUTHENTICATED for a definite no; AUTH_UNAVAILABLE where AuthService gives no answer; the
   * reason of the scope's signal; GATEWAY_TIMEOUT once the scope's deadline has passed.
   */
  validate(token: string, scope: CallScope): Promise<Session>;
  /**
   * Ends a session: here at once, its open streams included, and then at AuthService. Fine for one that has ended
   * already. Not cancelled when the caller leaves, who may have closed the tab right after signing out.
   *
   * @throws GatewayError AUTH_UNAVAILABLE where AuthService did not confirm it. The session then stays refused here for
   * a while, as its user wished, but lives on elsewhere: the caller must keep the credential and try again.
   */
  revoke(token: string, scope: CallScope): Promise<void>;
  /**
   * Watches over a session that {@link validate} has given, for a stream.
   *
   * @param scope - Names the stream's request in the RPCs that are made for it.
   */
  guard(token: string, session: Session, scope: Pick<CallScope, 'requestId' | 'trace'>): SessionGuard;
  /** Ends the watch over revocations and all guards. Leaves no timer and no call. */
  close(): void;
}

export interface SessionsOptions {
  readonly authService: Pick<AuthService, 'validateSession' | 'revokeSession' | 'watchRevocations'>;
  /**
   * Ms for which a confirmed session counts without asking again. Where AuthService does not announce revocations, a
   * revoked session lives on for as long. 0 asks every time.
   */
  readonly cacheTtl: number;
  readonly metrics: Pick<Metrics, 'sessionCache' | 'sessionCacheEntries'>;
  readonly log: Logger;
  /** Whether the channel to AuthService is connected. */
  readonly connected: () => boolean;
}

/** How many sessions are kept; beyond that the one unused for longest goes, and costs one more look-up. */
const confirmedCapacity = 50_000;
/** Ms for which a definite no is kept, so that a client that insists does not reach AuthService each time. */
const refusalTtl = 5_000;
/** Apart from the confirmed sessions, so that made-up tokens cannot push them out. */
const refusalCapacity = 10_000;
const tombstoneCapacity = 50_000;

/** What has happened since AuthService was asked about a session. */
interface Since {
  /** Its answer may be from before these. */
  readonly revocations: Revocation[];
  /** False where revocations may have been missed. */
  cacheable: boolean;
}

/** A validation under way. */
interface Flight {
  readonly session: Promise<Session>;
  readonly since: Since;
}

export function createSessions({ authService, cacheTtl, metrics, log, connected }: SessionsOptions): Sessions {
  const confirmed = createConfirmedSessions(cacheTtl);
  const refusals = new LRUCache<string, GatewayError>({ max: refusalCapacity, ttl: refusalTtl, ttlResolution: 0 });
  // A validation that was asked before the logout took effect may answer, and be cached, for as long as this.
  const tombstoneTtl = Math.ceil(cacheTtl) + 2 * sessionTimeout;
  const tombstones = new LRUCache<string, GatewayError>({
    max: tombstoneCapacity,
    ttl: tombstoneTtl,
    ttlResolution: 0,
  });
  const flights = new Map<string, Flight>();
  const guards = createGuards({ validate, freshFor: (key) => confirmed.freshFor(key) });
  const watch = watchRevocations({ authService, log, connected, onRevocation, onReconnected });
  const lookUps = {
    hit: metrics.sessionCache.series({ result: 'hit' }),
    miss: metrics.sessionCache.series({ result: 'miss' }),
    coalesced: metrics.sessionCache.series({ result: 'coalesced' }),
    refused: metrics.sessionCache.series({ result: 'refused' }),
  };
  metrics.sessionCacheEntries.read({}, () => confirmed.size());

  function onRevocation(revocation: Revocation): void {
    confirmed.dropRevoked(revocation);
    for (const { since } of flights.values()) since.revocations.push(revocation);
    guards.endRevoked(revocation);
  }

  function onReconnected(): void {
    confirmed.clear();
    for (const { since } of flights.values()) since.cacheable = false;
  }

  function known(token: string): Session | GatewayError | undefined {
    return knownBy(keyOf(token));
  }

  function knownBy(key: string): Session | GatewayError | undefined {
    const session = confirmed.get(key);
    // One that was refused or signed out is not among the confirmed.
    const found = session ?? tombstones.get(key) ?? refusals.get(key);
    if (found) (session ? lookUps.hit : lookUps.refused).inc();
    return found;
  }

  async function validate(token: string, scope: CallScope): Promise<Session> {
    const key = keyOf(token);
    const found = knownBy(key);
    if (found instanceof GatewayError) throw found;
    if (found) return found;
    const flight = flights.get(key);
    (flight ? lookUps.coalesced : lookUps.miss).inc();
    const { upstreams } = scope.trace ?? {};
    upstreams?.begin(performance.now());
    try {
      return await waitFor((flight ?? depart(key, token, scope)).session, scope);
    } finally {
      upstreams?.end(performance.now());
    }
  }

  function depart(key: string, token: string, scope: CallScope): Flight {
    const since: Since = { revocations: [], cacheable: true };
    const session = look(key, token, since, ownScope(scope)).finally(() => flights.delete(key));
    const flight = { session, since };
    flights.set(key, flight);
    return flight;
  }

  async function look(key: string, token: string, since: Since, scope: CallScope): Promise<Session> {
    const asked = performance.now();
    const session = await authService.validateSession(token, scope).catch((error: unknown) => {
      throw tombstones.get(key) ?? failure(key, error);
    });
    const tombstone = tombstones.get(key);
    if (tombstone) throw tombstone;
    if (session.expiresAt <= Date.now()) throw refuse(key, 'the session expired');
    if (since.revocations.some((revocation) => isRevokedBy(revocation, session))) {
      // What is asked now cannot be from before the revocation. The scope's deadline bounds how often this can happen.
      since.revocations.length = 0;
      return look(key, token, since, scope);
    }
    if (since.cacheable) confirmed.add(key, session, performance.now() - asked);
    return session;
  }

  function failure(key: string, error: unknown): GatewayError {
    const status = upstreamStatus(error);
    if (status !== 'UNAUTHENTICATED' && status !== 'NOT_FOUND') return authUnavailable(error);
    return refuse(key, 'AuthService does not know the session');
  }

  function refuse(key: string, reason: string): GatewayError {
    const refusal = unauthenticated(undefined, new SessionRefused(reason, true));
    refusals.set(key, refusal);
    return refusal;
  }

  async function revoke(token: string, scope: CallScope): Promise<void> {
    const key = keyOf(token);
    const revoked = (settled: boolean): GatewayError =>
      unauthenticated(undefined, new SessionRefused('the session was signed out', settled));
    // First of all, or a validation that is under way would bring the session back.
    tombstones.set(key, revoked(false));
    confirmed.drop(key);
    guards.end(key, revoked(false));
    await authService.revokeSession(token, ownScope(scope)).catch((error: unknown) => {
      throw authUnavailable(error, 'Signing out is not possible right now. Try again shortly.');
    });
    tombstones.set(key, revoked(true));
  }

  return {
    known,
    validate,
    revoke,
    guard: (token, session, scope) => guards.guard({ key: keyOf(token), token, session, scope }),
    close() {
      watch.close();
      guards.close();
    },
  };
}

/** The sessions that AuthService has confirmed a moment ago, by the hash of their token. */
interface ConfirmedSessions {
  get(key: string): Session | undefined;
  /** Ms for which {@link get} will still answer; 0 where it does not. */
  freshFor(key: string): number;
  /** @param age - Ms since AuthService was asked: what it said holds from then. */
  add(key: string, session: Session, age: number): void;
  drop(key: string): void;
  dropRevoked(revocation: Revocation): void;
  clear(): void;
  size(): number;
}

/** @param ttl - Ms for which a confirmation counts; 0 keeps none. */
function createConfirmedSessions(ttl: number): ConfirmedSessions {
  const keys = createLabelIndex<string>();
  const sessions = new LRUCache<string, Session>({
    max: confirmedCapacity,
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
    size: () => sessions.size,
  };
}

/** Tokens themselves are not kept: who reads the memory of a cache must not find sessions in it. */
function keyOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** The scope of an RPC that is made for more than the caller who happened to ask first: without signal and budget. */
function ownScope({ requestId, trace }: CallScope): CallScope {
  return { requestId, ...(trace ? { trace } : {}), deadline: Date.now() + sessionTimeout };
}
