import {
  buildASTSchema,
  getNamedType,
  getNullableType,
  GraphQLSchema,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  Kind,
  parse,
  Source,
  specifiedDirectives,
  validateSchema,
  type ConstDirectiveNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLError,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLOutputType,
} from 'graphql';
import { validateSDL } from 'graphql/validation/validate';
import { Type, type Field, type Method } from 'protobufjs';
import { parseDuration } from '../config';
import { GatewayError } from '../errors';
import { findService, rpcOf, type ProtoMessage } from '../grpc/protos';
import { upstreamStatus } from '../grpc/status';
import type { Rpc, Upstream } from '../grpc/upstream';
import { accessOf, applyAccess, type Access } from './access';
import { argsOf, directiveArgs, directiveOn } from './ast';
import { isEmptyKey, keyText, loaderOf, type Key, type Lookup } from './batch';
import { attachConnection, connectionFields, isConnection, pagingOf, type Paging } from './connection';
import type { ResolverContext } from './context';
import { gatewaySdl } from './directives';
import { didYouMean, Findings } from './findings';
import { parentFieldOf, RequestCompiler, type RequestBuilder } from './inputs';
import { OutputBinder } from './outputs';
import { canBeUnset, findField, fullName, jsonName, type DecodedMessage } from './proto-model';
import { scalarInputs } from './scalars';
import { scalarConversion } from './scalar-values';
import type { Sources } from './sources';

/** A field that a function of the gateway answers; named by @resolver. */
export type HandWrittenResolver = GraphQLFieldResolver<unknown, ResolverContext>;

export interface SchemaOptions {
  readonly sources: Sources;
  /** The upstream of a name. Asked when a field is first resolved, so that the schema can be checked without any. */
  readonly upstream: (name: string) => Upstream;
  /** Ms that RPCs of an upstream may take at most, where the configuration says so. */
  readonly deadlines?: Readonly<Record<string, number | undefined>>;
  /** Functions that @resolver may name. */
  readonly resolvers?: Readonly<Record<string, HandWrittenResolver>>;
}

/** One line of the gateway's map: what answers a field, and who may ask. */
export interface FieldPlan {
  /** Such as `Query.me`. */
  readonly coordinate: string;
  readonly access: Access;
  /** Full name of the RPC, or of the function. */
  readonly source: string;
  /** Ms; undefined for what makes no call. */
  readonly timeout: number | undefined;
}

export interface BuiltSchema {
  /** What clients see: executable, without the gateway's directives. */
  readonly schema: GraphQLSchema;
  readonly fields: readonly FieldPlan[];
}

interface UpstreamUse {
  readonly upstream: string;
  readonly service: string;
  /** Ms. */
  readonly timeout: number;
}

interface ResolvedRpc {
  readonly use: UpstreamUse;
  readonly method: Method;
  readonly request: Type;
  readonly response: Type;
}

// oxlint-disable-next-line typescript/no-explicit-any -- graphql-js declares fields with any
type AnyField = GraphQLField<unknown, any>;

/**
 * Builds the executable schema from SDL and protos, checking the one against the other.
 *
 * @throws SchemaError listing everything that does not fit
 */
export function buildSchema(options: SchemaOptions): BuiltSchema {
  return new SchemaBuilder(options).build();
}

/** What is known of a field that an RPC answers, before its request is compiled. */
interface CallField {
  readonly type: GraphQLObjectType;
  readonly field: AnyField;
  readonly directive: ConstDirectiveNode;
  readonly rpc: ResolvedRpc;
  readonly fallback: ResolvedRpc | undefined;
  readonly paging: Paging | undefined;
  readonly select: (response: DecodedMessage) => unknown;
}

interface JoinField {
  readonly type: GraphQLObjectType;
  readonly field: AnyField;
  readonly directive: ConstDirectiveNode;
  readonly lookup: CompiledLookup;
}

