import {
  getNamedType,
  getNullableType,
  isEnumType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
  type GraphQLEnumType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLUnionType,
} from 'graphql';
import { Enum, Type, type Field, type MapField, type OneOf, type Root } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { reading } from '../../execution/resolver-needs';
import { entryFields } from '../../internals/protobufjs';
import { entriesReader, isMap } from '../../proto/maps';
import { canBeJsonNull, ProtoJson } from '../../proto/proto-json';
import {
  declaredOneOf,
  fieldKind,
  findField,
  findOneOf,
  fullName,
  hasPresence,
  jsonName,
  type DecodedMessage,
} from '../../proto/proto-model';
import {
  graphqlChoices,
  isObjectMessage,
  messageConversion,
  scalarConversion,
  type Read,
} from '../../proto/scalar-conversions';
import { attempt, unreadable } from '../../proto/value-error';
import { directiveArgs } from '../directive-nodes';
import { fieldName, namesWithin, uses } from '../proto-usage';
import type { SchemaField } from '../resolver-context';
import { gatewayScalars } from '../scalars';
import { fieldsAre } from '../services';
import type { Page } from './connection';
import { checkShown, mapEnum } from './enum-mapping';

/** Reads one GraphQL field off a decoded message. */
export type Reader = (message: DecodedMessage) => unknown;

export interface BindOptions {
  /** Fields that the message lacks are null instead of findings: for an RPC that stands in for another. */
  readonly partial?: boolean;
}

/**
 * A member of a oneof that is not a message of its own, as the type that stands for it in a union: as if it were the message
 * that the oneof is in, with that member alone.
 */
class OneOfMember implements DecodedMessage {
  [field: string]: unknown;
  constructor(
    readonly $type: Type,
    /** Name of the GraphQL type. No field of a proto can be called so. */
    readonly $typename: string,
    name: string,
    value: unknown,
  ) {
    this[name] = value;
  }
}

/** An entry of a map, where the SDL makes the map a list. What cannot be read is an error of its own place. */
interface MapEntry {
  readonly key: unknown;
  readonly value: unknown;
}

/**
 * Binds GraphQL object types to the messages that they are read from, and compiles a reader for each field. A type may be
 * read from several messages; its fields then look which one they were given.
 */
export class OutputCompiler {
  private readonly readers = new Map<SchemaField, Map<Type, Reader>>();
  private readonly bound = new Map<GraphQLObjectType, Set<Type>>();
  /** Names of the types of a union, by the message that each is read from. */
  private readonly unions = new Map<GraphQLUnionType, Map<Type, string>>();
  private readonly pending: (() => void)[] = [];
  private readonly json: ProtoJson;

  /**
   * @param isAnsweredElsewhere - True for fields that something else than the message answers.
   * @param root - Where the types that an Any may hold are found.
   */
  constructor(
    private readonly findings: Findings,
    private readonly isAnsweredElsewhere: (field: SchemaField) => boolean,
    root: Root,
  ) {
    this.json = new ProtoJson(root);
  }

  /** Messages that a type is read from. */
  messagesOf(type: GraphQLObjectType): ReadonlySet<Type> {
    return this.bound.get(type) ?? new Set();
  }

  /** Says that objects of a type are read from a message; checks and compiles every field of it. */
  bind(type: GraphQLObjectType, message: Type, options: BindOptions = {}): void {
    const messages = this.bound.get(type) ?? new Set<Type>();
    if (messages.has(message)) return;
    messages.add(message);
    this.bound.set(type, messages);
    this.bindFields(type, message, options);
  }

