import type { GraphQLEnumType } from 'graphql';

/** How a route writes the values of an enum, by the argument of `@enumCase`. */
export const enumCases = {
  PASCAL: { label: 'PascalCase', write: (words: readonly string[]) => words.map(capitalized).join('') },
  CAMEL: {
    label: 'camelCase',
    write: (words: readonly string[]) => words.map((word, index) => (index === 0 ? word : capitalized(word))).join(''),
  },
  SNAKE: { label: 'snake_case', write: (words: readonly string[]) => words.join('_') },
  KEBAB: { label: 'kebab-case', write: (words: readonly string[]) => words.join('-') },
} as const;

export type EnumCase = keyof typeof enumCases;

/** A name of GraphQL, such as `IN_PROGRESS`, in another case; as it is where no case is given. */
function inCase(name: string, enumCase: EnumCase | undefined): string {
  if (!enumCase) return name;
  const words = name
    .toLowerCase()
    .split('_')
    .filter((word) => word !== '');
  return enumCases[enumCase].write(words);
}

function capitalized(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

/** How the values of an enum are written, by their names in GraphQL. */
export function writtenNames(type: GraphQLEnumType, enumCase: EnumCase | undefined): ReadonlyMap<string, string> {
  return new Map(type.getValues().map(({ name }) => [name, inCase(name, enumCase)]));
}

/** How the values of an enum are read: their names in GraphQL, by these and by how they are written. */
export function readNames(type: GraphQLEnumType, enumCase: EnumCase | undefined): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { name } of type.getValues()) {
    // Of two that are written alike the first counts.
    for (const text of [name, inCase(name, enumCase)]) if (!names.has(text)) names.set(text, name);
  }
  return names;
}
