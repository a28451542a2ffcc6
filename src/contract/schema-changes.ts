import { BreakingChangeType, findBreakingChanges, type GraphQLSchema } from 'graphql';

/** A breaking change of the schema that clients see. */
export interface SchemaChange {
  /** One sentence. */
  readonly message: string;
  /** The coordinate of the older schema that it breaks; a type stands for everything in it. */
  readonly coordinate: string;
}

/** How the coordinate is found in the descriptions of graphql-js. */
const subjects: readonly (readonly [types: readonly BreakingChangeType[], pattern: RegExp, coordinate: string])[] = [
  [[BreakingChangeType.ARG_REMOVED], /^(\S+) arg (\S+) was removed/, '$1($2:)'],
  [[BreakingChangeType.ARG_CHANGED_KIND], /^(\S+) arg (\S+) has changed type/, '$1($2:)'],
  [[BreakingChangeType.REQUIRED_ARG_ADDED], /^A required arg \S+ on (\S+) was added/, '$1'],
  [[BreakingChangeType.REQUIRED_INPUT_FIELD_ADDED], /^A required field \S+ on input type (\S+) was added/, '$1'],
  [[BreakingChangeType.VALUE_REMOVED_FROM_ENUM], /^(\S+) was removed from enum type (\S+)\.$/, '$2.$1'],
  [[BreakingChangeType.TYPE_REMOVED_FROM_UNION], /^(\S+) was removed from union type (\S+)\.$/, '$1'],
  // The others begin with it.
  [Object.values(BreakingChangeType), /^(\S+) /, '$1'],
];

/** The changes that break clients made for the older schema. */
export function schemaChanges(before: GraphQLSchema, after: GraphQLSchema): SchemaChange[] {
  return findBreakingChanges(before, after)
    .filter(({ description }) => !description.startsWith('Standard scalar '))
    .map(({ type, description }) => {
      const message = description.replace(/\.$/, '');
      for (const [types, pattern, coordinate] of subjects) {
        const match = types.includes(type) ? pattern.exec(description) : null;
        if (match) return { message, coordinate: match[0].replace(pattern, coordinate) };
      }
      return { message, coordinate: '' };
    });
}
