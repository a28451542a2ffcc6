import type { Exchange, Handler, Reply, Route } from '../http/exchange';
import { anything, negotiate } from './accept';
import { graphiqlAssets, graphiqlPage, wantsPage, type GraphiqlOptions } from './graphiql';
import { replyToError } from './graphql-handler';

export interface GraphqlRouteOptions {
  /** Answers operations: {@link createGraphqlHandler}, or GraphQL Yoga. */
  readonly handle: Handler;
  /** GraphiQL for browsers; off where it is left out. */
  readonly graphiql?: GraphiqlOptions | undefined;
}

export const graphqlPath = '/graphql';

/** Templates of the paths that this door answers. */
export const graphqlPaths: readonly string[] = [graphqlPath, graphiqlAssets.path];

/** `/graphql`, and GraphiQL on a browser's GET. */
export function createGraphqlRoutes({ handle, graphiql }: GraphqlRouteOptions): Route[] {
  return [
    {
      method: 'GET',
      path: graphqlPath,
      handle: (exchange, params) =>
        graphiql && wantsPage(exchange) ? graphiqlPage(graphiql) : handle(exchange, params),
      refuse,
    },
    { method: 'POST', path: graphqlPath, handle, refuse },
    ...(graphiql ? [graphiqlAssets, startPage] : []),
  ];
}

/** In GraphQL's shape, in the type that the client takes where it takes any that there is. */
function refuse(error: unknown, exchange: Exchange): Reply {
  let accepted = anything;
  try {
    accepted = negotiate(exchange.headers.accept);
  } catch {
    // It is refused for another reason.
  }
  return replyToError(error, exchange, accepted);
}

/** The path that a developer opens first. */
const startPage: Route = {
  method: 'GET',
  path: '/',
  statuses: [302],
  handle: () => ({ status: 302, headers: { location: graphqlPath } }),
};
