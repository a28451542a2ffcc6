import {
  astFromValue,
  isListType,
  isNonNullType,
  isScalarType,
  valueFromASTUntyped,
  type GraphQLEnumType,
  type GraphQLInputType,
  type GraphQLLeafType,
  type GraphQLType,
} from 'graphql';
import { writtenNames, type EnumCase } from '../enum-case';

/** A schema of JSON Schema 2020-12, which OpenAPI 3.1 has. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Scalars as they are in JSON. */
const scalars: Readonly<Record<string, JsonSchema>> = {
  Int: { type: 'integer', format: 'int32' },
  Float: { type: 'number', format: 'double' },
  Boolean: { type: 'boolean' },
  String: { type: 'string' },
  ID: { type: 'string' },
  DateTime: { type: 'string', format: 'date-time' },
  Duration: { type: 'string', pattern: '^-?\\d+(\\.\\d+)?s$', examples: ['1.5s'] },
  BigInt: { type: 'string', pattern: '^-?\\d{1,20}$', examples: ['42'] },
};

/** @param enumCase - How the values of an enum are written; left out where they are as in GraphQL. */
export function leafSchema(type: GraphQLLeafType, enumCase: EnumCase | undefined): JsonSchema {
  // Anything may be a value of the scalar JSON, and of scalars that are not known.
  if (isScalarType(type)) return scalars[type.name] ?? described(type);
  return enumSchema(type, writtenNames(type, enumCase));
}

/** @param names - How the values are written, by their names in GraphQL. */
export function enumSchema(
  type: GraphQLEnumType,
  names: ReadonlyMap<string, string>,
  others: readonly string[] = [],
): JsonSchema {
  const values = type.getValues().filter(({ description }) => description);
  const list = values.map(({ name, description }) => `- \`${names.get(name)}\`: ${description}`).join('\n');
  const schema = { type: 'string', enum: [...new Set([...names.values(), ...others])] };
  return withDescription(withDescription(schema, { description: list }), type);
}

/** Lists and nullability around the schema of a type's innermost type. */
export function wrapped(type: GraphQLType, inner: JsonSchema): JsonSchema {
  if (isNonNullType(type)) return isListType(type.ofType) ? listOf(type.ofType.ofType, inner) : inner;
  return orNull(isListType(type) ? listOf(type.ofType, inner) : inner);
}

function listOf(item: GraphQLType, inner: JsonSchema): JsonSchema {
  return { type: 'array', items: wrapped(item, inner) };
}

function orNull(schema: JsonSchema): JsonSchema {
  const { type, enum: values, $ref, anyOf } = schema;
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...(anyOf as JsonSchema[]), { type: 'null' }] };
  if ($ref !== undefined) return { anyOf: [schema, { type: 'null' }] };
  // Anything may be null already.
  if (type === undefined) return schema;
  return {
    ...schema,
    type: [type, 'null'].flat(),
    ...(Array.isArray(values) ? { enum: [...(values as unknown[]), null] } : {}),
  };
}

/** Takes back what {@link wrapped} does for a type that may be null. */
export function withoutNull(schema: JsonSchema): JsonSchema {
  const { type, enum: values, anyOf, ...rest } = schema;
  if (Array.isArray(type)) {
    const others = (type as string[]).filter((each) => each !== 'null');
    const named = Array.isArray(values) ? { enum: (values as unknown[]).filter((each) => each !== null) } : {};
    return { ...rest, type: others.length === 1 ? others[0] : others, ...named };
  }
  if (!Array.isArray(anyOf)) return schema;
  const others = (anyOf as JsonSchema[]).filter((each) => each['type'] !== 'null');
  return others.length === 1 ? { ...others[0], ...rest } : { ...rest, anyOf: others };
}

/** What an element of the schema says of itself; its description is that of its proto where the SDL has none. */
interface SelfDescribing {
  readonly description?: string | null | undefined;
  readonly deprecationReason?: string | null | undefined;
}

/** The description of an element of the schema, and whether it is deprecated. */
export function described({ description, deprecationReason }: SelfDescribing): {
  readonly description?: string;
  readonly deprecated?: boolean;
} {
  const text = [description, deprecationReason && `Deprecated: ${deprecationReason}`].filter(Boolean).join('\n\n');
  return { ...(text ? { description: text } : {}), ...(deprecationReason ? { deprecated: true } : {}) };
}

/** A schema with the description of a place where it is used, before what it says itself. */
export function withDescription(schema: JsonSchema, element: SelfDescribing): JsonSchema {
  const own = described(element);
  const text = [own.description, schema['description']].filter(Boolean).join('\n\n');
  return { ...schema, ...own, ...(text ? { description: text } : {}) };
}

/** A default value as it is in JSON, with enum values as they are in GraphQL. Nothing where there is none. */
export function defaultOf(type: GraphQLInputType, value: unknown): JsonSchema {
  const node = value === undefined || value === null ? undefined : astFromValue(value, type);
  return node ? { default: valueFromASTUntyped(node) } : {};
}
