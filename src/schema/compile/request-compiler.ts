import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isNonNullType,
  isScalarType,
  Kind,
  print,
  valueFromASTUntyped,
  type ConstObjectValueNode,
  type ConstValueNode,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputObjectType,
} from 'graphql';
import { Enum, Type, type Field, type Root } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { GatewayError } from '../../errors';
import { newMessage } from '../../internals/protobufjs';
import { isMap } from '../../proto/maps';
import { messageRules } from '../../proto/message-rules';
import { ProtoJson, takesNull } from '../../proto/proto-json';
import {
  enumNames,
  fieldKind,
  findField,
  fullName,
  hasPresence,
  jsonName,
  numberOfValue,
  type DecodedMessage,
  type Fields,
} from '../../proto/proto-model';
import { isObjectMessage, type Write } from '../../proto/scalar-conversions';
import { badInput, within } from '../../proto/value-error';
import { directiveOn } from '../directive-nodes';
import { fieldName, namesWithin, uses, valueName } from '../proto-usage';
import type { Args, Caller, SchemaField } from '../resolver-context';
import { fieldsAre } from '../services';
import { InputCompiler, pathTo, protoName, type CompiledInput } from './input-compiler';

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

/** Adds the paths of what a client sent of a message. */
type Sent = (args: Args, at: string, found: string[]) => void;

/** A message of a request while it is compiled. */
interface Draft {
  readonly type: Type;
  /** How many messages it is in. */
  readonly depth: number;
  readonly fills: Fill[];
  /** What clients call the fields that are filled, by their names in the proto. */
  readonly names: Map<string, string>;
  readonly sent: Sent[];
}

function draftOf(type: Type, depth = 0): Draft {
  return { type, depth, fills: [], names: new Map(), sent: [] };
}

/** A request while it is compiled. */
interface Work extends RequestPlan {
  /** Names of the arguments that land somewhere. */
  readonly used: Set<string>;
  /** What arguments, and fields of them, of an input type came to where they landed. */
  readonly landed: Map<string, CompiledInput>;
  /** Masks, which are found when everything has landed. */
  readonly masks: (() => void)[];
}

/** Compiles how requests are made; every argument lands somewhere, or there is a finding. */
export class RequestCompiler {
  private readonly inputs: InputCompiler;

  /** @param root - Where the types that an Any may hold are found. */
  constructor(
    private readonly findings: Findings,
    root: Root,
  ) {
    this.inputs = new InputCompiler(findings, new ProtoJson(root));
  }

  compile(plan: RequestPlan): RequestBuilder {
    const work: Work = { ...plan, used: new Set(plan.handled), landed: new Map(), masks: [] };
    const draft = draftOf(plan.request);
    const { mapping } = plan;
    if (mapping?.kind === Kind.OBJECT) this.fromObject(work, draft, mapping);
    else if (mapping?.kind === Kind.STRING || mapping?.kind === Kind.LIST) this.merge(work, draft, mapping);
    else if (mapping) {
      this.findings.at(
        mapping,
        'request: takes an object, a list of objects, or "$args.NAME"',
        'Write request: { FIELD: "$args.NAME" }.',
      );
    }
    for (const argument of plan.field.args) if (!work.used.has(argument.name)) this.byName(work, draft, argument);
    this.implicitMask(work, draft);
    for (const find of work.masks) find();
    this.inputs.finish();
    const build = this.built(work, draft);
    return (args, caller, parent) => {
      try {
        return build(args, caller, parent);
      } catch (error) {
        throw badInput(error);
      }
    };
  }

  /** The message of a draft, with everything that must hold of it. */
  private built(work: Work, { type, fills, names }: Draft): RequestBuilder {
    const missing = type.fieldsArray.find((field) => field.required && !names.has(field.name));
    if (missing) {
      this.findings.at(
        directiveOn(work.field.astNode, 'grpc'),
        `nothing fills ${jsonName(missing)}, which ${fullName(type)} requires`,
        `Add an argument ${jsonName(missing)}, or say ${jsonName(missing)}: in request:.`,
      );
    }
    const rules = messageRules(type, (name) => names.get(name) ?? name);
    return (args, caller, parent) => {
      const target = newMessage();
      for (const fill of fills) fill(target, args, caller, parent);
      rules?.(target);
      return target;
    };
  }

