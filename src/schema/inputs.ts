import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isScalarType,
  isSpecifiedScalarType,
  Kind,
  print,
  valueFromASTUntyped,
  type ConstObjectValueNode,
  type ConstValueNode,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import { Enum, Type, type Field, type MapField, type Root } from 'protobufjs';
import { GatewayError } from '../errors';
import { directiveArgs, directiveOn } from './ast';
import type { Args, Caller, SchemaField } from './context';
import { mapEnum } from './enums';
import { didYouMean, type Findings } from './findings';
import { entryFields, isMap, mapKeyName } from './maps';
import { ProtoJson } from './proto-json';
import { declaredOneOf, enumNames, fieldKind, findField, fullName, jsonName, type DecodedMessage } from './proto-model';
import { graphqlChoices, scalarConversion, wellKnown, type Write } from './scalar-values';
import { gatewayScalars } from './scalars';
import { fieldsAre } from './services';
import { fieldName, namesWithin, uses, valueName } from './usage';

type Fields = Record<string, unknown>;

/** Makes the request of an RPC from a field's arguments, the session and the message that the field belongs to. */
export type RequestBuilder = (args: Args, caller: Caller | GatewayError, parent: unknown) => Fields;

/** One value of a request; undefined where it is to be left out. */
type Value = (args: Args, caller: Caller | GatewayError, parent: unknown) => unknown;

/** Fields of a message, each with what fills it. */
type Fill = (target: Fields, args: Args, caller: Caller | GatewayError, parent: unknown) => void;

export interface RequestPlan {
  readonly field: SchemaField;
  readonly request: Type;
  /** `request:` of @grpc. */
  readonly mapping: ConstValueNode | undefined;
  /** Reads `$parent.NAME`; undefined where the parent has no such field, or there is no parent. */
  readonly parentField: ((name: string) => ParentField | undefined) | undefined;
  /** Arguments that something else takes care of, such as the paging of a connection. */
  readonly handled: ReadonlySet<string>;
}

const fieldMask = 'google.protobuf.FieldMask';

/** Compiles how requests are made; every argument lands somewhere, or there is a finding. */
export class RequestCompiler {
  private readonly inputs = new Map<GraphQLInputObjectType, Map<Type, (input: Args) => Fields>>();
  private readonly masks = new Map<
    GraphQLInputObjectType,
    Map<Type, (input: Args, prefix: string, paths: string[]) => void>
  >();

  private readonly json: ProtoJson;

  /** @param root - Where the types that an Any may hold are found. */
  constructor(
    private readonly findings: Findings,
    root: Root,
  ) {
    this.json = new ProtoJson(root);
  }

  compile(plan: RequestPlan): RequestBuilder {
    const used = new Set(plan.handled);
    const fills: Fill[] = [];
    const filled = new Set<string>();
    const mapping = plan.mapping;
    if (mapping?.kind === Kind.OBJECT) fills.push(this.message(plan, plan.request, mapping, used, filled));
    else if (mapping?.kind === Kind.STRING || mapping?.kind === Kind.LIST) {
      fills.push(this.merge(plan, plan.request, mapping, used));
    } else if (mapping) {
      this.findings.at(
        mapping,
        'request: takes an object, a list of objects, or "$args.NAME"',
        'Write request: { FIELD: "$args.NAME" }.',
      );
    }

    for (const argument of plan.field.args) {
      if (used.has(argument.name)) continue;
      const fill = this.byName(plan, argument, filled);
      if (fill) fills.push(fill);
    }
    const mask = this.implicitMask(plan, filled);
    if (mask) fills.push(mask);
    return (args, caller, parent) => {
      const target: Fields = {};
      for (const fill of fills) fill(target, args, caller, parent);
      return target;
    };
  }

