import {
  isAbstractType,
  isObjectType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';

/** The object types of a schema, without those of introspection. */
export function objectTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  return Object.values(schema.getTypeMap()).filter(
    (type): type is GraphQLObjectType => isObjectType(type) && !type.name.startsWith('__'),
  );
}

/** The object types that a value of a type may have: none for leaves and inputs. */
export function objectTypesOf(schema: GraphQLSchema, type: GraphQLNamedType | undefined): readonly GraphQLObjectType[] {
  if (isAbstractType(type)) return schema.getPossibleTypes(type);
  return isObjectType(type) ? [type] : [];
}

/** True for Query, Mutation and Subscription. */
export function isRootType(schema: GraphQLSchema, type: GraphQLObjectType): boolean {
  return type === schema.getQueryType() || type === schema.getMutationType() || type === schema.getSubscriptionType();
}

/** True for a type that has the shape of a connection. */
export function isConnection(type: unknown): type is GraphQLObjectType {
  return (
    isObjectType(type) &&
    type.name.endsWith('Connection') &&
    ('edges' in type.getFields() || 'nodes' in type.getFields())
  );
}
