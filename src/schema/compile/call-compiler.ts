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
import { Type, type Field } from 'protobufjs';
import type { Findings } from '../../diagnostics/findings';
import { reading, withoutInfo } from '../../execution/resolver-needs';
import type { Upstream } from '../../grpc/upstream';
import { isMap } from '../../proto/maps';
import { findOneOf, fullName, type DecodedMessage } from '../../proto/proto-model';
import { rpcOf } from '../../proto/protos';
import { argsOf, directiveArgs } from '../directive-nodes';
import { isConnection } from '../object-types';
import { fieldName, noteUsage } from '../proto-usage';
import { missing, type Args, type SchemaField } from '../resolver-context';
import type { ResolvedRpc, Services } from '../services';
import { checkSideEffects } from '../side-effects';
import {
  calling,
  changing,
  collecting,
  pagingThrough,
  subscribing,
  unlessLacking,
  wholeResponse,
  type Callable,
  type ContextResolver,
  type Select,
} from './call-resolvers';
import { markCollected, mostCollected } from './collected';
import { compileConnectionType, compilePaging, pagingNames, type Paging } from './connection';
import type { OutputCompiler } from './output-compiler';
import { firstPage } from './page';
import type { CompiledRequest, RequestCompiler } from './request-compiler';

/** A field with @grpc whose response is compiled, and whose request is not yet. */
interface PendingCall {
  readonly type: GraphQLObjectType;
  readonly field: SchemaField;
  readonly directive: ConstDirectiveNode;
  readonly rpc: ResolvedRpc;
  readonly fallback: ResolvedRpc | undefined;
  readonly paging: Paging | undefined;
  readonly select: Select;
}

/** What the map of the gateway tells of a call. */
export interface CompiledCall {
  readonly rpc: ResolvedRpc;
  /** Ms. */
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
 * Compiles the fields with @grpc, in two steps: the messages that a type is read from must be known of all fields before a
 * request can take $parent.FIELD from them.
 */
export class CallCompiler {
  constructor(private readonly options: CallCompilerOptions) {}

  /**
   * First step: finds the RPC, and compiles the field's type for what it answers.
   *
   * @returns the second step, which compiles the request and sets the field's resolver
   */
  compile(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
  ): (() => CompiledCall) | undefined {
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
      const paging = this.compileConnection(field, rpc, named);
      return () => this.complete({ type, field, directive, rpc, fallback: undefined, paging, select: wholeResponse });
    }
    const select = this.compileResponse(type, field, directive, rpc, args['response']);
    const fallback = args['fallback'] === undefined ? undefined : services.rpc(directive, args['fallback']);
    if (fallback && (fallback.method.requestStream || fallback.method.responseStream)) {
      findings.at(
        directive,
        `fallback: ${fallback.method.name} streams, and stands in for a stream`,
        'Name an RPC that takes one message and answers once.',
      );
    }
    if (fallback && isObjectType(named) && type === schema.getSubscriptionType()) {
      outputs.compileType(named, fallback.response, { partial: true });
    }
    return () => this.complete({ type, field, directive, rpc, fallback, paging: undefined, select });
  }

  private compileConnection(field: SchemaField, rpc: ResolvedRpc, connection: GraphQLObjectType): Paging | undefined {
    const { findings, outputs } = this.options;
    const { max = 100, items } = directiveArgs(field.astNode, 'connection') ?? {};
    const options = { max: Number(max), ...(typeof items === 'string' ? { items } : {}) };
    const paging = compilePaging(field, rpc.request, rpc.response, options, findings);
    const compileField = (each: SchemaField, source: Field): Select => outputs.fields.compileField(each, source);
    const node = compileConnectionType(connection, rpc.response, compileField, findings);
    const item = paging?.items.resolvedType;
    if (node && item instanceof Type) outputs.compileType(node, item);
    outputs.compileConnectionFields(connection, rpc.response);
    for (const name of ['edges', 'nodes']) {
      const list = connection.getFields()[name];
      if (list && paging) noteUsage(list, fieldName(paging.items));
    }
    return paging;
  }

