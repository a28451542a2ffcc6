import {
  getNamedType,
  getNullableType,
  isListType,
  isNonNullType,
  isObjectType,
  type ConstDirectiveNode,
  type GraphQLObjectType,
} from 'graphql';
import { Type, type Field } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { GatewayError } from '../../errors';
import { withoutInfo } from '../../execution/resolver-needs';
import type { Upstream } from '../../grpc/upstream';
import { newMessage } from '../../internals/protobufjs';
import { isMap } from '../../proto/maps';
import { fullName, jsonName } from '../../proto/proto-model';
import { rpcOf, type ProtoMessage } from '../../proto/protos';
import { bareType, unwrapped, wrapped } from '../../proto/scalar-conversions';
import { checkLimits } from '../check-fields';
import { argsOf, directiveOn } from '../directive-nodes';
import { fieldName, uses } from '../proto-usage';
import type { Resolver, SchemaField } from '../resolver-context';
import { fieldsAre, type ResolvedRpc, type Services } from '../services';
import { checkSideEffects, type CompiledCall } from './call-compiler';
import { isEmptyKey, keyText, loaderOf, type Key, type Lookup } from './lookup-loader';
import type { OutputCompiler } from './output-compiler';
import { parentFieldOf, pathReader, type ParentField } from './request-compiler';

export interface JoinCompilerOptions {
  readonly services: Services;
  readonly outputs: OutputCompiler;
  readonly upstream: (name: string) => Upstream;
  readonly findings: Findings;
}

/** A field that holds a part of a key. */
type KeyPart = Pick<ParentField, 'source' | 'read'>;

interface CompiledLookup extends CompiledCall {
  readonly lookup: Lookup;
  /** The directive that says so: @lookup of the type, or @join. */
  readonly directive: ConstDirectiveNode;
  /** The request's fields that take the parts of the key. */
  readonly keyFields: readonly Field[];
}

/** Makes the request for many keys. */
type KeysRequest = (keys: readonly Key[]) => ProtoMessage;

/** Compiles the fields with @join, and the look-ups that they go through. In two steps, as calls are. */
export class JoinCompiler {
  private readonly lookups = new Map<GraphQLObjectType, CompiledLookup | undefined>();

  constructor(private readonly options: JoinCompilerOptions) {}

  /** First step: finds the look-up and binds the joined type to what it answers. */
  bind(type: GraphQLObjectType, field: SchemaField, directive: ConstDirectiveNode): (() => CompiledCall) | undefined {
    const target = getNamedType(field.type);
    if (!isObjectType(target)) {
      this.options.findings.at(
        directive,
        `@join finds objects, and ${type.name}.${field.name} is ${String(field.type)}`,
        'Make it an object type that has @lookup, or a list of one.',
      );
      return undefined;
    }
    const args = argsOf(directive);
    const isOwn = args['rpc'] !== undefined;
    const useless = isOwn ? undefined : ['keys', 'items', 'match', 'max', 'deadline'].find((name) => name in args);
    if (useless !== undefined) {
      this.options.findings.at(
        directive,
        `${useless}: says nothing here: ${target.name} is found as its @lookup says`,
        'Remove it, or name the RPC with rpc:.',
      );
    }
    const compiled = isOwn ? this.compile(directive, target, true) : this.lookupOf(target, directive);
    return compiled && (() => this.attach(type, field, directive, compiled));
  }

  /** Checks the look-up of a type that no field joins, so that a mistake in it does not wait for the first that does. */
  check(target: GraphQLObjectType): void {
    if (lookupDirective(target)) this.lookupOf(target, undefined);
  }

  /** The @lookup of a type, compiled once. */
  private lookupOf(target: GraphQLObjectType, asker: ConstDirectiveNode | undefined): CompiledLookup | undefined {
    if (this.lookups.has(target)) return this.lookups.get(target);
    const directive = lookupDirective(target);
    if (!directive) {
      this.options.findings.at(
        asker,
        `${target.name} does not say how it is found by key`,
        'Add @lookup(rpc: "...", keys: "...", items: "...", match: "...") to the type.',
      );
    }
    const lookup = directive && this.compile(directive, target, false);
    this.lookups.set(target, lookup);
    return lookup;
  }