interface CompiledLookup {
  readonly lookup: Lookup;
  readonly rpc: ResolvedRpc;
  readonly timeout: number;
}

class SchemaBuilder {
  private readonly findings = new Findings();
  private readonly requests = new RequestCompiler(this.findings);
  private readonly outputs = new OutputBinder(this.findings, (field) => isMapped(field));
  private readonly uses = new Map<string, UpstreamUse[]>();
  private readonly lookups = new Map<GraphQLObjectType, CompiledLookup | undefined>();
  private readonly fields: FieldPlan[] = [];
  private readonly plans: { coordinate: string; field: AnyField; source: string; timeout: number | undefined }[] = [];

  constructor(private readonly options: SchemaOptions) {}

  build(): BuiltSchema {
    this.readUpstreams();
    const schema = this.compose();
    const types = Object.values(schema.getTypeMap()).filter(
      (type): type is GraphQLObjectType => isObjectType(type) && !type.name.startsWith('__'),
    );
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    const calls: CallField[] = [];
    const joins: JoinField[] = [];
    for (const type of types) {
      for (const field of Object.values(type.getFields()) as AnyField[]) {
        const call = this.callField(schema, type, field);
        const join = this.joinField(type, field);
        if (call) calls.push(call);
        if (join) joins.push(join);
        this.handWritten(type, field);
        if (roots.includes(type) && !isMapped(field)) {
          this.findings.at(
            field.astNode,
            `nothing answers ${type.name}.${field.name}`,
            'Add @grpc(rpc: "...") or @resolver(name: "...").',
          );
        }
      }
    }
    // What a field is read from must be known before a request can take $parent.FIELD from it.
    this.outputs.attach();
    for (const call of calls) this.attachCall(schema, call);
    for (const join of joins) this.attachJoin(join);
    applyAccess(schema, this.findings);
    this.findings.throwIfAny();
    for (const { coordinate, field, source, timeout } of this.plans) {
      this.fields.push({ coordinate, access: accessOf(field), source, timeout });
    }
    return { schema: this.published(schema), fields: this.fields };
  }

  /** Which upstreams the fields of each file use. */
  private readUpstreams(): void {
    for (const document of this.options.sources.sdl) {
      for (const definition of document.definitions) {
        if (definition.kind !== Kind.SCHEMA_EXTENSION) continue;
        for (const directive of definition.directives ?? []) {
          if (directive.name.value === 'upstream') this.readUpstream(directive);
        }
      }
    }
  }

  private readUpstream(directive: ConstDirectiveNode): void {
    const { name, service, deadline = '5s' } = argsOf(directive);
    // Wrong arguments are told by the SDL's own validation.
    if (typeof name !== 'string' || typeof service !== 'string') return;
    if (!/^[a-z][a-z0-9_-]*$/.test(name)) {
      this.findings.at(directive, `"${name}" cannot name an upstream`, 'Use lower-case letters, digits, - and _.');
    }
    if (!findService(this.options.sources.protos, service)) {
      const known = this.serviceNames();
      this.findings.at(
        directive,
        `no proto defines the service "${service}"`,
        didYouMean(service, known) ?? `The protos define ${known.join(', ') || 'no service'}.`,
      );
      return;
    }
    const file = directive.loc?.source.name ?? '';
    const uses = this.uses.get(file) ?? [];
    uses.push({ upstream: name, service, timeout: this.timeout(directive, deadline, name) });
    this.uses.set(file, uses);
  }

  private serviceNames(): string[] {
    const names: string[] = [];
    const visit = (node: { nestedArray?: readonly unknown[] }): void => {
      for (const child of node.nestedArray ?? []) {
        const object = child as { fullName: string; methods?: unknown; nestedArray?: readonly unknown[] };
        if (object.methods) names.push(object.fullName.slice(1));
        visit(object);
      }
    };
    visit(this.options.sources.protos);
    return names;
  }

