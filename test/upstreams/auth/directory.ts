/** Development only. The users of the development AuthService, in memory, and what their roles let them do. */
import { randomUUID } from 'node:crypto';

/** As auth.v1.UserStatus. */
export type UserStatus = 'USER_STATUS_ACTIVE' | 'USER_STATUS_INACTIVE' | 'USER_STATUS_INVITED';

/** A person who may, could or will be able to sign in. */
export interface UserRecord {
  readonly userId: string;
  email: string;
  displayName: string;
  status: UserStatus;
  roles: string[];
  readonly createdAt: Date;
  updatedAt: Date;
  lastLoginAt: Date | null;
}

/** The fields of a user that can be changed. */
export type UserChange = Partial<Pick<UserRecord, 'email' | 'displayName' | 'status' | 'roles' | 'lastLoginAt'>>;

const permissionsOfRole: Readonly<Record<string, readonly string[]>> = {
  admin: ['admin:user:list', 'admin:user:invite', 'admin:user:edit', 'admin:user:view_permissions', 'ai:query'],
  member: ['ai:query'],
};

/** The names of all roles. */
export const roleNames: readonly string[] = Object.keys(permissionsOfRole);

/** Everyone who is there from the start: `user-ada` is the admin, `user-mel` the member whose token is printed. */
const firstUsers: readonly Pick<UserRecord, 'userId' | 'email' | 'displayName' | 'status' | 'roles'>[] = [
  person('Ada Admin', 'admin'),
  person('Mel Member', 'member'),
  person('Max Member', 'member'),
  person('Bo Builder', 'member'),
  person('Cleo Carter', 'member'),
  person('Dina Drummond', 'member'),
  person('Emil Eriksen', 'member'),
  person('Faye Fontaine', 'member'),
  person('Ina Inactive', 'member', 'USER_STATUS_INACTIVE'),
  person('Ivy Invited', 'member', 'USER_STATUS_INVITED'),
];

function person(displayName: string, role: string, status: UserStatus = 'USER_STATUS_ACTIVE') {
  const [first = '', last = ''] = displayName.toLowerCase().split(' ');
  return { userId: `user-${first}`, email: `${first}.${last}@example.com`, displayName, status, roles: [role] };
}

/** All users, by id and by e-mail address. */
export class Directory {
  readonly #users = new Map<string, UserRecord>();

  constructor() {
    const createdAt = new Date('2024-01-15T09:00:00.000Z');
    for (const user of firstUsers) {
      this.#users.set(user.userId, { ...user, createdAt, updatedAt: createdAt, lastLoginAt: null });
    }
  }

  /** The user with an id. */
  byId(userId: string): UserRecord | undefined {
    return this.#users.get(userId);
  }

  /** The user with an e-mail address, in whatever case it is written. */
  byEmail(email: string): UserRecord | undefined {
    const wanted = email.toLowerCase();
    return this.all().find((user) => user.email === wanted);
  }

  /** Everyone, ordered by e-mail address. */
  all(): UserRecord[] {
    return [...this.#users.values()].sort((a, b) => (a.email < b.email ? -1 : 1));
  }

  /** Adds a user under a new id. The caller makes sure that the address is free. */
  add(user: Pick<UserRecord, 'email' | 'displayName' | 'status' | 'roles'>): UserRecord {
    const now = new Date();
    const record = { ...user, userId: `user-${randomUUID()}`, createdAt: now, updatedAt: now, lastLoginAt: null };
    this.#users.set(record.userId, record);
    return record;
  }

  /** Changes a user and notes when. */
  change(user: UserRecord, change: UserChange): void {
    Object.assign(user, change, { updatedAt: new Date() });
  }
}

/** What the roles of a user amount to, sorted. Nobody but an active user may do anything. */
export function permissionsOf(user: UserRecord): string[] {
  if (user.status !== 'USER_STATUS_ACTIVE') return [];
  return [...new Set(user.roles.flatMap((role) => permissionsOfRole[role] ?? []))].sort();
}
