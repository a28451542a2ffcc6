import type { ConstDirectiveNode, GraphQLObjectType } from 'graphql';
import { Type, type Field } from 'protobufjs';
import type { Findings } from '../../diagnostics/findings';
import type { Upstream } from '../../grpc/upstream';
import { newMessage } from '../../internals/protobufjs';
import { fullName, jsonName } from '../../proto/proto-model';
import { rpcOf, type ProtoMessage } from '../../proto/protos';
import { wrapped } from '../../proto/wrappers';
import { checkLimits } from '../check-fields';
import { argsOf, directiveOn } from '../directive-nodes';
import { fieldsAre, type ResolvedRpc, type Services } from '../services';
import { checkSideEffects } from '../side-effects';
import type { CompiledCall } from './call-compiler';
import { isMany, keyKind, namesIn, compileBareReader, type KeyPart } from './key-fields';
import { keyText, type Lookup, type LookupKey } from './lookup-loader';
import type { OutputCompiler } from './output-compiler';
import { compilePath } from './parent-field';

export interface LookupCompilerOptions {
  readonly services: Services;
  readonly outputs: OutputCompiler;
  readonly upstream: (name: string) => Upstream;
  readonly findings: Findings;
}

/** How the objects of a type are found by key. */
export interface CompiledLookup extends CompiledCall {
  readonly lookup: Lookup;
  /** The directive that it was compiled from: @lookup of the type, or @join. */
  readonly directive: ConstDirectiveNode;
  /** The request's fields that take the parts of the key. */
  readonly keyFields: readonly Field[];
}

/** How an RPC is called with keys, and what it answers. */
interface KeyedRpc extends Pick<Lookup, 'request' | 'items' | 'keyOf'> {
  /** The message of the objects. */
  readonly item: Type;
  readonly keyFields: readonly Field[];
}

/** Makes the request for many keys. */
type KeysRequest = Lookup['request'];

/** Compiles how objects are found by key: by @lookup of their type, or by @join that names an RPC of its own. */
export class LookupCompiler {
  private readonly lookups = new Map<GraphQLObjectType, CompiledLookup | undefined>();

  constructor(private readonly options: LookupCompilerOptions) {}

  /** Compiles the @lookup of a type, where it has one. A mistake in it is then found even if no field joins the type. */
  compileDeclared(target: GraphQLObjectType): void {
    if (lookupDirective(target)) this.compileOfType(target, undefined);
  }

