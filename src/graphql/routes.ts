import { errorHeaders, type ErrorCode, type GatewayError } from '../errors';
import type { Exchange, Reply, Route } from '../http/exchange';
import type { Pipeline } from '../pipeline/pipeline';
import { errorsOf, presentError, statusOf, type PresentedResult } from '../pipeline/present';
import { anything, eventHeaders, negotiate, type Accepted } from './accept';
import { EventStream, Heartbeats, streamOfOne } from './event-stream';
import { graphiqlAssets, graphiqlPage, wantsPage, type GraphiqlOptions } from './graphiql';
import { operationInQuery, readOperation } from './read-operation';

export interface GraphqlDoorOptions {
  readonly pipeline: Pipeline;
  /** GraphiQL for browsers; off where it is left out. */
  readonly graphiql?: GraphiqlOptions | undefined;
}

const graphqlPath = '/graphql';

/** Templates of the paths that this door answers. */
export const graphqlPaths: readonly string[] = [graphqlPath, graphiqlAssets.path];

/** `/graphql`: GraphQL over HTTP, and subscriptions over SSE in distinct connections mode. */
export function createGraphqlRoutes({ pipeline, graphiql }: GraphqlDoorOptions): Route[] {
  const heartbeats = new Heartbeats();

  async function answer(exchange: Exchange): Promise<Reply> {
    const isPost = exchange.method === 'POST';
    let accepted = anything;
    try {
      accepted = negotiate(exchange.headers.accept);
      const request = isPost ? await readOperation(exchange) : operationInQuery(exchange.query);
      const options = { navigation: false, safe: !isPost, streams: accepted.events };
      const result = await pipeline.run(request, exchange, options);
      if (Symbol.asyncIterator in result) {
        return { status: 200, headers: eventHeaders, body: new EventStream(result, heartbeats) };
      }
      if (!result.errors) return reply(result, 200, accepted);
      const errors = errorsOf(result);
      const status = accepted.legacy && isOfDocument(result, errors) ? 200 : statusOf(result);
      return reply(result, status, withErrors(accepted, errors));
    } catch (error) {
      // A request that never became an operation, answered in GraphQL's shape.
      const result = { errors: [presentError(error, exchange)] };
      return reply(result, statusOf(result), withErrors(accepted, errorsOf(result)));
    }
  }

  return [
    {
      method: 'GET',
      path: graphqlPath,
      handle: (exchange) => (graphiql && wantsPage(exchange) ? graphiqlPage(graphiql) : answer(exchange)),
    },
    { method: 'POST', path: graphqlPath, handle: answer },
    ...(graphiql ? [graphiqlAssets, front] : []),
  ];
}

/** Where a developer comes first. */
const front: Route = {
  method: 'GET',
  path: '/',
  statuses: [302],
  handle: () => ({ status: 302, headers: { location: '/graphql' } }),
};

function reply(result: PresentedResult, status: number, { headers, onlyEvents }: Accepted): Reply {
  const body = JSON.stringify(result);
  return { status, headers, body: onlyEvents ? streamOfOne(body) : body };
}

/** With the headers that the errors bring. */
function withErrors(accepted: Accepted, errors: readonly GatewayError[]): Accepted {
  const own = errors.map(errorHeaders).filter((headers) => headers !== undefined);
  if (own.length === 0) return accepted;
  return { ...accepted, headers: Object.assign({ ...accepted.headers }, ...own) as Accepted['headers'] };
}

const documentErrors: readonly ErrorCode[] = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT'];

/** True where the document or its variables are wrong, and nothing was executed. */
function isOfDocument(result: PresentedResult, errors: readonly GatewayError[]): boolean {
  return !('data' in result) && errors.every(({ code }) => documentErrors.includes(code));
}
