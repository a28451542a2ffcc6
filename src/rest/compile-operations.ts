import {
  buildASTSchema,
  getNamedType,
  GraphQLSchema,
  isEnumType,
  isInputType,
  isObjectType,
  isNonNullType,
  Kind,
  parse,
  print,
  typeFromAST,
  validate,
  visit,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLEnumType,
  type GraphQLInputType,
  type GraphQLOutputType,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
} from 'graphql';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';
import { reportErrors } from '../diagnostics/graphql-errors';
import { argsOf, directiveOn } from '../schema/directive-nodes';
import {
  checkAliases,
  checkBody,
  checkNames,
  checkRoutes,
  checkStatus,
  checkVariable,
  type CheckedRoute,
} from './check-routes';

/**
 * Directives that the operations of `schema/rest` may have. They say how an operation is mounted and are taken off before it
 * runs, so clients of GraphQL cannot use them.
 */
export const restSdl = /* GraphQL */ `
  "Mounts the operation as a REST route."
  directive @rest(
    method: RestMethod!
    "Path template; its variables, such as {userId}, are variables of the operation."
    path: String!
    "More paths that answer the same."
    alias: [String!] = []
    "The variable that the JSON body becomes; * where each of its fields is a variable. Without it there is no body."
    body: String
    "HTTP status of success."
    status: Int = 200
  ) on QUERY | MUTATION

  "The enum's values are written in PascalCase on this route: Active for ACTIVE."
  directive @pascalCase on FIELD | VARIABLE_DEFINITION

  enum RestMethod {
    GET
    POST
    PUT
    PATCH
    DELETE
  }
`;

/** How a variable of a route is filled from the path or the query. */
export interface RouteVariable {
  readonly name: string;
  readonly type: GraphQLInputType;
  /** True where it must be given. */
  readonly required: boolean;
  readonly pascalCase: boolean;
}

/** How an answer is written: fields to write otherwise than they come. Undefined where everything stays. */
export interface AnswerShape {
  readonly fields: ReadonlyMap<string, FieldShape>;
}

interface FieldShape {
  /** Members of a oneof that are not set are left out. */
  readonly leaveOutNull: boolean;
  /** Names in PascalCase by those of the schema; undefined where values stay. */
  readonly pascalCase: ReadonlyMap<string, string> | undefined;
  readonly nested: AnswerShape | undefined;
}

/** A route, compiled from an operation. */
export interface RestOperation {
  readonly name: string;
  readonly method: string;
  readonly paths: readonly string[];
  readonly status: number;
  /** Variable that is the body, `*` for one variable a field, undefined for no body. */
  readonly body: string | undefined;
  /** Variables that the body fills: the one that it is, or one for each of its fields. */
  readonly bodyVariables: readonly RouteVariable[];
  readonly pathVariables: readonly RouteVariable[];
  readonly queryVariables: readonly RouteVariable[];
  /** The operation without the directives of REST. */
  readonly query: string;
  /** Response key of the root field: its value is the answer. */
  readonly rootKey: string;
  readonly shape: AnswerShape | undefined;
}

const restDirectives = ['rest', 'pascalCase'];

const restDefinitions = buildASTSchema(parse(restSdl), { assumeValidSDL: true });

/**
 * Compiles the operations of `schema/rest`, checking each against the schema.
 *
 * @param ownPaths - Templates of paths that something else answers.
 */
export function compileRest(
  schema: GraphQLSchema,
  documents: readonly DocumentNode[],
  findings: Findings,
  ownPaths: readonly string[] = [],
): RestOperation[] {
  const extended = withDirectives(schema);
  const routes = documents.flatMap((document) => compileDocument(extended, document, findings));
  checkNames(documents, findings);
  checkRoutes(routes, findings, ownPaths);
  return routes.map(({ operation }) => operation);
}

/** The schema with the directives that operations here may have, for validating them. */
function withDirectives(schema: GraphQLSchema): GraphQLSchema {
  const config = schema.toConfig();
  const directives = restDefinitions.getDirectives().filter(({ name }) => restDirectives.includes(name));
  return new GraphQLSchema({ ...config, directives: [...config.directives, ...directives], assumeValid: true });
}

function compileDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  findings: Findings,
): CheckedRoute<RestOperation>[] {
  const errors = validate(schema, document);
  reportErrors(errors, findings, { directives: schema.getDirectives(), schema });
  if (errors.length > 0) return [];
  const plain = withoutDirectives(document);
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  return operations.flatMap((node) => {
    const operation = compileOperation(schema, document, plain, node, findings);
    return operation ? [{ operation, node }] : [];
  });
}

function compileOperation(
  schema: GraphQLSchema,
  document: DocumentNode,
  plain: DocumentNode,
  operation: OperationDefinitionNode,
  findings: Findings,
): RestOperation | undefined {
  const name = operation.name?.value;
  const directive = directiveOn(operation, 'rest');
  if (!directive || name === undefined) {
    findings.at(
      operation,
      'an operation here needs a name and @rest(method:, path:)',
      'Write query NAME @rest(method: GET, path: "/api/...") { ... }.',
    );
    return undefined;
  }
  const { method, path, alias = [], body, status = 200 } = argsOf(directive);
  const paths = [path, ...[alias].flat()].filter((each) => typeof each === 'string');
  for (const each of paths) {
    if (!/^(\/([\w.~-]+|\{\w+\}))+$/.test(each)) {
      findings.at(
        directive,
        `"${each}" is not a path such as /api/v1/users/{userId}`,
        'A path begins with /, and a variable is a whole segment of it.',
      );
    }
  }
  if ((method === 'GET') !== (operation.operation === 'query')) {
    findings.at(
      directive,
      `a ${operation.operation} cannot be mounted on ${String(method)}`,
      'GET is for queries, the other methods for mutations.',
    );
  }
  const root = operation.selectionSet.selections[0];
  if (operation.selectionSet.selections.length !== 1 || root?.kind !== Kind.FIELD) {
    findings.at(
      operation,
      `${name} must have exactly one root field: its value is the answer`,
      'Select one field of Query or Mutation, and outside of fragments.',
    );
    return undefined;
  }
  const variables = (operation.variableDefinitions ?? []).map((definition) => variableOf(schema, definition));
  const inPath = new Set([...paths.join().matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ''));
  checkAliases(directive, paths, findings);
  checkStatus(directive, Number(status), findings);
  for (const variable of inPath) {
    if (!variables.some((each) => each.name === variable)) {
      findings.at(
        directive,
        `the path has {${variable}}, and ${name} has no variable $${variable}`,
        didYouMean(
          variable,
          variables.map((each) => each.name),
        ) ?? `Add $${variable}: ID! to the variables of ${name}, or take it out of the path.`,
      );
    }
  }
  const bodyName = typeof body === 'string' ? body : undefined;
  if (bodyName !== undefined) {
    checkBody(directive, { method: String(method), name, body: bodyName, variables }, findings);
  }
  // Where the body is no variable, any of them may have been meant.
  const knownBody = variables.some((each) => each.name === bodyName) ? bodyName : bodyName && '*';
  for (const definition of operation.variableDefinitions ?? []) {
    const variable = variables.find((each) => each.name === definition.variable.name.value);
    if (variable) checkVariable(definition, variable, { inPath, body: knownBody }, findings);
  }
  const rest = variables.filter((each) => !inPath.has(each.name));
  const rootType = schema.getRootType(operation.operation);
  const shapes = new Shapes(schema, document, findings);
  const shape = rootType && shapes.of(operation.selectionSet, rootType);
  const rootKey = root.alias?.value ?? root.name.value;
  return {
    name,
    method: String(method),
    paths,
    status: Number(status),
    body: bodyName,
    bodyVariables: rest.filter((each) => bodyName === '*' || each.name === bodyName),
    pathVariables: variables.filter((each) => inPath.has(each.name)),
    queryVariables: bodyName === '*' ? [] : rest.filter((each) => each.name !== bodyName),
    query: print(onlyOperation(plain, name)),
    rootKey,
    shape: shape?.fields.get(rootKey)?.nested,
  };
}

function variableOf(schema: GraphQLSchema, definition: VariableDefinitionNode): RouteVariable {
  const type = typeFromAST(schema, definition.type as never) as unknown;
  if (!isInputType(type)) throw new Error('validated already');
  return {
    name: definition.variable.name.value,
    type,
    required: isNonNullType(type) && definition.defaultValue === undefined,
    pascalCase: directiveOn(definition, 'pascalCase') !== undefined,
  };
}