  /** The smaller of what the directive and what the configuration say, in ms. */
  private timeout(directive: ConstDirectiveNode, value: unknown, upstream: string): number {
    const configured = this.options.deadlines?.[upstream];
    const timeout = parseDuration(String(value));
    if (timeout) return Math.min(timeout, configured ?? timeout);
    this.findings.at(directive, `deadline: "${String(value)}" is not a length of time`, 'Write 500ms, 2s or 1m.');
    return 0;
  }

  /** All files as one schema. A root type may be defined in every file. */
  private compose(): GraphQLSchema {
    const own = parse(new Source(gatewaySdl, 'the gateway'));
    const ownNames = new Set(own.definitions.map(nameOf).filter((name) => name !== undefined));
    const seen = new Set<string>();
    const definitions = this.options.sources.sdl
      .flatMap((document) => document.definitions)
      .filter((definition) => definition.kind !== Kind.SCALAR_TYPE_DEFINITION || !ownNames.has(definition.name.value))
      .map((definition) => asExtension(definition, seen));
    const document: DocumentNode = { kind: Kind.DOCUMENT, definitions: [...own.definitions, ...definitions] };
    this.report(validateSDL(document));
    this.findings.throwIfAny();
    const schema = buildASTSchema(document, { assumeValidSDL: true });
    this.report(validateSchema(schema));
    this.findings.throwIfAny();
    for (const [name, coercion] of Object.entries(scalarInputs)) {
      const scalar = schema.getType(name);
      if (isScalarType(scalar)) Object.assign(scalar, coercion);
    }
    return schema;
  }

  private report(errors: readonly GraphQLError[]): void {
    for (const error of errors) {
      const node = error.nodes?.find(({ loc }) => loc && loc.source.name !== 'the gateway') ?? error.nodes?.[0];
      this.findings.at(node, error.message);
    }
  }

  /** The schema that clients see: without the directives that say how it works. */
  private published(schema: GraphQLSchema): GraphQLSchema {
    const named = new Set(this.options.sources.sdl.flatMap(({ definitions }) => definitions.map(nameOf)));
    const config = schema.toConfig();
    return new GraphQLSchema({
      ...config,
      directives: specifiedDirectives,
      types: config.types.filter((type) => named.has(type.name)),
      extensionASTNodes: [],
      assumeValid: true,
    });
  }

