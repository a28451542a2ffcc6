import {
  defaultFieldResolver,
  getNamedType,
  isUnionType,
  valueFromASTUntyped,
  type ConstDirectiveNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';
import { GatewayError } from '../errors';
import { needsOf, withoutInfo } from '../execution/resolver-needs';
import { hasUnknownDirective } from './directive-nodes';
import { accessDirectives } from './directives';
import { isRootType, objectTypes } from './object-types';
import type { Caller, PolicyAnswers, Resolver, ResolverContext, SchemaField } from './resolver-context';

/** What a caller must have to be given a field. */
export interface AccessRule {
  /** Lists of permissions: the session must have all of one list. Left out where being signed in is enough. */
  readonly scopes?: readonly (readonly string[])[];
  /** Lists of permissions that are asked about for each request: all of one list must be allowed. */
  readonly policies?: readonly (readonly string[])[];
  /** Name of the parent's field that holds the id of a user who may ask as well. */
  readonly orSelf?: string;
}

/** The rules of a field: all of them must hold. Empty for a field that anybody may ask for. */
export type Access = readonly AccessRule[];

const open: Access = [];

/** The rules that {@link applyAccess} put on a field. */
export function accessOf(field: Pick<GraphQLField<unknown, unknown>, 'extensions'>): Access {
  return (field.extensions['access'] as Access | undefined) ?? open;
}

/**
 * The error of a caller whom a rule refuses, `orSelf` left aside; undefined where the rule holds.
 *
 * @param answers - To the permissions of policies. One that was not asked about counts as not allowed.
 */
export function denial(
  rule: AccessRule,
  caller: Caller | GatewayError,
  answers: PolicyAnswers | undefined,
): GatewayError | undefined {
  if (caller instanceof GatewayError) return caller;
  if (rule.policies) return denialByPolicy(rule.policies, answers);
  if (!rule.scopes) return undefined;
  const { permissions } = caller;
  return rule.scopes.some((all) => all.every((scope) => permissions.includes(scope))) ? undefined : forbidden;
}

/** Where no list is allowed, and one might be that could not be asked about, it is not known whether the caller may. */
function denialByPolicy(
  policies: readonly (readonly string[])[],
  answers: PolicyAnswers | undefined,
): GatewayError | undefined {
  let unknown: GatewayError | undefined;
  for (const all of policies) {
    const given = all.map((policy) => answers?.get(policy) ?? false);
    if (given.every((answer) => answer === true)) return undefined;
    if (!given.includes(false)) unknown ??= given.find((answer) => answer instanceof GatewayError);
  }
  return unknown ?? forbidden;
}

/** Made once: a list may be refused field by field. */
const forbidden = new GatewayError('FORBIDDEN');

/**
 * Guards every field by its rules: its own, and those of its type, of the type that it is in, and of the interfaces that this
 * implements. The check is part of the resolver of the object type's field, so no abstract type, fragment or alias bypasses
 * it. Call it when all resolvers are in place.
 */
export function applyAccess(schema: GraphQLSchema, findings: Findings): void {
  for (const type of objectTypes(schema)) {
    for (const field of Object.values(type.getFields())) {
      const marks = marksOf(schema, type, field);
      if (isRootType(schema, type) && !marks.some(isAccessMark) && !hasUnknownDirective(field.astNode, schema)) {
        findings.at(
          field.astNode,
          `${type.name}.${field.name} does not say who may ask for it`,
          'Add @public, @authenticated or @requiresScopes(scopes: [["..."]]).',
        );
      }
      guard(type, field, rulesOf(type, field, marks, findings));
    }
  }
}

function isAbstractMember(schema: GraphQLSchema, type: GraphQLObjectType): boolean {
  return (
    type.getInterfaces().length > 0 ||
    Object.values(schema.getTypeMap()).some((other) => isUnionType(other) && other.getTypes().includes(type))
  );
}

function isAccessMark({ name }: ConstDirectiveNode): boolean {
  return (accessDirectives as readonly string[]).includes(name.value);
}

function directivesOf(type: GraphQLNamedType): readonly ConstDirectiveNode[] {
  return [type.astNode, ...type.extensionASTNodes].flatMap((node) => node?.directives ?? []);
}

/**
 * Every directive that may hold rules for a field. The rules of a type are checked where a field returns it, and again on its
 * own fields only where it may have been returned as an interface or a union.
 */
function marksOf(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  field: GraphQLField<unknown, unknown>,
): readonly ConstDirectiveNode[] {
  return [
    ...(field.astNode?.directives ?? []),
    ...(isRootType(schema, type) || isAbstractMember(schema, type) ? directivesOf(type) : []),
    ...directivesOf(getNamedType(field.type)),
    ...type
      .getInterfaces()
      .flatMap((implemented) => [
        ...directivesOf(implemented),
        ...(implemented.getFields()[field.name]?.astNode?.directives ?? []),
      ]),
  ];
}

function rulesOf(
  type: GraphQLObjectType,
  field: GraphQLField<unknown, unknown>,
  marks: readonly ConstDirectiveNode[],
  findings: Findings,
): Access {
  const rules = marks.flatMap((mark) => ruleOf(mark, findings));
  if (rules.length > 0 && field.astNode?.directives?.some(({ name }) => name.value === 'public')) {
    findings.at(field.astNode, `${type.name}.${field.name} is @public and protected at once`, 'Keep one of the two.');
  }
  for (const { orSelf } of rules) {
    if (orSelf !== undefined && !type.getFields()[orSelf]) {
      const names = Object.keys(type.getFields());
      findings.at(
        field.astNode,
        `@requiresScopes(orSelf: "${orSelf}") names no field of ${type.name}`,
        didYouMean(orSelf, names) ?? `Its fields are ${names.join(', ')}.`,
      );
    }
  }
  return rules;
}

function ruleOf(mark: ConstDirectiveNode, findings: Findings): AccessRule[] {
  if (mark.name.value === 'authenticated') return [{}];
  if (mark.name.value !== 'requiresScopes' && mark.name.value !== 'policy') return [];
  const value = (name: string): unknown => {
    const argument = mark.arguments?.find((candidate) => candidate.name.value === name);
    return argument && valueFromASTUntyped(argument.value);
  };
  const orSelf = value('orSelf') as string | undefined;
  // GraphQL reads a single value as a list of one (spec 3.11, "Input Coercion").
  const listed = (name: string) => [value(name) ?? []].flat(1).map((all) => [all].flat(1) as string[]);
  const scopes = listed(mark.name.value === 'policy' ? 'policies' : 'scopes');
  if (scopes.length === 0 || scopes.some((all) => all.length === 0)) {
    findings.at(
      mark,
      `@${mark.name.value} needs at least one permission in every list`,
      'Use @authenticated for "signed in".',
    );
  }
  if (mark.name.value === 'policy') return [{ policies: scopes }];
  return [{ scopes, ...(orSelf === undefined ? {} : { orSelf }) }];
}

/** The resolvers of guarded fields, without their checks. */
const originals = new WeakMap<SchemaField, Resolver>();

/** A field's resolver without its check: for comparing `orSelf`, whose value nobody is shown. */
function unguarded(type: GraphQLObjectType, name: string): Resolver {
  const field = type.getFields()[name] as SchemaField | undefined;
  return (field && (originals.get(field) ?? field.resolve)) ?? defaultFieldResolver;
}

/** Puts the check in front of a field's resolver. */
function guard(type: GraphQLObjectType, field: SchemaField, access: Access): void {
  if (access.length === 0) return;
  field.extensions = { ...field.extensions, access };
  const isSelf = (
    { orSelf }: AccessRule,
    source: unknown,
    context: ResolverContext,
    info: GraphQLResolveInfo,
  ): boolean => {
    if (orSelf === undefined || context.caller instanceof GatewayError) return false;
    return unguarded(type, orSelf)(source, {}, context, info) === context.caller.userId;
  };
  const refusal = (source: unknown, context: ResolverContext, info: GraphQLResolveInfo): GatewayError | undefined => {
    for (const rule of access) {
      const denied = denial(rule, context.caller, context.policyAnswers);
      if (denied && !isSelf(rule, source, context, info)) return denied;
    }
    return undefined;
  };

  const { resolve = defaultFieldResolver, subscribe } = field;
  originals.set(field, resolve);
  if (subscribe) {
    // Each event of a stream was allowed when the stream began.
    field.subscribe = (source, args, context, info) => {
      const refused = refusal(source, context, info);
      if (refused) throw refused;
      return subscribe(source, args, context, info);
    };
    return;
  }
  // To graphql-js a returned error is a thrown one, and it costs less.
  field.resolve = (source, args, context, info) =>
    refusal(source, context, info) ?? resolve(source, args, context, info);
  const called = [resolve, ...access.flatMap(({ orSelf }) => (orSelf === undefined ? [] : unguarded(type, orSelf)))];
  if (called.every((each) => needsOf(each) !== undefined)) withoutInfo(field.resolve);
}
