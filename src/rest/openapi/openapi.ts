import type { GraphQLSchema } from 'graphql';
import type { RestOperation } from '../rest-operation';
import { SchemaComponents } from './components';
import { errorResponses, errorSchema } from './error-responses';
import { headerComponents } from './headers';
import { merged } from './merged';
import type { OperationObject, Paths } from './objects';
import { OperationDescriber } from './operation';
import { ownResponses, ownRoutes, type DescribedProviders, type SignInPaths } from './own-routes';
import { parameterComponents } from './request';

export interface OpenApiOptions {
  /** As the gateway serves it: fields know who may ask for them. */
  readonly schema: GraphQLSchema;
  readonly operations: readonly RestOperation[];
  readonly signInPaths: SignInPaths;
  /** Of the gateway. */
  readonly version: string;
  /** Undefined where the configuration is not known: then everything that a gateway may serve is described. */
  readonly deployment?: Deployment;
}

/** What the document says of a gateway as it is configured. */
export interface Deployment {
  /** Where clients reach it, without a path. */
  readonly publicUrl: string;
  /** Of the session cookie. */
  readonly cookieName: string;
  readonly providers: DescribedProviders;
}

/** A document of OpenAPI 3.1. */
export type OpenApiDocument = Readonly<Record<string, unknown>>;

/**
 * Describes the REST routes, and those of the gateway itself.
 *
 * @see https://spec.openapis.org/oas/v3.1.0
 */
export function createOpenApi(options: OpenApiOptions): OpenApiDocument {
  const { schema, operations, version, signInPaths, deployment } = options;
  const components = new SchemaComponents(schema);
  components.add('Error', errorSchema);
  const routes = pathsOf(operations, new OperationDescriber(schema, components));
  const paths = { ...routes, ...withFreeIds(ownRoutes(signInPaths, deployment?.providers), routes) };
  const tags = [...new Set(Object.keys(paths).map(tagOf))].map((name) => ({ name }));
  return {
    openapi: '3.1.0',
    info: { title: 'api-gateway', version, description: general },
    ...(deployment ? { servers: [{ url: deployment.publicUrl }] } : {}),
    tags,
    paths: mapOperations(paths, (path, operation) => ({ tags: [tagOf(path)], ...operation })),
    components: {
      schemas: components.schemas,
      parameters: parameterComponents,
      headers: headerComponents,
      responses: { ...errorResponses, ...ownResponses },
      securitySchemes: securitySchemes(deployment?.cookieName ?? '__Host-session'),
    },
  };
}

const general =
  'Errors are JSON with the member `error`, which holds the id of the request. The head of a request, path and query included, ' +
  'may have 16 KB, and its body 1 MB.';

function pathsOf(operations: readonly RestOperation[], describer: OperationDescriber): Paths {
  const paths: Paths = {};
  for (const operation of operations) {
    const described = describer.describe(operation);
    for (const [index, path] of operation.paths.entries()) {
      const at = (paths[path] ??= {});
      const method = operation.method.toLowerCase();
      const known = at[method];
      const operationId = operationIdOf(operation, operations, index);
      // Accept says which of the two is meant.
      at[method] = known ? merged(known, described) : { operationId, ...described };
    }
  }
  return paths;
}

/** Unique in a document: the operation's name, with what tells apart the places where it is mounted. */
function operationIdOf({ name, method }: RestOperation, operations: readonly RestOperation[], index: number): string {
  const hasSeveral = operations.filter((each) => each.name === name).length > 1;
  return `${name}${hasSeveral ? `_${method.toLowerCase()}` : ''}${index === 0 ? '' : `_${index + 1}`}`;
}

/** The gateway's own operations, each with an id that no operation of the routes has. */
function withFreeIds(own: Paths, routes: Paths): Paths {
  const taken = new Set(
    Object.values(routes).flatMap((methods) => Object.values(methods).map((each) => each.operationId)),
  );
  const renamed = (operation: OperationObject): OperationObject => {
    let { operationId = '' } = operation;
    while (taken.has(operationId)) operationId += '_';
    return { ...operation, operationId };
  };
  return mapOperations(own, (_path, operation) => renamed(operation));
}

function mapOperations(paths: Paths, change: (path: string, operation: OperationObject) => OperationObject): Paths {
  return Object.fromEntries(
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.fromEntries(Object.entries(methods).map(([method, each]) => [method, change(path, each)])),
    ]),
  );
}

/** The first part of a path that is no prefix and no variable: `users` for `/api/v1/users/{userId}`. */
function tagOf(path: string): string {
  const word = path.split('/').find((each) => !/^(|api|v\d+|\{.*)$/.test(each)) ?? 'other';
  return word.replace(/\..*/, '');
}

function securitySchemes(cookieName: string): Record<string, object> {
  return {
    bearer: { type: 'http', scheme: 'bearer', description: "A session's token." },
    cookie: { type: 'apiKey', in: 'cookie', name: cookieName, description: 'Set by signing in.' },
    csrf: { type: 'apiKey', in: 'header', name: 'X-CSRF', description: '1, with the cookie.' },
    sameOrigin: {
      type: 'apiKey',
      in: 'header',
      name: 'Sec-Fetch-Site',
      description:
        "same-origin, with the cookie: browsers send it by themselves, from pages of the gateway's own origin.",
    },
  };
}
