import { catalogue, type ErrorCode } from '../../errors';
import { reference } from './components';
import { exampleRequestId } from './example';
import { rateLimitHeaderRefs, requestIdHeader, retryAfterHeader } from './headers';
import type { JsonSchema } from './json-schema';
import type { ResponseObject } from './objects';

/** The REST error envelope. */
export const errorSchema: JsonSchema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: {
        code: { type: 'integer', description: 'The HTTP status.' },
        message: { type: 'string' },
        reason: { type: 'string', description: 'What went wrong, for programs: such as FORBIDDEN.' },
        requestId: { type: 'string' },
        fieldViolations: {
          type: 'array',
          description: 'What is wrong with which fields of the request.',
          items: {
            type: 'object',
            properties: { field: { type: 'string' }, description: { type: 'string' } },
            required: ['field', 'description'],
          },
        },
        details: {
          type: 'array',
          description:
            'Error details of google.rpc: those of the service behind the gateway, or the field violations above.',
          items: { type: 'object', additionalProperties: true },
        },
        retryAfter: { type: 'integer', description: 'Seconds, as in Retry-After.' },
      },
      required: ['code', 'message', 'reason', 'requestId'],
    },
  },
  required: ['error'],
};

/** The codes that REST routes answer with, by HTTP status. */
const codesByStatus = new Map<number, ErrorCode[]>();
for (const [code, { http }] of Object.entries(catalogue) as [ErrorCode, { readonly http: number }][]) {
  // GraphQL's own, and the one of a client that has left.
  if (code.startsWith('GRAPHQL_') || code === 'CLIENT_CLOSED_REQUEST') continue;
  codesByStatus.set(http, [...(codesByStatus.get(http) ?? []), code]);
}

/** The response of each status, and `Error` for a request that cannot be read, as components. */
export const errorResponses: Readonly<Record<string, ResponseObject>> = {
  Error: {
    description: 'The request could not be read: it came too slowly, or its head is too large.',
    headers: requestIdHeader,
    content: { 'application/json': { schema: reference('Error'), example: exampleOf('BAD_USER_INPUT') } },
  },
  ...Object.fromEntries([...codesByStatus].map(([status, codes]) => [`Error${status}`, responseOf(status, codes)])),
};

function responseOf(status: number, codes: readonly ErrorCode[]): ResponseObject {
  return {
    description: codes.map((code) => `\`${code}\`: ${catalogue[code].message}`).join('\n\n'),
    headers: {
      ...requestIdHeader,
      ...(status === 429 || status === 503 ? retryAfterHeader : {}),
      ...(status === 429 ? rateLimitHeaderRefs : {}),
    },
    content: { 'application/json': { schema: reference('Error'), example: exampleOf(codes[0]!) } },
  };
}

function exampleOf(code: ErrorCode): object {
  const { http, message } = catalogue[code];
  const retry = http === 429 || http === 503 ? { retryAfter: 5 } : {};
  return { error: { code: http, message, reason: code, requestId: exampleRequestId, ...retry } };
}

const refer = (name: string) => ({ $ref: `#/components/responses/${name}` });

/** Any request may be answered with these: one that comes too slowly, or with too large a head. */
export const unreadableReferences = { 408: refer('Error'), 431: refer('Error') };

/**
 * References to the responses of statuses, and of those that any request may have. All are listed: with `default` in their place,
 * generated types could not tell an error from success by its status.
 */
export function errorReferences(statuses: readonly number[]): Record<string, ResponseObject> {
  return {
    ...Object.fromEntries(statuses.map((status) => [status, refer(`Error${status}`)])),
    ...unreadableReferences,
  };
}
