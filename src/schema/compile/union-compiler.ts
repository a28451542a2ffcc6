import { getNullableType, isNonNullType, type GraphQLObjectType, type GraphQLUnionType } from 'graphql';
import { type Type, type Field, type OneOf } from 'protobufjs';
import type { Findings } from '../../diagnostics/findings';
import { reading } from '../../execution/resolver-needs';
import { findField, fullName, jsonName, type DecodedMessage } from '../../proto/proto-model';
import { isObjectMessage } from '../../proto/scalar-conversions';
import { directiveArgs } from '../directive-nodes';
import { nameInProto } from '../name-in-proto';
import { fieldName, noteUsage } from '../proto-usage';
import type { SchemaField } from '../resolver-context';
import type { FieldReader, FieldReaders } from './field-readers';
import type { OutputFieldCompiler } from './output-field-compiler';

export interface UnionCompilerOptions {
  readonly findings: Findings;
  readonly readers: FieldReaders;
  readonly fields: OutputFieldCompiler;
  /** True for fields that something else than their message answers. */
  readonly isAnsweredElsewhere: (field: SchemaField) => boolean;
  /** Asks for a type to be read from a message: later, since types may contain themselves. */
  readonly addType: (type: GraphQLObjectType, message: Type) => void;
}

/**
 * The value of a union where the member of the oneof is no message. It stands for the message that the oneof is in, with that
 * member alone.
 */
class OneOfMember implements DecodedMessage {
  [field: string]: unknown;
  constructor(
    readonly $type: Type,
    /** Name of the GraphQL type. No field of a proto can have this name. */
    readonly $typename: string,
    name: string,
    value: unknown,
  ) {
    this[name] = value;
  }
}

/** Compiles how the members of a oneof are read as a union: each is a type of it, named like its message or by @proto. */
export class UnionCompiler {
  /** Names of the types of a union, by the message that each is read from. */
  private readonly unions = new Map<GraphQLUnionType, Map<Type, string>>();

  constructor(private readonly options: UnionCompilerOptions) {}

  compileUnion(field: SchemaField, union: GraphQLUnionType, oneOf: OneOf): FieldReader {
    const names = this.unions.get(union) ?? new Map<Type, string>();
    this.unions.set(union, names);
    noteUsage(field, ...oneOf.fieldsArray.map(fieldName));
    /** By the name in the proto; undefined where a member is the union's value as it is. */
    const members = new Map<string, ((value: unknown) => unknown) | undefined>();
    for (const member of oneOf.fieldsArray) {
      const { resolvedType } = member.resolve();
      const message = isObjectMessage(resolvedType) ? resolvedType : undefined;
      const type = memberType(union, member);
      if (!type) {
        this.options.findings.at(
          field.astNode,
          `${union.name} has no type for "${jsonName(member)}" of the oneof ${oneOf.name}`,
          `Add a type ${message ? `${message.name}, or one ` : ''}with @proto(field: "${jsonName(member)}").`,
        );
      } else if (message) {
        this.checkDistinct(field, union, type, message, names.get(message));
        names.set(message, type.name);
        members.set(member.name, undefined);
        this.options.addType(type, message);
      } else {
        const parent = oneOf.parent as Type;
        members.set(member.name, (value) => new OneOfMember(parent, type.name, member.name, value));
        this.compileMember(type, member, parent);
      }
    }
    return (message) => {
      for (const [name, wrap] of members) {
        if (Object.hasOwn(message, name)) return wrap ? wrap(message[name]) : message[name];
      }
      return null;
    };
  }

  /** @param other - The name of the type that the union has for the message already. */
  private checkDistinct(
    field: SchemaField,
    union: GraphQLUnionType,
    type: GraphQLObjectType,
    message: Type,
    other: string | undefined,
  ): void {
    if (other === undefined || other === type.name) return;
    this.options.findings.at(
      field.astNode,
      `${union.name} cannot tell ${other} from ${type.name}: both are ${fullName(message)}`,
      `Use nullable fields side by side in place of the union ${union.name}.`,
    );
  }

  /** Compiles a type for a member of a oneof that is no message: it has one field for the member. */
  private compileMember(type: GraphQLObjectType, member: Field, parent: Type): void {
    const { findings, readers, fields, isAnsweredElsewhere } = this.options;
    readers.addMessage(type, parent);
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      if (isAnsweredElsewhere(field)) continue;
      const protoName = nameInProto(field);
      if (findField(parent, protoName) !== member) {
        findings.at(
          field.astNode,
          `${type.name}.${field.name}: ${type.name} stands for "${jsonName(member)}", which has no field "${protoName}"`,
          `Call it ${jsonName(member)}, or say @proto(field: "${jsonName(member)}").`,
        );
        continue;
      }
      noteUsage(field, fieldName(member));
      if (isNonNullType(field.type) && fields.nullReason(field.type, member) !== undefined) {
        findings.at(
          field.astNode,
          `${field.name} is non-null, but ${fullName(parent)}.${member.name} can be unset`,
          `Make it ${String(getNullableType(field.type))}.`,
        );
      }
      // The member is set, or the union would not be of this type.
      readers.set(field, parent, fields.compileReader(field, member, field.type));
    }
  }

  /** Puts the resolvers on the unions. */
  attach(): void {
    for (const [union, names] of this.unions) {
      union.resolveType = reading((value: unknown) =>
        value instanceof OneOfMember ? value.$typename : names.get((value as DecodedMessage).$type),
      );
    }
  }
}

/** The type of a union that stands for a member of a oneof: by @proto, else by the name of the member's message. */
function memberType(union: GraphQLUnionType, member: Field): GraphQLObjectType | undefined {
  const marked = union.getTypes().find(({ astNode }) => {
    const name = directiveArgs(astNode, 'proto')?.['field'];
    return name === member.name || name === jsonName(member);
  });
  return marked ?? union.getTypes().find(({ name }) => name === member.resolvedType?.name);
}
