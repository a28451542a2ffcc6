import {
  getNamedType,
  getNullableType,
  isEnumType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  type GraphQLEnumType,
  type GraphQLObjectType,
  type GraphQLOutputType,
} from 'graphql';
import { Enum, Type, type Field, type MapField } from 'protobufjs';
import type { Findings } from '../../diagnostics/findings';
import { reading } from '../../execution/resolver-needs';
import { entryFields } from '../../internals/protobufjs';
import { typed, type Read } from '../../proto/conversion';
import { compileEntriesReader, isMap } from '../../proto/maps';
import { canBeJsonNull, type ProtoJson } from '../../proto/proto-json';
import { fieldKind, fullName, hasPresence } from '../../proto/proto-model';
import { graphqlChoices, isObjectMessage, messageConversion, scalarConversion } from '../../proto/scalar-conversions';
import { attempt, unreadable } from '../../proto/value-error';
import { namesWithin, noteUsage } from '../proto-usage';
import type { SchemaField } from '../resolver-context';
import { gatewayScalars } from '../scalars';
import { checkShown, compileEnumMapping } from './enum-mapping';
import { compileMaskRead } from './field-mask';
import type { FieldReader } from './field-readers';

export interface OutputFieldCompilerOptions {
  readonly findings: Findings;
  readonly json: ProtoJson;
  /** True for fields that something else than their message answers. */
  readonly isAnsweredElsewhere: (field: SchemaField) => boolean;
  /** Asks for a type to be read from a message: later, since types may contain themselves. */
  readonly addType: (type: GraphQLObjectType, message: Type) => void;
}

/** An entry of a map that the SDL makes a list. A key or value that cannot be read is the error itself. */
interface MapEntry {
  readonly key: unknown;
  readonly value: unknown;
}

/** Compiles how a GraphQL field is read from a proto field. */
export class OutputFieldCompiler {
  constructor(private readonly options: OutputFieldCompilerOptions) {}

  /**
   * Compiles how a proto field is read as a GraphQL field; findings where they do not fit.
   *
   * @param type - The field's, or that of its items where each is read from a message of its own.
   */
  compileField(field: SchemaField, source: Field, type: GraphQLOutputType = field.type): FieldReader {
    if (isNonNullType(type) && this.canBeNull(type, source)) {
      this.options.findings.at(
        field.astNode,
        `${field.name} is non-null, but ${fullName(source.parent as Type)}.${source.name} can be unset`,
        `Make it ${String(getNullableType(type))}.`,
      );
    }
    return this.compileReader(field, source, type);
  }

  /** As {@link compileField}, for a proto field that is known to be set. */
  compileReader(field: SchemaField, source: Field, type: GraphQLOutputType): FieldReader {
    const { name } = source;
    const read = this.compileValue(field, type, source);
    if (!hasPresence(source)) return read ? (message) => read(message[name]) : (message) => message[name];
    return (message) => {
      const value = Object.hasOwn(message, name) ? message[name] : null;
      return read && value !== null && value !== undefined ? read(value) : value;
    };
  }

  /** Compiles how a whole message goes out as a scalar; undefined where it does not. */
  compileWhole(field: SchemaField, type: GraphQLOutputType, message: Type): Read | undefined {
    if (!isScalarType(type)) return undefined;
    if (type.name !== 'JSON') return messageConversion(message, type.name)?.read;
    noteUsage(field, ...namesWithin(message));
    return this.options.json.compileRead(message);
  }

  /** True where a message that an upstream may send makes a field null. */
  canBeNull(type: GraphQLOutputType, source: Field): boolean {
    const isOne = !source.repeated && !isMap(source);
    return (hasPresence(source) && !source.required) || (isOne && this.nullReason(type, source) !== undefined);
  }

  /** Why a single value of a field may be null although it is set; undefined where it may not. */
  nullReason(type: GraphQLOutputType, { resolvedType }: Field): string | undefined {
    const named = getNamedType(type);
    if (resolvedType instanceof Enum) {
      // Zero means "not said", unless the SDL lists it.
      const isNull =
        isEnumType(named) && compileEnumMapping(named, resolvedType, this.options.findings).nameOf.get(0) === null;
      return isNull ? `${fullName(resolvedType)} can be unspecified` : undefined;
    }
    const isJson = resolvedType instanceof Type && isScalarType(named) && named.name === 'JSON';
    return isJson && canBeJsonNull(resolvedType) ? `${fullName(resolvedType)} can be null` : undefined;
  }

