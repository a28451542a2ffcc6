/** Development only. Who can sign in at the development identity provider; there are no passwords. */

/** Somebody with an account. */
export interface Account {
  email: string;
  name: string;
}

/** The users that AuthService begins with, and Sam, who has an account here but is no user of the platform. */
export const developmentAccounts: readonly Account[] = [
  'Ada Admin',
  'Mel Member',
  'Max Member',
  'Bo Builder',
  'Cleo Carter',
  'Dina Drummond',
  'Emil Eriksen',
  'Faye Fontaine',
  'Ina Inactive',
  'Ivy Invited',
  'Sam Stranger',
].map((name) => ({ name, email: `${name.toLowerCase().replace(' ', '.')}@example.com` }));