  private compile(directive: ConstDirectiveNode, target: GraphQLObjectType, many: boolean): CompiledLookup | undefined {
    const { services, outputs, upstream, findings } = this.options;
    const args = argsOf(directive);
    const rpc = services.rpc(directive, args['rpc']);
    if (!rpc) return undefined;
    checkLimits(directive, findings);
    this.checkRpc(directive, target, rpc);
    const found = args['key'] === undefined || many ? this.batch(directive, rpc) : this.single(directive, rpc);
    if (!found) return undefined;
    outputs.bind(target, found.item);
    const timeout = services.timeoutOf(directive, rpc);
    return {
      rpc,
      timeout,
      directive,
      keyFields: found.keyFields,
      lookup: {
        upstream: () => upstream(rpc.use.upstream),
        rpc: rpcOf(rpc.method),
        timeout,
        request: found.request,
        items: found.items,
        keyOf: found.keyOf,
        many,
        max: Number(args['max'] ?? 100),
        concurrency: found.isBatch ? undefined : Number(args['concurrency'] ?? 10),
      },
    };
  }

  private checkRpc(directive: ConstDirectiveNode, target: GraphQLObjectType, rpc: ResolvedRpc): void {
    const { findings } = this.options;
    const { method } = rpc;
    if (method.requestStream || method.responseStream) {
      findings.at(
        directive,
        `${method.name} streams, and objects are found by an RPC that answers once`,
        'Name an RPC that takes one message and answers with one.',
      );
    }
    const coordinate = `@${directive.name.value} of ${target.name}`;
    checkSideEffects(coordinate, directive, rpc, findings, 'Name an RPC that only reads');
  }

  /** An RPC that takes many keys. */
  private batch(directive: ConstDirectiveNode, rpc: ResolvedRpc) {
    const { services, findings } = this.options;
    const args = argsOf(directive);
    const request = this.keysRequest(directive, rpc.request, words(args['keys']));
    const [itemsName] = words(args['items']);
    if (itemsName === undefined) {
      findings.at(
        directive,
        `items: must name the field of ${fullName(rpc.response)} that holds the objects`,
        fieldsAre(rpc.response.fieldsArray.map(jsonName)),
      );
      return undefined;
    }
    const items = services.field(directive, 'items', rpc.response, itemsName);
    const item = items?.resolvedType;
    if (!request || !items) return undefined;
    if (!(item instanceof Type) || !items.repeated) {
      findings.at(
        directive,
        `items: ${fullName(rpc.response)}.${items.name} is not a list of messages`,
        fieldsAre(rpc.response.fieldsArray.map(jsonName)),
      );
      return undefined;
    }
    const match = words(args['match']).map((name) => this.matched(directive, item, name));
    if (match.length !== words(args['keys']).length) {
      findings.at(
        directive,
        `match: must name as many fields of ${fullName(item)} as there are keys`,
        'Results are matched by key, not by position.',
      );
      return undefined;
    }
    if (!match.every((each) => each !== undefined)) return undefined;
    for (const [index, each] of match.entries()) {
      const key = request.fields[index];
      const { source } = each;
      if (key && keyKind(key) !== keyKind(source)) {
        findings.at(
          directive,
          `match: ${fullName(item)}.${source.name} is ${source.type}, but ${key.name} takes ${key.type}`,
          'The field that results are matched by must hold the key.',
        );
      }
    }
    return {
      item,
      keyFields: request.fields,
      request: request.build,
      items: (response: ProtoMessage) => response[items.name] as readonly ProtoMessage[],
      keyOf: (found: ProtoMessage) => keyText(match.map(({ read }) => read(found))),
      isBatch: true,
    };
  }

  /** A field of the objects that an RPC finds, or of a message in them. */
  private matched(directive: ConstDirectiveNode, item: Type, name: string): KeyPart | undefined {
    const { services, findings } = this.options;
    const path: Field[] = [];
    let message = item;
    for (const step of name.split('.')) {
      const field = services.field(directive, 'match', message, step);
      if (!field) return undefined;
      path.push(field);
      if (field.resolvedType instanceof Type) message = field.resolvedType;
    }
    const source = path.pop();
    if (!source) return undefined;
    const astray = path.find((field) => !(field.resolvedType instanceof Type)) ?? [...path, source].find(isMany);
    if (astray) {
      findings.at(
        directive,
        `match: ${name} goes through ${astray.name}, which is not one ${astray === source ? 'value' : 'message'}`,
        'Results are matched by single values.',
      );
      return undefined;
    }
    return { source, read: unwrapping(source, pathReader([...path, source])) };
  }

  /** An RPC that finds one object. */
  private single(directive: ConstDirectiveNode, rpc: ResolvedRpc) {
    const { services, findings } = this.options;
    const useless = ['keys', 'items', 'match', 'max'].find((name) => name in argsOf(directive));
    if (useless !== undefined) {
      findings.at(
        directive,
        `${useless}: says nothing beside key: the RPC finds one object at a time`,
        'Remove it, or use keys:, items: and match: for an RPC that takes many keys.',
      );
    }
    const keys = words(argsOf(directive)['key']).map((name) => services.field(directive, 'key', rpc.request, name));
    if (!keys.every((key) => key !== undefined)) return undefined;
    const request: KeysRequest = ([key = []]) => partsOf(keys, key);
    return {
      item: rpc.response,
      keyFields: keys,
      request,
      items: (response: ProtoMessage) => [response],
      keyOf: () => '',
      isBatch: false,
    };
  }

