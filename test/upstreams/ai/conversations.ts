/** Development only. What users and the assistant said to each other, in memory. */
import { randomUUID } from 'node:crypto';

const maxTitleLength = 60;
/** Beyond this the oldest conversations are forgotten, so that a long-running process does not grow. */
const maxConversations = 10_000;

/** As ai.v1.Role. */
export type Role = 'ROLE_USER' | 'ROLE_ASSISTANT';

/** One thing said. */
export interface Message {
  role: Role;
  text: string;
  createdAt: Date;
}

/** What the assistant would do once somebody says so. */
export interface Plan {
  planId: string;
  /** In plain words. */
  description: string;
  /** What to do, for the assistant. */
  action: Action;
}

/** What the assistant can do. */
export type Action = { kind: 'invite'; email: string; displayName: string } | { kind: 'rename'; displayName: string };

/** One conversation. */
export interface Conversation {
  readonly sessionId: string;
  /** Who is named as its owner. */
  readonly ownerId: string;
  /** Who may read it and finds it listed: its owner, except where a test wants it otherwise. */
  readonly readerId: string;
  /** Counts up, so that a list can be in order even within one millisecond. */
  readonly serial: number;
  title: string;
  readonly messages: Message[];
  readonly createdAt: Date;
  /** Plans that wait for a decision, by id. */
  readonly plans: Map<string, Plan>;
}

/** All conversations, oldest first. */
export class Conversations {
  readonly #conversations = new Map<string, Conversation>();
  #serial = 0;

  /** Begins a conversation. It is not kept before `keep`. */
  begin(readerId: string, ownerId = readerId): Conversation {
    this.#serial += 1;
    return {
      sessionId: `conversation-${randomUUID()}`,
      ownerId,
      readerId,
      serial: this.#serial,
      title: '',
      messages: [],
      createdAt: new Date(),
      plans: new Map(),
    };
  }

  /** Makes sure that a conversation is found from now on. */
  keep(conversation: Conversation): void {
    this.#conversations.set(conversation.sessionId, conversation);
    const [oldest] = this.#conversations.keys();
    if (this.#conversations.size > maxConversations && oldest !== undefined) this.#conversations.delete(oldest);
  }

  /** A conversation, if this user may read it. */
  find(sessionId: string, userId: string): Conversation | undefined {
    const conversation = this.#conversations.get(sessionId);
    return conversation?.readerId === userId ? conversation : undefined;
  }

  /** What a user may read, newest first. */
  listFor(userId: string): Conversation[] {
    return [...this.#conversations.values()].filter(({ readerId }) => readerId === userId).toReversed();
  }
}

/** Adds something said; the first of it becomes the title. */
export function say(conversation: Conversation, role: Role, text: string): void {
  conversation.messages.push({ role, text, createdAt: new Date() });
  conversation.title ||= text.length > maxTitleLength ? `${text.slice(0, maxTitleLength - 1).trimEnd()}…` : text;
}
