import {
  getNamedType,
  getNullableType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
  type ConstDirectiveNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
} from 'graphql';
import { Type, type Field, type Method } from 'protobufjs';
import type { Findings } from '../../diagnostics/findings';
import { reading, withoutInfo } from '../../execution/resolver-needs';
import { upstreamStatus } from '../../grpc/status';
import type { Rpc, Upstream } from '../../grpc/upstream';
import { isMap } from '../../proto/maps';
import { findOneOf, fullName, type DecodedMessage } from '../../proto/proto-model';
import { rpcOf, type ProtoMessage } from '../../proto/protos';
import { attempt } from '../../proto/value-error';
import { argsOf, directiveArgs } from '../directive-nodes';
import { fieldName, uses } from '../proto-usage';
import type { Args, Resolver, ResolverContext, SchemaField } from '../resolver-context';
import type { ResolvedRpc, Services } from '../services';
import { attachConnection, isConnection, pagingNames, pagingOf, type Paging } from './connection';
import type { OutputCompiler } from './output-compiler';
import { parentFieldOf, type RequestBuilder, type RequestCompiler } from './request-compiler';

/** Takes a field's value out of a response. */
type Select = (response: DecodedMessage) => unknown;

/** A field that an RPC answers, bound to the response but not yet to the request. */
interface Call {
  readonly type: GraphQLObjectType;
  readonly field: SchemaField;
  readonly directive: ConstDirectiveNode;
  readonly rpc: ResolvedRpc;
  readonly fallback: ResolvedRpc | undefined;
  readonly paging: Paging | undefined;
  readonly select: Select;
}

/** What a call came to. */
export interface CompiledCall {
  readonly rpc: ResolvedRpc;
  readonly timeout: number;
}

export interface CallCompilerOptions {
  readonly schema: GraphQLSchema;
  readonly services: Services;
  readonly outputs: OutputCompiler;
  readonly requests: RequestCompiler;
  readonly upstream: (name: string) => Upstream;
  readonly findings: Findings;
}

/**
 * Compiles the fields with @grpc, in two steps: what a field is read from must be known of all fields before a request can
 * take $parent.FIELD from it.
 */
export class CallCompiler {
  constructor(private readonly options: CallCompilerOptions) {}

  /**
   * First step: finds the RPC and binds the field's type to what it answers.
   *
   * @returns the second step, which compiles the request and sets the field's resolver
   */
  bind(type: GraphQLObjectType, field: SchemaField, directive: ConstDirectiveNode): (() => CompiledCall) | undefined {
    const { schema, services, outputs, findings } = this.options;
    const args = argsOf(directive);
    const rpc = services.rpc(directive, args['rpc']);
    if (!rpc) return undefined;
    this.checkStreaming(type, field, directive, rpc);
    if (type !== schema.getMutationType() && type !== schema.getSubscriptionType()) {
      checkSideEffects(`${type.name}.${field.name}`, directive, rpc, findings);
    }
    this.checkOptions(type, field, directive, rpc);
    const named = getNamedType(field.type);
    if (isConnection(named)) {
      const paging = this.bindConnection(field, rpc, named);
      return () => this.attach({ type, field, directive, rpc, fallback: undefined, paging, select: whole });
    }
    const select = this.bindResponse(type, field, directive, rpc, args['response']);
    const fallback = args['fallback'] === undefined ? undefined : services.rpc(directive, args['fallback']);
    if (fallback && (fallback.method.requestStream || fallback.method.responseStream)) {
      findings.at(
        directive,
        `fallback: ${fallback.method.name} streams, and stands in for a stream`,
        'Name an RPC that takes one message and answers once.',
      );
    }
    if (fallback && isObjectType(named) && type === schema.getSubscriptionType()) {
      outputs.bind(named, fallback.response, { partial: true });
    }
    return () => this.attach({ type, field, directive, rpc, fallback, paging: undefined, select });
  }

  private bindConnection(field: SchemaField, rpc: ResolvedRpc, connection: GraphQLObjectType): Paging | undefined {
    const { findings, outputs } = this.options;
    const { max = 100, items } = directiveArgs(field.astNode, 'connection') ?? {};
    const options = { max: Number(max), ...(typeof items === 'string' ? { items } : {}) };
    const paging = pagingOf(field, rpc.request, rpc.response, options, findings);
    const reader = (each: SchemaField, source: Field): Select => outputs.reader(each, source);
    const node = attachConnection(connection, rpc.response, reader, findings);
    const item = paging?.items.resolvedType;
    if (node && item instanceof Type) outputs.bind(node, item);
    outputs.bindConnection(connection, rpc.response);
    for (const name of ['edges', 'nodes']) {
      const list = connection.getFields()[name];
      if (list && paging) uses(list, fieldName(paging.items));
    }
    return paging;
  }

