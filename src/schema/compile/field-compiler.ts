import type { ConstDirectiveNode, GraphQLObjectType } from 'graphql';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import type { RpcName } from '../../grpc/upstream';
import { argsOf, directiveOn } from '../directive-nodes';
import { noteUsage, rpcName } from '../proto-usage';
import type { Resolver, SchemaField } from '../resolver-context';
import { serviceName, type ResolvedRpc, type Services } from '../services';
import type { CallCompiler, CompiledCall } from './call-compiler';
import type { JoinCompiler } from './join-compiler';

export interface FieldCompilerOptions {
  readonly services: Services;
  readonly calls: CallCompiler;
  readonly joins: JoinCompiler;
  /** Functions that @resolver may name. */
  readonly resolvers: Readonly<Record<string, Resolver>>;
  readonly findings: Findings;
}

/** A field with @grpc, @join or @resolver, and what answers it. */
export interface AnsweredField {
  readonly type: GraphQLObjectType;
  readonly field: SchemaField;
  /** `package.Service/Method`, or `@resolver NAME`. */
  readonly source: string;
  /** The RPC that stands in where the source is not implemented, named as the source is. */
  readonly fallback?: string;
  /** Ms; undefined for what makes no call. */
  readonly timeout: number | undefined;
}

/** An RPC, and the name of the upstream that has it. */
export interface UpstreamRpc extends RpcName {
  readonly upstream: string;
}

/** A field whose second step is due. */
interface PendingField {
  readonly type: GraphQLObjectType;
  readonly field: SchemaField;
  readonly directive: ConstDirectiveNode;
  readonly complete: () => CompiledCall;
}

/** Compiles the fields that something else than their message answers: an RPC, a look-up or a function of the gateway. */
export class FieldCompiler {
  private readonly pending: PendingField[] = [];
  private readonly answered: AnsweredField[] = [];

  constructor(private readonly options: FieldCompilerOptions) {}

  /** First step. */
  compile(type: GraphQLObjectType, field: SchemaField): void {
    const { services, calls, joins } = this.options;
    const grpc = directiveOn(field.astNode, 'grpc');
    const join = directiveOn(field.astNode, 'join');
    const byHand = directiveOn(field.astNode, 'resolver');
    const directive = grpc ?? join;
    const complete = grpc ? calls.compile(type, field, grpc) : join && joins.compile(type, field, join);
    if (complete && directive) {
      this.pending.push({ type, field, directive, complete });
      noteUsage(field, ...services.foundFor(directive));
    }
    if (byHand) this.compileResolver(type, field, byHand);
  }

  private compileResolver(type: GraphQLObjectType, field: SchemaField, directive: ConstDirectiveNode): void {
    const { resolvers, findings } = this.options;
    const name = String(argsOf(directive)['name']);
    if (Object.hasOwn(resolvers, name) && resolvers[name]) field.resolve = resolvers[name];
    else {
      const known = Object.keys(resolvers);
      findings.at(
        directive,
        `there is no resolver "${name}"`,
        didYouMean(name, known) ?? `There are ${known.join(', ')}.`,
      );
    }
    this.answered.push({ type, field, source: `@resolver ${name}`, timeout: undefined });
  }

  /**
   * Second step: completes the calls and joins. Call it when every field is through the first step.
   *
   * @returns the fields, and the RPCs that they call, each as often as a field does
   */
  complete(): { readonly fields: readonly AnsweredField[]; readonly rpcs: readonly UpstreamRpc[] } {
    const { services } = this.options;
    const rpcs: UpstreamRpc[] = [];
    for (const { type, field, directive, complete } of this.pending) {
      const { rpc, timeout } = complete();
      const isCall = directive.name.value === 'grpc';
      const fallback = isCall ? services.rpc(directive, argsOf(directive)['fallback']) : undefined;
      field.extensions = { ...field.extensions, timeout };
      rpcs.push(upstreamRpc(rpc), ...(fallback ? [upstreamRpc(fallback)] : []));
      this.answered.push({
        type,
        field,
        source: rpcName(rpc.method),
        timeout,
        ...(fallback ? { fallback: rpcName(fallback.method) } : {}),
      });
    }
    return { fields: this.answered, rpcs };
  }
}

function upstreamRpc({ upstream, method }: ResolvedRpc): UpstreamRpc {
  return { upstream: upstream.name, service: serviceName(upstream.service), method: method.name };
}
