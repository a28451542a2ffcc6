import {
  getNamedType,
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLInt,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isScalarType,
  type GraphQLEnumType,
  type GraphQLInputType,
  type GraphQLLeafType,
  type GraphQLType,
} from 'graphql';
import { casedNames, type EnumCase } from '../enum-case';

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
  Duration: { type: 'string', pattern: '^-?\\d+(\\.\\d+)?s$' },
  BigInt: { type: 'string', pattern: '^-?\\d{1,20}$' },
};

/** Anything: the scalar `JSON`, and scalars that are not known. */
const anything: JsonSchema = {};

/** As {@link scalars}, where they are read from a body: a BigInt may be a number too. */
const bodyScalars: Readonly<Record<string, JsonSchema>> = {
  ID: { type: ['string', 'integer'] },
  BigInt: { type: ['string', 'integer'] },
};

/** @param enumCase - How the values of an enum are written; left out where they are as in GraphQL. */
export function leafSchema(type: GraphQLLeafType, enumCase: EnumCase | undefined): JsonSchema {
  if (isScalarType(type)) return scalars[type.name] ?? anything;
  return enumSchema(type, enumCase ? [...casedNames(type, enumCase).values()] : namesOf(type));
}

function enumSchema(type: GraphQLEnumType, names: readonly string[]): JsonSchema {
  return { type: 'string', enum: [...new Set(names)], ...described(type) };
}

function namesOf(type: GraphQLEnumType): string[] {
  return type.getValues().map(({ name }) => name);
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
  if (schema === anything) return schema;
  const { type, enum: values } = schema;
  if (typeof type !== 'string' && !Array.isArray(type)) return { anyOf: [schema, { type: 'null' }] };
  return {
    ...schema,
    type: [type, 'null'].flat(),
    ...(Array.isArray(values) ? { enum: [...(values as unknown[]), null] } : {}),
  };
}

/** What else fits a schema that null fits. */
export function withoutNull(schema: JsonSchema): JsonSchema {
  const { type, anyOf, enum: values } = schema;
  if (Array.isArray(type)) {
    const others = (type as string[]).filter((each) => each !== 'null');
    return {
      ...schema,
      type: others.length === 1 ? others[0] : others,
      ...(Array.isArray(values) ? { enum: values.filter((each) => each !== null) } : {}),
    };
  }
  if (!Array.isArray(anyOf)) return schema;
  const others = (anyOf as JsonSchema[]).filter((each) => each['type'] !== 'null');
  const { anyOf: _, ...rest } = schema;
  return others.length === 1 ? { ...others[0], ...rest } : { ...schema, anyOf: others };
}

/** The description of an element of the schema, which is that of its proto where the SDL has none. */
export function described({ description }: { readonly description?: string | null | undefined }): JsonSchema {
  return description ? { description } : {};
}

/** What requests may hold. Input types become components, since they may hold each other. */
export class InputSchemas {
  readonly components: Record<string, JsonSchema> = {};

  /** Of a variable in the path or the query. */
  ofText(type: GraphQLInputType, enumCase: EnumCase | undefined): JsonSchema {
    const inner = this.named(type, enumCase, false);
    const nullable = isNonNullType(type) ? type.ofType : type;
    return isListType(nullable) ? { type: 'array', items: inner } : inner;
  }

  /** Of a variable or a field in a JSON body. */
  ofJson(type: GraphQLInputType, enumCase: EnumCase | undefined): JsonSchema {
    return wrapped(type, this.named(type, enumCase, true));
  }

  private named(type: GraphQLInputType, enumCase: EnumCase | undefined, isJson: boolean): JsonSchema {
    const named = getNamedType(type);
    if (isInputObjectType(named)) {
      if (!this.components[named.name]) {
        // Before its fields, one of which may be of the same type.
        this.components[named.name] = anything;
        const fields = Object.values(named.getFields());
        const required = fields.filter((field) => isNonNullType(field.type) && field.defaultValue === undefined);
        this.components[named.name] = {
          type: 'object',
          ...described(named),
          properties: Object.fromEntries(
            fields.map((field) => [field.name, { ...this.ofJson(field.type, undefined), ...described(field) }]),
          ),
          ...(required.length === 0 ? {} : { required: required.map(({ name }) => name) }),
          additionalProperties: false,
        };
      }
      return { $ref: `#/components/schemas/${named.name}` };
    }
    if (!isLeafType(named)) return anything;
    if (isEnumType(named) && enumCase) {
      return enumSchema(named, [...casedNames(named, enumCase).values(), ...namesOf(named)]);
    }
    const plain = named === GraphQLInt || named === GraphQLFloat || named === GraphQLBoolean;
    return (isJson && !plain ? bodyScalars[named.name] : undefined) ?? leafSchema(named, undefined);
  }
}