  /** How a proto field's value goes out; undefined where it goes out as it is. */
  private compileValue(field: SchemaField, outer: GraphQLOutputType, source: Field): Read | undefined {
    const type = getNullableType(outer);
    if (isMap(source)) return this.compileMap(field, type, source);
    if (!isListType(type)) {
      return source.repeated ? this.misfit(field, source) : this.compileSingle(field, type, source);
    }
    const itemType = getNullableType(type.ofType);
    if (!source.repeated) return compileMaskRead(itemType, source) ?? this.misfit(field, source);
    const nullReason = isNonNullType(type.ofType) ? this.nullReason(type, source) : undefined;
    if (nullReason !== undefined) {
      this.options.findings.at(
        field.astNode,
        `${field.name} holds non-null values, but ${nullReason}`,
        `Make it ${String(outer).replace('!]', ']')}.`,
      );
    }
    const item = this.compileSingle(field, itemType, source);
    // An item that cannot be read is an error of its own place: it fails the others only where none may be null.
    return item && typed((values: readonly unknown[]) => values.map((value) => attempt(item, value)));
  }

  private compileSingle(field: SchemaField, type: GraphQLOutputType, source: Field): Read | undefined {
    const { resolvedType } = source;
    if (resolvedType instanceof Enum && isEnumType(type)) return this.compileEnum(type, resolvedType);
    if (isScalarType(type)) {
      if (type.name === 'JSON' && resolvedType instanceof Type) {
        noteUsage(field, ...namesWithin(resolvedType));
        return this.options.json.compileRead(resolvedType);
      }
      const builtIn = isSpecifiedScalarType(type) || gatewayScalars.includes(type.name);
      const conversion = scalarConversion(source, type.name, builtIn);
      return conversion ? conversion.read : this.misfit(field, source);
    }
    if (isObjectMessage(resolvedType) && isObjectType(type)) {
      this.options.addType(type, resolvedType);
      return undefined;
    }
    return this.misfit(field, source);
  }

  private compileEnum(type: GraphQLEnumType, source: Enum): Read {
    const { findings } = this.options;
    const mapping = compileEnumMapping(type, source, findings);
    checkShown(type, source, mapping, findings);
    const { nameOf } = mapping;
    return typed((number: number) => {
      const name = nameOf.get(number);
      return name === undefined ? unreadable(`${fullName(source)} has no value ${number}`) : name;
    });
  }

  /** The SDL decides whether a map goes out as JSON or as a list of entries. */
  private compileMap(field: SchemaField, type: GraphQLOutputType, source: Field & MapField): Read | undefined {
    const { findings, json, isAnsweredElsewhere } = this.options;
    if (isScalarType(type) && type.name === 'JSON') {
      if (source.resolvedType instanceof Type) noteUsage(field, ...namesWithin(source.resolvedType));
      return json.compileFieldRead(source);
    }
    const entry = isListType(type) ? getNullableType(type.ofType as GraphQLOutputType) : undefined;
    const { key, value } = (isObjectType(entry) ? entry.getFields() : {}) as Record<string, SchemaField>;
    if (!isObjectType(entry) || !key || !value) return this.misfit(field, source);
    for (const each of Object.values(entry.getFields()) as SchemaField[]) {
      if (each === key || each === value || isAnsweredElsewhere(each)) continue;
      findings.at(
        each.astNode,
        `${entry.name}.${each.name}: an entry of a map has no field "${each.name}"`,
        'Its fields are key, value.',
      );
    }
    const fields = entryFields(source);
    const nullReason = isNonNullType(value.type) ? this.nullReason(value.type, fields.value) : undefined;
    if (nullReason !== undefined) {
      findings.at(
        value.astNode,
        `${entry.name}.value is non-null, but ${nullReason}`,
        `Make it ${String(getNullableType(value.type))}.`,
      );
    }
    const readKey = this.compileValue(key, key.type, fields.key);
    const readValue = this.compileValue(value, value.type, fields.value);
    key.resolve = reading((from) => (from as MapEntry).key);
    value.resolve = reading((from) => (from as MapEntry).value);
    const entries = compileEntriesReader(source);
    return typed((map: Readonly<Record<string, unknown>>) =>
      entries(map).map(([name, content]): MapEntry => ({
        key: readKey ? attempt(readKey, name) : name,
        value: readValue ? attempt(readValue, content) : content,
      })),
    );
  }

  private misfit(field: SchemaField, source: Field): undefined {
    const choices = graphqlChoices(source, 'type').map((choice) => (source.repeated ? `[${choice}!]!` : choice));
    this.options.findings.at(
      field.astNode,
      `${field.name} is ${String(field.type)}, but ${fullName(source.parent as Type)}.${source.name} is ${fieldKind(source)}`,
      `It can be ${choices.join(' or ')}.`,
    );
  }
}