  /**
   * Keys go to repeated fields, one for each part of the key; or, where the names have a common parent such as
   * `keys.tenant keys.user`, to a list of messages with a field for each part.
   */
  private keysRequest(
    directive: ConstDirectiveNode,
    request: Type,
    names: readonly string[],
  ): { readonly build: KeysRequest; readonly fields: readonly Field[] } | undefined {
    const { services, findings } = this.options;
    if (names.length === 0) {
      findings.at(
        directive,
        `keys: must name the field of ${fullName(request)} that takes the keys`,
        fieldsAre(request.fieldsArray.map(jsonName)),
      );
      return undefined;
    }
    const [parentName = '', ...more] = new Set(names.map((name) => name.split('.').slice(0, -1).join('.')));
    if (parentName === '' || more.length > 0) {
      const lists = names.flatMap((name) => services.field(directive, 'keys', request, name) ?? []);
      if (lists.length < names.length || !lists.every((list) => this.isRepeated(directive, list))) return undefined;
      return {
        fields: lists,
        build: (keys) =>
          messageOf(lists.map((list, index) => [list.name, keys.map((key) => wrapped(list, key[index]))])),
      };
    }
    const parent = services.field(directive, 'keys', request, parentName);
    if (!parent || !this.isRepeated(directive, parent)) return undefined;
    const message = parent.resolvedType;
    if (!(message instanceof Type)) {
      findings.at(
        directive,
        `keys: ${fullName(request)}.${parent.name} is not a list of messages`,
        `Write keys: "${jsonName(parent)}".`,
      );
      return undefined;
    }
    const parts = names.map((name) => services.field(directive, 'keys', message, name.split('.').at(-1) ?? ''));
    if (!parts.every((part) => part !== undefined)) return undefined;
    return {
      fields: parts,
      build: (keys) => messageOf([[parent.name, keys.map((key) => partsOf(parts, key))]]),
    };
  }

  private isRepeated(directive: ConstDirectiveNode, field: Field): boolean {
    if (!field.repeated) {
      this.options.findings.at(
        directive,
        `keys: ${fullName(field.parent as Type)}.${field.name} takes one key, not many`,
        'Use key: in place of keys:, items: and match:.',
      );
    }
    return field.repeated;
  }

  /** Second step. */
  private attach(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
    { lookup, rpc, timeout, directive: source, keyFields }: CompiledLookup,
  ): CompiledCall {
    const { outputs, services, findings } = this.options;
    const messages = outputs.messagesOf(type);
    uses(field, ...services.foundFor(source));
    const parts = words(argsOf(directive)['key']).map((name) => this.keyPart(directive, messages, name));
    const isList = isListType(getNullableType(field.type));
    if (lookup.many && !isList) {
      findings.at(
        directive,
        `${type.name}.${field.name} finds many objects for a key, and is not a list`,
        `Make it [${getNamedType(field.type).name}!]!.`,
      );
    }
    this.checkKey(directive, parts, keyFields, isList && !lookup.many);
    for (const part of parts) if (part) uses(field, fieldName(part.source));
    const readers = parts.map((part) => (part ? unwrapping(part.source, part.read) : () => undefined));
    field.resolve = withoutInfo(
      isList && !lookup.many ? listJoin(lookup, readers, field) : keyJoin(lookup, readers, field),
    );
    return { rpc, timeout };
  }

  /** The parts of a key must be as many, and of the same kinds, as what takes them. */
  private checkKey(
    directive: ConstDirectiveNode,
    parts: readonly (ParentField | undefined)[],
    keyFields: readonly Field[],
    isListOfKeys: boolean,
  ): void {
    const { findings } = this.options;
    if (parts.length !== keyFields.length) {
      findings.at(
        directive,
        `key: has ${parts.length} part(s), and objects are found by ${keyFields.length}: ${keyFields.map(jsonName).join(', ')}`,
        'Name a field for each, separated by spaces.',
      );
      return;
    }
    for (const [index, part] of parts.entries()) {
      const source = part?.source;
      const target = keyFields[index];
      if (!source || !target) continue;
      const name = `${fullName(source.parent as Type)}.${source.name}`;
      if (part.many !== isListOfKeys) {
        findings.at(
          directive,
          `key: ${name} holds ${part.many ? 'many keys' : 'one key'}, and the field is ${isListOfKeys ? 'a list' : 'one object'}`,
          isListOfKeys ? 'Name a repeated field, or make the field an object.' : 'Make the field a list.',
        );
      } else if (keyKind(source) !== keyKind(target) || (isLong(source) && !isLong(target))) {
        findings.at(
          directive,
          `key: ${name} is ${source.type}, but ${target.name} takes ${target.type}`,
          'The key must be of the type that the RPC takes.',
        );
      } else if (source.resolvedType instanceof Type && bareType(source) === undefined) {
        findings.at(
          directive,
          `key: ${name} is ${source.type}, a message`,
          `Name the fields of it that make up the key, such as "${jsonName(source)}.id".`,
        );
      }
    }
  }

