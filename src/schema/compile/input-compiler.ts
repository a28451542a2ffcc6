import {
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
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
import { isMap } from '../../proto/maps';
import { messageRules } from '../../proto/message-rules';
import { takesNull, type ProtoJson } from '../../proto/proto-json';
import { deepest, fieldKind, findField, findOneOf, fullName, jsonName, type Fields } from '../../proto/proto-model';
import { graphqlChoices, isObjectMessage, scalarConversion, type Write } from '../../proto/scalar-conversions';
import { rejectValue, within, type Step } from '../../proto/value-error';
import { directiveArgs } from '../directive-nodes';
import { fieldName, namesWithin, uses } from '../proto-usage';
import type { Args } from '../resolver-context';
import { gatewayScalars } from '../scalars';
import { mapEnum } from './enum-mapping';

/** What an input type is to a message. */
export interface CompiledInput {
  /** Its fields that are input types themselves, by their GraphQL names. */
  readonly nested: ReadonlyMap<string, CompiledInput>;
  /** GraphQL names of its fields, by the names in the proto of those that they fill. */
  readonly names: ReadonlyMap<string, string>;
  /**
   * Puts what a client sent into a message.
   *
   * @param depth - How many messages that one is in.
   * @throws ValueError
   */
  readonly fill: (target: Fields, input: Args, depth: number) => void;
  /**
   * Adds the path of everything that a client sent, as google.protobuf.FieldMask has them.
   *
   * @param at - The path to the message; empty for the one that the mask is of.
   */
  readonly paths: (input: Args, at: string, found: string[]) => void;
}

/** A field of an input type, and what it fills. */
interface Member {
  readonly name: string;
  /** The proto field; undefined for a oneof, whose members the value holds. */
  readonly target: string | undefined;
  readonly write: Write | undefined;
  readonly takesNull: boolean;
  readonly nested: CompiledInput | undefined;
}

/** Compiles how values of arguments and input types are written as fields of messages. */
export class InputCompiler {
  private readonly inputs = new Map<GraphQLInputObjectType, Map<Type, CompiledInput>>();
  private readonly later: (() => void)[] = [];

  constructor(
    private readonly findings: Findings,
    readonly json: ProtoJson,
  ) {}

  /** Checks what can be checked only of types that are compiled to their ends. */
  finish(): void {
    for (let next = this.later.pop(); next; next = this.later.pop()) next();
  }

  /** How a GraphQL input value is written as a proto field; undefined where it is the same. */
  value(input: GraphQLInputField | GraphQLArgument, type: GraphQLInputType, target: Field): Write | undefined {
    const nullable = getNullableType(type);
    if (isMap(target)) return this.map(input, nullable, target);
    if (!isListType(nullable)) {
      return target.repeated ? this.misfit(input, target) : this.single(input, nullable, target);
    }
    if (!target.repeated) return pathsOf(nullable, target) ?? this.misfit(input, target);
    const item = this.single(input, getNullableType(nullable.ofType), target);
    const nullFits = takesNull(target);
    if (!item && isNonNullType(nullable.ofType)) return undefined;
    return (values: readonly unknown[], depth) =>
      values.map((value, index) =>
        at(index, () => {
          if (value === null && !nullFits) rejectValue('is null, which a list may not hold');
          const result = item ? item(value as never, depth) : value;
          return result === undefined ? rejectValue('is nothing that a list can hold') : result;
        }),
      );
  }

  /** A map comes in as JSON, or as a list of entries, as the SDL has it. */
  private map(
    input: GraphQLInputField | GraphQLArgument,
    type: GraphQLInputType,
    target: Field & MapField,
  ): Write | undefined {
    if (isScalarType(type) && type.name === 'JSON') {
      if (target.resolvedType instanceof Type) uses(input, ...namesWithin(target.resolvedType));
      return this.json.writeField(target);
    }
    const entry = isListType(type) ? getNullableType(type.ofType) : undefined;
    const { key, value } = isInputObjectType(entry) ? entry.getFields() : {};
    if (!isInputObjectType(entry) || !key || !value) return this.misfit(input, target);
    for (const field of Object.values(entry.getFields())) {
      if (field !== key && field !== value) this.stray(entry, field);
    }
    const fields = entryFields(target);
    const writeKey = this.value(key, key.type, fields.key);
    const writeValue = this.value(value, value.type, fields.value);
    const nullFits = takesNull(target);
    const write = (each: Args | null, depth: number): readonly [name: string, content: unknown] => {
      const { key: name, value: content } = each ?? {};
      if (name === undefined || name === null) return rejectValue('has no key');
      if (content === undefined || (content === null && !nullFits)) return rejectValue('has no value');
      const written = at('value', () => (writeValue ? writeValue(content as never, depth) : content));
      if (written === undefined) return rejectValue('has no value');
      return [at('key', () => String(writeKey ? writeKey(name as never, depth) : name)), written];
    };
    return (entries: readonly (Args | null)[], depth) => {
      const map = new Map<string, unknown>();
      for (const [index, each] of entries.entries()) {
        const [name, content] = at(index, () => write(each, depth));
        if (map.has(name)) at(index, () => rejectValue('has a key that another has too'));
        map.set(name, content);
      }
      return Object.fromEntries(map);
    };
  }

  private single(input: GraphQLInputField | GraphQLArgument, type: GraphQLInputType, target: Field): Write | undefined {
    const { resolvedType } = target;
    if (isEnumType(type) && resolvedType instanceof Enum) {
      const { numberOf } = mapEnum(type, resolvedType, this.findings);
      return (name: string) => numberOf.get(name);
    }
    if (isScalarType(type)) {
      if (type.name === 'JSON' && resolvedType instanceof Type) {
        uses(input, ...namesWithin(resolvedType));
        return this.json.write(resolvedType);
      }
      const builtIn = isSpecifiedScalarType(type) || gatewayScalars.includes(type.name);
      const conversion = scalarConversion(target, type.name, builtIn);
      return conversion ? conversion.write : this.misfit(input, target);
    }
    if (isInputObjectType(type) && isObjectMessage(resolvedType)) return this.message(type, resolvedType);
    return this.misfit(input, target);
  }

  /** How objects of an input type are written as a message. */
  private message(type: GraphQLInputObjectType, message: Type): Write {
    const { names, fill } = this.input(type, message);
    const rules = messageRules(message, (name) => names.get(name) ?? name);
    this.later.push(() => {
      const missing = message.fieldsArray.find((field) => field.required && !names.has(field.name));
      if (!missing) return;
      this.findings.at(
        type.astNode,
        `${type.name} lacks ${jsonName(missing)}, which ${fullName(message)} requires`,
        'Add the field, non-null.',
      );
    });
    return (input: Args, outer) => {
      const depth = outer + 1;
      if (depth > deepest) rejectValue('is nested too deeply');
      const target = newMessage();
      fill(target, input, depth);
      rules?.(target);
      return target;
    };
  }

  /** Compiles an input type for a message. Once for the two, so types may contain themselves. */
  input(type: GraphQLInputObjectType, message: Type): CompiledInput {
    const known = this.inputs.get(type)?.get(message);
    if (known) return known;
    const members: Member[] = [];
    const names = new Map<string, string>();
    const nested = new Map<string, CompiledInput>();
    const compiled: CompiledInput = { nested, names, fill: filling(members), paths: pathing(members) };
    const byMessage = this.inputs.get(type) ?? new Map<Type, CompiledInput>();
    this.inputs.set(type, byMessage.set(message, compiled));
    for (const field of Object.values(type.getFields())) {
      const member = this.member(type, field, message);
      if (!member) continue;
      members.push(member);
      if (member.nested) nested.set(field.name, member.nested);
      if (member.target !== undefined) names.set(member.target, field.name);
      else for (const [target, name] of member.nested?.names ?? []) names.set(target, name);
    }
    return compiled;
  }

  private member(type: GraphQLInputObjectType, field: GraphQLInputField, message: Type): Member | undefined {
    const { name } = field;
    const target = findField(message, protoName(field));
    const inner = getNullableType(field.type);
    if (target) {
      uses(field, fieldName(target));
      const { resolvedType } = target;
      const isOne = !target.repeated && !isMap(target);
      const isMessage = isOne && isInputObjectType(inner) && isObjectMessage(resolvedType);
      return {
        name,
        target: target.name,
        write: this.value(field, field.type, target),
        takesNull: isOne && takesNull(target),
        nested: isMessage ? this.input(inner, resolvedType) : undefined,
      };
    }
    const oneOf = isInputObjectType(inner) ? findOneOf(message, protoName(field)) : undefined;
    if (!oneOf || !isInputObjectType(inner)) {
      this.findings.at(
        field.astNode,
        `${type.name}.${name}: ${fullName(message)} has no field "${protoName(field)}"`,
        didYouMean(protoName(field), message.fieldsArray.map(jsonName)) ?? 'Rename it with @proto(field: "...").',
      );
      return undefined;
    }
    uses(field, ...oneOf.fieldsArray.map(fieldName));
    return { name, target: undefined, write: undefined, takesNull: false, nested: this.input(inner, message) };
  }

  private stray(entry: GraphQLInputObjectType, field: GraphQLInputField): void {
    this.findings.at(
      field.astNode,
      `${entry.name}.${field.name}: an entry of a map has no field "${field.name}"`,
      'Its fields are key, value.',
    );
  }

  private misfit(input: GraphQLInputField | GraphQLArgument, target: Field): undefined {
    const choices = graphqlChoices(target, 'input');
    this.findings.at(
      input.astNode,
      `${input.name} is ${String(input.type)}, but ${fullName(target.parent as Type)}.${target.name} is ${fieldKind(target)}`,
      `It can be ${choices.map((choice) => (target.repeated ? `[${choice}!]` : choice)).join(' or ')}.`,
    );
  }
}

function filling(members: readonly Member[]): CompiledInput['fill'] {
  return (target, input, depth) => {
    for (const member of members) {
      // Names such as "constructor" are found on every object.
      if (!Object.hasOwn(input, member.name)) continue;
      const value = input[member.name];
      if (value === undefined || (value === null && !member.takesNull)) continue;
      try {
        if (member.target === undefined) {
          member.nested?.fill(target, value as Args, depth);
        } else {
          const result = member.write ? member.write(value as never, depth) : value;
          if (result !== undefined) target[member.target] = result;
        }
      } catch (error) {
        throw within(member.name, error);
      }
    }
  };
}

function pathing(members: readonly Member[]): CompiledInput['paths'] {
  return (input, prefix, found) => {
    const before = found.length;
    for (const { name, target, nested } of members) {
      const value = Object.hasOwn(input, name) ? input[name] : undefined;
      if (value === undefined) continue;
      const path = target === undefined ? prefix : pathTo(prefix, target);
      if (nested && value !== null) nested.paths(value as Args, path, found);
      else if (target !== undefined) found.push(path);
    }
    // Sent, with nothing in it.
    if (found.length === before && prefix !== '') found.push(prefix);
  };
}

/** The path of a field from the path to its message. */
export function pathTo(message: string, field: string): string {
  return message === '' ? field : `${message}.${field}`;
}

/** What an input field or an argument is called in the proto. */
export function protoName({ name, astNode }: GraphQLInputField | GraphQLArgument): string {
  return (directiveArgs(astNode, 'proto')?.['field'] as string | undefined) ?? name;
}

function at<T>(step: Step, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw within(step, error);
  }
}

/** A list of paths as a FieldMask. */
function pathsOf(type: GraphQLInputType, target: Field): Write | undefined {
  const item = isListType(type) ? getNullableType(type.ofType) : undefined;
  const isMask = target.resolvedType instanceof Type && target.resolvedType.fullName === '.google.protobuf.FieldMask';
  if (!isMask || !isScalarType(item) || item.name !== 'String') return undefined;
  return (paths: readonly (string | null)[]) => ({
    paths: paths.map((path, index) => at(index, () => path ?? rejectValue('is null, which a list may not hold'))),
  });
}