  /** Finds the RPC that a directive names, among the services of its file. */
  private rpc(directive: ConstDirectiveNode, name: unknown): ResolvedRpc | undefined {
    if (typeof name !== 'string') return undefined;
    const uses = this.uses.get(directive.loc?.source.name ?? '') ?? [];
    const [service, method] = name.includes('/') ? name.split('/') : [undefined, name];
    const candidates = uses.filter((use) => service === undefined || use.service === service);
    const found = candidates.flatMap((use): ResolvedRpc[] => {
      const rpc = findService(this.options.sources.protos, use.service)?.methodsArray.find(
        (each) => each.name === method,
      );
      rpc?.resolve();
      return rpc ? [{ use, method: rpc, request: rpc.resolvedRequestType!, response: rpc.resolvedResponseType! }] : [];
    });
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      this.findings.at(
        directive,
        `several services of this file have an RPC "${name}"`,
        `Write ${found.map(({ use }) => `"${use.service}/${name}"`).join(' or ')}.`,
      );
    } else if (uses.length === 0) {
      this.findings.at(
        directive,
        `this file does not say which service has the RPC "${name}"`,
        'Add: extend schema @upstream(name: "...", service: "...").',
      );
    } else {
      const methods = uses.flatMap((use) =>
        (findService(this.options.sources.protos, use.service)?.methodsArray ?? []).map((each) => each.name),
      );
      this.findings.at(
        directive,
        `${uses.map((use) => use.service).join(' and ')} has no RPC "${name}"`,
        didYouMean(method ?? name, methods) ?? `There are ${methods.join(', ')}.`,
      );
    }
    return undefined;
  }

  private callField(schema: GraphQLSchema, type: GraphQLObjectType, field: AnyField): CallField | undefined {
    const directive = directiveOn(field.astNode, 'grpc');
    if (!directive) return undefined;
    const args = argsOf(directive);
    const rpc = this.rpc(directive, args['rpc']);
    if (!rpc) return undefined;
    this.checkStreaming(schema, type, field, directive, rpc);
    if (type === schema.getQueryType()) this.checkSideEffects(field, directive, rpc);
    const fallback = args['fallback'] === undefined ? undefined : this.rpc(directive, args['fallback']);
    const named = getNamedType(field.type);
    if (isConnection(named)) return this.connectionField(type, field, directive, rpc, named);
    const select = this.bindResponse(field, directive, rpc, args['response'], type === schema.getSubscriptionType());
    if (fallback && isObjectType(named)) this.outputs.bind(named, fallback.response, { partial: true });
    return { type, field, directive, rpc, fallback, paging: undefined, select };
  }

  private connectionField(
    type: GraphQLObjectType,
    field: AnyField,
    directive: ConstDirectiveNode,
    rpc: ResolvedRpc,
    connection: GraphQLObjectType,
  ): CallField {
    const options = directiveArgs(field.astNode, 'connection');
    const paging = pagingOf(
      field,
      rpc.request,
      rpc.response,
      {
        max: (options?.['max'] as number | undefined) ?? 100,
        ...(options?.['items'] ? { items: String(options['items']) } : {}),
      },
      this.findings,
    );
    const node = attachConnection(connection, rpc.response, this.findings);
    const item = paging?.items.resolvedType;
    if (node && item instanceof Type) this.outputs.bind(node, item);
    return { type, field, directive, rpc, fallback: undefined, paging, select: (response) => response };
  }

  /** Binds a field's type to what `response:` names, and gives how to get there. */
  private bindResponse(
    field: AnyField,
    directive: ConstDirectiveNode,
    rpc: ResolvedRpc,
    path: unknown,
    isEvent: boolean,
  ): (response: DecodedMessage) => unknown {
    const steps = path === undefined ? [] : String(path).split('.');
    let message: Type = rpc.response;
    let last: Field | undefined;
    const names: string[] = [];
    for (const [index, step] of steps.entries()) {
      const found = findField(message, step);
      if (!found || (index < steps.length - 1 && (!(found.resolvedType instanceof Type) || found.repeated))) {
        this.findings.at(
          directive,
          `response: ${fullName(message)} has no ${index < steps.length - 1 ? 'message ' : ''}field "${step}"`,
          didYouMean(step, message.fieldsArray.map(jsonName)) ??
            `Its fields are ${message.fieldsArray.map(jsonName).join(', ')}.`,
        );
        return () => null;
      }
      names.push(found.name);
      last = found;
      if (found.resolvedType instanceof Type) message = found.resolvedType;
    }
    if (!last) return this.bindWhole(field, rpc, isEvent);
    if (isNonNullType(field.type) && canBeUnset(last)) {
      this.findings.at(
        field.astNode,
        `${field.name} is non-null, but ${fullName(rpc.response)}.${steps.join('.')} can be unset`,
      );
    }
    const read = this.outputs.value(field, field.type, last);
    return (response) => {
      let value: unknown = response;
      for (const name of names) value = (value as DecodedMessage | null | undefined)?.[name];
      return value === undefined || value === null ? null : read ? read(value as never) : value;
    };
  }

  private bindWhole(field: AnyField, rpc: ResolvedRpc, isEvent: boolean): (response: DecodedMessage) => unknown {
    const nullable = getNullableType(field.type);
    const collected = rpc.method.responseStream === true && !isEvent && isListType(nullable);
    const type = getNullableType(collected ? (nullable.ofType as GraphQLOutputType) : nullable);
    if (isObjectType(type)) {
      this.outputs.bind(type, rpc.response);
      return (response) => response;
    }
    // A message that is a value, such as Empty for Boolean.
    const source = { resolvedType: rpc.response, type: rpc.response.name } as Field;
    const conversion = isScalarType(type) ? scalarConversion(source, type.name, true) : undefined;
    if (conversion) return (response) => (conversion.read ? conversion.read(response as never) : response);
    if (isScalarType(type) && type.name === 'Boolean' && rpc.response.fieldsArray.length === 0) return () => true;
    this.findings.at(
      field.astNode,
      `${field.name} is ${String(field.type)}, but ${rpc.method.name} answers ${fullName(rpc.response)}`,
      'Use an object type, or say response: "FIELD" of @grpc.',
    );
    return () => null;
  }

  private checkStreaming(
    schema: GraphQLSchema,
    type: GraphQLObjectType,
    field: AnyField,
    directive: ConstDirectiveNode,
    { method }: ResolvedRpc,
  ): void {
    if (method.requestStream) {
      this.findings.at(directive, `${method.name} takes a stream, which no field can send`);
    } else if (type === schema.getSubscriptionType()) {
      if (!method.responseStream) {
        this.findings.at(
          directive,
          `${type.name}.${field.name} needs a streaming RPC, and ${method.name} answers once`,
        );
      }
    } else if (method.responseStream && !isListType(getNullableType(field.type))) {
      this.findings.at(
        directive,
        `${method.name} answers a stream, and ${type.name}.${field.name} is not a list`,
        'Make it a list, which collects the stream, or a field of Subscription.',
      );
    }
  }

  /** A Query field may be asked at any time, by GET, and twice: its RPC must not change anything. */
  private checkSideEffects(field: AnyField, directive: ConstDirectiveNode, { method, use }: ResolvedRpc): void {
    const level = (each: Method): unknown => each.getOption('idempotency_level');
    const service = findService(this.options.sources.protos, use.service);
    const stated = service?.methodsArray.some((each) => level(each) !== undefined);
    const http = Object.keys(method.options ?? {}).filter((name) =>
      /^\(google\.api\.http\)\.(post|put|patch|delete)$/.test(name),
    );
    if (level(method) === 'NO_SIDE_EFFECTS' || (!stated && http.length === 0)) return;
    this.findings.at(
      directive,
      `Query.${field.name} calls ${method.name}, which has side effects`,
      'Make it a Mutation, or set idempotency_level = NO_SIDE_EFFECTS in the proto where that is true.',
    );
  }

  private attachCall(schema: GraphQLSchema, call: CallField): void {
    const { type, field, directive, rpc, paging, select } = call;
    const args = argsOf(directive);
    const timeout =
      args['deadline'] === undefined ? rpc.use.timeout : this.timeout(directive, args['deadline'], rpc.use.upstream);
    const build = this.request(call, rpc);
    const upstream = (): Upstream => this.options.upstream(rpc.use.upstream);
    const compiled = rpcOf(rpc.method);
    field.extensions = { ...field.extensions, timeout };
    this.plans.push({
      coordinate: `${type.name}.${field.name}`,
      field,
      source: `${compiled.service}/${compiled.method}`,
      timeout,
    });
    if (type === schema.getSubscriptionType()) {
      const fallback = call.fallback && { rpc: rpcOf(call.fallback.method), build: this.request(call, call.fallback) };
      field.subscribe = streamResolver(upstream, compiled, timeout, build, fallback);
      field.resolve = (event) => select(event as DecodedMessage);
    } else if (rpc.method.responseStream) {
      field.resolve = collectResolver(
        upstream,
        compiled,
        timeout,
        build,
        (args['max'] as number | undefined) ?? 1000,
        select,
      );
    } else if (paging) {
      field.resolve = async (parent, fieldArgs, context) => {
        const request = build(fieldArgs, context.caller, parent);
        const position = paging.request(request, fieldArgs);
        const response = await upstream().unary(compiled, request, context.scope, timeout);
        return paging.page(response as DecodedMessage, position, fieldArgs['first'] as number | undefined);
      };
    } else {
      field.resolve = async (parent, fieldArgs, context) => {
        const request = build(fieldArgs, context.caller, parent);
        return select((await upstream().unary(compiled, request, context.scope, timeout)) as DecodedMessage);
      };
    }
  }

  private request(call: CallField, rpc: ResolvedRpc): RequestBuilder {
    const messages = this.outputs.messagesOf(call.type);
    return this.requests.compile({
      field: call.field,
      request: rpc.request,
      mapping: call.directive.arguments?.find(({ name }) => name.value === 'request')?.value,
      parentField: messages.size > 0 ? parentFieldOf(messages) : undefined,
      handled: call.paging?.handled ?? new Set(),
    });
  }

  private joinField(type: GraphQLObjectType, field: AnyField): JoinField | undefined {
    const directive = directiveOn(field.astNode, 'join');
    if (!directive) return undefined;
    const target = getNamedType(field.type);
    if (!isObjectType(target)) {
      this.findings.at(directive, `@join finds objects, and ${type.name}.${field.name} is ${String(field.type)}`);
      return undefined;
    }
    const own = argsOf(directive)['rpc'] !== undefined;
    const lookup = own ? this.compileLookup(directive, target, true) : this.lookupOf(target, directive);
    return lookup && { type, field, directive, lookup };
  }

  /** The @lookup of a type, compiled once. */
  private lookupOf(target: GraphQLObjectType, asker: ConstDirectiveNode): CompiledLookup | undefined {
    if (this.lookups.has(target)) return this.lookups.get(target);
    const directive = [target.astNode, ...target.extensionASTNodes]
      .map((node) => directiveOn(node, 'lookup'))
      .find((found) => found !== undefined);
    const lookup = directive && this.compileLookup(directive, target, false);
    if (!directive) {
      this.findings.at(
        asker,
        `${target.name} does not say how it is found by key`,
        'Add @lookup(rpc: "...") to the type.',
      );
    }
    this.lookups.set(target, lookup);
    return lookup;
  }

  private compileLookup(
    directive: ConstDirectiveNode,
    target: GraphQLObjectType,
    many: boolean,
  ): CompiledLookup | undefined {
    const args = argsOf(directive);
    const rpc = this.rpc(directive, args['rpc']);
    if (!rpc) return undefined;
    const isBatch = args['keys'] !== undefined;
    const keyNames = String(args[isBatch ? 'keys' : 'key'] ?? '')
      .split(' ')
      .filter(Boolean);
    const keys = this.namedFields(directive, rpc.request, keyNames, isBatch ? 'keys' : 'key');
    const items = isBatch
      ? this.namedFields(directive, rpc.response, [String(args['items'] ?? '')], 'items')?.[0]
      : undefined;
    const item = isBatch ? items?.resolvedType : rpc.response;
    if (!keys || keys.length === 0 || !(item instanceof Type)) {
      if (keys?.length === 0)
        this.findings.at(directive, 'keys: or key: must name the field of the request that takes the key');
      return undefined;
    }
    if (isBatch && keys.some((key) => !key.repeated)) {
      this.findings.at(
        directive,
        `keys: ${keyNames.join(' ')} of ${fullName(rpc.request)} must be repeated`,
        'Use key: for one at a time.',
      );
    }
    const matchNames = String(args['match'] ?? '')
      .split(' ')
      .filter(Boolean);
    const match = isBatch ? this.namedFields(directive, item, matchNames, 'match') : [];
    if (!match) return undefined;
    if (isBatch && match.length !== keys.length) {
      this.findings.at(
        directive,
        `match: must name the field of ${fullName(item)} that holds the key`,
        'Results are matched by key, not by position.',
      );
      return undefined;
    }
    this.outputs.bind(target, item);
    const timeout =
      args['deadline'] === undefined ? rpc.use.timeout : this.timeout(directive, args['deadline'], rpc.use.upstream);
    return {
      rpc,
      timeout,
      lookup: {
        upstream: () => this.options.upstream(rpc.use.upstream),
        rpc: rpcOf(rpc.method),
        timeout: () => timeout,
        request: (wanted) =>
          Object.fromEntries(
            keys.map((key, index) => [key.name, isBatch ? wanted.map((each) => each[index]) : wanted[0]?.[index]]),
          ),
        items: items ? (response) => response[items.name] as readonly ProtoMessage[] : (response) => [response],
        keyOf: (found) => keyText(match.map((each) => found[each.name])),
        many,
        max: (args['max'] as number | undefined) ?? 100,
        concurrency: isBatch ? undefined : ((args['concurrency'] as number | undefined) ?? 10),
      },
    };
  }

  private namedFields(
    directive: ConstDirectiveNode,
    type: Type,
    names: readonly string[],
    argument: string,
  ): Field[] | undefined {
    const fields = names.map((name) => {
      const found = findField(type, name);
      if (!found) {
        this.findings.at(
          directive,
          `${argument}: ${fullName(type)} has no field "${name}"`,
          didYouMean(name, type.fieldsArray.map(jsonName)) ??
            `Its fields are ${type.fieldsArray.map(jsonName).join(', ')}.`,
        );
      }
      return found;
    });
    return fields.every((field) => field !== undefined) ? fields : undefined;
  }

  private attachJoin({ type, field, directive, lookup: { lookup, rpc, timeout } }: JoinField): void {
    const names = String(argsOf(directive)['key']).split(' ').filter(Boolean);
    const messages = this.outputs.messagesOf(type);
    if (messages.size === 0) return;
    const readers = names.map((name) => {
      const read = parentFieldOf(messages)(name);
      if (!read) {
        const fields = [...messages].flatMap((message) => message.fieldsArray.map(jsonName));
        this.findings.at(
          directive,
          `key: ${[...messages].map(fullName).join(' and ')} has no field "${name}"`,
          didYouMean(name, fields) ?? `Its fields are ${fields.join(', ')}.`,
        );
      }
      return read ?? (() => undefined);
    });
    this.plans.push({
      coordinate: `${type.name}.${field.name}`,
      field,
      source: `${rpc.use.service}/${rpc.method.name}`,
      timeout,
    });
    const isList = isListType(getNullableType(field.type));
    if (lookup.many !== isList && lookup.many) {
      this.findings.at(directive, `${type.name}.${field.name} finds many objects for a key, and is not a list`);
    }
    field.resolve =
      isList && !lookup.many
        ? listJoin(lookup, readers, field)
        : (parent, _args, context) => {
            const key = readers.map((read) => read(parent));
            if (isEmptyKey(key)) return lookup.many ? [] : missing(field);
            const found = loaderOf(lookup, context).load(key);
            return isNonNullType(field.type) ? found.then((object) => object ?? missing(field)) : found;
          };
  }

  private handWritten(type: GraphQLObjectType, field: AnyField): void {
    const directive = directiveOn(field.astNode, 'resolver');
    if (!directive) return;
    const name = String(argsOf(directive)['name']);
    const resolvers = this.options.resolvers ?? {};
    const resolve = Object.hasOwn(resolvers, name) ? resolvers[name] : undefined;
    if (resolve) field.resolve = resolve;
    else {
      this.findings.at(
        directive,
        `the gateway has no resolver "${name}"`,
        didYouMean(name, Object.keys(resolvers)) ?? `There are ${Object.keys(resolvers).join(', ') || 'none'}.`,
      );
    }
    this.plans.push({
      coordinate: `${type.name}.${field.name}`,
      field,
      source: `the gateway's ${name}`,
      timeout: undefined,
    });
  }
}

