import {
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isScalarType,
  isSpecifiedScalarType,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import { Enum, Type, type Field, type MapField } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { entryFields, newMessage } from '../../internals/protobufjs';
import { typed, type Write } from '../../proto/conversion';
import { isMap } from '../../proto/maps';
import { compileMessageRules } from '../../proto/message-rules';
import { takesNull, type ProtoJson } from '../../proto/proto-json';
import { deepest, fieldKind, findField, findOneOf, fullName, jsonName, type Fields } from '../../proto/proto-model';
import { graphqlChoices, isObjectMessage, scalarConversion } from '../../proto/scalar-conversions';
import { atSegment, rejectValue, within } from '../../proto/value-error';
import { nameInProto } from '../name-in-proto';
import { fieldName, namesWithin, noteUsage } from '../proto-usage';
import type { Args } from '../resolver-context';
import { gatewayScalars } from '../scalars';
import { compileEnumMapping } from './enum-mapping';
import { compileMaskWrite, maskPath } from './field-mask';

/** An argument, or a field of an input type. */
export type InputElement = GraphQLInputField | GraphQLArgument;

/** How an input type becomes a message. */
export interface CompiledInput {
  /** Its fields that are input types themselves, by their GraphQL names. */
  readonly nested: ReadonlyMap<string, CompiledInput>;
  /** The GraphQL names of its fields, by the names of the proto fields that they fill. */
  readonly names: ReadonlyMap<string, string>;
  /**
   * Fills a message from what a client sent.
   *
   * @param depth - How many messages enclose the target.
   * @throws ValueError
   */
  readonly fill: (target: Fields, input: Args, depth: number) => void;
  /**
   * Adds the path of everything that a client sent, as a google.protobuf.FieldMask spells it.
   *
   * @param at - The path of the message; empty for the one that the mask is of.
   */
  readonly addPaths: (input: Args, at: string, found: string[]) => void;
}

/** A field of an input type, and what it fills. */
interface Member {
  readonly name: string;
  /** Undefined for a oneof, which is no field of the message: the members in its value are. */
  readonly target: Target | undefined;
  readonly nested: CompiledInput | undefined;
}

interface Target {
  /** The name in the proto. */
  readonly name: string;
  readonly write: Write;
  readonly takesNull: boolean;
}

/** The conversion of what does not fit its field. There is a finding then, and the schema is never served. */
const unfit: Write = (value) => value;

/** Compiles how values of arguments and input types are written as fields of messages. */
export class InputCompiler {
  private readonly inputs = new Map<GraphQLInputObjectType, Map<Type, CompiledInput>>();
  /** Checks of input types that may still be missing fields, since they are being compiled. */
  private readonly checks: (() => void)[] = [];

  constructor(
    private readonly findings: Findings,
    readonly json: ProtoJson,
  ) {}

  /** Findings for input types that lack what their message requires. Call it when all of them are compiled. */
  checkRequired(): void {
    for (let next = this.checks.pop(); next; next = this.checks.pop()) next();
  }

  /** Compiles how values of a GraphQL type are written as a proto field. */
  compileValue(input: InputElement, type: GraphQLInputType, target: Field): Write {
    const nullable = getNullableType(type);
    if (isMap(target)) return this.compileMap(input, nullable, target);
    if (!isListType(nullable)) {
      return target.repeated ? this.misfit(input, target) : this.compileSingle(input, nullable, target);
    }
    if (!target.repeated) return compileMaskWrite(nullable, target) ?? this.misfit(input, target);
    const write = this.compileSingle(input, getNullableType(nullable.ofType), target);
    const nullFits = takesNull(target);
    return typed((values: readonly unknown[], depth) =>
      values.map((value, index) =>
        atSegment(index, () => {
          if (value === null && !nullFits) rejectValue('is null, which a list may not hold');
          const result = write(value, depth);
          return result === undefined ? rejectValue('is nothing that a list can hold') : result;
        }),
      ),
    );
  }

  /** The SDL decides whether a map comes in as JSON or as a list of entries. */
  private compileMap(input: InputElement, type: GraphQLInputType, target: Field & MapField): Write {
    if (isScalarType(type) && type.name === 'JSON') {
      if (target.resolvedType instanceof Type) noteUsage(input, ...namesWithin(target.resolvedType));
      return this.json.compileFieldWrite(target);
    }
    const entry = isListType(type) ? getNullableType(type.ofType) : undefined;
    const { key, value } = isInputObjectType(entry) ? entry.getFields() : {};
    if (!isInputObjectType(entry) || !key || !value) return this.misfit(input, target);
    for (const field of Object.values(entry.getFields())) {
      if (field === key || field === value) continue;
      this.findings.at(
        field.astNode,
        `${entry.name}.${field.name}: an entry of a map has no field "${field.name}"`,
        'Its fields are key, value.',
      );
    }
    const fields = entryFields(target);
    const writeKey = this.compileValue(key, key.type, fields.key);
    const writeValue = this.compileValue(value, value.type, fields.value);
    const nullFits = takesNull(target);
    const writeEntry = (each: Args | null, depth: number): readonly [name: string, content: unknown] => {
      const { key: name, value: content } = each ?? {};
      if (name === undefined || name === null) return rejectValue('has no key');
      if (content === undefined || (content === null && !nullFits)) return rejectValue('has no value');
      const written = atSegment('value', () => writeValue(content, depth));
      if (written === undefined) return rejectValue('has no value');
      return [atSegment('key', () => String(writeKey(name, depth))), written];
    };
    return typed((entries: readonly (Args | null)[], depth) => {
      const map = new Map<string, unknown>();
      for (const [index, each] of entries.entries()) {
        const [name, content] = atSegment(index, () => writeEntry(each, depth));
        if (map.has(name)) atSegment(index, () => rejectValue('has a key that another has too'));
        map.set(name, content);
      }
      return Object.fromEntries(map);
    });
  }

  private compileSingle(input: InputElement, type: GraphQLInputType, target: Field): Write {
    const { resolvedType } = target;
    if (isEnumType(type) && resolvedType instanceof Enum) {
      const { numberOf } = compileEnumMapping(type, resolvedType, this.findings);
      return typed((name: string) => numberOf.get(name));
    }
    if (isScalarType(type)) {
      if (type.name === 'JSON' && resolvedType instanceof Type) {
        noteUsage(input, ...namesWithin(resolvedType));
        return this.json.compileWrite(resolvedType);
      }
      const builtIn = isSpecifiedScalarType(type) || gatewayScalars.includes(type.name);
      return scalarConversion(target, type.name, builtIn)?.write ?? this.misfit(input, target);
    }
    if (isInputObjectType(type) && isObjectMessage(resolvedType)) return this.compileMessage(type, resolvedType);
    return this.misfit(input, target);
  }

  /** How objects of an input type are written as a message. */
  private compileMessage(type: GraphQLInputObjectType, message: Type): Write {
    const { names, fill } = this.compileInput(type, message);
    const rules = compileMessageRules(message, (name) => names.get(name) ?? name);
    this.checks.push(() => {
      const missing = message.fieldsArray.find((field) => field.required && !names.has(field.name));
      if (!missing) return;
      this.findings.at(
        type.astNode,
        `${type.name} lacks ${jsonName(missing)}, which ${fullName(message)} requires`,
        'Add the field, non-null.',
      );
    });
    return typed((input: Args, outer) => {
      const depth = outer + 1;
      if (depth > deepest) rejectValue('is nested too deeply');
      const target = newMessage();
      fill(target, input, depth);
      rules?.(target);
      return target;
    });
  }

  /** Compiles an input type for a message: once for the two, since types may contain themselves. */
  compileInput(type: GraphQLInputObjectType, message: Type): CompiledInput {
    const known = this.inputs.get(type)?.get(message);
    if (known) return known;
    const members: Member[] = [];
    const names = new Map<string, string>();
    const nested = new Map<string, CompiledInput>();
    const compiled: CompiledInput = { nested, names, fill: compileFill(members), addPaths: compilePaths(members) };
    const byMessage = this.inputs.get(type) ?? new Map<Type, CompiledInput>();
    this.inputs.set(type, byMessage.set(message, compiled));
    for (const field of Object.values(type.getFields())) {
      const member = this.compileMember(type, field, message);
      if (!member) continue;
      members.push(member);
      if (member.nested) nested.set(field.name, member.nested);
      if (member.target) names.set(member.target.name, field.name);
      else for (const [target, name] of member.nested?.names ?? []) names.set(target, name);
    }
    return compiled;
  }

  private compileMember(type: GraphQLInputObjectType, field: GraphQLInputField, message: Type): Member | undefined {
    const { name } = field;
    const protoName = nameInProto(field);
    const target = findField(message, protoName);
    const inner = getNullableType(field.type);
    if (target) {
      noteUsage(field, fieldName(target));
      const { resolvedType } = target;
      const isOne = !target.repeated && !isMap(target);
      const isMessage = isOne && isInputObjectType(inner) && isObjectMessage(resolvedType);
      return {
        name,
        target: {
          name: target.name,
          write: this.compileValue(field, field.type, target),
          takesNull: isOne && takesNull(target),
        },
        nested: isMessage ? this.compileInput(inner, resolvedType) : undefined,
      };
    }
    const oneOf = isInputObjectType(inner) ? findOneOf(message, protoName) : undefined;
    if (!oneOf || !isInputObjectType(inner)) {
      this.findings.at(
        field.astNode,
        `${type.name}.${name}: ${fullName(message)} has no field "${protoName}"`,
        didYouMean(protoName, message.fieldsArray.map(jsonName)) ?? 'Rename it with @proto(field: "...").',
      );
      return undefined;
    }
    noteUsage(field, ...oneOf.fieldsArray.map(fieldName));
    return { name, target: undefined, nested: this.compileInput(inner, message) };
  }

  private misfit(input: InputElement, target: Field): Write {
    const choices = graphqlChoices(target, 'input');
    this.findings.at(
      input.astNode,
      `${input.name} is ${String(input.type)}, but ${fullName(target.parent as Type)}.${target.name} is ${fieldKind(target)}`,
      `It can be ${choices.map((choice) => (target.repeated ? `[${choice}!]` : choice)).join(' or ')}.`,
    );
    return unfit;
  }
}

/** @param members - Still empty when this is called. */
function compileFill(members: readonly Member[]): CompiledInput['fill'] {
  return (message, input, depth) => {
    for (const { name, target, nested } of members) {
      // Names such as "constructor" are found on every object.
      if (!Object.hasOwn(input, name)) continue;
      const value = input[name];
      if (value === undefined || (value === null && target?.takesNull !== true)) continue;
      try {
        if (target) {
          const result = target.write(value, depth);
          if (result !== undefined) message[target.name] = result;
        } else {
          nested?.fill(message, value as Args, depth);
        }
      } catch (error) {
        throw within(name, error);
      }
    }
  };
}

/** @param members - Still empty when this is called. */
function compilePaths(members: readonly Member[]): CompiledInput['addPaths'] {
  return (input, at, found) => {
    const before = found.length;
    for (const { name, target, nested } of members) {
      const value = Object.hasOwn(input, name) ? input[name] : undefined;
      if (value === undefined) continue;
      const path = target ? maskPath(at, target.name) : at;
      if (nested && value !== null) nested.addPaths(value as Args, path, found);
      else if (target) found.push(path);
    }
    // Sent, with nothing in it.
    if (found.length === before && at !== '') found.push(at);
  };
}
