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
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import { writtenNames, type EnumCase } from '../enum-case';
import { reference, type SchemaComponents } from './components';
import {
  defaultOf,
  described,
  enumSchema,
  leafSchema,
  withDescription,
  withoutNull,
  wrapped,
  type JsonSchema,
} from './json-schema';

/** Scalars as a body may have them, where that is more than an answer has: numbers too. */
const bodyScalars: Readonly<Record<string, JsonSchema>> = {
  ID: { type: ['string', 'integer'] },
  BigInt: { type: ['string', 'integer'], examples: ['42'] },
};

/** What requests may hold. Input types become components, since they may hold each other. */
export class InputSchemas {
  private readonly names = new Map<GraphQLInputObjectType, string>();

  constructor(private readonly components: SchemaComponents) {}

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

  /** Of the variable that is the whole body: an object, whatever its type. */
  ofBody(type: GraphQLInputType): JsonSchema {
    const schema = withoutNull(this.ofJson(type, undefined));
    return '$ref' in schema ? schema : { type: 'object', ...schema };
  }

  private named(type: GraphQLInputType, enumCase: EnumCase | undefined, isJson: boolean): JsonSchema {
    const named = getNamedType(type);
    if (isInputObjectType(named)) return this.ofObject(named);
    if (!isLeafType(named)) return {};
    if (isEnumType(named)) {
      const others = enumCase ? named.getValues().map(({ name }) => name) : [];
      return enumSchema(named, writtenNames(named, enumCase), others);
    }
    const plain = named === GraphQLInt || named === GraphQLFloat || named === GraphQLBoolean;
    return (isJson && !plain ? bodyScalars[named.name] : undefined) ?? leafSchema(named, undefined);
  }

  private ofObject(type: GraphQLInputObjectType): JsonSchema {
    const known = this.names.get(type);
    if (known !== undefined) return reference(known);
    const name = this.components.reserve(type.name);
    // Before its fields, one of which may be of the same type.
    this.names.set(type, name);
    const fields = Object.values(type.getFields());
    const required = fields.filter((field) => isNonNullType(field.type) && field.defaultValue === undefined);
    this.components.schemas[name] = {
      type: 'object',
      ...described(type),
      properties: Object.fromEntries(
        fields.map((field) => [
          field.name,
          {
            ...withDescription(this.ofJson(field.type, undefined), field),
            ...defaultOf(field.type, field.defaultValue),
          },
        ]),
      ),
      ...(required.length === 0 ? {} : { required: required.map((field) => field.name) }),
      additionalProperties: false,
    };
    return reference(name);
  }
}
