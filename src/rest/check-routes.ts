import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isSpecifiedScalarType,
  Kind,
  OperationTypeNode,
  type ConstDirectiveNode,
  type DocumentNode,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';
import type { RestOperation, RouteVariable } from './rest-operation';

/** A route, and the operation that it was compiled from. */
export interface CompiledRoute {
  readonly operation: RestOperation;
  readonly node: OperationDefinitionNode;
}

/** The names of the variables in a path template. */
export function pathVariables(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}

/** Findings for what is not a path template. */
export function checkPaths(directive: ConstDirectiveNode, paths: readonly string[], findings: Findings): void {
  for (const path of paths) {
    if (/^(\/([\w.~-]+|\{\w+\}))+$/.test(path)) continue;
    findings.at(
      directive,
      `"${path}" is not a path such as /api/v1/users/{userId}`,
      'A path begins with /, and a variable is a whole segment of it.',
    );
  }
}

/** A finding where the method does not fit the kind of operation. */
export function checkMethod(
  directive: ConstDirectiveNode,
  method: string,
  operation: OperationTypeNode,
  findings: Findings,
): void {
  if (operation === OperationTypeNode.SUBSCRIPTION) {
    if (method === 'GET' || method === 'POST') return;
    findings.at(directive, `a subscription cannot be mounted on ${method}`, 'GET and POST are for streams.');
    return;
  }
  if ((method === 'GET') === (operation === OperationTypeNode.QUERY)) return;
  findings.at(
    directive,
    `a ${operation} cannot be mounted on ${method}`,
    'GET is for queries, the other methods for mutations.',
  );
}

/** Findings for variables of a path that the operation does not have. */
export function checkPathVariables(
  directive: ConstDirectiveNode,
  { name, variables }: { readonly name: string; readonly variables: readonly RouteVariable[] },
  inPath: ReadonlySet<string>,
  findings: Findings,
): void {
  const names = variables.map((variable) => variable.name);
  for (const variable of inPath) {
    if (names.includes(variable)) continue;
    findings.at(
      directive,
      `the path has {${variable}}, and ${name} has no variable $${variable}`,
      didYouMean(variable, names) ?? `Add $${variable}: ID! to the variables of ${name}, or take it out of the path.`,
    );
  }
}

/** A finding for a status that is none of success. */
export function checkStatus(
  directive: ConstDirectiveNode,
  { status, isStream }: { readonly status: number; readonly isStream: boolean },
  findings: Findings,
): void {
  if (isStream && status !== 200) {
    findings.at(directive, `status: ${status} is on a subscription, whose stream is 200`, 'Remove status.');
    return;
  }
  if (status >= 200 && status < 300 && status !== 205 && status !== 206) return;
  findings.at(
    directive,
    `status: ${status} is not one of success`,
    'Use 200, 201, 202, or 204 for an answer without a body.',
  );
}

/** Findings where the paths of a route do not have the same variables. */
export function checkAliases(directive: ConstDirectiveNode, paths: readonly string[], findings: Findings): void {
  const all = new Set(paths.flatMap(pathVariables));
  for (const path of paths) {
    for (const variable of all) {
      if (pathVariables(path).includes(variable)) continue;
      findings.at(
        directive,
        `the path "${path}" lacks {${variable}}, which another path of the route has`,
        'Give all paths of a route the same variables, or make it two operations.',
      );
    }
  }
}

/** Findings where `body:` does not fit the method, or names what cannot be a body. */
export function checkBody(
  directive: ConstDirectiveNode,
  route: { methods: readonly string[]; name: string; body: string; variables: readonly RouteVariable[] },
  findings: Findings,
): void {
  const { methods, name, body, variables } = route;
  if (methods.includes('GET')) findings.at(directive, 'a GET request has no body', 'Remove body:.');
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

/** Findings for types that path and query, which are text, cannot hold. */
export function checkVariable(
  definition: VariableDefinitionNode,
  { name, type, enumCase }: RouteVariable,
  { inPath, body }: { readonly inPath: ReadonlySet<string>; readonly body: string | undefined },
  findings: Findings,
): void {
  const isPath = inPath.has(name);
  if (enumCase && !isEnumType(getNamedType(type))) {
    findings.at(definition, `$${name} has @enumCase, and ${String(type)} is no enum`, 'Remove @enumCase.');
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

/** Findings for operations of one name: logs and the manifest of trusted documents tell them apart by it. */
export function checkNames(documents: readonly DocumentNode[], findings: Findings): void {
  const seen = new Map<string, DocumentNode>();
  for (const document of documents) {
    for (const definition of document.definitions) {
      const name = definition.kind === Kind.OPERATION_DEFINITION ? definition.name?.value : undefined;
      if (name === undefined) continue;
      // Within one document its validation reports this.
      if ((seen.get(name) ?? document) !== document) {
        findings.at(definition, `two operations are called ${name}`, 'Rename one of them.');
      }
      seen.set(name, document);
    }
  }
}

/** Findings for requests that two routes would answer, or a route and the gateway itself. */
export function checkRoutes(routes: readonly CompiledRoute[], findings: Findings, ownPaths: readonly string[]): void {
  const seen: (Pick<RestOperation, 'name' | 'method' | 'isStream'> & { readonly path: string })[] = [];
  for (const { operation, node } of routes) {
    const { name, method, paths, isStream } = operation;
    for (const path of paths) {
      // Where the gateway's own path has no variables, it is preferred to a template of a route.
      const own = ownPaths.find((each) => overlap(each, path) && (each.includes('{') || !path.includes('{')));
      if (own !== undefined) {
        findings.at(node, `${name} takes ${path}, and the gateway itself answers ${own}`, 'Use another path.');
      }
      const other = seen.find(
        (each) =>
          each.method === method &&
          isAmbiguous(each.path, path) &&
          // Accept says which of the two is meant.
          (each.path !== path || each.isStream === isStream),
      );
      if (other) {
        const also = other.path === path ? '' : `, which ${other.path} fits too`;
        findings.at(
          node,
          `${name} and ${other.name} both answer ${method} ${path}${also}`,
          'Change the method or the path of one.',
        );
      }
      seen.push({ name, method, path, isStream });
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
