import { specifiedScalarTypes } from 'graphql';
import { gatewaySdl } from '../schema/directives';

/** Type names that are taken in every schema. */
const reservedTypes: readonly string[] = [
  'Query',
  'Mutation',
  'Subscription',
  ...specifiedScalarTypes.map(({ name }) => name),
  ...[...gatewaySdl.matchAll(/^ {2}(?:scalar|type|input|enum) (\w+)/gm)].map((match) => match[1] ?? ''),
];

/** The last word of a package that is not its version: `users` of `acme.users.v1`. */
export function packageWord(fullName: string): string {
  const parts = fullName.split('.').slice(0, -1);
  return parts.findLast((part) => /^[a-z]/.test(part) && !/^v\d/.test(part)) ?? '';
}

/** The words of a name in any case: `BatchGetIAMPolicies` is batch, get, iam, policies. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3_$2')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
}

/** The name of a service without the word Service or API: `Library` of `LibraryService`. */
export function serviceWord(fullName: string): string {
  const name = fullName.slice(fullName.lastIndexOf('.') + 1);
  return name.replace(/(?:GRPC|Grpc)?(?:Service|API|Api)?$/, '') || packageWord(fullName) || name;
}

/** The name of the upstream that a service becomes: `user-admin` for `acme.v1.UserAdminService`. */
export function upstreamName(fullName: string): string {
  const name = wordsOf(serviceWord(fullName)).join('-').toLowerCase();
  return /^[a-z]/.test(name) ? name : `upstream-${name}`;
}

/** `UserAdmin` for `user-admin`, `user_admin` and `userAdmin`. Capitals stay. */
export function pascalCase(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

/** `getUser` for `GetUser`, `iamPolicy` for `IAMPolicy`. */
export function lowerCamelCase(name: string): string {
  return pascalCase(name).replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (start) => start.toLowerCase());
}

/** `batch_get_iam_policies` for `BatchGetIAMPolicies`. */
export function snakeCase(name: string): string {
  return wordsOf(name).join('_').toLowerCase();
}

/** Possible singulars of a plural, the likeliest first: `user_id` for `user_ids`. */
export function singulars(name: string): string[] {
  const endings = [
    [/ies$/, 'y'],
    [/(?<=s|x|z|ch|sh)es$/, ''],
    [/s$/, ''],
  ] as const;
  return [...endings.flatMap(([plural, one]) => (plural.test(name) ? [name.replace(plural, one)] : [])), name];
}

/** True for a valid GraphQL name that is not reserved. */
export function isName(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !name.startsWith('__');
}

/** The nearest valid GraphQL name. */
export function asName(name: string): string {
  const plain = name.replace(/\W+/g, '_').replace(/^_+(?=.)/, '');
  return /^[A-Za-z]/.test(plain) ? plain : `_${plain.replace(/^_+/, '')}`;
}

/** Names that are taken, each with what has taken it. */
export class NameScope {
  private readonly takenBy: Map<string, string>;

  constructor(taken: Iterable<readonly [name: string, by: string]> = []) {
    this.takenBy = new Map(taken);
  }

  /** What has taken a name; undefined where it is free. */
  owner(name: string): string | undefined {
    return this.takenBy.get(name);
  }

  /**
   * Takes the first of the candidates that is free, else the last of them with a number behind.
   *
   * @param suffix - The end of the name, behind any number.
   */
  take(candidates: readonly string[], by: string, suffix = ''): string {
    const last = candidates.at(-1) ?? '';
    let name = candidates.map((each) => each + suffix).find((each) => isName(each) && !this.takenBy.has(each));
    for (let number = 2; name === undefined; number++) {
      const next = `${asName(last)}${number}${suffix}`;
      if (!this.takenBy.has(next)) name = next;
    }
    this.takenBy.set(name, by);
    return name;
  }
}

/** The scope of type names. Those that every schema has are taken. */
export function typeScope(taken: Iterable<readonly [name: string, by: string]>): NameScope {
  return new NameScope([...reservedTypes.map((name) => [name, 'GraphQL or the gateway'] as const), ...taken]);
}
