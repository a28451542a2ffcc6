import { errorReferences, errorResponses, unreadableReferences } from './error-responses';
import { etagHeader, rateLimitHeaderRefs, requestIdHeader, retryAfterHeader, setCookieHeader } from './headers';
import type { OperationObject, ParameterObject, Paths, ResponseObject } from './objects';
import { securityOf } from './operation';
import { requestTimeout } from './request';
import { openApiPath } from './route';

/** The paths that browsers sign in and out by. */
export interface SignInPaths {
  readonly login: string;
  readonly callback: string;
  readonly logout: string;
}

/** What the document says of identity providers. */
export interface DescribedProviders {
  readonly names: readonly string[];
  /** Whether signing out here offers to sign out at the provider too. */
  endsSessions(name: string): boolean;
}

/**
 * The routes of the gateway itself.
 *
 * @param providers - Undefined where the configuration is not known: then everything that a gateway may serve is described.
 */
export function ownRoutes(paths: SignInPaths, providers: DescribedProviders | undefined): Paths {
  const endsSessions = providers?.names.some((name) => providers.endsSessions(name)) ?? true;
  return {
    ...(providers?.names.length === 0
      ? {}
      : { [paths.login]: { get: login(providers) }, [paths.callback]: { get: callback(providers) } }),
    [paths.logout]: { post: logout(endsSessions) },
    [openApiPath]: { get: openApi },
  };
}

const redirection: ResponseObject = {
  description: 'Redirects the browser.',
  headers: {
    ...requestIdHeader,
    location: { description: 'Where to.', schema: { type: 'string', format: 'uri-reference' } },
    ...setCookieHeader,
    ...rateLimitHeaderRefs,
  },
};

function provider(providers: DescribedProviders | undefined): ParameterObject {
  return {
    name: 'provider',
    in: 'path',
    required: true,
    description: 'Name of the identity provider.',
    schema: { type: 'string', ...(providers ? { enum: providers.names } : { minLength: 1 }) },
  };
}

function login(providers: DescribedProviders | undefined): OperationObject {
  return {
    operationId: 'signIn',
    summary: 'Begins signing in',
    description: 'For browsers to open: sends them to the identity provider.',
    parameters: [
      provider(providers),
      {
        name: 'returnTo',
        in: 'query',
        description: 'Where the browser goes after signing in: a path, or a URL of an origin that is allowed.',
        schema: { type: 'string', maxLength: 2048 },
      },
      requestTimeout,
    ],
    responses: { '302': redirection, ...signInFailures([400, 404, 429, 500, 503, 504]) },
    security: [],
  };
}

function callback(providers: DescribedProviders | undefined): OperationObject {
  const parameter = (name: string, description: string, required = false) => ({
    name,
    in: 'query',
    required,
    description,
    schema: { type: 'string' },
  });
  return {
    operationId: 'signInCallback',
    summary: 'Ends signing in',
    description: 'Where the identity provider sends browsers back to. Needs the cookie that signIn has set.',
    parameters: [
      provider(providers),
      parameter('state', 'Identifies the sign-in.', true),
      parameter('code', 'Authorization code (RFC 6749, 4.1.2). Left out where there is an error.'),
      parameter('iss', 'The issuer that answers (RFC 9207).'),
      parameter('error', 'Why the provider did not sign the user in (RFC 6749, 4.1.2.1).'),
      requestTimeout,
    ],
    responses: { '302': redirection, ...signInFailures([400, 401, 403, 404, 429, 500, 502, 503, 504]) },
    security: [],
  };
}

/** Browsers get a page in place of JSON. */
function signInFailures(statuses: readonly number[]): OperationObject['responses'] {
  const failure = { $ref: '#/components/responses/SignInFailure' };
  return { ...Object.fromEntries(statuses.map((status) => [status, failure])), ...unreadableReferences };
}

/** Responses of these routes, as components. */
export const ownResponses: Readonly<Record<string, ResponseObject>> = {
  SignInFailure: {
    description: 'Signing in did not work. A page where Accept prefers HTML, as that of browsers does; else JSON.',
    headers: { ...requestIdHeader, ...retryAfterHeader, ...rateLimitHeaderRefs },
    content: {
      ...errorResponses['Error']?.content,
      'text/html': { schema: { type: 'string' } },
    },
  },
};

function logout(endsSessions: boolean): OperationObject {
  const endSessionUrl = { type: 'string', format: 'uri', description: 'Where the session at the provider ends.' };
  return {
    operationId: 'signOut',
    summary: 'Ends the session',
    parameters: [requestTimeout],
    responses: {
      ...(endsSessions
        ? {
            '200': {
              description: 'The session has ended here. The browser can end the one at the identity provider too.',
              headers: { ...requestIdHeader, ...setCookieHeader },
              content: {
                'application/json': {
                  schema: { type: 'object', properties: { endSessionUrl }, required: ['endSessionUrl'] },
                  example: { endSessionUrl: 'https://login.example.com/logout?client_id=gateway' },
                },
              },
            },
          }
        : {}),
      '204': { description: 'The session has ended.', headers: { ...requestIdHeader, ...setCookieHeader } },
      ...errorReferences([400, 401, 403, 429, 500, 503, 504]),
    },
    security: securityOf('POST'),
  };
}

const openApi: OperationObject = {
  operationId: 'openApi',
  summary: 'This document',
  description: 'Not served in production.',
  parameters: [
    {
      name: 'If-None-Match',
      in: 'header',
      description: 'The ETag of the document that the client has.',
      schema: { type: 'string' },
    },
    requestTimeout,
  ],
  responses: {
    '200': {
      description: 'The OpenAPI document.',
      headers: { ...requestIdHeader, ...etagHeader },
      content: {
        'application/json': {
          schema: {
            type: 'object',
            properties: { openapi: { type: 'string' }, info: { type: 'object' }, paths: { type: 'object' } },
            required: ['openapi', 'info', 'paths'],
            additionalProperties: true,
          },
          example: { openapi: '3.1.0', info: { title: 'api-gateway', version: '1.0.0' }, paths: {} },
        },
      },
    },
    '304': { description: 'The client has it already.', headers: { ...requestIdHeader, ...etagHeader } },
    ...errorReferences([400, 429, 500, 503]),
  },
  security: [],
};