  /** As {@link bind}, for the fields of a connection that its page does not answer: they are read from the response. */
  bindConnection(type: GraphQLObjectType, response: Type): void {
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      if (this.isAnsweredElsewhere(field)) continue;
      const source = this.sourceOf(type, field, response);
      const read = source && this.reader(field, source);
      if (read) field.resolve = reading((page) => read((page as Page).response));
    }
  }

  private bindFields(type: GraphQLObjectType, message: Type, options: BindOptions): void {
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      if (this.isAnsweredElsewhere(field)) continue;
      const union = getNamedType(field.type);
      const oneOf = isUnionType(union) ? findOneOf(message, protoName(field)) : undefined;
      if (oneOf && isUnionType(union)) {
        if (isNonNullType(field.type)) {
          this.findings.at(
            field.astNode,
            `${field.name} is non-null, but ${fullName(message)}.${oneOf.name} can be unset`,
            `Make it ${String(getNullableType(field.type))}.`,
          );
        }
        this.setReader(field, message, this.unionReader(field, union, oneOf));
        continue;
      }
      if (options.partial && !findField(message, protoName(field))) {
        if (isNonNullType(field.type)) {
          this.findings.at(
            field.astNode,
            `${field.name} is non-null, but ${fullName(message)}, which stands in, has no field "${protoName(field)}"`,
            `Make it ${String(getNullableType(field.type))}.`,
          );
        }
        this.setReader(field, message, () => null);
        continue;
      }
      const source = this.sourceOf(type, field, message);
      if (!source) continue;
      this.setReader(field, message, this.reader(field, source));
      if (declaredOneOf(source)) field.extensions = { ...field.extensions, oneOf: true };
    }
  }

  /** The proto field that a GraphQL field is read from; a finding where there is none. */
  private sourceOf(type: GraphQLObjectType, field: SchemaField, message: Type): Field | undefined {
    const name = protoName(field);
    const source = findField(message, name);
    if (source) {
      uses(field, fieldName(source));
    } else {
      const names = message.fieldsArray.map(jsonName);
      this.findings.at(
        field.astNode,
        `${type.name}.${field.name}: ${fullName(message)} has no field "${name}"`,
        didYouMean(name, names) ?? `${fieldsAre(names)} Rename with @proto(field: "...").`,
      );
    }
    return source;
  }

  private setReader(field: SchemaField, message: Type, reader: Reader): void {
    const readers = this.readers.get(field) ?? new Map<Type, Reader>();
    readers.set(message, reader);
    this.readers.set(field, readers);
  }

  /**
   * Compiles how a proto field is read as a GraphQL field; findings where they do not fit.
   *
   * @param type - The field's, or that of its items where each is read from a message of its own.
   */
  reader(field: SchemaField, source: Field, type: GraphQLOutputType = field.type): Reader {
    if (isNonNullType(type) && this.canBeNull(type, source)) {
      this.findings.at(
        field.astNode,
        `${field.name} is non-null, but ${fullName(source.parent as Type)}.${source.name} can be unset`,
        `Make it ${String(getNullableType(type))}.`,
      );
    }
    return readField(source, this.value(field, type, source));
  }

  /** True where a message that an upstream may send makes a field null. */
  canBeNull(type: GraphQLOutputType, source: Field): boolean {
    const isOne = !source.repeated && !isMap(source);
    return (hasPresence(source) && !source.required) || (isOne && this.nullness(type, source) !== undefined);
  }

  /** Why one value of a field may be null though it is there; undefined where it may not. */
  private nullness(type: GraphQLOutputType, { resolvedType }: Field): string | undefined {
    const named = getNamedType(type);
    if (resolvedType instanceof Enum) {
      // Zero means "not said", unless the SDL lists it.
      const isNull = isEnumType(named) && mapEnum(named, resolvedType, this.findings).nameOf.get(0) === null;
      return isNull ? `${fullName(resolvedType)} can be unspecified` : undefined;
    }
    const isJson = resolvedType instanceof Type && isScalarType(named) && named.name === 'JSON';
    return isJson && canBeJsonNull(resolvedType) ? `${fullName(resolvedType)} can be null` : undefined;
  }

  /** How a whole message goes out as a scalar; undefined where it does not. */
  whole(field: SchemaField, type: GraphQLOutputType, message: Type): Read | undefined {
    if (!isScalarType(type)) return undefined;
    if (type.name !== 'JSON') return messageConversion(message, type.name)?.read;
    uses(field, ...namesWithin(message));
    return this.json.read(message);
  }

  /** How a proto field's value goes out; undefined where it is the same. */
  private value(field: SchemaField, outer: GraphQLOutputType, source: Field): Read | undefined {
    const type = getNullableType(outer);
    if (isMap(source)) return this.map(field, type, source);
    if (!isListType(type)) {
      return source.repeated ? this.misfit(field, source) : this.single(field, type, source);
    }
    const itemType = getNullableType(type.ofType);
    if (!source.repeated) return pathsOf(itemType, source) ?? this.misfit(field, source);
    const nullness = isNonNullType(type.ofType) ? this.nullness(type, source) : undefined;
    if (nullness !== undefined) {
      this.findings.at(
        field.astNode,
        `${field.name} holds non-null values, but ${nullness}`,
        `Make it ${String(outer).replace('!]', ']')}.`,
      );
    }
    const item = this.single(field, itemType, source);
    // An item that cannot be read does not take the others with it, unless the SDL says that none may be missing.
    return item && ((values: readonly never[]) => values.map((value) => attempt(item, value)));
  }

  private single(field: SchemaField, type: GraphQLOutputType, source: Field): Read | undefined {
    const { resolvedType } = source;
    if (resolvedType instanceof Enum && isEnumType(type)) return this.enum(type, resolvedType);
    if (isScalarType(type)) {
      if (type.name === 'JSON' && resolvedType instanceof Type) {
        uses(field, ...namesWithin(resolvedType));
        return this.json.read(resolvedType);
      }
      const builtIn = isSpecifiedScalarType(type) || gatewayScalars.includes(type.name);
      const conversion = scalarConversion(source, type.name, builtIn);
      return conversion ? conversion.read : this.misfit(field, source);
    }
    if (isObjectMessage(resolvedType) && isObjectType(type)) {
      // Later, since types may contain themselves.
      this.pending.push(() => this.bind(type, resolvedType));
      return undefined;
    }
    return this.misfit(field, source);
  }

  private enum(type: GraphQLEnumType, source: Enum): Read {
    const mapping = mapEnum(type, source, this.findings);
    checkShown(type, source, mapping, this.findings);
    const { nameOf } = mapping;
    return (number: number) => {
      const name = nameOf.get(number);
      return name === undefined ? unreadable(`${fullName(source)} has no value ${number}`) : name;
    };
  }

  /** A map goes out as JSON, or as a list of entries, as the SDL has it. */
  private map(field: SchemaField, type: GraphQLOutputType, source: Field & MapField): Read | undefined {
    if (isScalarType(type) && type.name === 'JSON') {
      if (source.resolvedType instanceof Type) uses(field, ...namesWithin(source.resolvedType));
      return this.json.readField(source);
    }
    const entry = isListType(type) ? getNullableType(type.ofType as GraphQLOutputType) : undefined;
    const { key, value } = (isObjectType(entry) ? entry.getFields() : {}) as Record<string, SchemaField>;
    if (!isObjectType(entry) || !key || !value) return this.misfit(field, source);
    for (const each of Object.values(entry.getFields()) as SchemaField[]) {
      if (each !== key && each !== value && !this.isAnsweredElsewhere(each)) this.stray(entry, each);
    }
    const fields = entryFields(source);
    const nullness = isNonNullType(value.type) ? this.nullness(value.type, fields.value) : undefined;
    if (nullness !== undefined) {
      this.findings.at(
        value.astNode,
        `${entry.name}.value is non-null, but ${nullness}`,
        `Make it ${String(getNullableType(value.type))}.`,
      );
    }
    const readKey = this.value(key, key.type, fields.key);
    const readValue = this.value(value, value.type, fields.value);
    key.resolve = reading((from) => (from as MapEntry).key);
    value.resolve = reading((from) => (from as MapEntry).value);
    const entries = entriesReader(source);
    return (map: Readonly<Record<string, unknown>>) =>
      entries(map).map(([name, content]): MapEntry => ({
        key: readKey ? attempt(readKey, name as never) : name,
        value: readValue ? attempt(readValue, content as never) : content,
      }));
  }

  private stray(entry: GraphQLObjectType, field: SchemaField): void {
    this.findings.at(
      field.astNode,
      `${entry.name}.${field.name}: an entry of a map has no field "${field.name}"`,
      'Its fields are key, value.',
    );
  }

  /** A oneof goes out as a union: each member is a type, named like its message or by @proto on the type. */
  unionReader(field: SchemaField, union: GraphQLUnionType, oneOf: OneOf): Reader {
    const names = this.unions.get(union) ?? new Map<Type, string>();
    this.unions.set(union, names);
    uses(field, ...oneOf.fieldsArray.map(fieldName));
    const members = new Map<string, ((value: unknown) => unknown) | undefined>();
    for (const member of oneOf.fieldsArray) {
      const { resolvedType } = member.resolve();
      const message = isObjectMessage(resolvedType) ? resolvedType : undefined;
      const type = unionType(union, member);
      if (!type) {
        this.findings.at(
          field.astNode,
          `${union.name} has no type for "${jsonName(member)}" of the oneof ${oneOf.name}`,
          `Add a type ${message ? `${message.name}, or one ` : ''}with @proto(field: "${jsonName(member)}").`,
        );
      } else if (message) {
        const other = names.get(message);
        if (other !== undefined && other !== type.name) {
          this.findings.at(
            field.astNode,
            `${union.name} cannot tell ${other} from ${type.name}: both are ${fullName(message)}`,
            `Use nullable fields side by side in place of the union ${union.name}.`,
          );
        }
        names.set(message, type.name);
        members.set(member.name, undefined);
        this.pending.push(() => this.bind(type, message));
      } else {
        const parent = oneOf.parent as Type;
        members.set(member.name, (value) => new OneOfMember(parent, type.name, member.name, value));
        this.bindMember(type, member, parent);
      }
    }
    return (message) => {
      for (const [name, wrap] of members) {
        if (Object.hasOwn(message, name)) return wrap ? wrap(message[name]) : message[name];
      }
      return null;
    };
  }

  /** Binds a type to a member of a oneof that is no message: it has a field for the member, and no other. */
  private bindMember(type: GraphQLObjectType, member: Field, parent: Type): void {
    this.bound.set(type, new Set([...this.messagesOf(type), parent]));
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      if (this.isAnsweredElsewhere(field)) continue;
      if (findField(parent, protoName(field)) !== member) {
        this.findings.at(
          field.astNode,
          `${type.name}.${field.name}: ${type.name} stands for "${jsonName(member)}", which has no field "${protoName(field)}"`,
          `Call it ${jsonName(member)}, or say @proto(field: "${jsonName(member)}").`,
        );
        continue;
      }
      uses(field, fieldName(member));
      if (isNonNullType(field.type) && this.nullness(field.type, member) !== undefined) {
        this.findings.at(
          field.astNode,
          `${field.name} is non-null, but ${fullName(parent)}.${member.name} can be unset`,
          `Make it ${String(getNullableType(field.type))}.`,
        );
      }
      // It is set, else the union would not have come to this type.
      this.setReader(field, parent, readField(member, this.value(field, field.type, member)));
    }
  }

  private misfit(field: SchemaField, source: Field): undefined {
    const choices = graphqlChoices(source, 'type').map((choice) => (source.repeated ? `[${choice}!]!` : choice));
    this.findings.at(
      field.astNode,
      `${field.name} is ${String(field.type)}, but ${fullName(source.parent as Type)}.${source.name} is ${fieldKind(source)}`,
      `It can be ${choices.join(' or ')}.`,
    );
  }

  /** Puts the compiled readers on the fields as their resolvers. Call it when everything is bound. */
  attach(): void {
    for (let next = this.pending.pop(); next; next = this.pending.pop()) next();
    for (const [field, readers] of this.readers) {
      field.resolve = reading(resolverOf(readers)) as SchemaField['resolve'] & {};
    }
    for (const [union, names] of this.unions) {
      union.resolveType = reading((value: unknown) =>
        value instanceof OneOfMember ? value.$typename : names.get((value as DecodedMessage).$type),
      );
    }
  }
}