  /** Binds a field's type to the part of the response that `response:` names. */
  private bindResponse(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
    rpc: ResolvedRpc,
    path: unknown,
  ): Select {
    if (typeof path !== 'string') return this.bindWhole(type, field, rpc);
    const { services, outputs, findings } = this.options;
    const names = path.split('.');
    const lastName = names.pop() ?? '';
    const steps: Field[] = [];
    let message = rpc.response;
    for (const name of names) {
      const step = services.field(directive, 'response', message, name);
      if (!step) return whole;
      if (!(step.resolvedType instanceof Type) || step.repeated || isMap(step)) {
        findings.at(
          directive,
          `response: ${path} goes through ${step.name}, which is not one message`,
          'A path leads through single messages.',
        );
        return whole;
      }
      steps.push(step);
      message = step.resolvedType;
    }
    const itemType = this.itemType(type, field, rpc);
    const union = getNullableType(itemType);
    const oneOf = isUnionType(union) ? findOneOf(message, lastName) : undefined;
    const last = oneOf ? undefined : services.field(directive, 'response', message, lastName);
    if (!oneOf && !last) return whole;
    // What the last step itself can leave unset is told by its reader.
    if (isNonNullType(itemType) && (!last || (steps.length > 0 && !outputs.canBeNull(itemType, last)))) {
      findings.at(
        field.astNode,
        `${field.name} is non-null, but ${path} of ${fullName(rpc.response)} can be unset`,
        `Make it ${String(field.type).replace(String(itemType), String(getNullableType(itemType)))}.`,
      );
    }
    const read =
      oneOf && isUnionType(union) ? outputs.unionReader(field, union, oneOf) : outputs.reader(field, last!, itemType);
    return (response) => {
      let from: unknown = response;
      for (const { name } of steps) from = (from as DecodedMessage | null | undefined)?.[name];
      return from === undefined || from === null ? null : read(from as DecodedMessage);
    };
  }

  /** The type that one response comes to: that of the list's items where a stream is collected, else the field's. */
  private itemType(type: GraphQLObjectType, field: SchemaField, { method }: ResolvedRpc): GraphQLOutputType {
    const list = getNullableType(field.type);
    const isCollected = method.responseStream && type !== this.options.schema.getSubscriptionType() && isListType(list);
    return isCollected ? list.ofType : field.type;
  }

  private bindWhole(type: GraphQLObjectType, field: SchemaField, rpc: ResolvedRpc): Select {
    const { outputs, findings } = this.options;
    const value = getNullableType(this.itemType(type, field, rpc));
    if (isObjectType(value)) {
      outputs.bind(value, rpc.response);
      return whole;
    }
    const read = outputs.whole(field, value, rpc.response);
    if (read) return (response) => read(response as never);
    findings.at(
      field.astNode,
      `${field.name} is ${String(field.type)}, but ${rpc.method.name} answers ${fullName(rpc.response)}`,
      'Use an object type, or say response: "FIELD" of @grpc.',
    );
    return whole;
  }

  private checkStreaming(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
    { method }: ResolvedRpc,
  ): void {
    const { schema, findings } = this.options;
    const coordinate = `${type.name}.${field.name}`;
    if (method.requestStream) {
      findings.at(
        directive,
        `${method.name} takes a stream, which no field can send`,
        'Remove the field: the RPC stays with gRPC clients.',
      );
    } else if (type === schema.getSubscriptionType()) {
      if (!method.responseStream) {
        findings.at(
          directive,
          `${coordinate} needs a streaming RPC, and ${method.name} answers once`,
          'Name an RPC that answers a stream, or make it a field of Query or Mutation.',
        );
      }
    } else if (method.responseStream && !isListType(getNullableType(field.type))) {
      findings.at(
        directive,
        `${method.name} answers a stream, and ${coordinate} is not a list`,
        'Make it a list, which collects the stream, or a field of Subscription.',
      );
    }
  }

  /** Arguments of @grpc that say nothing of this field. */
  private checkOptions(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
    { method }: ResolvedRpc,
  ): void {
    const { schema, findings } = this.options;
    const args = argsOf(directive);
    const isSubscription = type === schema.getSubscriptionType();
    const coordinate = `${type.name}.${field.name}`;
    const useless = (name: string, reason: string): void => {
      if (name in args) findings.at(directive, `${name}: says nothing on ${coordinate}: ${reason}`, 'Remove it.');
    };
    if (!isSubscription) useless('fallback', 'it is for fields of Subscription');
    if (isSubscription) useless('max', 'every message of the stream is an event');
    else if (!method.responseStream) useless('max', `${method.name} answers once`);
    if (isConnection(getNamedType(field.type))) useless('response', 'the items of a page are named by @connection');
  }

  /** Second step. */
  private attach(call: Call): CompiledCall {
    const { schema, services, upstream: upstreamOf } = this.options;
    const { type, field, directive, rpc, select } = call;
    const timeout = services.timeoutOf(directive, rpc);
    const upstream = (): Upstream => upstreamOf(rpc.use.upstream);
    const unary = { upstream, rpc: rpcOf(rpc.method), timeout, build: this.request(call, rpc) };
    if (type === schema.getSubscriptionType()) {
      const fallback = call.fallback && {
        ...unary,
        rpc: rpcOf(call.fallback.method),
        build: this.request(call, call.fallback),
      };
      field.subscribe = subscribing(unary, fallback);
      field.resolve = reading((event) => select(event as DecodedMessage));
    } else {
      const resolve = resolverOf(call, unary);
      field.resolve = withoutInfo(type === schema.getMutationType() ? changing(resolve) : resolve);
    }
    return { rpc, timeout };
  }

