import { entityTag, isKnown } from '../../http/entity-tag';
import { jsonHeaders, type Route } from '../../http/exchange';

export const openApiPath = '/api/openapi.json';

/**
 * Serves a document of OpenAPI, with 304 for clients that have it already.
 *
 * @param create - Called when the document is first asked for, to keep the start fast.
 */
export function createOpenApiRoute(create: () => object): Route {
  let made: { readonly body: string; readonly etag: string } | undefined;
  const make = () => {
    const body = JSON.stringify(create());
    return { body, etag: entityTag(body) };
  };
  return {
    method: 'GET',
    path: openApiPath,
    statuses: [200, 304],
    handle: (exchange) => {
      const { body, etag } = (made ??= make());
      const caching = { 'cache-control': 'no-cache', etag };
      if (isKnown(etag, exchange.headers)) return { status: 304, headers: caching };
      return { status: 200, headers: { ...jsonHeaders, ...caching }, body };
    },
  };
}
