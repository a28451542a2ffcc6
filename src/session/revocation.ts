import type { Session } from './auth-service';

/** The end of one session, or of all sessions of a user (auth.v1.Revocation). */
export interface Revocation {
  readonly sessionId?: string;
  readonly userId?: string;
}

/** What a session is found by when a {@link Revocation} comes. */
export function sessionLabels(session: Pick<Session, 'sessionId' | 'userId'>): string[] {
  return [`session ${session.sessionId}`, `user ${session.userId}`];
}

/** Which of {@link sessionLabels} a revocation concerns. */
export function revocationLabels({ sessionId, userId }: Revocation): string[] {
  return [
    ...(sessionId === undefined ? [] : [`session ${sessionId}`]),
    ...(userId === undefined ? [] : [`user ${userId}`]),
  ];
}

/** True where a session is among those that ended. */
export function isRevokedBy(revocation: Revocation, session: Session): boolean {
  return revocation.sessionId === session.sessionId || revocation.userId === session.userId;
}
