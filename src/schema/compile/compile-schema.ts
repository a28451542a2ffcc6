import type { GraphQLObjectType, GraphQLSchema } from 'graphql';
import type { Findings } from '../../diagnostics/findings';
import type { Upstream } from '../../grpc/upstream';
import { accessOf, applyAccess, type Access } from '../access';
import { applyCost } from '../cost';
import { checkArguments, checkField, checkReachable, checkTypes } from '../check-fields';
import { composeSchema, isGatewayType, publishSchema } from '../compose-schema';
import { directiveOn, hasUnknownDirective } from '../directive-nodes';
import { isConnection, isRootType, objectTypes } from '../object-types';
import { applyRateLimits, checkRateLimitKeys } from '../rate-limit';
import type { Resolver, SchemaField } from '../resolver-context';
import { Services } from '../services';
import type { Sources } from '../sources';
import { CallCompiler } from './call-compiler';
import { isPagingField } from './connection';
import { describeByProtos } from './describe-by-protos';
import { FieldCompiler, type AnsweredField, type UpstreamRpc } from './field-compiler';
import { JoinCompiler } from './join-compiler';
import { LookupCompiler } from './lookup-compiler';
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
export interface CompiledField extends Omit<AnsweredField, 'type' | 'field'> {
  /** Such as `Query.me`. */
  readonly coordinate: string;
  readonly access: Access;
}

export interface CompiledSchema {
  /** What clients see: executable, without the gateway's directives. */
  readonly schema: GraphQLSchema;
  /** The fields with @grpc, @join or @resolver. */
  readonly fields: readonly CompiledField[];
  /** What the fields call, each as often as a field does. */
  readonly rpcs: readonly UpstreamRpc[];
}

/**
 * Compiles SDL and protos to the executable schema, checking the one against the other: what does not fit goes to the findings.
 *
 * @throws SchemaError where the SDL itself is not valid
 */
export function compileSchema(options: SchemaOptions, findings: Findings): CompiledSchema {
  const { sources, upstream, deadlines = {}, resolvers = {} } = options;
  const services = new Services(sources, deadlines, findings);
  const schema = composeSchema(sources.sdl, findings);
  const outputs = new OutputCompiler(findings, isAnsweredElsewhere, sources.protos);
  const requests = new RequestCompiler(findings, sources.protos);
  const lookups = new LookupCompiler({ services, outputs, upstream, findings });
  const calls = new CallCompiler({ schema, services, outputs, requests, upstream, findings });
  const joins = new JoinCompiler({ services, lookups, outputs, findings });
  const fields = new FieldCompiler({ services, calls, joins, resolvers, findings });

  for (const type of objectTypes(schema)) {
    lookups.compileDeclared(type);
    for (const field of fieldsOf(type)) {
      checkField(schema, type, field, findings);
      fields.compile(type, field);
      checkAnswered(schema, type, field, findings);
    }
  }
  outputs.attach();
  const completed = fields.complete();
  describeByProtos(schema, sources.protos, {
    messagesOf: (type) => outputs.messagesOf(type),
    answered: completed.fields,
  });
  applyRateLimits(schema, findings);
  applyAccess(schema, findings);
  checkRateLimitKeys(schema, findings);
  applyCost(schema, findings);

  const isRead = (type: GraphQLObjectType): boolean => outputs.messagesOf(type).size > 0;
  checkUnusedArguments(schema, isRead, findings);
  checkTypes(schema, findings);
  checkReachable(schema, isRead, isGatewayType, findings);
  return {
    schema: publishSchema(schema, sources.sdl),
    fields: completed.fields.map(({ type, field, ...answer }) => ({
      coordinate: `${type.name}.${field.name}`,
      access: accessOf(field),
      ...answer,
    })),
    rpcs: completed.rpcs,
  };
}

function fieldsOf(type: GraphQLObjectType): SchemaField[] {
  return Object.values(type.getFields());
}

/** True for a field that something else than the message of its type answers. */
function isAnsweredElsewhere(field: SchemaField): boolean {
  return ['grpc', 'join', 'resolver'].some((name) => directiveOn(field.astNode, name)) || isPagingField(field);
}

/** A finding for a root field without a source: no message answers those. */
function checkAnswered(schema: GraphQLSchema, type: GraphQLObjectType, field: SchemaField, findings: Findings): void {
  if (!isRootType(schema, type) || isAnsweredElsewhere(field) || hasUnknownDirective(field.astNode, schema)) return;
  findings.at(field.astNode, `nothing answers ${type.name}.${field.name}`, 'Add @grpc(rpc: "...").');
}

/** Findings for arguments of fields that make no request. */
function checkUnusedArguments(
  schema: GraphQLSchema,
  isRead: (type: GraphQLObjectType) => boolean,
  findings: Findings,
): void {
  for (const type of objectTypes(schema)) {
    for (const field of fieldsOf(type)) {
      const makesRequest = ['grpc', 'resolver'].some((name) => directiveOn(field.astNode, name));
      const isCompiled = isRead(type) || isConnection(type) || directiveOn(field.astNode, 'join') !== undefined;
      if (isCompiled && !makesRequest) checkArguments(type, field, findings);
    }
  }
}
