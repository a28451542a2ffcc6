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

/** Variables of a request, coerced; or what is wrong with them. */
export type CoercedVariables =
  | { readonly values: Variables; readonly errors?: undefined }
  | { readonly values?: undefined; readonly errors: readonly GraphQLError[] };

/** As many errors as graphql-js tells of one request. */
const maxErrors = 50;

/** True for input that a type takes as it is. */
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

interface Plan {
  readonly name: string;
  readonly takes: Takes;
  readonly isRequired: boolean;
  /** Undefined for a variable without a default. */
  readonly otherwise: unknown;
}

/** The variables of an operation. What is not plain, or wrong, is left to graphql-js, all of it. */
export class VariableDefinitions {
  /** Undefined where all is left to graphql-js. */
  private readonly plans: readonly Plan[] | undefined;

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly nodes: readonly VariableDefinitionNode[],
  ) {
    const plans = nodes.map((node) => planOf(schema, node));
    this.plans = plans.every((plan) => plan !== undefined) ? plans : undefined;
  }

  /** @param inputs - As the client sent them. */
  coerce(inputs: Readonly<Record<string, unknown>> | null | undefined): CoercedVariables {
    if (!this.plans) return this.coerceAny(inputs);
    const values: Record<string, unknown> = {};
    for (const { name, takes, isRequired, otherwise } of this.plans) {
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

/** Undefined for a variable of any but a plain type. */
function planOf(
  schema: GraphQLSchema,
  { type: node, variable, defaultValue }: VariableDefinitionNode,
): Plan | undefined {
  const type = typeFromAST(schema, node as NamedTypeNode) as GraphQLType | undefined;
  const takes = isInputType(type) ? plain.get(getNullableType(type)) : undefined;
  const name = variable.name.value;
  if (!takes || !isInputType(type) || name === '__proto__') return undefined;
  const otherwise = defaultValue && valueFromAST(defaultValue, type);
  if (defaultValue && otherwise === undefined) return undefined;
  return { name, takes, isRequired: isNonNullType(type), otherwise };
}