  /** An argument that the mapping does not mention. */
  private byName(plan: RequestPlan, argument: GraphQLArgument, filled: Set<string>): Fill | undefined {
    const name = (directiveArgs(argument.astNode, 'proto')?.['field'] as string | undefined) ?? argument.name;
    const target = findField(plan.request, name);
    if (target) {
      filled.add(target.name);
      uses(plan.field, fieldName(target));
      return this.set(target, this.argument(argument, target));
    }
    const type = getNamedType(argument.type);
    if (argument.name === 'input' && isInputObjectType(type) && !isListType(getNullableType(argument.type))) {
      return this.spread(argument, type, plan.request);
    }
    this.findings.at(
      argument.astNode,
      `the argument ${argument.name} lands nowhere: ${fullName(plan.request)} has no field "${name}"`,
      didYouMean(name, plan.request.fieldsArray.map(jsonName)) ??
        'Map it with request: { ... } of @grpc, or rename it with @proto.',
    );
    return undefined;
  }

  private set(target: Field, value: Value): Fill {
    const { name } = target;
    return (fields, args, caller, parent) => {
      const result = value(args, caller, parent);
      if (result !== undefined) fields[name] = result;
    };
  }

  /** `{ field: value, ... }` */
  private message(
    plan: RequestPlan,
    type: Type,
    mapping: ConstObjectValueNode,
    used: Set<string>,
    filled = new Set<string>(),
  ): Fill {
    const fills = mapping.fields.flatMap(({ name, value }) => {
      const target = findField(type, name.value);
      if (!target) {
        this.findings.at(
          name,
          `${fullName(type)} has no field "${name.value}"`,
          didYouMean(name.value, type.fieldsArray.map(jsonName)) ?? fieldsAre(type.fieldsArray.map(jsonName)),
        );
        return [];
      }
      filled.add(target.name);
      uses(plan.field, fieldName(target));
      return [this.set(target, this.mapped(plan, target, value, used))];
    });
    return (fields, args, caller, parent) => {
      for (const fill of fills) fill(fields, args, caller, parent);
    };
  }

  /** `"$args.input"`, or a list of such and objects: a message made of several parts. */
  private merge(plan: RequestPlan, type: Type, mapping: ConstValueNode, used: Set<string>): Fill {
    const parts = mapping.kind === Kind.LIST ? mapping.values : [mapping];
    const fills = parts.flatMap((part): Fill[] => {
      if (part.kind === Kind.OBJECT) return [this.message(plan, type, part, used)];
      const argument = part.kind === Kind.STRING ? this.argumentNamed(plan, part, used) : undefined;
      const input = argument && getNamedType(argument.type);
      if (argument && isInputObjectType(input)) return [this.spread(argument, input, type)];
      this.findings.at(
        part,
        `${fullName(type)} is made of objects and of arguments of an input type`,
        'Write { FIELD: "$args.NAME" }, or "$args.NAME" of an argument of an input type.',
      );
      return [];
    });
    return (fields, args, caller, parent) => {
      for (const fill of fills) fill(fields, args, caller, parent);
    };
  }

  private mapped(plan: RequestPlan, target: Field, value: ConstValueNode, used: Set<string>): Value {
    if (
      target.resolvedType instanceof Type &&
      !target.repeated &&
      (value.kind === Kind.OBJECT || value.kind === Kind.LIST)
    ) {
      const fill =
        value.kind === Kind.OBJECT
          ? this.message(plan, target.resolvedType, value, used)
          : this.merge(plan, target.resolvedType, value, used);
      return (args, caller, parent) => {
        const fields: Fields = {};
        fill(fields, args, caller, parent);
        return fields;
      };
    }
    if (value.kind === Kind.STRING && value.value.startsWith('$')) {
      return this.reference(plan, target, value.value, value, used);
    }
    return this.constant(plan, target, value);
  }