  private request(call: Call, rpc: ResolvedRpc): RequestBuilder {
    const { outputs, requests } = this.options;
    const messages = outputs.messagesOf(call.type);
    return requests.compile({
      field: call.field,
      request: rpc.request,
      mapping: call.directive.arguments?.find(({ name }) => name.value === 'request')?.value,
      parentField: messages.size > 0 ? parentFieldOf(messages) : undefined,
      handled: isConnection(getNamedType(call.field.type)) ? pagingNames : new Set(),
    });
  }
}

/** What is not a mutation may be asked by GET, at any time and twice: its RPC must not change anything. */
export function checkSideEffects(
  coordinate: string,
  directive: ConstDirectiveNode,
  { method, use }: ResolvedRpc,
  findings: Findings,
  instead = 'Make it a field of Mutation',
): void {
  if (!hasSideEffects(method, use.service.methodsArray)) return;
  findings.at(
    directive,
    `${coordinate} calls ${method.name}, which has side effects`,
    `${instead}, or set idempotency_level = NO_SIDE_EFFECTS in the proto where that is true.`,
  );
}

const whole: Select = (response) => response;

/**
 * Whether calling an RPC may change something: what its idempotency_level says, else the HTTP verb that google.api.http
 * gives it. Where a service says neither of any RPC, nothing is known and nothing is assumed.
 */
export function hasSideEffects(method: Method, all: readonly Method[]): boolean {
  const level = (each: Method): unknown => each.getOption('idempotency_level');
  if (level(method) !== undefined) return level(method) !== 'NO_SIDE_EFFECTS';
  const verbs = Object.keys(method.options ?? {}).flatMap(
    (name) => /^\(google\.api\.http\)\.(\w+)$/.exec(name)?.[1] ?? [],
  );
  if (verbs.includes('get')) return false;
  return (
    verbs.some((verb) => ['post', 'put', 'patch', 'delete'].includes(verb)) ||
    all.some((each) => level(each) !== undefined)
  );
}

/** An RPC with everything that calling it takes. */
interface Callable {
  readonly upstream: () => Upstream;
  readonly rpc: Rpc<ProtoMessage, ProtoMessage>;
  /** Ms. */
  readonly timeout: number;
  readonly build: RequestBuilder;
}

function resolverOf({ rpc, directive, paging, select }: Call, callable: Callable): ContextResolver {
  if (rpc.method.responseStream) return collecting(callable, select, Number(argsOf(directive)['max'] ?? 1000));
  return paging ? pagingThrough(callable, paging) : calling(callable, select);
}

/** A resolver that has no use for `info`. */
type ContextResolver = (parent: unknown, args: Args, context: ResolverContext) => Promise<unknown>;

function calling({ upstream, rpc, timeout, build }: Callable, select: Select): ContextResolver {
  const call: ContextResolver = (parent, args, { caller, scope }) =>
    upstream().unary(rpc, build(args, caller, parent), scope, timeout);
  if (select === whole) return call;
  return (parent, args, context) => call(parent, args, context).then((response) => select(response as DecodedMessage));
}

/** What was looked up before a mutation may have changed by the next one, or by what the mutation answers with. */
function changing(resolve: ContextResolver): ContextResolver {
  return async (parent, args, context) => {
    try {
      return await resolve(parent, args, context);
    } finally {
      context.loaders.clear();
    }
  };
}

function pagingThrough({ upstream, rpc, timeout, build }: Callable, paging: Paging): ContextResolver {
  return async (parent, args, { caller, scope }) => {
    const request = build(args, caller, parent);
    const position = paging.request(request, args);
    const response = await upstream().unary(rpc, request, scope, timeout);
    return paging.page(response as DecodedMessage, position, args['first'] as number | undefined);
  };
}

/** Collects a stream into a list, and leaves it when the list is full. */
function collecting({ upstream, rpc, timeout, build }: Callable, select: Select, max: number): ContextResolver {
  return async (parent, args, { caller, scope }) => {
    const collected: unknown[] = [];
    for await (const message of upstream().stream(rpc, build(args, caller, parent), scope, timeout)) {
      collected.push(attempt(select, message as DecodedMessage));
      if (collected.length >= max) break;
    }
    return collected;
  };
}

function subscribing({ upstream, rpc, timeout, build }: Callable, fallback: Callable | undefined): Resolver {
  return async function* events(parent, args, { caller, scope, loaders }) {
    let begun = false;
    try {
      for await (const message of upstream().stream(rpc, build(args, caller, parent), scope, timeout)) {
        begun = true;
        // What was looked up for one event may have changed by the next.
        loaders.clear();
        yield message;
      }
    } catch (error) {
      if (begun || !fallback || upstreamStatus(error) !== 'UNIMPLEMENTED') throw error;
      yield await upstream().unary(fallback.rpc, fallback.build(args, caller, parent), scope, timeout);
    }
  };
}
