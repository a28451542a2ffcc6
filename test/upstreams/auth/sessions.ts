/** Development only. Opaque sessions in memory. A token exists in the clear only in the hands of its bearer. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter, on } from 'node:events';

/** A session, without its token. */
export interface Session {
  /** Names it without giving access to it. */
  readonly sessionId: string;
  readonly userId: string;
  readonly expiresAt: Date;
}

/** What ended before its time: one session, or all of a user's. */
export type Revocation = { sessionId: string } | { userId: string };

/** All sessions, by the hash of their token. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #revocations = new EventEmitter().setMaxListeners(0);

  /** Begins a session. The token is 256 random bits unless one is given. */
  create(userId: string, ttlSeconds: number, token = newToken()): { token: string; session: Session } {
    this.#dropExpired();
    const expiresAt = new Date(Date.now() + ttlSeconds * 1_000);
    const session = { sessionId: `session-${randomUUID()}`, userId, expiresAt };
    this.#sessions.set(hash(token), session);
    return { token, session };
  }

  /** The session of a token, unless it is unknown, expired or revoked. */
  find(token: string): Session | undefined {
    const session = this.#sessions.get(hash(token));
    return session && session.expiresAt.getTime() > Date.now() ? session : undefined;
  }

  /** Moves the end of a session, as one does that lives for as long as it is used. */
  extend(token: string, expiresAt: Date): void {
    const session = this.find(token);
    if (session) this.#sessions.set(hash(token), { ...session, expiresAt });
  }

  /** Ends the session of a token, if there is one. */
  revoke(token: string): void {
    const session = this.find(token);
    this.#sessions.delete(hash(token));
    if (session) this.#announce({ sessionId: session.sessionId });
  }

  /** Ends every session of a user. */
  revokeUser(userId: string): void {
    for (const [key, session] of this.#sessions) {
      if (session.userId === userId) this.#sessions.delete(key);
    }
    this.#announce({ userId });
  }

  /** Every revocation from the moment of the call on, until the signal aborts. */
  watch(signal: AbortSignal): AsyncIterable<Revocation> {
    // Subscribed here and not in the generator below, whose body runs only once somebody asks for the first item.
    const events = on(this.#revocations, 'revocation', { signal });
    return (async function* () {
      for await (const [revocation] of events) yield revocation as Revocation;
    })();
  }

  #announce(revocation: Revocation): void {
    this.#revocations.emit('revocation', revocation);
  }

  #dropExpired(): void {
    for (const [key, session] of this.#sessions) {
      if (session.expiresAt.getTime() <= Date.now()) this.#sessions.delete(key);
    }
  }
}

/** A token of 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
