import { isObjectType, type GraphQLObjectType, type GraphQLSchema } from 'graphql';
import { didYouMean } from '../../diagnostics/did-you-mean';
import { Findings } from '../../diagnostics/findings';
import type { RpcName, Upstream } from '../../grpc/upstream';
import { accessOf, applyAccess, type Access } from '../access';
import { checkArguments, checkField, checkReachable, checkTypes, isRootType } from '../check-fields';
import { composeSchema, isGatewayType, publishSchema } from '../compose-schema';
import { argsOf, directiveOn, hasUnknownDirective } from '../directive-nodes';
import { rpcName, uses } from '../proto-usage';
import type { Resolver, SchemaField } from '../resolver-context';
import { serviceName, Services, type ResolvedRpc } from '../services';
import type { Sources } from '../sources';
import { CallCompiler, type CompiledCall } from './call-compiler';
import { isConnection, isPagingField } from './connection';
import { JoinCompiler } from './join-compiler';
import { OutputCompiler } from './output-compiler';
import { RequestCompiler } from './request-compiler';

export interface SchemaOptions {
  readonly sources: Sources;
  /** The upstream of a name. Asked when a field is resolved, so that a schema can be checked without any. */
  readonly upstream: (name: string) => Upstream;
  /** Ms that RPCs of an upstream may take at most, where the configuration says so. */
  readonly deadlines?: Readonly<Record<string, number | undefined>>;
  /** Functions that @resolver may name. */
  readonly resolvers?: Readonly<Record<string, Resolver>>;
}

/** One line of the gateway's map: what answers a field, and who may ask. */
export interface FieldPlan {
  /** Such as `Query.me`. */
  readonly coordinate: string;
  readonly access: Access;
  /** `package.Service/Method`, or `@resolver NAME`. */
  readonly source: string;
  /** The RPC that stands in where the source is not implemented, named as the source is. */
  readonly fallback?: string;
  /** Ms; undefined for what makes no call. */
  readonly timeout: number | undefined;
}

export interface CompiledSchema {
  /** What clients see: executable, without the gateway's directives. */
  readonly schema: GraphQLSchema;
  readonly fields: readonly FieldPlan[];
  /** What the fields call, each as often as a field does. */
  readonly rpcs: readonly UpstreamRpc[];
}

/** An RPC, and the name of the upstream that has it. */
export interface UpstreamRpc extends RpcName {
  readonly upstream: string;
}

/**
 * Builds the executable schema from SDL and protos, checking the one against the other.
 *
 * @throws SchemaError listing everything that does not fit
 */
export function loadSchema(options: SchemaOptions): CompiledSchema {
  const findings = new Findings();
  const built = compileSchema(options, findings);
  findings.throwIfAny();
  return built;
}

/** As {@link loadSchema}, but what does not fit goes to the findings. Throws only where the SDL itself is not valid. */
export function compileSchema(options: SchemaOptions, findings: Findings): CompiledSchema {
  const { sources, upstream, deadlines = {}, resolvers = {} } = options;
  const services = new Services(sources, deadlines, findings);
  const schema = composeSchema(sources.sdl, findings);
  const outputs = new OutputCompiler(findings, isAnsweredElsewhere, sources.protos);
  const requests = new RequestCompiler(findings, sources.protos);
  const calls = new CallCompiler({ schema, services, outputs, requests, upstream, findings });
  const joins = new JoinCompiler({ services, outputs, upstream, findings });

  const attachments: { type: GraphQLObjectType; field: SchemaField; attach: () => CompiledCall }[] = [];
  const plans: (Omit<FieldPlan, 'coordinate' | 'access'> & { type: GraphQLObjectType; field: SchemaField })[] = [];
  for (const type of objectTypes(schema)) {
    joins.check(type);
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      const grpc = directiveOn(field.astNode, 'grpc');
      const join = directiveOn(field.astNode, 'join');
      const byHand = directiveOn(field.astNode, 'resolver');
      checkField(schema, type, field, findings);
      const attach = grpc ? calls.bind(type, field, grpc) : join && joins.bind(type, field, join);
      const answer = grpc ?? join;
      if (attach && answer) {
        attachments.push({ type, field, attach });
        uses(field, ...services.foundFor(answer));
      }
      if (byHand) {
        const name = String(argsOf(byHand)['name']);
        if (Object.hasOwn(resolvers, name) && resolvers[name]) field.resolve = resolvers[name];
        else {
          const known = Object.keys(resolvers);
          findings.at(
            byHand,
            `there is no resolver "${name}"`,
            didYouMean(name, known) ?? `There are ${known.join(', ')}.`,
          );
        }
        plans.push({ type, field, source: `@resolver ${name}`, timeout: undefined });
      }
      const isAnswered = grpc || join || byHand || hasUnknownDirective(field.astNode, schema);
      if (isRootType(schema, type) && !isAnswered) {
        findings.at(field.astNode, `nothing answers ${type.name}.${field.name}`, 'Add @grpc(rpc: "...").');
      }
    }
  }
  outputs.attach();
  const rpcs: UpstreamRpc[] = [];
  for (const { type, field, attach } of attachments) {
    const { rpc, timeout } = attach();
    const grpc = directiveOn(field.astNode, 'grpc');
    const fallback = grpc && services.rpc(grpc, argsOf(grpc)['fallback']);
    field.extensions = { ...field.extensions, timeout };
    rpcs.push(upstreamRpc(rpc), ...(fallback ? [upstreamRpc(fallback)] : []));
    plans.push({
      type,
      field,
      source: rpcName(rpc.method),
      timeout,
      ...(fallback ? { fallback: rpcName(fallback.method) } : {}),
    });
  }
  applyAccess(schema, findings);
  for (const type of objectTypes(schema)) {
    const isRead = outputs.messagesOf(type).size > 0 || isConnection(type);
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      const makesRequest = ['grpc', 'resolver'].some((name) => directiveOn(field.astNode, name));
      if ((isRead || directiveOn(field.astNode, 'join')) && !makesRequest) checkArguments(type, field, findings);
    }
  }
  checkTypes(schema, findings);
  checkReachable(schema, (type) => outputs.messagesOf(type).size > 0, isGatewayType, findings);
  return {
    schema: publishSchema(schema, sources.sdl),
    fields: plans.map(({ type, field, ...plan }) => ({
      coordinate: `${type.name}.${field.name}`,
      access: accessOf(field),
      ...plan,
    })),
    rpcs,
  };
}

function upstreamRpc({ use, method }: ResolvedRpc): UpstreamRpc {
  return { upstream: use.upstream, service: serviceName(use.service), method: method.name };
}

function objectTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  return Object.values(schema.getTypeMap()).filter(
    (type): type is GraphQLObjectType => isObjectType(type) && !type.name.startsWith('__'),
  );
}

/** True for a field that something else than the message of its type answers. */
function isAnsweredElsewhere(field: SchemaField): boolean {
  return ['grpc', 'join', 'resolver'].some((name) => directiveOn(field.astNode, name)) || isPagingField(field);
}
