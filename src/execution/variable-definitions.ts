import {
  coerceInputValue,
  getNullableType,
  GraphQLBoolean,
  GraphQLError,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLString,
  isInputType,
  isNonNullType,
  print,
  typeFromAST,
  valueFromAST,
  type GraphQLSchema,
  type GraphQLType,
  type NamedTypeNode,
  type VariableDefinitionNode,
} from 'graphql';
import type { FieldViolation } from '../errors';
import type { Variables } from './run';
import { shortText, shortValue } from './short-value';

/** The coerced variables of a request, or what is wrong with them. */
export type CoercedVariables =
  | { readonly values: Variables; readonly errors?: undefined }
  | { readonly values?: undefined; readonly errors: readonly GraphQLError[] };

/** How many errors of its variables a request is told. Coercion stops there. */
const maxErrors = 5;
/** Characters of what is wrong with one value: it may repeat the value. */
const longestReason = 200;

/** Ends the coercion of a request's variables. */
class TooManyErrors extends Error {}

/** Notes what is wrong with a variable, or with what is at `field` in it. */
type Fail = (
  node: VariableDefinitionNode,
  message: string,
  violation: FieldViolation & { readonly cause?: Error },
) => void;

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
    const errors: GraphQLError[] = [];
    const fail: Fail = (node, message, { field, description, cause }) => {
      const fieldViolations: FieldViolation[] = [{ field, description }];
      const options = { nodes: node, originalError: cause ?? null, extensions: { fieldViolations } };
      errors.push(new GraphQLError(message, options));
      if (errors.length >= maxErrors) throw new TooManyErrors();
    };
    const values: Record<string, unknown> = {};
    try {
      for (const node of this.nodes) this.coerceOne(node, inputs ?? {}, values, fail);
    } catch (error) {
      if (!(error instanceof TooManyErrors)) throw error;
    }
    return errors.length === 0 ? { values } : { errors };
  }

  /** As graphql-js coerces a variable (spec 6.1.2), and in its words, but for what they repeat of the value. */
  private coerceOne(
    node: VariableDefinitionNode,
    inputs: Readonly<Record<string, unknown>>,
    values: Record<string, unknown>,
    fail: Fail,
  ): void {
    const name = node.variable.name.value;
    const field = shortText(name);
    const type = typeFromAST(this.schema, node.type as NamedTypeNode) as GraphQLType | undefined;
    if (!isInputType(type)) {
      const written = print(node.type);
      const message = `Variable "$${name}" expected value of type "${written}" which cannot be used as an input type.`;
      fail(node, message, { field, description: 'has a type that is not for input' });
      return;
    }
    if (!Object.hasOwn(inputs, name)) {
      if (node.defaultValue) values[name] = valueFromAST(node.defaultValue, type);
      else if (isNonNullType(type)) {
        const message = `Variable "$${name}" of required type "${String(type)}" was not provided.`;
        fail(node, message, { field, description: 'is required' });
      }
      return;
    }
    const input = inputs[name];
    if (input === null && isNonNullType(type)) {
      const message = `Variable "$${name}" of non-null type "${String(type)}" must not be null.`;
      fail(node, message, { field, description: 'must not be null' });
      return;
    }
    /** The errors of an object's unknown keys all repeat the object, which takes time where it is large. */
    let last: { readonly value: unknown; readonly text: string } | undefined;
    const onError = (path: readonly (string | number)[], value: unknown, error: GraphQLError): void => {
      if (!last || last.value !== value) last = { value, text: shortValue(value) };
      const within = pathText(path);
      const at = path.length === 0 ? '' : ` at "${name}${within}"`;
      const description = shortText(error.message, longestReason);
      const message = `Variable "$${name}" got invalid value ${last.text}${at}; ${description}`;
      fail(node, message, { field: `${field}${within}`, description, cause: error });
    };
    try {
      values[name] = coerceInputValue(input, type, onError);
    } catch (error) {
      // graphql-js recurses, and an input type that holds itself lets clients nest as deep as a body is long.
      if (!(error instanceof RangeError)) throw error;
      const description = 'is nested too deeply';
      fail(node, `Variable "$${name}" ${description}.`, { field, description });
    }
  }
}

/** As graphql-js writes it. */
function pathText(path: readonly (string | number)[]): string {
  return shortText(path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${shortText(key)}`)).join(''), 300);
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
