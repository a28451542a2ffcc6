/** Development only. Reads and checks what UpdateUser is asked to change. */
import { invalidArgument, type FieldViolation } from '../rpc-error';
import { roleNames, type UserChange, type UserRecord, type UserStatus } from './directory';

const maxDisplayNameLength = 100;

/** As auth.v1.User in a request. */
export interface UserInput {
  userId: string;
  email: string;
  displayName: string;
  status: string;
  roles: string[];
}

/** A value that is fine, or what is wrong with it. */
type Checked<T> = { value: T } | { wrong: string };

type Reader = (input: UserInput, current: UserRecord) => Checked<UserChange>;

const readers: Readonly<Record<string, Reader>> = {
  display_name: (input) => asChange('displayName', checkDisplayName(input.displayName)),
  email: (input) => asChange('email', checkEmail(input.email)),
  roles: (input) => asChange('roles', checkRoles(input.roles)),
  status: (input, current) => asChange('status', checkStatus(input.status, current.status)),
};

/** The fields that the mask may name. */
const changeableFields: readonly string[] = Object.keys(readers);

/** Refuses a mask that is empty or names a field that cannot be changed. */
export function checkMask(paths: readonly string[]): void {
  const known = changeableFields.join(', ');
  if (paths.length === 0) throw invalidArgument({ field: 'update_mask', description: `must name some of ${known}` });
  const unknown = paths.filter((path) => !Object.hasOwn(readers, path));
  const describe = (path: string) => ({ field: 'update_mask', description: `${path} is none of ${known}` });
  if (unknown.length > 0) throw invalidArgument(...unknown.map(describe));
}

/** The change that a checked mask and the new values amount to. INVALID_ARGUMENT names every value that is wrong. */
export function readChange(paths: readonly string[], input: UserInput, current: UserRecord): UserChange {
  const change: UserChange = {};
  const violations: FieldViolation[] = [];
  for (const path of new Set(paths)) {
    const result = readers[path]?.(input, current);
    if (!result) continue;
    if ('wrong' in result) violations.push({ field: `user.${path}`, description: result.wrong });
    else Object.assign(change, result.value);
  }
  if (violations.length > 0) throw invalidArgument(...violations);
  return change;
}

/** A name to call somebody by, without space around it. */
export function checkDisplayName(displayName: string): Checked<string> {
  const value = displayName.trim();
  if (value === '') return { wrong: 'must not be empty' };
  if (value.length > maxDisplayNameLength) return { wrong: `must have at most ${maxDisplayNameLength} characters` };
  return { value };
}

/** An e-mail address in lower case. Only its shape is checked; that it exists, only a message to it can show. */
export function checkEmail(email: string): Checked<string> {
  const value = email.trim().toLowerCase();
  const fine = value.length <= 254 && /^[^\s@<>"]+@[^\s@<>".]+(\.[^\s@<>".]+)+$/.test(value);
  return fine ? { value } : { wrong: 'must be an e-mail address such as name@example.com' };
}

/** Roles that exist, each once. */
export function checkRoles(roles: readonly string[]): Checked<string[]> {
  const unknown = roles.filter((role) => !roleNames.includes(role));
  if (unknown.length > 0) return { wrong: `${unknown.join(', ')}: none of ${roleNames.join(', ')}` };
  return { value: [...new Set(roles)] };
}

function checkStatus(wanted: string, current: UserStatus): Checked<UserStatus> {
  if (wanted === 'USER_STATUS_ACTIVE' || wanted === 'USER_STATUS_INACTIVE') return { value: wanted };
  // Once somebody has signed in, there is no way back to being invited.
  if (wanted === 'USER_STATUS_INVITED' && current === wanted) return { value: wanted };
  return { wrong: 'must be USER_STATUS_ACTIVE or USER_STATUS_INACTIVE' };
}

function asChange<K extends keyof UserChange>(
  key: K,
  checked: Checked<NonNullable<UserChange[K]>>,
): Checked<UserChange> {
  return 'wrong' in checked ? checked : { value: { [key]: checked.value } };
}