/** True for a field that something else than the message of its type answers. */
function isMapped(field: GraphQLField<unknown, unknown>): boolean {
  const { astNode } = field;
  return (
    ['grpc', 'join', 'resolver'].some((name) => directiveOn(astNode, name)) ||
    (field.resolve !== undefined && isPaging(field))
  );
}

function isPaging({ name }: GraphQLField<unknown, unknown>): boolean {
  return (connectionFields as readonly string[]).includes(name);
}

function nameOf(definition: DefinitionNode): string | undefined {
  return 'name' in definition ? definition.name?.value : undefined;
}

/** Root types may be defined in every file: from the second on they extend the first. */
function asExtension(definition: DefinitionNode, seen: Set<string>): DefinitionNode {
  const name = nameOf(definition);
  const isRoot = name === 'Query' || name === 'Mutation' || name === 'Subscription';
  if (definition.kind === Kind.OBJECT_TYPE_EXTENSION && isRoot && !seen.has(name)) {
    seen.add(name);
    return { ...definition, kind: Kind.OBJECT_TYPE_DEFINITION };
  }
  if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION || !isRoot) return definition;
  if (!seen.has(name)) {
    seen.add(name);
    return definition;
  }
  const { description: _, ...rest } = definition;
  return { ...rest, kind: Kind.OBJECT_TYPE_EXTENSION };
}

