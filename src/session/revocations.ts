import type { Session } from './auth-service';

/** The end of one session, or of all sessions of a user (auth.v1.Revocation). */
export interface Revocation {
  readonly sessionId?: string;
  readonly userId?: string;
}

/** The labels that a session is indexed under, so that a {@link Revocation} finds it. */
export function sessionLabels(session: Pick<Session, 'sessionId' | 'userId'>): string[] {
  return [`session ${session.sessionId}`, `user ${session.userId}`];
}

/** The labels of the sessions that a revocation ends; see {@link sessionLabels}. */
export function revocationLabels({ sessionId, userId }: Revocation): string[] {
  return [
    ...(sessionId === undefined ? [] : [`session ${sessionId}`]),
    ...(userId === undefined ? [] : [`user ${userId}`]),
  ];
}

/** True where a revocation ends a session. */
export function isRevokedBy(revocation: Revocation, session: Session): boolean {
  return revocation.sessionId === session.sessionId || revocation.userId === session.userId;
}
