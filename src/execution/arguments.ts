import {
  getArgumentValues,
  isNonNullType,
  Kind,
  valueFromAST,
  type FieldNode,
  type GraphQLArgument,
  type GraphQLField,
  type ValueNode,
} from 'graphql';
import type { Variables } from './run';

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
 * The arguments of a field: constants are coerced once, variables are coerced already. Whatever else there is, and whatever
 * is wrong, is left to graphql-js, call by call.
 */
export class Arguments {
  private constructor(
    private readonly definition: GraphQLField<unknown, unknown>,
    private readonly node: FieldNode,
    /** Undefined where all is left to graphql-js. */
    private readonly parts: readonly Part[] | undefined,
  ) {}

  /** @returns undefined for a field that takes no arguments */
  static of(definition: GraphQLField<unknown, unknown>, node: FieldNode): Arguments | undefined {
    if (definition.args.length === 0) return undefined;
    const parts = definition.args.map((argument) =>
      partOf(argument, node.arguments?.find(({ name }) => name.value === argument.name)?.value),
    );
    const isPlain = parts.every((part) => part !== undefined);
    return new Arguments(definition, node, isPlain ? parts.filter(isGiven) : undefined);
  }

  /**
   * The values for one call: a new object, which the resolver may keep or change.
   *
   * @throws GraphQLError
   */
  values(variables: Variables): Record<string, unknown> {
    if (!this.parts) return this.coerced(variables);
    const values: Record<string, unknown> = {};
    for (const { name, variable, constant, isRequired } of this.parts) {
      const hasValue = variable !== undefined && Object.hasOwn(variables, variable);
      const value = hasValue ? variables[variable] : constant;
      if (value === undefined ? hasValue || isRequired : value === null && isRequired) return this.coerced(variables);
      if (value !== undefined) values[name] = value;
    }
    return values;
  }

  private coerced(variables: Variables): Record<string, unknown> {
    return getArgumentValues(this.definition, this.node, variables);
  }
}

function isGiven({ variable, constant }: Part): boolean {
  return variable !== undefined || constant !== undefined;
}

/** Undefined for an argument that must be coerced for every call: an object in the document must not be shared by calls. */
function partOf({ name, type, defaultValue }: GraphQLArgument, value: ValueNode | undefined): Part | undefined {
  const isRequired = isNonNullType(type);
  if (value?.kind === Kind.VARIABLE) return { name, variable: value.name.value, constant: defaultValue, isRequired };
  const constant = value ? valueFromAST(value, type) : defaultValue;
  if (constant === undefined) return value || isRequired ? undefined : { name, constant, isRequired };
  return value && typeof constant === 'object' && constant !== null ? undefined : { name, constant, isRequired };
}