  private set({ fills, names }: Draft, target: Field, called: string, value: Value): void {
    const { name } = target;
    names.set(name, called);
    fills.push((fields, args, caller, parent) => {
      const result = value(args, caller, parent);
      if (result !== undefined) fields[name] = result;
    });
  }

  /** An argument that the mapping does not mention. */
  private byName(work: Work, draft: Draft, argument: GraphQLArgument): void {
    const { field, request } = work;
    const name = protoName(argument);
    const target = findField(request, name);
    if (target) {
      uses(field, fieldName(target));
      this.set(draft, target, argument.name, this.taken(work, draft, argument, [argument.name], target));
      return;
    }
    const type = getNullableType(argument.type);
    if (argument.name === 'input' && isInputObjectType(type)) {
      this.spread(work, draft, argument, type);
    } else if (argument.name === 'input' && isScalarType(type) && type.name === 'JSON') {
      this.spreadJson(draft, argument);
    } else {
      this.findings.at(
        argument.astNode,
        `the argument ${argument.name} lands nowhere: ${fullName(request)} has no field "${name}"`,
        didYouMean(name, request.fieldsArray.map(jsonName)) ??
          'Map it with request: { ... } of @grpc, or rename it with @proto.',
      );
    }
  }

  /** `{ field: value, ... }` */
  private fromObject(work: Work, draft: Draft, mapping: ConstObjectValueNode): void {
    const { type } = draft;
    for (const { name, value } of mapping.fields) {
      const target = findField(type, name.value);
      if (!target) {
        this.findings.at(
          name,
          `${fullName(type)} has no field "${name.value}"`,
          didYouMean(name.value, type.fieldsArray.map(jsonName)) ?? fieldsAre(type.fieldsArray.map(jsonName)),
        );
        continue;
      }
      uses(work.field, fieldName(target));
      this.set(draft, target, calledBy(value) ?? name.value, this.mapped(work, draft, target, value));
    }
  }

  /** `"$args.input"`, or a list of such and objects: a message made of several parts. */
  private merge(work: Work, draft: Draft, mapping: ConstValueNode): void {
    for (const part of mapping.kind === Kind.LIST ? mapping.values : [mapping]) {
      const argument = part.kind === Kind.STRING ? this.argumentNamed(work, part) : undefined;
      const input = argument && getNamedType(argument.type);
      if (part.kind === Kind.OBJECT) {
        this.fromObject(work, draft, part);
      } else if (argument && isInputObjectType(input)) {
        this.spread(work, draft, argument, input);
      } else {
        this.findings.at(
          part,
          `${fullName(draft.type)} is made of objects and of arguments of an input type`,
          'Write { FIELD: "$args.NAME" }, or "$args.NAME" of an argument of an input type.',
        );
      }
    }
  }

  private mapped(work: Work, draft: Draft, target: Field, value: ConstValueNode): Value {
    const { resolvedType } = target;
    if (resolvedType instanceof Type && !target.repeated && (value.kind === Kind.OBJECT || value.kind === Kind.LIST)) {
      const inner = draftOf(resolvedType, draft.depth + 1);
      if (value.kind === Kind.OBJECT) this.fromObject(work, inner, value);
      else this.merge(work, inner, value);
      draft.sent.push((args, at, found) => {
        for (const sent of inner.sent) sent(args, pathTo(at, target.name), found);
      });
      return this.built(work, inner);
    }
    if (value.kind === Kind.STRING && value.value.startsWith('$')) {
      return this.reference(work, draft, target, value.value, value);
    }
    return this.constant(work, target, value);
  }