function missing(field: AnyField): null {
  if (isNonNullType(field.type)) throw new GatewayError('NOT_FOUND', `${field.name} was not found.`);
  return null;
}

/** A list of references: all of their keys go into one look-up. */
function listJoin(
  lookup: Lookup,
  readers: readonly ((parent: unknown) => unknown)[],
  field: AnyField,
): GraphQLFieldResolver<unknown, ResolverContext> {
  const list = getNullableType(field.type);
  const itemsNonNull = isListType(list) && isNonNullType(list.ofType);
  return async (parent, _args, context) => {
    const columns = readers.map((read) => (read(parent) ?? []) as readonly unknown[]);
    const keys = (columns[0] ?? []).map((_, index): Key => columns.map((column) => column[index]));
    const loader = loaderOf(lookup, context);
    const found = await Promise.all(keys.map((key) => (isEmptyKey(key) ? null : loader.load(key))));
    // A list that may not hold null leaves out what is not there.
    return itemsNonNull ? found.filter((object) => object !== null) : found;
  };
}

type Streaming = Rpc<ProtoMessage, ProtoMessage>;

function streamResolver(
  upstream: () => Upstream,
  rpc: Streaming,
  timeout: number,
  build: RequestBuilder,
  fallback: { readonly rpc: Streaming; readonly build: RequestBuilder } | undefined,
): GraphQLFieldResolver<unknown, ResolverContext> {
  return async function* stream(parent, args, context) {
    let begun = false;
    try {
      for await (const message of upstream().stream(rpc, build(args, context.caller, parent), context.scope, timeout)) {
        begun = true;
        yield message;
      }
    } catch (error) {
      if (begun || !fallback || upstreamStatus(error) !== 'UNIMPLEMENTED') throw error;
      yield await upstream().unary(fallback.rpc, fallback.build(args, context.caller, parent), context.scope, timeout);
    }
  };
}

function collectResolver(
  upstream: () => Upstream,
  rpc: Streaming,
  timeout: number,
  build: RequestBuilder,
  max: number,
  select: (message: DecodedMessage) => unknown,
): GraphQLFieldResolver<unknown, ResolverContext> {
  return async (parent, args, context) => {
    const collected: unknown[] = [];
    for await (const message of upstream().stream(rpc, build(args, context.caller, parent), context.scope, timeout)) {
      collected.push(select(message as DecodedMessage));
      if (collected.length === max) break;
    }
    return collected;
  };
}
