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
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLUnionType,
} from 'graphql';
import { Enum, MapField, Type, type Field, type OneOf } from 'protobufjs';
import { GatewayError } from '../errors';
import { directiveArgs } from './ast';
import { didYouMean, type Findings } from './findings';
import {
  canBeUnset,
  declaredOneOf,
  enumNames,
  findField,
  findOneOf,
  fullName,
  hasPresence,
  jsonName,
  type DecodedMessage,
} from './proto-model';
import { scalarChoices, scalarConversion, type Read } from './scalar-values';

/** Reads one GraphQL field off a decoded message. */
export type Reader = (message: DecodedMessage) => unknown;

/** Why a field has no place in the message that its type is read from. */
export interface BindOptions {
  /** Fields that the message lacks are null instead of findings: for an RPC that stands in for another. */
  readonly partial?: boolean;
}

/**
 * Binds GraphQL object types to the messages that they are read from. A type may be read from several messages; its
 * fields then look which one they were given.
 */
export class OutputBinder {
  private readonly readers = new Map<GraphQLField<unknown, unknown>, Map<Type, Reader>>();
  private readonly bound = new Map<GraphQLObjectType, Set<Type>>();
  private readonly unions = new Map<GraphQLUnionType, Map<Type, string>>();
  private readonly pending: (() => void)[] = [];

  /** @param isMapped - True for fields that something else than the message answers. */
  constructor(
    private readonly findings: Findings,
    private readonly isMapped: (field: GraphQLField<unknown, unknown>) => boolean,
  ) {}

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
    for (const field of Object.values(type.getFields())) {
      if (!this.isMapped(field)) this.bindField(type, field, message, options);
    }
  }

  private bindField(
    type: GraphQLObjectType,
    field: GraphQLField<unknown, unknown>,
    message: Type,
    options: BindOptions,
  ): void {
    const name = (directiveArgs(field.astNode, 'proto')?.['field'] as string | undefined) ?? field.name;
    const named = getNamedType(field.type);
    const oneOf = isUnionType(named) ? findOneOf(message, name) : undefined;
    if (oneOf && isUnionType(named)) {
      this.setReader(field, message, this.unionReader(field, named, oneOf));
      return;
    }
    const source = findField(message, name);
    if (source) {
      this.setReader(field, message, this.fieldReader(field, source));
      if (declaredOneOf(source)) field.extensions = { ...field.extensions, oneOf: true };
    } else if (options.partial) {
      this.setReader(field, message, () => null);
    } else {
      this.findings.at(
        field.astNode,
        `${type.name}.${field.name}: ${fullName(message)} has no field "${name}"`,
        didYouMean(name, message.fieldsArray.map(jsonName)) ??
          `Its fields are ${message.fieldsArray.map(jsonName).join(', ')}. Rename with @proto(field: "...").`,
      );
    }
  }

  private setReader(field: GraphQLField<unknown, unknown>, message: Type, reader: Reader): void {
    const readers = this.readers.get(field) ?? new Map<Type, Reader>();
    readers.set(message, reader);
    this.readers.set(field, readers);
  }

  /** Reads a proto field as the GraphQL field's type; findings where they do not fit. */
  private fieldReader(field: GraphQLField<unknown, unknown>, source: Field): Reader {
    const where = field.astNode;
    const nullable = !isNonNullType(field.type);
    if (!nullable && canBeUnset(source)) {
      this.findings.at(
        where,
        `${field.name} is non-null, but ${fullName(source.parent as Type)}.${source.name} can be unset`,
        `Make it ${String(getNullableType(field.type))}.`,
      );
    }
    const read = this.value(field, field.type, source);
    return presenceReader(source, read);
  }

  /** How a proto field's value goes out; undefined where it is the same. */
  value(field: GraphQLField<unknown, unknown>, type: GraphQLOutputType, source: Field): Read | undefined {
    const nullable = getNullableType(type);
    if (source instanceof MapField) {
      this.misfit(field, source);
      return undefined;
    }
    if (isListType(nullable) !== source.repeated) {
      this.misfit(field, source);
      return undefined;
    }
    if (!isListType(nullable)) return this.single(field, nullable, source);
    const item = this.single(field, getNullableType(nullable.ofType as GraphQLOutputType), source);
    return item && ((values: readonly never[]) => values.map((value) => item(value)));
  }

  private single(field: GraphQLField<unknown, unknown>, type: GraphQLOutputType, source: Field): Read | undefined {
    const { resolvedType } = source;
    if (resolvedType instanceof Enum && isEnumType(type)) {
      const { nameOf, numberOf } = enumNames(resolvedType);
      for (const { name, astNode } of type.getValues()) {
        const protoName = directiveArgs(astNode, 'proto')?.['field'] as string | undefined;
        const number = protoName === undefined ? numberOf.get(name) : resolvedType.values[protoName];
        if (number === undefined) {
          this.findings.at(
            astNode,
            `${type.name}.${name}: ${fullName(resolvedType)} has no such value`,
            didYouMean(name, numberOf.keys()) ?? `Its values are ${[...numberOf.keys()].join(', ')}.`,
          );
        }
      }
      return enumReader(enumOutput(type, resolvedType, nameOf), fullName(resolvedType));
    }
    if (isScalarType(type)) {
      const conversion = scalarConversion(source, type.name, isSpecifiedScalarType(type) || isGatewayScalar(type.name));
      if (!conversion) this.misfit(field, source);
      return conversion?.read;
    }
    if (resolvedType instanceof Type && isObjectType(type)) {
      // Later, since types may contain themselves.
      this.pending.push(() => this.bind(type, resolvedType));
      return undefined;
    }
    this.misfit(field, source);
    return undefined;
  }

  private unionReader(field: GraphQLField<unknown, unknown>, union: GraphQLUnionType, oneOf: OneOf): Reader {
    const names = this.unions.get(union) ?? new Map<Type, string>();
    this.unions.set(union, names);
    const members = oneOf.fieldsArray.map((member) => {
      const { resolvedType } = member.resolve();
      const type = union
        .getTypes()
        .find((candidate) => resolvedType instanceof Type && candidate.name === resolvedType.name);
      if (type && resolvedType instanceof Type) {
        names.set(resolvedType, type.name);
        this.pending.push(() => this.bind(type, resolvedType));
      } else {
        this.findings.at(
          field.astNode,
          `${union.name} has no type for "${jsonName(member)}" of the oneof ${oneOf.name}`,
          'Name a type like the message of each member, or use nullable fields side by side.',
        );
      }
      return member.name;
    });
    return (message) => {
      const set = members.find((name) => Object.hasOwn(message, name));
      return set === undefined ? null : message[set];
    };
  }

  private misfit(field: GraphQLField<unknown, unknown>, source: Field): void {
    const choices = scalarChoices(source);
    const kind = `${source.repeated ? 'repeated ' : ''}${source instanceof MapField ? `map<${source.keyType}, ${source.type}>` : source.type}`;
    this.findings.at(
      field.astNode,
      `${field.name} is ${String(field.type)}, but ${fullName(source.parent as Type)}.${source.name} is ${kind}`,
      choices && `It can be ${choices.map((choice) => (source.repeated ? `[${choice}!]!` : choice)).join(' or ')}.`,
    );
  }

  /** Puts the compiled readers on the fields as their resolvers. Call it when everything is bound. */
  attach(): void {
    for (let next = this.pending.pop(); next; next = this.pending.pop()) next();
    for (const [field, readers] of this.readers) field.resolve = resolverOf(readers) as never;
    for (const [union, names] of this.unions) {
      union.resolveType = (value) => names.get((value as DecodedMessage).$type);
    }
  }
}