  private constant(plan: RequestPlan, target: Field, value: ConstValueNode): Value {
    const untyped = valueFromASTUntyped(value);
    const { resolvedType } = target;
    if (resolvedType instanceof Enum && !target.repeated) {
      const names = Object.keys(resolvedType.values);
      const number = enumNames(resolvedType).numberOf.get(String(untyped)) ?? resolvedType.values[String(untyped)];
      if (number === undefined) {
        this.findings.at(
          value,
          `${fullName(resolvedType)} has no value ${String(untyped)}`,
          didYouMean(String(untyped), names) ?? `Its values are ${names.join(', ')}.`,
        );
      } else {
        uses(plan.field, valueName(resolvedType, resolvedType.valuesById[number] ?? ''));
      }
      return () => number;
    }
    if (resolvedType) {
      this.findings.at(value, `${jsonName(target)}: a message needs an object`, 'Write { FIELD: VALUE }.');
    } else if (!fitsConstant(target, untyped)) {
      this.findings.at(
        value,
        `${print(value)} is not ${fieldKind(target)}, as ${jsonName(target)} of ${fullName(target.parent as Type)} is`,
        'A text that begins with $ is a reference, such as "$args.NAME"; all else is a constant.',
      );
    }
    return () => untyped;
  }

  private reference(
    plan: RequestPlan,
    target: Field,
    reference: string,
    node: ConstValueNode,
    used: Set<string>,
  ): Value {
    const [root, name, ...more] = reference.slice(1).split('.');
    if (root === 'args') {
      const argument = this.argumentNamed(plan, node, used);
      if (!argument) return () => undefined;
      return more.length === 0 ? this.argument(argument, target) : this.nestedArgument(argument, more, target, node);
    }
    if (root === 'session' && (name === 'userId' || name === 'sessionId') && more.length === 0) {
      if (fieldKind(target) !== 'string') {
        this.findings.at(
          node,
          `${reference} is string, but ${jsonName(target)} is ${fieldKind(target)}`,
          'It fills fields of type string alone.',
        );
      }
      return (_args, caller) => {
        if (caller instanceof GatewayError) throw caller;
        return caller[name];
      };
    }
    if (root === 'parent' && name !== undefined && more.length === 0) {
      const found = plan.parentField?.(name);
      if (found) {
        if (fieldKind(found.source) !== fieldKind(target)) {
          this.findings.at(
            node,
            `${reference} is ${fieldKind(found.source)}, but ${jsonName(target)} is ${fieldKind(target)}`,
            'Both must be of the same type.',
          );
        }
        uses(plan.field, fieldName(found.source));
        return (_args, _caller, parent) => found.read(parent);
      }
      this.findings.at(
        node,
        `${reference}: the message that ${plan.field.name} belongs to has no field "${name}"`,
        plan.parentField
          ? 'Name a field of the message as the proto has it, in camelCase or snake_case.'
          : 'A root field belongs to no message: use $args.NAME or $session.userId.',
      );
      return () => undefined;
    }
    if (root === 'mask' && name !== undefined) {
      const argument = this.argumentNamed(plan, node, used);
      const mask = argument && this.maskOf(plan, argument);
      if (mask) return mask;
    }
    this.findings.at(
      node,
      `${reference} is not something a request can be made of`,
      'Use $args.NAME, $session.userId, $session.sessionId, $parent.FIELD or $mask.NAME.',
    );
    return () => undefined;
  }

  private argumentNamed(plan: RequestPlan, node: ConstValueNode, used: Set<string>): GraphQLArgument | undefined {
    const reference = node.kind === Kind.STRING ? node.value : '';
    const [root, name] = reference.slice(1).split('.');
    if ((root !== 'args' && root !== 'mask') || name === undefined) return undefined;
    const argument = plan.field.args.find((candidate) => candidate.name === name);
    if (argument) {
      if (root === 'args') used.add(name);
      return argument;
    }
    const names = plan.field.args.map((candidate) => candidate.name);
    this.findings.at(
      node,
      `${plan.field.name} has no argument "${name}"`,
      didYouMean(name, names) ?? (names.length === 0 ? 'It takes none.' : `It takes ${names.join(', ')}.`),
    );
    return undefined;
  }