  /**
   * Compiles the @lookup of a type, once.
   *
   * @param asker - The @join that needs it, for a finding where the type has none.
   */
  compileOfType(target: GraphQLObjectType, asker: ConstDirectiveNode | undefined): CompiledLookup | undefined {
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

  /** @param many - True where a key finds a list of objects. */
  compile(directive: ConstDirectiveNode, target: GraphQLObjectType, many: boolean): CompiledLookup | undefined {
    const { services, outputs, upstream, findings } = this.options;
    const args = argsOf(directive);
    const rpc = services.rpc(directive, args['rpc']);
    if (!rpc) return undefined;
    checkLimits(directive, findings);
    this.checkRpc(directive, target, rpc);
    const isBatch = args['key'] === undefined || many;
    const keyed = isBatch ? this.compileBatch(directive, rpc) : this.compileSingle(directive, rpc);
    if (!keyed) return undefined;
    outputs.compileType(target, keyed.item);
    const timeout = services.timeoutOf(directive, rpc);
    const { request, items, keyOf, keyFields } = keyed;
    return {
      rpc,
      timeout,
      directive,
      keyFields,
      lookup: {
        upstream: () => upstream(rpc.upstream.name),
        rpc: rpcOf(rpc.method),
        timeout,
        request,
        items,
        keyOf,
        many,
        max: Number(args['max'] ?? 100),
        concurrency: isBatch ? undefined : Number(args['concurrency'] ?? 10),
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
  private compileBatch(directive: ConstDirectiveNode, rpc: ResolvedRpc): KeyedRpc | undefined {
    const { services, findings } = this.options;
    const args = argsOf(directive);
    const request = this.compileKeys(directive, rpc.request, namesIn(args['keys']));
    const [itemsName] = namesIn(args['items']);
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
    const match = this.compileMatch(directive, item, request.fields);
    if (!match) return undefined;
    const readers = match.map(compileBareReader);
    return {
      item,
      keyFields: request.fields,
      request: request.build,
      items: (response) => response[items.name] as readonly ProtoMessage[],
      keyOf: (found) => keyText(readers.map((read) => read(found))),
    };
  }

  /** The fields of the objects that results are matched to keys by. */
  private compileMatch(directive: ConstDirectiveNode, item: Type, keyFields: readonly Field[]): KeyPart[] | undefined {
    const { findings } = this.options;
    const args = argsOf(directive);
    const parts = namesIn(args['match']).map((name) => this.compileMatchPart(directive, item, name));
    if (parts.length !== namesIn(args['keys']).length) {
      findings.at(
        directive,
        `match: must name as many fields of ${fullName(item)} as there are keys`,
        'Results are matched by key, not by position.',
      );
      return undefined;
    }
    if (!parts.every((part) => part !== undefined)) return undefined;
    for (const [index, { source }] of parts.entries()) {
      const key = keyFields[index];
      if (key && keyKind(key) !== keyKind(source)) {
        findings.at(
          directive,
          `match: ${fullName(item)}.${source.name} is ${source.type}, but ${key.name} takes ${key.type}`,
          'The field that results are matched by must hold the key.',
        );
      }
    }
    return parts;
  }

  /** A field of the objects that an RPC finds, or of a message in them. */
  private compileMatchPart(directive: ConstDirectiveNode, item: Type, name: string): KeyPart | undefined {
    const { services, findings } = this.options;
    const path: Field[] = [];
    let message = item;
    for (const fieldName of name.split('.')) {
      const field = services.field(directive, 'match', message, fieldName);
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
    return { source, read: compilePath([...path, source]) };
  }

  /** An RPC that finds one object. */
  private compileSingle(directive: ConstDirectiveNode, rpc: ResolvedRpc): KeyedRpc | undefined {
    const { services, findings } = this.options;
    const useless = ['keys', 'items', 'match', 'max'].find((name) => name in argsOf(directive));
    if (useless !== undefined) {
      findings.at(
        directive,
        `${useless}: says nothing beside key: the RPC finds one object at a time`,
        'Remove it, or use keys:, items: and match: for an RPC that takes many keys.',
      );
    }
    const keys = namesIn(argsOf(directive)['key']).map((name) => services.field(directive, 'key', rpc.request, name));
    if (!keys.every((key) => key !== undefined)) return undefined;
    return {
      item: rpc.response,
      keyFields: keys,
      request: ([key = []]) => keyMessage(keys, key),
      items: (response) => [response],
      keyOf: () => '',
    };
  }

  /**
   * Keys go to repeated fields, one for each part of the key; or, where the names have a common parent such as
   * `keys.tenant keys.user`, to a list of messages with a field for each part.
   */
  private compileKeys(
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
      if (lists.length < names.length || !lists.every((list) => this.checkRepeated(directive, list))) return undefined;
      return {
        fields: lists,
        build: (keys) =>
          messageOf(lists.map((list, index) => [list.name, keys.map((key) => wrapped(list, key[index]))])),
      };
    }
    const parent = services.field(directive, 'keys', request, parentName);
    if (!parent || !this.checkRepeated(directive, parent)) return undefined;
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
      build: (keys) => messageOf([[parent.name, keys.map((key) => keyMessage(parts, key))]]),
    };
  }

  /** @returns whether it is repeated; a finding where it is not. */
  private checkRepeated(directive: ConstDirectiveNode, field: Field): boolean {
    if (!field.repeated) {
      this.options.findings.at(
        directive,
        `keys: ${fullName(field.parent as Type)}.${field.name} takes one key, not many`,
        'Use key: in place of keys:, items: and match:.',
      );
    }
    return field.repeated;
  }
}

/** A message with the parts of a key in its fields. */
function keyMessage(fields: readonly Field[], key: LookupKey): ProtoMessage {
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
