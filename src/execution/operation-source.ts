import type { FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode } from 'graphql';

/** An operation as it was written, with what it refers to. */
export interface OperationSource {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  /** By name. */
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
}