  /** Compiles a field's type for the part of the response that `response:` names. */
  private compileResponse(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
    rpc: ResolvedRpc,
    path: unknown,
  ): Select {
    if (typeof path !== 'string') return this.compileWhole(type, field, rpc);
    const { services, outputs, findings } = this.options;
    const names = path.split('.');
    const lastName = names.pop() ?? '';
    const messages: Field[] = [];
    let message = rpc.response;
    for (const name of names) {
      const next = services.field(directive, 'response', message, name);
      if (!next) return wholeResponse;
      if (!(next.resolvedType instanceof Type) || next.repeated || isMap(next)) {
        findings.at(
          directive,
          `response: ${path} goes through ${next.name}, which is not one message`,
          'A path leads through single messages.',
        );
        return wholeResponse;
      }
      messages.push(next);
      message = next.resolvedType;
    }
    const itemType = this.itemType(type, field, rpc);
    const union = getNullableType(itemType);
    const oneOf = isUnionType(union) ? findOneOf(message, lastName) : undefined;
    const last = oneOf ? undefined : services.field(directive, 'response', message, lastName);
    if (!oneOf && !last) return wholeResponse;
    // Where the last field itself can be unset, compiling it reports that.
    if (isNonNullType(itemType) && (!last || (messages.length > 0 && !outputs.fields.canBeNull(itemType, last)))) {
      findings.at(
        field.astNode,
        `${field.name} is non-null, but ${path} of ${fullName(rpc.response)} can be unset`,
        `Make it ${String(field.type).replace(String(itemType), String(getNullableType(itemType)))}.`,
      );
    }
    const read =
      oneOf && isUnionType(union)
        ? outputs.unions.compileUnion(field, union, oneOf)
        : outputs.fields.compileField(field, last!, itemType);
    return (response) => {
      let from: unknown = response;
      for (const { name } of messages) from = (from as DecodedMessage | null | undefined)?.[name];
      return from === undefined || from === null ? null : read(from as DecodedMessage);
    };
  }

  /** The type that one response becomes: that of the list's items where a stream is collected, else the field's. */
  private itemType(type: GraphQLObjectType, field: SchemaField, { method }: ResolvedRpc): GraphQLOutputType {
    const list = getNullableType(field.type);
    const isCollected = method.responseStream && type !== this.options.schema.getSubscriptionType() && isListType(list);
    return isCollected ? list.ofType : field.type;
  }

  private compileWhole(type: GraphQLObjectType, field: SchemaField, rpc: ResolvedRpc): Select {
    const { outputs, findings } = this.options;
    const value = getNullableType(this.itemType(type, field, rpc));
    if (isObjectType(value)) {
      outputs.compileType(value, rpc.response);
      return wholeResponse;
    }
    const read = outputs.fields.compileWhole(field, value, rpc.response);
    if (read) return read;
    findings.at(
      field.astNode,
      `${field.name} is ${String(field.type)}, but ${rpc.method.name} answers ${fullName(rpc.response)}`,
      'Use an object type, or say response: "FIELD" of @grpc.',
    );
    return wholeResponse;
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

  /** Findings for arguments of @grpc that have no effect on this field. */
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
  private complete(call: PendingCall): CompiledCall {
    const { schema, services, upstream: upstreamOf } = this.options;
    const { type, field, directive, rpc, select } = call;
    const timeout = services.timeoutOf(directive, rpc);
    const upstream = (): Upstream => upstreamOf(rpc.upstream.name);
    const { build, lacksParent } = this.compileRequest(call, rpc);
    const unary = { upstream, rpc: rpcOf(rpc.method), timeout, build };
    if (type === schema.getSubscriptionType()) {
      const fallback = call.fallback && {
        ...unary,
        rpc: rpcOf(call.fallback.method),
        build: this.compileRequest(call, call.fallback).build,
      };
      field.subscribe = subscribing(unary, fallback);
      field.resolve = reading((event) => select(event as DecodedMessage));
    } else {
      const calls = resolverOf(call, unary);
      const resolve = lacksParent ? unlessLacking(lacksParent, nothingOf(call), calls) : calls;
      field.resolve = withoutInfo(type === schema.getMutationType() ? changing(resolve) : resolve);
    }
    return { rpc, timeout };
  }

  private compileRequest(call: PendingCall, rpc: ResolvedRpc): CompiledRequest {
    const { outputs, requests } = this.options;
    return requests.compile({
      field: call.field,
      request: rpc.request,
      mapping: call.directive.arguments?.find(({ name }) => name.value === 'request')?.value,
      parents: outputs.messagesOf(call.type),
      handled: isConnection(getNamedType(call.field.type)) ? pagingNames : new Set(),
    });
  }
}

function resolverOf({ field, rpc, directive, paging, select }: PendingCall, callable: Callable): ContextResolver {
  if (rpc.method.responseStream) {
    const max = Number(argsOf(directive)['max'] ?? mostCollected);
    markCollected(field, max);
    return collecting(callable, select, max);
  }
  return paging ? pagingThrough(callable, paging) : calling(callable, select);
}

/** What a field is that makes no call: an empty page, an empty list or null. */
function nothingOf({ field, rpc, paging }: PendingCall): (args: Args) => unknown {
  if (paging) {
    const response = rpc.response.create() as unknown as DecodedMessage;
    return ({ first }) => paging.page(response, firstPage, first as number | undefined);
  }
  if (isListType(getNullableType(field.type))) return () => [];
  return () => missing(field);
}