function withoutDirectives(document: DocumentNode): DocumentNode {
  return visit(document, { Directive: ({ name }) => (restDirectives.includes(name.value) ? null : undefined) });
}

/** The operation and the fragments that it may use. */
function onlyOperation(document: DocumentNode, name: string): DocumentNode {
  const used = new Set<string>();
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const operation = document.definitions.filter(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION && definition.name?.value === name,
  );
  const collect = (node: OperationDefinitionNode | FragmentDefinitionNode): void => {
    visit(node, {
      FragmentSpread({ name: { value } }) {
        const fragment = fragments.find((each) => each.name.value === value);
        if (used.has(value) || !fragment) return;
        used.add(value);
        collect(fragment);
      },
    });
  };
  for (const each of operation) collect(each as OperationDefinitionNode);
  return { kind: Kind.DOCUMENT, definitions: [...operation, ...fragments.filter((each) => used.has(each.name.value))] };
}

/** Finds what of an answer is written otherwise than it comes. */
class Shapes {
  private readonly fragments = new Map<string, FragmentDefinitionNode>();

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly findings: Findings,
  ) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.fragments.set(definition.name.value, definition);
    }
  }

  of(selections: SelectionSetNode, type: GraphQLOutputType): AnswerShape | undefined {
    const fields = new Map<string, FieldShape>();
    this.collect(selections, type, fields);
    return fields.size === 0 ? undefined : { fields };
  }

  private collect(selections: SelectionSetNode, type: GraphQLOutputType, into: Map<string, FieldShape>): void {
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        const field = isObjectType(type) ? type.getFields()[selection.name.value] : undefined;
        if (!field) continue;
        const fieldType = getNamedType(field.type);
        const nested = selection.selectionSet && this.of(selection.selectionSet, fieldType);
        const leaveOutNull = field.extensions['oneOf'] === true;
        const isPascalCase = directiveOn(selection, 'pascalCase') !== undefined;
        if (isPascalCase && !isEnumType(fieldType)) {
          this.findings.at(
            selection,
            `${field.name} is @pascalCase, and ${String(field.type)} is no enum`,
            'Remove @pascalCase.',
          );
        }
        const pascalCase = isPascalCase && isEnumType(fieldType) ? pascalNamesOf(fieldType) : undefined;
        if (nested || leaveOutNull || pascalCase) {
          into.set(selection.alias?.value ?? selection.name.value, { leaveOutNull, pascalCase, nested });
        }
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.collect(selection.selectionSet, this.typeOf(selection.typeCondition?.name.value) ?? type, into);
      } else {
        const fragment = this.fragments.get(selection.name.value);
        if (fragment) this.collect(fragment.selectionSet, this.typeOf(fragment.typeCondition.name.value) ?? type, into);
      }
    }
  }

  private typeOf(name: string | undefined): GraphQLOutputType | undefined {
    return name === undefined ? undefined : (this.schema.getType(name) as GraphQLOutputType | undefined);
  }
}

/** Writes an answer as its route has it. */
export function shaped(value: unknown, shape: AnswerShape | undefined): unknown {
  if (!shape || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => shaped(item, shape));
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const how = shape.fields.get(key);
    if (!how) result[key] = field;
    else if (field !== null || !how.leaveOutNull) result[key] = written(field, how);
  }
  return result;
}

function written(value: unknown, { pascalCase, nested }: FieldShape): unknown {
  return pascalCase && typeof value === 'string' ? (pascalCase.get(value) ?? value) : shaped(value, nested);
}

/** `IN_PROGRESS` as `InProgress`. */
function toPascalCase(name: string): string {
  return name.toLowerCase().replace(/(^|_)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
}

function pascalNamesOf(type: GraphQLEnumType): ReadonlyMap<string, string> {
  return new Map(type.getValues().map(({ name }) => [name, toPascalCase(name)]));
}

/** The enum values that names stand for, in PascalCase and as GraphQL has them. */
export function namesOf(type: GraphQLEnumType): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { name } of type.getValues()) {
    // Of two that are alike in PascalCase the first counts.
    for (const text of [name, toPascalCase(name)]) if (!names.has(text)) names.set(text, name);
  }
  return names;
}
