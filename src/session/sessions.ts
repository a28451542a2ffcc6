import { hash } from 'node:crypto';
import { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';
import type { Logger } from '../telemetry/log';
import type { Metrics } from '../telemetry/metrics';
import { sessionTimeout, type AuthService, type Session } from './auth-service';
import { createConfirmedSessions } from './confirmed-sessions';
import { createGuards, type SessionGuard } from './guards';
import { createRefusals } from './refusals';
import { watchRevocations } from './revocation-watch';
import { authUnavailable } from './session-errors';
import { createTombstones } from './tombstones';
import { createUnknownTokens, type UnknownTokensOptions } from './unknown-tokens';
import { createValidations } from './validations';
import { waitFor } from './wait-for';

/** The sessions of tokens. They cost about one RPC per session and {@link SessionsOptions.cacheTtl}. */
export interface Sessions {
  /**
   * What is known of a token without asking AuthService: its session, or the error that {@link validate} would throw.
   * Undefined where AuthService must be asked.
   */
  known(token: string): Session | GatewayError | undefined;
  /** Whether the session of a token is known to be over: signed out here, or refused by AuthService. */
  isOver(token: string): boolean;
  /**
   * The session of a token. Requests that ask at the same time share one RPC, which outlives each of them: a caller
   * whose signal aborts or whose deadline passes only stops waiting.
   *
   * @param address - Of the client; left out where the token was confirmed before.
   * @throws GatewayError UNAUTHENTICATED for a definite no; AUTH_UNAVAILABLE where AuthService gives no answer, or has too
   * many tokens to check that were never confirmed; RATE_LIMITED where the address has sent too many of those; the reason of the
   * scope's signal; GATEWAY_TIMEOUT once the scope's deadline has passed.
   */
  validate(token: string, scope: CallScope, address?: string): Promise<Session>;
  /** Notes that AuthService has issued a token: it is then no unknown one. */
  noteIssued(token: string): void;
  /**
   * Ends a session: at once here, with its open streams, and then at AuthService. A session that has already ended is no
   * error. Not cancelled when the caller leaves: users close the tab right after signing out.
   *
   * @param address - Of the client.
   * @throws GatewayError AUTH_UNAVAILABLE where AuthService did not confirm it. The session then stays refused here for
   * a while, but lives on at AuthService: the caller must keep the credential and try again. RATE_LIMITED, AUTH_UNAVAILABLE: as
   * {@link validate}, for a token that was never confirmed; nothing has happened then.
   */
  revoke(token: string, scope: CallScope, address: string): Promise<void>;
  /**
   * Watches over the session of a stream.
   *
   * @param session - As {@link validate} returned it.
   * @param scope - Of the stream's request: it identifies the RPCs that the watch makes.
   */
  guard(token: string, session: Session, scope: Pick<CallScope, 'requestId' | 'trace'>): SessionGuard;
  /** Ends the revocation watch and all guards. Leaves no timer and no call behind. */
  close(): void;
}

export interface SessionsOptions extends UnknownTokensOptions {
  readonly authService: Pick<AuthService, 'validateSession' | 'revokeSession' | 'watchRevocations'>;
  /**
   * Ms for which a confirmed session counts without asking again; 0 asks every time. Where AuthService does not announce
   * revocations, a revoked session keeps working for this long.
   */
  readonly cacheTtl: number;
  readonly metrics: Pick<Metrics, 'sessionCache' | 'sessionCacheEntries'>;
  readonly log: Logger;
  /** Whether the channel to AuthService is connected. */
  readonly connected: () => boolean;
}

export function createSessions(options: SessionsOptions): Sessions {
  const { authService, cacheTtl, metrics, log, connected } = options;
  const unknown = createUnknownTokens(options);
  const confirmed = createConfirmedSessions(cacheTtl);
  const refusals = createRefusals();
  const tombstones = createTombstones(cacheTtl);
  const validations = createValidations({ authService, confirmed, refusals, tombstones, unknown });
  const guards = createGuards({ validate, freshFor: (key) => confirmed.freshFor(key) });
  const watch = watchRevocations({
    authService,
    log,
    connected,
    onRevocation(revocation) {
      confirmed.dropRevoked(revocation);
      validations.noteRevocation(revocation);
      guards.endRevoked(revocation);
    },
    onReconnected() {
      confirmed.clear();
      validations.noteGap();
    },
  });
  const lookUps = {
    hit: metrics.sessionCache.series({ result: 'hit' }),
    miss: metrics.sessionCache.series({ result: 'miss' }),
    coalesced: metrics.sessionCache.series({ result: 'coalesced' }),
    refused: metrics.sessionCache.series({ result: 'refused' }),
  };
  metrics.sessionCacheEntries.read({}, () => confirmed.size());

  function known(key: string): Session | GatewayError | undefined {
    const session = confirmed.get(key);
    // A token that was refused or signed out is not among the confirmed.
    const found = session ?? tombstones.get(key) ?? refusals.get(key);
    if (found) (session ? lookUps.hit : lookUps.refused).inc();
    return found;
  }

  async function validate(token: string, scope: CallScope, address?: string): Promise<Session> {
    const key = keyOf(token);
    const found = known(key);
    if (found instanceof GatewayError) throw found;
    if (found) return found;
    const inFlight = validations.inFlight(key);
    (inFlight ? lookUps.coalesced : lookUps.miss).inc();
    const { upstreams } = scope.trace ?? {};
    upstreams?.begin(performance.now());
    try {
      return await waitFor(inFlight ?? validations.start(key, token, ownScope(scope), address), scope);
    } finally {
      upstreams?.end(performance.now());
    }
  }

  async function revoke(token: string, scope: CallScope, address: string): Promise<void> {
    const key = keyOf(token);
    const leave = unknown.isKnown(key) ? undefined : unknown.enter(address);
    // AuthService does not say whether there was such a session.
    unknown.noteRefused(key, leave && address);
    // The tombstone comes first: without it, a validation in flight would bring the session back.
    const signedOut = tombstones.add(key, false);
    confirmed.drop(key);
    guards.end(key, signedOut);
    await authService
      .revokeSession(token, ownScope(scope))
      .catch((error: unknown) => {
        throw authUnavailable(error, 'Signing out is not possible right now. Try again shortly.');
      })
      .finally(leave);
    tombstones.add(key, true);
  }

  return {
    known: (token) => known(keyOf(token)),
    isOver(token) {
      const key = keyOf(token);
      return (tombstones.get(key) ?? refusals.get(key)) !== undefined;
    },
    validate,
    noteIssued: (token) => unknown.noteKnown(keyOf(token)),
    revoke,
    guard: (token, session, scope) => guards.guard({ key: keyOf(token), token, session, scope }),
    close() {
      watch.close();
      guards.close();
    },
  };
}

/** Caches keep the hash of a token, never the token: a memory dump must not hold sessions. */
function keyOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** The scope of an RPC that outlives the caller who happened to ask first: without that caller's signal and budget. */
function ownScope({ requestId, trace }: CallScope): CallScope {
  return { requestId, ...(trace ? { trace } : {}), deadline: Date.now() + sessionTimeout };
}
