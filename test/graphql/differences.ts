import { variant, type Variant } from '../variant';

/** In what the GraphQL servers differ: the rows of the table in docs/decisions/graphql-door.md, which a test holds against these. */
export const differences = [
  'HEAD of an event stream',
  'request duration',
  'validation errors',
  'type of metrics',
] as const;

export type Difference = (typeof differences)[number];

/** What is right for the GraphQL server of this run. */
export function byServer<T>(_difference: Difference, expected: Readonly<Record<Variant['graphqlServer'], T>>): T {
  return expected[variant.graphqlServer];
}
