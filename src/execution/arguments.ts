import {
  isNonNullType,
  Kind,
  valueFromAST,
  type FieldNode,
  type GraphQLArgument,
  type GraphQLField,
  type ValueNode,
} from 'graphql';
import { getArgumentValues } from 'graphql/execution/values';
import type { Variables } from './run';

/** Coerced arguments of a field: a new object for each call, which the resolver may keep or change. */
export type ArgumentValues = (variables: Variables) => Record<string, unknown>;

/** One argument whose value is found without coercing anything. */
interface Part {
  readonly name: string;
  /** Left out for a constant. */
  readonly variable?: string;
  /** The value of a constant; for a variable that has none, the argument's default. Undefined for none. */
  readonly constant: unknown;
  readonly isRequired: boolean;
}

/**
 * Compiles the arguments of a field: constants are coerced once, variables are coerced already. Whatever else there is, and
 * whatever is wrong, is left to graphql-js, call by call.
 *
 * @returns undefined for a field that takes no arguments; the function throws GraphQLError
 */
export function compileArguments(
  definition: GraphQLField<unknown, unknown>,
  node: FieldNode,
): ArgumentValues | undefined {
  if (definition.args.length === 0) return undefined;
  const coerced: ArgumentValues = (variables) => getArgumentValues(definition, node, variables);
  const given = new Map(node.arguments?.map(({ name, value }) => [name.value, value]));
  const parts: Part[] = [];
  for (const argument of definition.args) {
    const part = partOf(argument, given.get(argument.name));
    if (!part) return coerced;
    if (part.variable !== undefined || part.constant !== undefined) parts.push(part);
  }
  return (variables) => {
    const values: Record<string, unknown> = {};
    for (const { name, variable, constant, isRequired } of parts) {
      const isGiven = variable !== undefined && Object.hasOwn(variables, variable);
      const value = isGiven ? variables[variable] : constant;
      if (value === undefined ? isGiven || isRequired : value === null && isRequired) return coerced(variables);
      if (value !== undefined) values[name] = value;
    }
    return values;
  };
}

/** Undefined for an argument that must be coerced for every call: an object in the document must not be shared by calls. */
function partOf({ name, type, defaultValue }: GraphQLArgument, value: ValueNode | undefined): Part | undefined {
  const isRequired = isNonNullType(type);
  if (value?.kind === Kind.VARIABLE) return { name, variable: value.name.value, constant: defaultValue, isRequired };
  const constant = value ? valueFromAST(value, type) : defaultValue;
  if (constant === undefined) return value || isRequired ? undefined : { name, constant, isRequired };
  return value && typeof constant === 'object' && constant !== null ? undefined : { name, constant, isRequired };
}
