/** Development only. What the assistant understands and says: plain text in, a reply out, no network. */
import type { Action } from './conversations';
import type { AnswerFromDocs } from './docs';

/** What somebody wants. */
export type Intent =
  { kind: 'who-am-i' } | { kind: 'list-users' } | { kind: 'plan'; action: Action } | { kind: 'reply'; text: string };

/** A user, as much of it as the assistant speaks about. */
export interface Person {
  email: string;
  displayName: string;
  status: string;
  roles: string[];
}

const help =
  'I am the development assistant. I understand "who am I", "list users", "invite name@example.com", ' +
  '"rename me to NAME" and "count to NUMBER", and I look up other questions in the README.';
/** As long an answer as fits into one gRPC message well. */
const maxCount = 100_000;

/** Finds out what is wanted. Case, politeness and punctuation at the end do not matter. */
export function understand(query: string, docs: AnswerFromDocs): Intent {
  const text = query
    .trim()
    .replace(/^(please|could you|can you)[\s,]+/i, '')
    .replace(/[\s.!?]+$/, '');
  if (/^who\s*am\s*i(\s+logged\s+in\s+as)?$/i.test(text)) return { kind: 'who-am-i' };
  if (/^(list|show)(\s+me)?(\s+all)?(\s+the)?\s+users$/i.test(text)) return { kind: 'list-users' };
  const guest = /^invite\s+(.+)$/is.exec(text)?.[1];
  if (guest !== undefined) return readInvitation(guest);
  const name = /^(?:rename\s+me\s+to|change\s+my\s+name\s+to)\s+(.+)$/is.exec(text)?.[1];
  if (name !== undefined) return { kind: 'plan', action: { kind: 'rename', displayName: unquote(name) } };
  const count = /^count\s+to\s+(\d{1,9})$/i.exec(text)?.[1];
  if (count !== undefined) return { kind: 'reply', text: countTo(Math.min(Number(count), maxCount)) };
  return { kind: 'reply', text: docs(query) ?? help };
}

/** A stream as long as one likes, to see what becomes of slow readers. */
function countTo(limit: number): string {
  return Array.from({ length: limit }, (_, index) => index + 1).join(' ') || 'That is no way to count.';
}

/** Reads `a@b`, `Name <a@b>` and `a@b as Name`. */
function readInvitation(guest: string): Intent {
  const named = /^(?<displayName>[^<>]*)<(?<email>[^<>\s]+@[^<>\s]+)>$/.exec(guest);
  const plain = /^(?<email>[^<>\s]+@[^<>\s]+)(?:\s+as\s+(?<displayName>.+))?$/is.exec(guest);
  const { email, displayName = '' } = named?.groups ?? plain?.groups ?? {};
  if (email === undefined) return { kind: 'reply', text: 'Whom? Say it like this: invite name@example.com' };
  return { kind: 'plan', action: { kind: 'invite', email: email.toLowerCase(), displayName: unquote(displayName) } };
}

function unquote(text: string): string {
  return text
    .trim()
    .replace(/^(["'])(.*)\1$/s, '$2')
    .trim();
}

/** What a plan would do, in plain words. */
export function describe(action: Action): string {
  if (action.kind === 'rename') return `Change your display name to "${action.displayName}".`;
  const name = action.displayName === '' ? '' : ` under the name "${action.displayName}"`;
  return `Invite ${action.email}${name} as a member. They will get an invitation.`;
}

/** What is said once a plan has been carried out; `person` is who came of it. */
export function reportDone(action: Action, person: Person): string {
  if (action.kind === 'rename') return `You are called ${person.displayName} now.`;
  return `${person.email} has been invited.`;
}

/** What is said where a plan was declined. */
export function reportDropped(action: Action): string {
  if (action.kind === 'rename') return 'All right, your name stays as it is.';
  return `All right, ${action.email} has not been invited.`;
}

/** Answers "who am I". */
export function introduce({ displayName, email, roles }: Person): string {
  const as = roles.length > 0 ? `, with the roles ${roles.join(', ')}` : '';
  return `You are ${displayName} (${email})${as}.`;
}

/** Answers "list users". */
export function listPeople(people: readonly Person[], totalSize: number): string {
  const lines = people.map((person) => `- ${person.displayName} <${person.email}>, ${statusName(person.status)}`);
  const rest = totalSize > people.length ? [`… and ${totalSize - people.length} more.`] : [];
  return [`There are ${totalSize} users:`, ...lines, ...rest].join('\n');
}

function statusName(status: string): string {
  return status.replace('USER_STATUS_', '').toLowerCase();
}
