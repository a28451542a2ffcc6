import {
  getNullableType,
  getVariableValues,
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLString,
  isInputType,
  isNonNullType,
  typeFromAST,
  valueFromAST,
  type GraphQLError,
  type GraphQLSchema,
  type GraphQLType,
  type NamedTypeNode,
  type VariableDefinitionNode,
} from 'graphql';
import type { Variables } from './run';

/** The coerced variables of a request, or what is wrong with them. */
export type CoercedVariables =
  | { readonly values: Variables; readonly errors?: undefined }
  | { readonly values?: undefined; readonly errors: readonly GraphQLError[] };

/** The limit of graphql-js for the errors of one request. */
const maxErrors = 50;

/** True for input that a type takes without coercion. */
type Takes = (input: unknown) => boolean;

const isText: Takes = (input) => typeof input === 'string';

/** Scalars of which most input needs no coercion. */
const plain = new Map<unknown, Takes>([
  [GraphQLString, isText],
  [GraphQLID, isText],
  [GraphQLBoolean, (input) => typeof input === 'boolean'],
  // The bitwise operator gives back what fits 32 bits, and something else for what does not.
  [GraphQLInt, (input) => typeof input === 'number' && (input | 0) === input],
  [GraphQLFloat, (input) => Number.isFinite(input)],
]);

/** A variable whose values mostly need no coercion. */
interface PlainVariable {
  readonly name: string;
  readonly takes: Takes;
  readonly isRequired: boolean;
  /** Undefined for a variable without a default. */
  readonly otherwise: unknown;
}

/** The variables of an operation. Where one is not plain, or a value is wrong, graphql-js coerces all of them. */
export class VariableDefinitions {
  /** Undefined where one is not plain. */
  private readonly variables: readonly PlainVariable[] | undefined;

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly nodes: readonly VariableDefinitionNode[],
  ) {
    const variables = nodes.map((node) => plainVariable(schema, node));
    this.variables = variables.every((variable) => variable !== undefined) ? variables : undefined;
  }

  /** @param inputs - As the client sent them. */
  coerce(inputs: Readonly<Record<string, unknown>> | null | undefined): CoercedVariables {
    if (!this.variables) return this.coerceAny(inputs);
    const values: Record<string, unknown> = {};
    for (const { name, takes, isRequired, otherwise } of this.variables) {
      if (inputs && Object.hasOwn(inputs, name)) {
        const input = inputs[name];
        if (!takes(input) && (input !== null || isRequired)) return this.coerceAny(inputs);
        values[name] = input;
      } else if (otherwise !== undefined) {
        values[name] = otherwise;
      } else if (isRequired) return this.coerceAny(inputs);
    }
    return { values };
  }

  private coerceAny(inputs: Readonly<Record<string, unknown>> | null | undefined): CoercedVariables {
    const { coerced: values, errors } = getVariableValues(this.schema, this.nodes, inputs ?? {}, { maxErrors });
    return values ? { values } : { errors: errors ?? [] };
  }
}

/** Undefined for a variable of another type. */
function plainVariable(
  schema: GraphQLSchema,
  { type: node, variable, defaultValue }: VariableDefinitionNode,
): PlainVariable | undefined {
  const type = typeFromAST(schema, node as NamedTypeNode) as GraphQLType | undefined;
  const takes = isInputType(type) ? plain.get(getNullableType(type)) : undefined;
  const name = variable.name.value;
  if (!takes || !isInputType(type) || name === '__proto__') return undefined;
  const otherwise = defaultValue && valueFromAST(defaultValue, type);
  if (defaultValue && otherwise === undefined) return undefined;
  return { name, takes, isRequired: isNonNullType(type), otherwise };
}
