import { Canceller, type Cancellation } from '../cancellation';
import { toGatewayError, type GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';
import type { Session } from './auth-service';
import { createLabelIndex } from './label-index';
import { revocationLabels, sessionLabels, type Revocation } from './revocations';
import { SessionRefused, unauthenticated } from './session-errors';

/** Watches over a session for as long as a stream is open for it. */
export interface SessionGuard {
  /**
   * Aborted when the session ends, with UNAUTHENTICATED as its reason, and when it cannot be checked any more, with
   * AUTH_UNAVAILABLE.
   */
  readonly ending: Cancellation;
  /**
   * Has access decided again whenever the session was validated again. The error that it gives, if any, ends the stream. At once
   * where that has happened already.
   */
  onRenewed(check: AccessCheck): void;
  /** Ends the watch. Must be called when the stream is over, for whatever reason. */
  release(): void;
}

/** Why a session may no longer have what a stream serves; undefined where it may. Never throws. */
export type AccessCheck = (session: Session) => Promise<GatewayError | undefined>;

/** The guards of all open streams. */
export interface Guards {
  guard(watched: Watched): SessionGuard;
  /** Ends the streams of one token. */
  end(key: string, reason: GatewayError): void;
  endRevoked(revocation: Revocation): void;
  /** Stops watching, without ending the streams. */
  close(): void;
}

interface Watched {
  /** Hash of the token. */
  readonly key: string;
  readonly token: string;
  readonly session: Session;
  readonly scope: Pick<CallScope, 'requestId' | 'trace'>;
}

export interface GuardsOptions {
  readonly validate: (token: string, scope: CallScope) => Promise<Session>;
  /** Ms for which the cached session of a token still counts. */
  readonly freshFor: (key: string) => number;
}

/** Ms: the shortest time between two checks of a stream, for where nothing is cached. */
const leastInterval = 1_000;
/** Ms added to the time that a session stays cached, so that an early timer does not find it still there. */
const margin = 5;

interface Guard {
  end(reason: GatewayError): void;
  release(): void;
}

export function createGuards({ validate, freshFor }: GuardsOptions): Guards {
  const guards = createLabelIndex<Guard>();
  const all = new Set<Guard>();

  /**
   * Checks again whenever the cached session runs out. A session that ends unannounced is thus noticed on a stream as soon as
   * on a new request, and the streams and requests of one session share their validations.
   */
  function guard({ key, token, session, scope }: Watched): SessionGuard {
    const ending = new Canceller();
    const labels = [`key ${key}`, ...sessionLabels(session)];
    let { expiresAt } = session;
    let timer: NodeJS.Timeout;
    /** As it was validated last, if it was since the stream was let in. */
    let renewed: Session | undefined;
    let checkAccess: AccessCheck | undefined;

    const release = (): void => {
      clearTimeout(timer);
      all.delete(own);
      guards.remove(own, labels);
    };
    const own: Guard = {
      release,
      end(reason) {
        release();
        ending.abort(reason);
      },
    };
    const arm = (least: number): void => {
      const due = Math.max(least, freshFor(key) + margin);
      timer = setTimeout(() => void check(), Math.max(0, Math.min(due, expiresAt - Date.now()))).unref();
    };
    const decideAccess = async (current: Session): Promise<void> => {
      const denied = await checkAccess?.(current);
      if (denied && all.has(own)) own.end(denied);
    };
    const check = async (): Promise<void> => {
      if (expiresAt <= Date.now()) {
        own.end(unauthenticated(undefined, new SessionRefused('the session expired', true)));
        return;
      }
      try {
        renewed = await validate(token, { ...scope, deadline: Number.POSITIVE_INFINITY });
        ({ expiresAt } = renewed);
        await decideAccess(renewed);
        if (all.has(own)) arm(leastInterval);
      } catch (error) {
        // Fail closed: a session that cannot be checked ends its streams as an expired one does.
        if (all.has(own)) own.end(toGatewayError(error));
      }
    };

    all.add(own);
    guards.add(own, labels);
    // A session that is not cached may have been revoked since the request was let in: ask at once.
    arm(0);
    return {
      ending,
      release,
      onRenewed(access) {
        checkAccess = access;
        if (renewed) void decideAccess(renewed);
      },
    };
  }

  return {
    guard,
    end(key, reason) {
      for (const found of guards.find(`key ${key}`)) found.end(reason);
    },
    endRevoked(revocation) {
      const reason = unauthenticated(undefined, new SessionRefused('the session was revoked', true));
      for (const label of revocationLabels(revocation)) for (const found of guards.find(label)) found.end(reason);
    },
    close() {
      for (const open of all) open.release();
    },
  };
}
