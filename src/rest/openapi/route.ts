import { hash } from 'node:crypto';
import { jsonHeaders, type Route } from '../../http/exchange';
import type { OpenApiDocument } from './openapi';

export const openApiPath = '/api/openapi.json';

/** Serves a document of OpenAPI. A client that has it already is told so (RFC 9110, 13.1.2). */
export function createOpenApiRoute(document: OpenApiDocument): Route {
  const body = JSON.stringify(document);
  const etag = `"${hash('sha256', body, 'base64url')}"`;
  const headers = { ...jsonHeaders, 'cache-control': 'no-cache', etag };
  return {
    method: 'GET',
    path: openApiPath,
    statuses: [200, 304],
    handle: (exchange) =>
      matches(exchange.headers['if-none-match'], etag)
        ? { status: 304, headers: { 'cache-control': 'no-cache', etag } }
        : { status: 200, headers, body },
  };
}

/** Compares weakly, as If-None-Match does: a proxy that compresses makes the tag a weak one. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etag);
}