  /** The value of an argument, as the target field is written. */
  private argument(argument: GraphQLArgument, target: Field): Value {
    const { name } = argument;
    uses(argument, fieldName(target));
    const write = this.value(argument, argument.type, target);
    return (args) => converted(args[name], write);
  }

  private nestedArgument(
    argument: GraphQLArgument,
    path: readonly string[],
    target: Field,
    node: ConstValueNode,
  ): Value {
    let input: GraphQLInputField | GraphQLArgument | undefined = argument;
    for (const step of path) {
      const type: unknown = input && getNamedType(input.type);
      input = isInputObjectType(type) ? type.getFields()[step] : undefined;
    }
    if (!input) {
      const type: unknown = getNamedType(argument.type);
      this.findings.at(
        node,
        `the argument ${argument.name} has no field "${path.join('.')}"`,
        isInputObjectType(type) ? `Its fields are ${Object.keys(type.getFields()).join(', ')}.` : 'Write "$args.NAME".',
      );
      return () => undefined;
    }
    uses(input, fieldName(target));
    const write = this.value(input, input.type, target);
    return (args) => {
      let value: unknown = args[argument.name];
      for (const step of path) value = (value as Args | null | undefined)?.[step];
      return converted(value, write);
    };
  }

  /** Puts the fields of an input argument into a message. */
  private spread(argument: GraphQLArgument, type: GraphQLInputObjectType, message: Type): Fill {
    const write = this.input(type, message);
    return (target, args) => {
      const value = args[argument.name];
      if (value !== undefined && value !== null) Object.assign(target, write(value as Args));
    };
  }

