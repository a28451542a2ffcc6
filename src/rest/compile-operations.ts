import {
  isInputType,
  isNonNullType,
  Kind,
  OperationTypeNode,
  print,
  typeFromAST,
  validate,
  visit,
  type ConstDirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql';
import type { Findings } from '../diagnostics/findings';
import { reportErrors } from '../diagnostics/graphql-errors';
import { argsOf, directiveArgs, directiveOn } from '../schema/directive-nodes';
import { compileAnswerShape, headersOf } from './answer-shape';
import {
  checkAliases,
  checkBody,
  checkMethod,
  checkNames,
  checkPaths,
  checkPathVariables,
  checkRoutes,
  checkStatus,
  checkVariable,
  pathVariables,
  type CompiledRoute,
} from './check-routes';
import type { EnumCase } from './enum-case';
import { withoutRestDirectives, withRestDirectives } from './directives';
import type { RestOperation, RouteVariable } from './rest-operation';

/**
 * Compiles the operations of `schema/rest`, checking each against the schema.
 *
 * @param ownPaths - Templates of paths that something else answers.
 */
export function compileOperations(
  schema: GraphQLSchema,
  documents: readonly DocumentNode[],
  findings: Findings,
  ownPaths: readonly string[] = [],
): RestOperation[] {
  const extended = withRestDirectives(schema);
  const routes = documents.flatMap((document) => compileDocument(extended, document, findings));
  checkNames(documents, findings);
  checkRoutes(routes, findings, ownPaths);
  return routes.map(({ operation }) => operation);
}

function compileDocument(schema: GraphQLSchema, document: DocumentNode, findings: Findings): CompiledRoute[] {
  const errors = validate(schema, document);
  reportErrors(errors, findings, { directives: schema.getDirectives(), schema });
  if (errors.length > 0) return [];
  const plain = withoutRestDirectives(document);
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  return operations.flatMap((node) =>
    compileOperation(schema, document, plain, node, findings).map((operation) => ({ operation, node })),
  );
}

/**
 * @param plain - The document without the directives of REST.
 * @returns the operation, once for each method that it is mounted on
 */
function compileOperation(
  schema: GraphQLSchema,
  document: DocumentNode,
  plain: DocumentNode,
  node: OperationDefinitionNode,
  findings: Findings,
): RestOperation[] {
  const name = node.name?.value;
  const directive = directiveOn(node, 'rest');
  if (!directive || name === undefined) {
    findings.at(
      node,
      'an operation here needs a name and @rest(method:, path:)',
      'Write query NAME @rest(method: GET, path: "/api/...") { ... }.',
    );
    return [];
  }
  const { methods, paths, status, body, refusesUnknownQuery } = mountOf(directive);
  checkPaths(directive, paths, findings);
  for (const method of methods) checkMethod(directive, method, node.operation, findings);
  const root = rootField(node);
  if (!root) {
    findings.at(
      node,
      `${name} must have exactly one root field: its value is the answer`,
      'Select one root field, and outside of fragments.',
    );
    return [];
  }
  const definitions = node.variableDefinitions ?? [];
  const variables = definitions.map((definition) => compileVariable(schema, definition));
  const inPath = new Set(paths.flatMap(pathVariables));
  checkAliases(directive, paths, findings);
  checkPathVariables(directive, { name, variables }, inPath, findings);
  if (body !== undefined) checkBody(directive, { methods, name, body, variables }, findings);
  // Where the body is no variable, any of them may have been meant.
  const knownBody = variables.some((each) => each.name === body) ? body : body && '*';
  for (const definition of definitions) {
    const variable = variables.find((each) => each.name === definition.variable.name.value);
    if (variable) checkVariable(definition, variable, { inPath, body: knownBody }, findings);
  }
  const outsidePath = variables.filter((each) => !inPath.has(each.name));
  const rootType = schema.getRootType(node.operation);
  const isStream = node.operation === OperationTypeNode.SUBSCRIPTION;
  checkStatus(directive, { status, isStream }, findings);
  const shape = rootType && compileAnswerShape(schema, document, node.selectionSet, rootType, { findings, isStream });
  const rootKey = root.alias?.value ?? root.name.value;
  const rootShape = shape?.fields.get(rootKey)?.nested;
  const operation = {
    name,
    paths,
    status,
    body,
    bodyVariables: outsidePath.filter((each) => body === '*' || each.name === body),
    pathVariables: variables.filter((each) => inPath.has(each.name)),
    queryVariables: body === '*' ? [] : outsidePath.filter((each) => each.name !== body),
    refusesUnknownQuery,
    query: print(onlyOperation(plain, name)),
    rootKey,
    shape: rootShape,
    headers: headersOf(rootShape),
    isStream,
    members: [...(rootShape?.fields ?? [])].flatMap(([key, { leaveOutNull }]) => (leaveOutNull ? [key] : [])),
  };
  return methods.map((method) => ({ ...operation, method }));
}

/** How @rest mounts an operation. */
function mountOf(
  directive: ConstDirectiveNode,
): Pick<RestOperation, 'paths' | 'status' | 'body' | 'refusesUnknownQuery'> & { readonly methods: readonly string[] } {
  const { method, path, alias = [], body, status = 200, unknownQuery } = argsOf(directive);
  return {
    methods: [method].flat().map(String),
    paths: [path, ...[alias].flat()].filter((each) => typeof each === 'string'),
    status: Number(status),
    body: typeof body === 'string' ? body : undefined,
    refusesUnknownQuery: unknownQuery === 'REFUSE',
  };
}

/** The one field that an operation selects, outside of fragments. */
function rootField({ selectionSet: { selections } }: OperationDefinitionNode): FieldNode | undefined {
  const [root] = selections;
  return selections.length === 1 && root?.kind === Kind.FIELD ? root : undefined;
}

function compileVariable(schema: GraphQLSchema, definition: VariableDefinitionNode): RouteVariable {
  const type = typeFromAST(schema, definition.type);
  if (!isInputType(type)) throw new Error('validated already');
  return {
    name: definition.variable.name.value,
    type,
    required: isNonNullType(type) && definition.defaultValue === undefined,
    enumCase: directiveArgs(definition, 'enumCase')?.['as'] as EnumCase | undefined,
  };
}

/** The operation and the fragments that it may use. */
function onlyOperation(document: DocumentNode, name: string): DocumentNode {
  const used = new Set<string>();
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const operations = document.definitions.filter(
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
  for (const each of operations) collect(each as OperationDefinitionNode);
  const definitions = [...operations, ...fragments.filter((each) => used.has(each.name.value))];
  return { kind: Kind.DOCUMENT, definitions };
}
