import type { GraphQLEnumType } from 'graphql';

/** `IN_PROGRESS` as `InProgress`. */
function toPascalCase(name: string): string {
  return name.toLowerCase().replace(/(^|_)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
}

/** How the values of an enum are written: in PascalCase, by their names in GraphQL. */
export function pascalCaseNames(type: GraphQLEnumType): ReadonlyMap<string, string> {
  return new Map(type.getValues().map(({ name }) => [name, toPascalCase(name)]));
}

/** How the values of an enum are read: their names in GraphQL, by these and by PascalCase. */
export function namesFromPascalCase(type: GraphQLEnumType): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { name } of type.getValues()) {
    // Of two that are alike in PascalCase the first counts.
    for (const text of [name, toPascalCase(name)]) if (!names.has(text)) names.set(text, name);
  }
  return names;
}
