import {
  getNamedType,
  isAbstractType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  type ConstDirectiveNode,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import type { Findings } from '../diagnostics/findings';
import { argsOf, directiveOn } from './directive-nodes';
import { isConnection, isRootType } from './object-types';
import type { SchemaField } from './resolver-context';

/** The directives that say what answers a field, in place of the message of its object. */
const answers = ['grpc', 'join', 'resolver'] as const;

/** Findings for directives on a field that contradict each other, or have no effect there. */
export function checkField(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  field: SchemaField,
  findings: Findings,
): void {
  const coordinate = `${type.name}.${field.name}`;
  const there = answers.filter((name) => directiveOn(field.astNode, name)).map((name) => `@${name}`);
  const [answer] = there;
  if (there.length > 1) {
    findings.at(field.astNode, `${coordinate} is answered by ${there.join(' and ')} at once`, 'Keep one of them.');
  }
  const proto = directiveOn(field.astNode, 'proto');
  if (proto && answer !== undefined) {
    findings.at(proto, `@proto says nothing on ${coordinate}: ${answer} answers it`, 'Remove it.');
  }
  const connection = directiveOn(field.astNode, 'connection');
  if (connection && !isConnection(getNamedType(field.type))) {
    findings.at(
      connection,
      `${coordinate} has @connection, and ${String(field.type)} is no connection`,
      'A connection is a type whose name ends in Connection and that has edges or nodes.',
    );
  } else if (connection && answer !== '@grpc') {
    findings.at(connection, `@connection says nothing on ${coordinate}: no RPC answers it`, 'Add @grpc(rpc: "...").');
  }
  if (type === schema.getSubscriptionType() && answer !== undefined && answer !== '@grpc') {
    findings.at(
      field.astNode,
      `${coordinate} needs a streaming RPC, and has ${answer}`,
      'Answer it with @grpc(rpc: "...").',
    );
  }
  const scopes = directiveOn(field.astNode, 'requiresScopes');
  if (scopes && isRootType(schema, type) && 'orSelf' in argsOf(scopes)) {
    findings.at(
      scopes,
      `orSelf names a field of the object that a field is in, and ${coordinate} is in none`,
      'Remove orSelf, or put the rule on a field of the type.',
    );
  }
  for (const name of ['grpc', 'connection', 'join']) checkLimits(directiveOn(field.astNode, name), findings);
}

/** Findings for numbers of a directive that must be at least 1. */
export function checkLimits(directive: ConstDirectiveNode | undefined, findings: Findings): void {
  if (!directive) return;
  for (const name of ['max', 'concurrency']) {
    const value = argsOf(directive)[name];
    if (typeof value === 'number' && value < 1) {
      findings.at(directive, `${name} of @${directive.name.value} is ${value}`, 'It must be at least 1.');
    }
  }
}

/** Findings for the arguments of a field that makes no request. */
export function checkArguments(type: GraphQLObjectType, field: SchemaField, findings: Findings): void {
  for (const argument of field.args) {
    findings.at(
      argument.astNode,
      `the argument ${argument.name} lands nowhere: no request is made for ${type.name}.${field.name}`,
      'Remove it, or answer the field with @grpc(rpc: "...").',
    );
  }
}

/**
 * Findings for types that no operation can reach.
 *
 * @param isRead - True for a type that is read from a message, even if no field leads to it.
 * @param isOwn - True for a type that the gateway brings along.
 */
export function checkReachable(
  schema: GraphQLSchema,
  isRead: (type: GraphQLObjectType) => boolean,
  isOwn: (type: GraphQLNamedType) => boolean,
  findings: Findings,
): void {
  const types = Object.values(schema.getTypeMap()).filter((type) => !isIntrospectionType(type));
  const roots = types.filter((type) => isObjectType(type) && (isRootType(schema, type) || isRead(type)));
  const reached = reachableFrom(schema, roots);
  for (const type of types) {
    if (reached.has(type) || isOwn(type) || isSpecifiedScalarType(type)) continue;
    findings.at(
      type.astNode ?? type.extensionASTNodes[0],
      `nothing leads to the type ${type.name}`,
      'Use it as the type of a field or an argument, or remove it.',
    );
  }
}

function reachableFrom(schema: GraphQLSchema, roots: readonly GraphQLNamedType[]): ReadonlySet<GraphQLNamedType> {
  // The iteration includes what is added during it.
  const reached = new Set(roots);
  for (const type of reached) {
    if (isAbstractType(type)) for (const member of schema.getPossibleTypes(type)) reached.add(member);
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const implemented of type.getInterfaces()) reached.add(implemented);
      for (const field of Object.values(type.getFields())) {
        reached.add(getNamedType(field.type));
        for (const argument of field.args) reached.add(getNamedType(argument.type));
      }
    }
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) reached.add(getNamedType(field.type));
    }
  }
  return reached;
}

/** Findings for directives on types, and on fields of interfaces, that have no effect there. */
export function checkTypes(schema: GraphQLSchema, findings: Findings): void {
  const types = Object.values(schema.getTypeMap());
  for (const type of types) if (isInterfaceType(type)) checkInterface(type, findings);
  const members = new Set(types.flatMap((type) => (isUnionType(type) ? type.getTypes() : [])));
  for (const type of types) {
    const proto = isObjectType(type) && !members.has(type) ? directiveOn(type.astNode, 'proto') : undefined;
    if (!proto) continue;
    findings.at(
      proto,
      `@proto on the type ${type.name} says nothing: it is in no union`,
      'Remove it. On a type it names the member of a oneof that the type stands for.',
    );
  }
}

/** Each type that implements the interface says what answers its fields; directives on the interface have no effect. */
function checkInterface(type: GraphQLInterfaceType, findings: Findings): void {
  for (const field of Object.values(type.getFields())) {
    for (const name of [...answers, 'connection', 'proto', 'rateLimit']) {
      const directive = directiveOn(field.astNode, name);
      if (!directive) continue;
      findings.at(
        directive,
        `@${name} says nothing on ${type.name}.${field.name}: ${type.name} is an interface`,
        'Put it on the field of each type that implements the interface.',
      );
    }
  }
}
