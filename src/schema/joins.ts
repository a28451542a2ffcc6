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
import { GatewayError } from '../errors';
import { rpcOf, type ProtoMessage } from '../grpc/protos';
import type { Upstream } from '../grpc/upstream';
import { argsOf, directiveOn } from './ast';
import { isEmptyKey, keyText, loaderOf, type Key, type Lookup } from './batch';
import type { CompiledCall } from './calls';
import type { Resolver, SchemaField } from './context';
import { didYouMean, type Findings } from './findings';
import { parentFieldOf } from './inputs';
import type { OutputBinder } from './outputs';
import { fullName, jsonName } from './proto-model';
import { fieldsAre, type ResolvedRpc, type Services } from './services';

export interface JoinCompilerOptions {
  readonly services: Services;
  readonly outputs: OutputBinder;
  readonly upstream: (name: string) => Upstream;
  readonly findings: Findings;
}

interface CompiledLookup extends CompiledCall {
  readonly lookup: Lookup;
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
      );
      return undefined;
    }
    const isOwn = argsOf(directive)['rpc'] !== undefined;
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
    const { services, outputs, upstream } = this.options;
    const args = argsOf(directive);
    const rpc = services.rpc(directive, args['rpc']);
    const found = rpc && (args['key'] === undefined || many ? this.batch(directive, rpc) : this.single(directive, rpc));
    if (!rpc || !found) return undefined;
    outputs.bind(target, found.item);
    const timeout = services.timeoutOf(directive, rpc);
    return {
      rpc,
      timeout,
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

  /** An RPC that takes many keys. */
  private batch(directive: ConstDirectiveNode, rpc: ResolvedRpc) {
    const { services, findings } = this.options;
    const args = argsOf(directive);
    const request = this.keysRequest(directive, rpc.request, words(args['keys']));
    const items = services.field(directive, 'items', rpc.response, words(args['items'])[0] ?? '');
    const item = items?.resolvedType;
    if (!request || !items) return undefined;
    if (!(item instanceof Type) || !items.repeated) {
      findings.at(directive, `items: ${fullName(rpc.response)}.${items.name} is not a list of messages`);
      return undefined;
    }
    const match = words(args['match']).map((name) => services.field(directive, 'match', item, name));
    if (match.length !== words(args['keys']).length) {
      findings.at(
        directive,
        `match: must name as many fields of ${fullName(item)} as there are keys`,
        'Results are matched by key, not by position.',
      );
      return undefined;
    }
    if (!match.every((each) => each !== undefined)) return undefined;
    return {
      item,
      request,
      items: (response: ProtoMessage) => response[items.name] as readonly ProtoMessage[],
      keyOf: (found: ProtoMessage) => keyText(match.map((each) => found[each.name])),
      isBatch: true,
    };
  }

  /** An RPC that finds one object. */
  private single(directive: ConstDirectiveNode, rpc: ResolvedRpc) {
    const { services } = this.options;
    const keys = words(argsOf(directive)['key']).map((name) => services.field(directive, 'key', rpc.request, name));
    if (!keys.every((key) => key !== undefined)) return undefined;
    const request: KeysRequest = ([key]) => Object.fromEntries(keys.map((field, index) => [field.name, key?.[index]]));
    return {
      item: rpc.response,
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
  private keysRequest(directive: ConstDirectiveNode, request: Type, names: readonly string[]): KeysRequest | undefined {
    const { services, findings } = this.options;
    if (names.length === 0) {
      findings.at(directive, `keys: must name the field of ${fullName(request)} that takes the keys`);
      return undefined;
    }
    const [parentName = '', ...more] = new Set(names.map((name) => name.split('.').slice(0, -1).join('.')));
    if (parentName === '' || more.length > 0) {
      const lists = names.map((name) => services.field(directive, 'keys', request, name));
      if (!lists.every((list) => list !== undefined && this.isRepeated(directive, list))) return undefined;
      return (keys) => Object.fromEntries(lists.map((list, index) => [list!.name, keys.map((key) => key[index])]));
    }
    const parent = services.field(directive, 'keys', request, parentName);
    if (!parent || !this.isRepeated(directive, parent)) return undefined;
    const message = parent.resolvedType;
    if (!(message instanceof Type)) {
      findings.at(directive, `keys: ${fullName(request)}.${parent.name} is not a list of messages`);
      return undefined;
    }
    const parts = names.map((name) => services.field(directive, 'keys', message, name.split('.').at(-1) ?? ''));
    if (!parts.every((part) => part !== undefined)) return undefined;
    return (keys) => ({
      [parent.name]: keys.map((key) => Object.fromEntries(parts.map((part, index) => [part.name, key[index]]))),
    });
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
    { lookup, rpc, timeout }: CompiledLookup,
  ): CompiledCall {
    const messages = this.options.outputs.messagesOf(type);
    const readers = words(argsOf(directive)['key']).map((name) => this.keyReader(directive, messages, name));
    const isList = isListType(getNullableType(field.type));
    if (lookup.many && !isList) {
      this.options.findings.at(directive, `${type.name}.${field.name} finds many objects for a key, and is not a list`);
    }
    field.resolve = isList && !lookup.many ? listJoin(lookup, readers, field) : keyJoin(lookup, readers, field);
    return { rpc, timeout };
  }

  private keyReader(
    directive: ConstDirectiveNode,
    messages: ReadonlySet<Type>,
    name: string,
  ): (parent: unknown) => unknown {
    const read = parentFieldOf(messages)(name);
    if (read) return (parent) => read.read(parent);
    const fields = [...messages].flatMap((message) => message.fieldsArray.map(jsonName));
    this.options.findings.at(
      directive,
      messages.size === 0
        ? 'key: the type that this field is in is not read from any message'
        : `key: ${[...messages].map(fullName).join(' and ')} has no field "${name}"`,
      didYouMean(name, fields) ?? fieldsAre(fields),
    );
    return () => undefined;
  }
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

/** A list of references: all of their keys go into one look-up. */
function listJoin(lookup: Lookup, readers: readonly ((parent: unknown) => unknown)[], field: SchemaField): Resolver {
  const list = getNullableType(field.type);
  const itemsNonNull = isListType(list) && isNonNullType(list.ofType);
  return async (parent, _args, context) => {
    const columns = readers.map((read) => (read(parent) ?? []) as readonly unknown[]);
    const keys = (columns[0] ?? []).map((_, index): Key => columns.map((column) => column[index]));
    const loader = loaderOf(lookup, context);
    const found = await Promise.all(keys.map(async (key) => (isEmptyKey(key) ? null : loader.load(key))));
    // A list that may not hold null leaves out what is not there.
    return itemsNonNull ? found.filter((object) => object !== null) : found;
  };
}

function missing(field: SchemaField): null {
  if (isNonNullType(field.type)) throw new GatewayError('NOT_FOUND', `${field.name} was not found.`);
  return null;
}
