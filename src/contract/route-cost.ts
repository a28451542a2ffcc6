import {
  GraphQLBoolean,
  getNullableType,
  Kind,
  parse,
  typeFromAST,
  valueFromAST,
  type GraphQLInputType,
  type GraphQLSchema,
  type NamedTypeNode,
} from 'graphql';
import { fragmentsOf } from '../execution/compiled-operation';
import { compileCost } from '../pipeline/operation-cost';

/** What an operation costs, by the values of its variables. */
export interface CostRange {
  /** With the defaults of its variables. */
  readonly usual: number;
  /** At most; null where nothing bounds it. */
  readonly most: number | null;
}

/** The largest value of a slicing argument. */
const largest = 2 ** 31 - 1;

/** @param query - A valid document with one operation. */
export function costRangeOf(schema: GraphQLSchema, query: string): CostRange {
  const document = parse(query);
  const operation = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
  if (!operation) throw new Error('the document has no operation');
  const source = { schema, operation, fragments: fragmentsOf(document) };
  const costs = [true, false].map((condition) => {
    const conditions: Record<string, unknown> = {};
    const presets: Record<string, unknown> = {};
    const most: Record<string, unknown> = {};
    for (const { variable, type: node, defaultValue } of operation.variableDefinitions ?? []) {
      const name = variable.name.value;
      const type = typeFromAST(schema, node as NamedTypeNode) as GraphQLInputType | undefined;
      if (type && getNullableType(type) === GraphQLBoolean) conditions[name] = condition;
      const preset = defaultValue && type ? valueFromAST(defaultValue, type) : undefined;
      if (preset !== undefined) presets[name] = preset;
      most[name] = largest;
    }
    const cost = compileCost(source, conditions);
    return { usual: cost.of(presets), most: cost.of(most) };
  });
  const most = Math.max(...costs.map((cost) => cost.most));
  return {
    usual: Math.max(...costs.map((cost) => cost.usual)),
    most: most >= largest ? null : most,
  };
}