  /** How a GraphQL input value is written as a proto field; undefined where it is the same. */
  private value(input: GraphQLInputField | GraphQLArgument, type: GraphQLInputType, target: Field): Write | undefined {
    const nullable = getNullableType(type);
    if (isMap(target)) return this.map(input, nullable, target);
    if (isListType(nullable) && !target.repeated) {
      const paths = pathsOf(nullable, target);
      if (!paths) this.misfit(input, target);
      return paths;
    }
    if (!isListType(nullable) && target.repeated) {
      this.misfit(input, target);
      return undefined;
    }
    if (!isListType(nullable)) return this.single(input, nullable, target);
    const item = this.single(input, getNullableType(nullable.ofType), target);
    return (values: readonly unknown[]) =>
      values.map((value) => {
        if (value === null) throw new GatewayError('BAD_USER_INPUT', `${input.name}: a list may not hold null`);
        return item ? item(value as never) : value;
      });
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
    if (!key || !value) {
      this.misfit(input, target);
      return undefined;
    }
    const fields = entryFields(target);
    const writeKey = this.value(key, key.type, fields.key);
    const writeValue = this.value(value, value.type, fields.value);
    return (entries: readonly Args[]) => {
      const map = new Map<string, unknown>();
      for (const { key: name, value: content } of entries) {
        const text = mapKeyName(target.keyType, writeKey ? writeKey(name as never) : name);
        if (map.has(text)) {
          throw new GatewayError('BAD_USER_INPUT', `${input.name} has the key ${JSON.stringify(name)} twice.`);
        }
        if (content === null || content === undefined) {
          throw new GatewayError('BAD_USER_INPUT', `${input.name} has no value for the key ${JSON.stringify(name)}.`);
        }
        map.set(text, writeValue ? writeValue(content as never) : content);
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
      const conversion = scalarConversion(
        target,
        type.name,
        isSpecifiedScalarType(type) || gatewayScalars.includes(type.name),
      );
      if (!conversion) this.misfit(input, target);
      return conversion?.write;
    }
    if (isInputObjectType(type) && resolvedType instanceof Type && !wellKnown(resolvedType)) {
      const write = this.input(type, resolvedType);
      return (value: Args) => write(value);
    }
    this.misfit(input, target);
    return undefined;
  }

  /** How objects of an input type are written as a message. Compiled once for the two, so types may contain themselves. */
  private input(type: GraphQLInputObjectType, message: Type): (input: Args) => Fields {
    const known = this.inputs.get(type)?.get(message);
    if (known) return known;
    const fields: { name: string; target: string; write: Write | undefined; oneOf: string | undefined }[] = [];
    const build = (input: Args): Fields => {
      const result: Fields = {};
      let chosen: Record<string, string> | undefined;
      for (const { name, target, write, oneOf } of fields) {
        const value = input[name];
        if (value === undefined || value === null) continue;
        if (oneOf !== undefined) {
          chosen ??= {};
          if (chosen[oneOf] !== undefined) {
            throw new GatewayError('BAD_USER_INPUT', `Only one of ${chosen[oneOf]} and ${name} may be given.`);
          }
          chosen[oneOf] = name;
        }
        result[target] = write ? write(value as never) : value;
      }
      return result;
    };
    const byMessage = this.inputs.get(type) ?? new Map<Type, (input: Args) => Fields>();
    byMessage.set(message, build);
    this.inputs.set(type, byMessage);

    for (const field of Object.values(type.getFields())) {
      const target = this.inputTarget(type, field, message);
      if (!target) continue;
      const write = this.value(field, field.type, target);
      fields.push({ name: field.name, target: target.name, write, oneOf: declaredOneOf(target)?.name });
    }
    return build;
  }

  private inputTarget(type: GraphQLInputObjectType, field: GraphQLInputField, message: Type): Field | undefined {
    const name = (directiveArgs(field.astNode, 'proto')?.['field'] as string | undefined) ?? field.name;
    const target = findField(message, name);
    if (target) {
      uses(field, fieldName(target));
    } else {
      this.findings.at(
        field.astNode,
        `${type.name}.${field.name}: ${fullName(message)} has no field "${name}"`,
        didYouMean(name, message.fieldsArray.map(jsonName)) ?? 'Rename it with @proto(field: "...").',
      );
    }
    return target;
  }

  /** A FieldMask that the mapping does not mention names what the client sent of the message beside it. */
  private implicitMask(plan: RequestPlan, filled: ReadonlySet<string>): Fill | undefined {
    const target = plan.request.fieldsArray.find(
      (field) => field.resolvedType instanceof Type && fullName(field.resolvedType) === fieldMask && !field.repeated,
    );
    if (!target || filled.has(target.name)) return undefined;
    const inputs = plan.field.args.filter((argument) => isInputObjectType(getNamedType(argument.type)));
    const [argument] = inputs;
    const mask = inputs.length === 1 && argument ? this.maskOf(plan, argument) : undefined;
    if (mask) {
      uses(plan.field, fieldName(target));
      return this.set(target, mask);
    }
    this.findings.at(
      directiveOn(plan.field.astNode, 'grpc'),
      `${fullName(plan.request)}.${target.name} cannot be filled: it is not clear from which argument`,
      `Say ${jsonName(target)}: "$mask.NAME" in request:.`,
    );
    return undefined;
  }

  /** The mask of what the client sent in an input argument, by the message that its type was compiled for. */
  private maskOf(plan: RequestPlan, argument: GraphQLArgument): Value | undefined {
    const type = getNamedType(argument.type);
    if (!isInputObjectType(type)) return undefined;
    const message = [...(this.inputs.get(type)?.keys() ?? [])].find((candidate) =>
      reachable(plan.request).has(candidate),
    );
    if (!message) return undefined;
    const collect = this.mask(type, message);
    return (args) => {
      const paths: string[] = [];
      const value = args[argument.name];
      if (value !== undefined && value !== null) collect(value as Args, '', paths);
      return { paths };
    };
  }

  private mask(type: GraphQLInputObjectType, message: Type): (input: Args, prefix: string, paths: string[]) => void {
    const known = this.masks.get(type)?.get(message);
    if (known) return known;
    const fields: { name: string; path: string; nested: ReturnType<RequestCompiler['mask']> | undefined }[] = [];
    const collect = (input: Args, prefix: string, paths: string[]): void => {
      for (const { name, path, nested } of fields) {
        const value = input[name];
        if (value === undefined) continue;
        if (nested && value !== null) nested(value as Args, `${prefix}${path}.`, paths);
        else paths.push(`${prefix}${path}`);
      }
    };
    const byMessage = this.masks.get(type) ?? new Map<Type, typeof collect>();
    byMessage.set(message, collect);
    this.masks.set(type, byMessage);
    for (const field of Object.values(type.getFields())) {
      const target = this.inputTarget(type, field, message);
      if (!target) continue;
      const named = getNullableType(field.type);
      const nested =
        isInputObjectType(named) && target.resolvedType instanceof Type
          ? this.mask(named, target.resolvedType)
          : undefined;
      fields.push({ name: field.name, path: target.name, nested });
    }
    return collect;
  }

  private misfit(input: GraphQLInputField | GraphQLArgument, target: Field): void {
    const choices = graphqlChoices(target, 'input');
    this.findings.at(
      input.astNode,
      `${input.name} is ${String(input.type)}, but ${fullName(target.parent as Type)}.${target.name} is ${fieldKind(target)}`,
      `It can be ${choices.map((choice) => (target.repeated ? `[${choice}!]` : choice)).join(' or ')}.`,
    );
  }
}

/** True for a constant that a scalar field can be written with. */
function fitsConstant(target: Field, value: unknown): boolean {
  if (target.repeated) return Array.isArray(value) && value.every((item) => fitsScalar(target.type, item));
  return !isMap(target) && fitsScalar(target.type, value);
}

function fitsScalar(type: string, value: unknown): boolean {
  if (type === 'string' || type === 'bytes') return typeof value === 'string';
  if (type === 'bool') return typeof value === 'boolean';
  if (type === 'float' || type === 'double') return typeof value === 'number';
  // Text holds every digit of 64 bits, which a number in SDL does not.
  return Number.isInteger(value) || (type.includes('64') && /^-?\d+$/.test(String(value)));
}

function converted(value: unknown, write: Write | undefined): unknown {
  if (value === undefined || value === null) return undefined;
  return write ? write(value as never) : value;
}

/** Messages that a request is made of, itself included. */
function reachable(request: Type): ReadonlySet<Type> {
  const types = new Set([request]);
  for (const type of types) {
    for (const field of type.fieldsArray) if (field.resolvedType instanceof Type) types.add(field.resolvedType);
  }
  return types;
}

/** A list of paths as a FieldMask. */
function pathsOf(type: GraphQLInputType, target: Field): Write | undefined {
  const item = isListType(type) ? getNullableType(type.ofType) : undefined;
  const isMask = target.resolvedType instanceof Type && fullName(target.resolvedType) === fieldMask;
  return isMask && isScalarType(item) && item.name === 'String' ? (paths: readonly string[]) => ({ paths }) : undefined;
}

/** A field of the message that a GraphQL field belongs to. */
export interface ParentField {
  readonly read: (parent: unknown) => unknown;
  /** The proto field, in the first of the messages that the parent may be. */
  readonly source: Field;
}

/** Finds the field that `$parent.NAME`, or a key of @join, names in every message that the parent's type is read from. */
export function parentFieldOf(messages: ReadonlySet<Type>) {
  return (name: string): ParentField | undefined => {
    const sources = new Map<Type, Field>();
    for (const message of messages) {
      const field = findField(message, name);
      if (!field) return undefined;
      sources.set(message, field);
    }
    const [source] = sources.values();
    if (!source) return undefined;
    const isSame = [...sources.values()].every((each) => each.name === source.name);
    return {
      source,
      read: isSame
        ? (parent) => (parent as DecodedMessage)[source.name]
        : (parent) => (parent as DecodedMessage)[(sources.get((parent as DecodedMessage).$type) ?? source).name],
    };
  };
}