  private constant({ field }: Work, target: Field, value: ConstValueNode): Value {
    const untyped = valueFromASTUntyped(value);
    const { resolvedType } = target;
    if (resolvedType instanceof Enum && !target.repeated) {
      const names = Object.keys(resolvedType.values);
      const name = String(untyped);
      const number = enumNames(resolvedType).numberOf.get(name) ?? numberOfValue(resolvedType, name);
      if (number === undefined) {
        this.findings.at(
          value,
          `${fullName(resolvedType)} has no value ${name}`,
          didYouMean(name, names) ?? `Its values are ${names.join(', ')}.`,
        );
      } else {
        uses(field, valueName(resolvedType, resolvedType.valuesById[number] ?? ''));
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

  private reference(work: Work, draft: Draft, target: Field, reference: string, node: ConstValueNode): Value {
    const [root, name, ...more] = reference.slice(1).split('.');
    if (root === 'args') {
      const argument = this.argumentNamed(work, node);
      if (!argument) return () => undefined;
      return more.length === 0
        ? this.taken(work, draft, argument, [argument.name], target)
        : this.nestedArgument(work, draft, argument, more, target, node);
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
    if (root === 'parent' && name !== undefined) return this.parent(work, target, [name, ...more].join('.'), node);
    if (root === 'mask' && name !== undefined && this.argumentNamed(work, node)) {
      let mask: Value = () => undefined;
      work.masks.push(() => {
        const path = [name, ...more];
        const input = landedAt(work.landed, path);
        if (input) mask = maskOf(input, path);
        else this.unknownReference(reference, node);
      });
      return (args, caller, parent) => mask(args, caller, parent);
    }
    this.unknownReference(reference, node);
    return () => undefined;
  }

  private unknownReference(reference: string, node: ConstValueNode): void {
    this.findings.at(
      node,
      `${reference} is not something a request can be made of`,
      'Use $args.NAME, $session.userId, $session.sessionId, $parent.FIELD or $mask.NAME.',
    );
  }

  /** `$parent.FIELD`, or a path through messages. */
  private parent({ field, parentField }: Work, target: Field, path: string, node: ConstValueNode): Value {
    const found = parentField?.(path);
    if (!found || found.many !== found.source.repeated) {
      this.findings.at(
        node,
        `$parent.${path}: the message that ${field.name} belongs to has no field "${path}"`,
        parentField
          ? 'Name a field of the message as the proto has it, in camelCase or snake_case.'
          : 'A root field belongs to no message: use $args.NAME or $session.userId.',
      );
      return () => undefined;
    }
    const { source, read } = found;
    if (fieldKind(source) !== fieldKind(target) || source.resolvedType !== target.resolvedType) {
      this.findings.at(
        node,
        `$parent.${path} is ${fieldKind(source)}, but ${jsonName(target)} is ${fieldKind(target)}`,
        'Both must be of the same type.',
      );
    }
    uses(field, fieldName(source));
    return (_args, _caller, parent) => read(parent);
  }

  private argumentNamed({ field, used }: Work, node: ConstValueNode): GraphQLArgument | undefined {
    const reference = node.kind === Kind.STRING ? node.value : '';
    const [root, name] = reference.slice(1).split('.');
    if ((root !== 'args' && root !== 'mask') || name === undefined) return undefined;
    const argument = field.args.find((candidate) => candidate.name === name);
    if (argument) {
      if (root === 'args') used.add(name);
      return argument;
    }
    const names = field.args.map((candidate) => candidate.name);
    this.findings.at(
      node,
      `${field.name} has no argument "${name}"`,
      didYouMean(name, names) ?? (names.length === 0 ? 'It takes none.' : `It takes ${names.join(', ')}.`),
    );
    return undefined;
  }

  private nestedArgument(
    work: Work,
    draft: Draft,
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
    if (input) return this.taken(work, draft, input, [argument.name, ...path], target);
    const type: unknown = getNamedType(argument.type);
    this.findings.at(
      node,
      `the argument ${argument.name} has no field "${path.join('.')}"`,
      isInputObjectType(type) ? `Its fields are ${Object.keys(type.getFields()).join(', ')}.` : 'Write "$args.NAME".',
    );
    return () => undefined;
  }

  /** What a client sent at a path of the arguments, as the target field is written. */
  private taken(
    { landed }: Work,
    draft: Draft,
    input: GraphQLArgument | GraphQLInputField,
    path: readonly string[],
    target: Field,
  ): Value {
    uses(input, fieldName(target));
    const write = this.inputs.value(input, input.type, target);
    const type = getNullableType(input.type);
    const { resolvedType } = target;
    if (isInputObjectType(type) && isObjectMessage(resolvedType) && !target.repeated) {
      const compiled = this.inputs.input(type, resolvedType);
      landed.set(path.join('.'), compiled);
      draft.sent.push((args, at, found) => {
        const value = valueAt(args, path);
        if (value !== undefined && value !== null) compiled.paths(value as Args, pathTo(at, target.name), found);
        else if (value === null) found.push(pathTo(at, target.name));
      });
    } else if (!isNonNullType(input.type)) {
      // An argument that is always there says which object is meant, not what to change of it.
      draft.sent.push((args, at, found) => {
        if (valueAt(args, path) !== undefined) found.push(pathTo(at, target.name));
      });
    }
    const nullFits = takesNull(target) && !target.repeated && !isMap(target);
    return (args) => converted(valueAt(args, path), write, nullFits, draft.depth, path);
  }

  /** Puts the fields of an input argument into a message. */
  private spread({ landed }: Work, draft: Draft, argument: GraphQLArgument, type: GraphQLInputObjectType): void {
    const { name } = argument;
    const { depth, fills, names, sent, type: message } = draft;
    const compiled = this.inputs.input(type, message);
    landed.set(name, compiled);
    for (const [target, called] of compiled.names) names.set(target, `${name}.${called}`);
    fills.push((target, args) => {
      const value = valueAt(args, [name]);
      if (value === undefined || value === null) return;
      try {
        compiled.fill(target, value as Args, depth);
      } catch (error) {
        throw within(name, error);
      }
    });
    sent.push((args, at, found) => {
      const value = valueAt(args, [name]);
      if (value !== undefined && value !== null) compiled.paths(value as Args, at, found);
    });
  }

  /** A whole message as JSON. */
  private spreadJson({ fills, names, type }: Draft, argument: GraphQLArgument): void {
    const { name } = argument;
    uses(argument, ...namesWithin(type));
    const write = this.inputs.json.write(type);
    for (const field of type.fieldsArray) names.set(field.name, `${name}.${jsonName(field)}`);
    fills.push((target, args) => {
      // The message is the outermost one: it is in none.
      Object.assign(target, converted(valueAt(args, [name]), write, false, -1, [name]));
    });
  }

  /**
   * A FieldMask that the mapping does not mention names what the client sent of the message beside it; where there is
   * none, of the input that the request is made of. A read_mask is another thing (AIP-157): left out, it asks for all.
   */
  private implicitMask({ field, request, landed }: Work, draft: Draft): void {
    const target = request.fieldsArray.find(
      ({ name, repeated, resolvedType }) =>
        resolvedType?.fullName === '.google.protobuf.FieldMask' && !repeated && name !== 'read_mask',
    );
    if (!target || draft.names.has(target.name)) return;
    const beside = request.fieldsArray.filter(
      (each) => draft.names.has(each.name) && isObjectMessage(each.resolvedType) && !each.repeated && !isMap(each),
    );
    const isClear = beside.length === 0 ? landed.size > 0 : beside.length === 1 && draft.sent.length > 0;
    if (!isClear) {
      this.findings.at(
        directiveOn(field.astNode, 'grpc'),
        `${fullName(request)}.${target.name} cannot be filled: it is not clear from which argument`,
        `Say ${jsonName(target)}: "$mask.NAME" in request:.`,
      );
      return;
    }
    uses(field, fieldName(target));
    const [subject] = beside;
    const prefix = subject ? `${subject.name}.` : '';
    const { sent } = draft;
    this.set(draft, target, jsonName(target), (args) => {
      const found: string[] = [];
      for (const add of sent) add(args, '', found);
      return { paths: found.flatMap((path) => (path.startsWith(prefix) ? [path.slice(prefix.length)] : [])) };
    });
  }
}

/** What came of an input type at a path of the arguments: it, or one that it is in, has landed somewhere. */
function landedAt(landed: ReadonlyMap<string, CompiledInput>, path: readonly string[]): CompiledInput | undefined {
  const here = landed.get(path.join('.'));
  const last = path.at(-1);
  if (here || last === undefined) return here;
  return landedAt(landed, path.slice(0, -1))?.nested.get(last);
}

/** The mask of what a client sent at a path of the arguments. */
function maskOf(input: CompiledInput, path: readonly string[]): Value {
  return (args) => {
    const found: string[] = [];
    const value = valueAt(args, path);
    if (value !== undefined && value !== null) input.paths(value as Args, '', found);
    return { paths: found };
  };
}

/** What a client calls the field that a mapping fills; undefined where it knows nothing of it. */
function calledBy(value: ConstValueNode): string | undefined {
  return value.kind === Kind.STRING ? /^\$args\.(.+)$/.exec(value.value)?.[1] : undefined;
}

/** A value among the arguments. Names such as "constructor" are found on every object, so that its own are asked for. */
function valueAt(args: Args, path: readonly string[]): unknown {
  let value: unknown = args;
  for (const step of path) {
    if (value === undefined || value === null) return undefined;
    value = Object.hasOwn(value, step) ? (value as Args)[step] : undefined;
  }
  return value;
}

function converted(
  value: unknown,
  write: Write | undefined,
  nullFits: boolean,
  depth: number,
  path: readonly string[],
): unknown {
  if (value === undefined || (value === null && !nullFits)) return undefined;
  try {
    return write ? write(value as never, depth) : value;
  } catch (error) {
    throw path.reduceRight((inner, step) => within(step, inner), error);
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

/** A field of the message that a GraphQL field belongs to. */
export interface ParentField {
  /** The value of the field; undefined where it is not set. */
  readonly read: (parent: unknown) => unknown;
  /** The proto field, in the first of the messages that the parent may be. */
  readonly source: Field;
  /** True where there is a list of values: the field is repeated, or a message on the way to it. */
  readonly many: boolean;
}

/**
 * Finds the field that `$parent.NAME`, or a key of @join, names in every message that the parent's type is read from. The
 * name may be a path through messages.
 */
export function parentFieldOf(messages: ReadonlySet<Type>) {
  return (name: string): ParentField | undefined => {
    const paths = new Map<Type, readonly Field[]>();
    for (const message of messages) {
      const path = fieldsOn(message, name.split('.'));
      if (!path) return undefined;
      paths.set(message, path);
    }
    const [first] = paths.values();
    const source = first?.at(-1);
    if (!first || !source) return undefined;
    const many = first.some(({ repeated }) => repeated);
    const isSame = [...paths.values()].every((path) => namesOf(path) === namesOf(first));
    if (isSame) return { source, many, read: pathReader(first) };
    const readers = new Map([...paths].map(([message, path]) => [message, pathReader(path)]));
    return { source, many, read: (parent) => readers.get((parent as DecodedMessage).$type)?.(parent) };
  };
}

/** The fields on a path; undefined where it leads nowhere. */
function fieldsOn(message: Type, path: readonly string[]): readonly Field[] | undefined {
  const [step, ...rest] = path;
  const field = step === undefined ? undefined : findField(message, step);
  if (!field || rest.length === 0) return field && [field];
  if (!(field.resolvedType instanceof Type) || isMap(field)) return undefined;
  const more = fieldsOn(field.resolvedType, rest);
  return more && [field, ...more];
}

function namesOf(path: readonly Field[]): string {
  return path.map(({ name }) => name).join('.');
}

/** Reads what is on a path, undefined where it is not set; a list of it where a message on the way is repeated. */
export function pathReader([field, ...rest]: readonly Field[]): (message: unknown) => unknown {
  if (!field) return (value) => value;
  const { name, repeated } = field;
  const presence = hasPresence(field);
  const next = pathReader(rest);
  return (message) => {
    if (presence && !Object.hasOwn(message as object, name)) return undefined;
    const value = (message as DecodedMessage)[name];
    return repeated && rest.length > 0 ? (value as readonly unknown[]).flatMap(next) : next(value);
  };
}