function resolverOf(readers: ReadonlyMap<Type, Reader>): Reader {
  const [only] = readers.values();
  if (readers.size === 1 && only) return only;
  return (message) => {
    const reader = readers.get(message.$type);
    if (!reader) throw new Error(`nothing is bound to ${message.$type.fullName}`);
    return reader(message);
  };
}

/** The name in the proto that a GraphQL field goes by, before any other is tried. */
function protoName(field: SchemaField): string {
  return (directiveArgs(field.astNode, 'proto')?.['field'] as string | undefined) ?? field.name;
}

/** Reads a field of a message; null where the message says that it is not set. */
function readField(source: Field, read: Read | undefined): Reader {
  const { name } = source;
  if (!hasPresence(source)) return read ? (message) => read(message[name] as never) : (message) => message[name];
  return (message) => {
    const value = Object.hasOwn(message, name) ? message[name] : null;
    return read && value !== null && value !== undefined ? read(value as never) : value;
  };
}

/** A FieldMask as a list of its paths. */
function pathsOf(item: GraphQLOutputType, source: Field): Read | undefined {
  const isMask = source.resolvedType instanceof Type && source.resolvedType.fullName === '.google.protobuf.FieldMask';
  return isMask && isScalarType(item) && item.name === 'String'
    ? ({ paths }: { readonly paths: readonly string[] }) => paths
    : undefined;
}

/** The type of a union that stands for a member of a oneof: by @proto, else by the name of the member's message. */
function unionType(union: GraphQLUnionType, member: Field): GraphQLObjectType | undefined {
  const marked = union.getTypes().find(({ astNode }) => {
    const name = directiveArgs(astNode, 'proto')?.['field'];
    return name === member.name || name === jsonName(member);
  });
  return marked ?? union.getTypes().find(({ name }) => name === member.resolvedType?.name);
}
