import { makeExecutableSchema } from '@graphql-tools/schema';
import {
  isAbstractType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  printSchema,
  type GraphQLSchema,
} from 'graphql';

type Resolvers = NonNullable<Parameters<typeof makeExecutableSchema>[0]['resolvers']>;

/**
 * A compiled schema as `makeExecutableSchema` makes one of its SDL and its resolvers, so that what builds on
 * @graphql-tools/schema finds what it expects.
 */
export function toExecutableSchema(schema: GraphQLSchema): GraphQLSchema {
  const resolvers: Record<string, unknown> = {};
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (isObjectType(type)) {
      const fields = Object.values(type.getFields()).map(({ name, resolve, subscribe, extensions }) => [
        name,
        // Rules of access and deadlines are extensions of their fields.
        { ...(resolve ? { resolve } : {}), ...(subscribe ? { subscribe } : {}), extensions },
      ]);
      resolvers[type.name] = {
        ...Object.fromEntries(fields),
        ...(type.isTypeOf ? { __isTypeOf: type.isTypeOf } : {}),
      };
    } else if (isAbstractType(type)) {
      if (type.resolveType) resolvers[type.name] = { __resolveType: type.resolveType };
    } else if (isScalarType(type) && !isSpecifiedScalarType(type)) {
      resolvers[type.name] = type;
    }
  }
  return makeExecutableSchema({ typeDefs: printSchema(schema), resolvers: resolvers as Resolvers });
}