  private keyPart(directive: ConstDirectiveNode, messages: ReadonlySet<Type>, name: string): ParentField | undefined {
    const read = parentFieldOf(messages)(name);
    if (read) return read;
    const fields = [...messages].flatMap((message) => message.fieldsArray.map(jsonName));
    this.options.findings.at(
      directive,
      messages.size === 0
        ? 'key: the type that this field is in is not read from any message'
        : `key: ${[...messages].map(fullName).join(' and ')} has no field "${name}"`,
      messages.size === 0
        ? 'A type is read from the message that an RPC answers with; keys of root fields are arguments of @grpc.'
        : (didYouMean(name, fields) ?? fieldsAre(fields)),
    );
    return undefined;
  }
}

/** What a key is compared as: whole numbers are equal whatever holds them, and what is wrapped is what it would be bare. */
function keyKind(field: Field): string {
  const type = bareType(field);
  if (type === undefined) return fullName(field.resolvedType!);
  return /int|fixed/.test(type) ? 'a whole number' : type;
}

function isLong(field: Field): boolean {
  return bareType(field)?.includes('64') === true;
}

function isMany(field: Field): boolean {
  return field.repeated || isMap(field);
}

/** Reads values bare that may be wrapped. */
function unwrapping(field: Field, read: (message: unknown) => unknown): (message: unknown) => unknown {
  if (!field.resolvedType) return read;
  return (message) => {
    const value = read(message);
    return Array.isArray(value) ? value.map((each) => unwrapped(field, each)) : unwrapped(field, value);
  };
}

/** The parts of a key as fields of a message. */
function partsOf(fields: readonly Field[], key: Key): ProtoMessage {
  return messageOf(fields.map((field, index) => [field.name, wrapped(field, key[index])]));
}

function messageOf(entries: readonly (readonly [name: string, value: unknown])[]): ProtoMessage {
  const message = newMessage();
  for (const [name, value] of entries) message[name] = value;
  return message;
}

function lookupDirective(target: GraphQLObjectType): ConstDirectiveNode | undefined {
  return [target.astNode, ...target.extensionASTNodes]
    .map((node) => directiveOn(node, 'lookup'))
    .find((found) => found !== undefined);
}

/** Names separated by spaces. */
function words(value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ').filter((word) => word !== '') : [];
}

function keyJoin(lookup: Lookup, readers: readonly ((parent: unknown) => unknown)[], field: SchemaField): Resolver {
  const isRequired = isNonNullType(field.type);
  return (parent, _args, context) => {
    const key = readers.map((read) => read(parent));
    if (isEmptyKey(key)) return lookup.many ? [] : missing(field);
    const found = loaderOf(lookup, context).load(key);
    return isRequired ? found.then((object) => object ?? missing(field)) : found;
  };
}

/** A list of references: all of their keys go into one look-up. One that fails is an error of its own place. */
function listJoin(lookup: Lookup, readers: readonly ((parent: unknown) => unknown)[], field: SchemaField): Resolver {
  const list = getNullableType(field.type);
  const itemsNonNull = isListType(list) && isNonNullType(list.ofType);
  return async (parent, _args, context) => {
    const columns = readers.map((read) => (read(parent) ?? []) as readonly unknown[]);
    const keys = (columns[0] ?? []).map((_, index): Key => columns.map((column) => column[index]));
    const loader = loaderOf(lookup, context);
    const found = await Promise.all(
      keys.map(async (key) => (isEmptyKey(key) ? null : loader.load(key).catch((error: unknown) => error))),
    );
    // A list that may not hold null leaves out what is not there.
    return itemsNonNull ? found.filter((object) => object !== null) : found;
  };
}

function missing(field: SchemaField): null {
  if (isNonNullType(field.type)) throw new GatewayError('NOT_FOUND', `${field.name} was not found.`);
  return null;
}
