import { GatewayError } from '../errors';
import { upstreamStatus } from '../grpc/status';
import type { CallScope } from '../grpc/upstream';
import type { AuthService, Session } from './auth-service';
import type { ConfirmedSessions } from './confirmed-sessions';
import type { Refusals } from './refusals';
import { isRevokedBy, type Revocation } from './revocations';
import { authUnavailable } from './session-errors';
import type { Tombstones } from './tombstones';
import type { UnknownTokens } from './unknown-tokens';

/** The validations in flight, one per token at most: requests that ask at the same time share one RPC. */
export interface Validations {
  /** The validation of a token that is in flight. */
  inFlight(key: string): Promise<Session> | undefined;
  /**
   * Starts a validation of a token that none is in flight for. Its result is kept, so that the next request need not ask.
   *
   * @param address - Of the client; left out where the token was confirmed before.
   * @throws GatewayError UNAUTHENTICATED for a definite no; AUTH_UNAVAILABLE where AuthService gives no answer; as
   * {@link UnknownTokens.enter} for a token that is not known.
   */
  start(key: string, token: string, scope: CallScope, address: string | undefined): Promise<Session>;
  /** Notes a revocation: the answers in flight may be from before it. */
  noteRevocation(revocation: Revocation): void;
  /** Notes that revocations may have been missed while the answers in flight were made. */
  noteGap(): void;
}

export interface ValidationsOptions {
  readonly authService: Pick<AuthService, 'validateSession'>;
  readonly confirmed: Pick<ConfirmedSessions, 'add'>;
  readonly refusals: Pick<Refusals, 'add'>;
  readonly tombstones: Pick<Tombstones, 'get'>;
  readonly unknown: UnknownTokens;
}

/** A validation in flight, and what has happened since AuthService was asked. */
interface Flight {
  readonly session: Promise<Session>;
  readonly since: Since;
}

interface Since {
  readonly revocations: Revocation[];
  /** False where revocations may have been missed. */
  cacheable: boolean;
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'UNAUTHENTICATED';
}

export function createValidations(options: ValidationsOptions): Validations {
  const { authService, confirmed, refusals, tombstones, unknown } = options;
  const flights = new Map<string, Flight>();

  /**
   * Asks AuthService, and decides what its answer means, in this order:
   *
   * 1. A sign-out here outweighs any answer, and any failure.
   * 2. A session that has expired is refused.
   * 3. An answer that may be from before a revocation is not believed: AuthService is asked again.
   * 4. An answer from a time when revocations may have been missed is passed on, but not cached.
   */
  async function ask(key: string, token: string, since: Since, scope: CallScope): Promise<Session> {
    const asked = performance.now();
    const session = await authService.validateSession(token, scope).catch((error: unknown) => {
      throw tombstones.get(key) ?? failure(key, error);
    });
    const tombstone = tombstones.get(key);
    if (tombstone) throw tombstone;
    if (session.expiresAt <= Date.now()) throw refusals.add(key, 'the session expired');
    if (since.revocations.some((revocation) => isRevokedBy(revocation, session))) {
      // What is asked now cannot be from before the revocation. The scope's deadline bounds how often this can happen.
      since.revocations.length = 0;
      return ask(key, token, since, scope);
    }
    if (since.cacheable) confirmed.add(key, session, performance.now() - asked);
    return session;
  }

  function failure(key: string, error: unknown): GatewayError {
    const status = upstreamStatus(error);
    if (status !== 'UNAUTHENTICATED' && status !== 'NOT_FOUND') return authUnavailable(error);
    return refusals.add(key, 'AuthService does not know the session');
  }

  return {
    inFlight: (key) => flights.get(key)?.session,
    start(key, token, scope, address) {
      const leave = address === undefined || unknown.isKnown(key) ? undefined : unknown.enter(address);
      const since: Since = { revocations: [], cacheable: true };
      const session = ask(key, token, since, scope)
        .then(
          (confirmedSession) => {
            unknown.noteKnown(key);
            return confirmedSession;
          },
          (error: unknown) => {
            if (isUnauthenticated(error)) unknown.noteRefused(key, leave && address);
            throw error;
          },
        )
        .finally(() => {
          flights.delete(key);
          leave?.();
        });
      flights.set(key, { session, since });
      return session;
    },
    noteRevocation(revocation) {
      for (const { since } of flights.values()) since.revocations.push(revocation);
    },
    noteGap() {
      for (const { since } of flights.values()) since.cacheable = false;
    },
  };
}