function resolverOf(readers: ReadonlyMap<Type, Reader>): Reader {
  const [only] = readers.values();
  if (readers.size === 1 && only) return only;
  return (message) => {
    const reader = readers.get(message.$type);
    if (!reader)
      throw new GatewayError('INTERNAL_SERVER_ERROR', undefined, {
        cause: new Error(`unbound ${message.$type.fullName}`),
      });
    return reader(message);
  };
}

const gatewayScalars = ['DateTime', 'Duration', 'BigInt', 'JSON'];

export function isGatewayScalar(name: string): boolean {
  return gatewayScalars.includes(name);
}

/** Reads a field of a message; null where the message says that it is not set. */
function presenceReader(source: Field, read: Read | undefined): Reader {
  const { name } = source;
  if (hasPresence(source)) {
    if (!read) return (message) => (Object.hasOwn(message, name) ? (message[name] ?? null) : null);
    return (message) => {
      const value = Object.hasOwn(message, name) ? message[name] : undefined;
      return value === undefined || value === null ? null : read(value as never);
    };
  }
  return read ? (message) => read(message[name] as never) : (message) => message[name];
}

/** GraphQL names by number: what the SDL renames, then what the proto says. */
function enumOutput(
  type: { getValues(): readonly { name: string; astNode?: unknown }[] },
  source: Enum,
  nameOf: ReadonlyMap<number, string | null>,
): ReadonlyMap<number, string | null> {
  const output = new Map(nameOf);
  const declared = new Set(type.getValues().map(({ name }) => name));
  for (const value of type.getValues()) {
    const protoName = directiveArgs(value.astNode as never, 'proto')?.['field'] as string | undefined;
    const number = protoName === undefined ? undefined : source.values[protoName];
    if (number !== undefined) output.set(number, value.name);
  }
  // A value that the SDL lists is shown, the unspecified one too.
  for (const [name, number] of Object.entries(source.values)) {
    if (output.get(number) === null && declared.has(name)) output.set(number, name);
  }
  return output;
}

function enumReader(nameOf: ReadonlyMap<number, string | null>, enumName: string): Read {
  return (number: number) => {
    const name = nameOf.get(number);
    if (name === undefined) {
      throw new GatewayError('UPSTREAM_ERROR', undefined, { cause: new Error(`${enumName} has no value ${number}`) });
    }
    return name;
  };
}
