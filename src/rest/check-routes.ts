import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isSpecifiedScalarType,
  Kind,
  type ConstDirectiveNode,
  type DocumentNode,
  type GraphQLInputType,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';

/** A route with the operation that it is compiled from. */
export interface CheckedRoute<Route extends MountedRoute = MountedRoute> {
  readonly operation: Route;
  readonly node: OperationDefinitionNode;
}

interface MountedRoute {
  readonly name: string;
  readonly method: string;
  readonly paths: readonly string[];
}

interface Variable {
  readonly name: string;
  readonly type: GraphQLInputType;
  readonly pascalCase: boolean;
}

/** An answer has a body. */
export function checkStatus(directive: ConstDirectiveNode, status: number, findings: Findings): void {
  if (status >= 200 && status < 300 && status !== 204 && status !== 205) return;
  findings.at(directive, `status: ${status} is not one of an answer with a body`, 'Use 200, 201 or 202.');
}

/** What one path of a route takes from the request, the others must take too. */
export function checkAliases(directive: ConstDirectiveNode, paths: readonly string[], findings: Findings): void {
  const variablesIn = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const all = new Set(paths.flatMap(variablesIn));
  for (const path of paths) {
    for (const variable of all) {
      if (variablesIn(path).includes(variable)) continue;
      findings.at(
        directive,
        `the path "${path}" lacks {${variable}}, which another path of the route has`,
        'Give all paths of a route the same variables, or make it two operations.',
      );
    }
  }
}

export function checkBody(
  directive: ConstDirectiveNode,
  route: { method: string; name: string; body: string; variables: readonly Variable[] },
  findings: Findings,
): void {
  const { method, name, body, variables } = route;
  if (method === 'GET') findings.at(directive, 'a GET request has no body', 'Remove body:.');
  if (body === '*') return;
  const variable = variables.find((each) => each.name === body);
  const type = variable && getNullableType(variable.type);
  if (!type) {
    const names = variables.map((each) => each.name);
    findings.at(
      directive,
      `body: "${body}" names no variable of ${name}`,
      didYouMean(body, names) ?? 'Name one, or write body: "*" where each field of the body is a variable.',
    );
  } else if (isListType(type) || isEnumType(type) || isSpecifiedScalarType(type)) {
    findings.at(
      directive,
      `body: $${body} is ${String(variable.type)}, and a body is a JSON object`,
      'Make it an input type, or write body: "*" where each field of the body is a variable.',
    );
  }
}

/** What the path and the query hold is text. */
export function checkVariable(
  definition: VariableDefinitionNode,
  { name, type, pascalCase }: Variable,
  { inPath, body }: { readonly inPath: ReadonlySet<string>; readonly body: string | undefined },
  findings: Findings,
): void {
  const isPath = inPath.has(name);
  if (pascalCase && !isEnumType(getNamedType(type))) {
    findings.at(definition, `$${name} is @pascalCase, and ${String(type)} is no enum`, 'Remove @pascalCase.');
  }
  if (!isPath && (body === '*' || body === name)) return;
  if (isPath && isListType(getNullableType(type))) {
    findings.at(definition, `$${name} is ${String(type)}, and the path holds one value`, 'Make it a single value.');
  } else if (isInputObjectType(getNamedType(type))) {
    findings.at(
      definition,
      `$${name} is ${String(type)}, which the ${isPath ? 'path' : 'query'} cannot hold`,
      `Send it in the body: body: "${name}", or "*".`,
    );
  }
}

/** Operations are told apart by name, in logs and in the manifest of trusted documents. */
export function checkNames(documents: readonly DocumentNode[], findings: Findings): void {
  const seen = new Map<string, DocumentNode>();
  for (const document of documents) {
    for (const definition of document.definitions) {
      const name = definition.kind === Kind.OPERATION_DEFINITION ? definition.name?.value : undefined;
      if (name === undefined) continue;
      // Within one document it is told by its validation.
      if ((seen.get(name) ?? document) !== document) {
        findings.at(definition, `two operations are called ${name}`, 'Rename one of them.');
      }
      seen.set(name, document);
    }
  }
}

/** No request may fit two routes alike, nor a route and what the gateway answers itself. */
export function checkRoutes(routes: readonly CheckedRoute[], findings: Findings, ownPaths: readonly string[]): void {
  const seen: { readonly name: string; readonly method: string; readonly path: string }[] = [];
  for (const { operation, node } of routes) {
    const { name, method, paths } = operation;
    for (const path of paths) {
      // A path without variables of the gateway's own is preferred to a template here.
      const own = ownPaths.find((each) => overlap(each, path) && (each.includes('{') || !path.includes('{')));
      if (own !== undefined) {
        findings.at(node, `${name} takes ${path}, and the gateway itself answers ${own}`, 'Use another path.');
      }
      const other = seen.find((each) => each.method === method && isAmbiguous(each.path, path));
      if (other) {
        const also = other.path === path ? '' : `, which ${other.path} fits too`;
        findings.at(
          node,
          `${name} and ${other.name} both answer ${method} ${path}${also}`,
          'Change the method or the path of one.',
        );
      }
      seen.push({ name, method, path });
    }
  }
}

/** True where a request may fit two templates and neither is without variables, which would be preferred. */
function isAmbiguous(a: string, b: string): boolean {
  return a === b || (a.includes('{') && b.includes('{') && overlap(a, b));
}

/** True where a request may fit both templates. */
function overlap(a: string, b: string): boolean {
  const [left, right] = [a.split('/'), b.split('/')];
  const fits = (segment: string, index: number): boolean =>
    segment === right[index] || segment.startsWith('{') || right[index]?.startsWith('{') === true;
  return left.length === right.length && left.every(fits);
}
