import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { GraphQLSchema } from 'graphql';
import { eventHeaders, type Exchange, type Handler, type Reply } from '../http/exchange';
import { OperationRecord } from '../pipeline/operation-record';
import type { PipelineOptions } from '../pipeline/pipeline';
import { anything, negotiate, type Accepted } from './accept';
import { replyToError } from './graphql-handler';
import { readOperation } from './read-operation';
import { graphqlPath } from './routes';
import { useApiGateway, type ServerContext } from './use-api-gateway';

export interface YogaOptions extends PipelineOptions {
  /** As `toExecutableSchema` makes it. */
  readonly schema: GraphQLSchema;
}

/** GraphQL Yoga over the gateway's schema, with the pipeline as its plugin. */
function createGatewayYoga({ schema, ...options }: YogaOptions): YogaServerInstance<ServerContext, object> {
  return createYoga<ServerContext>({
    schema,
    plugins: [useApiGateway(options)],
    graphqlEndpoint: graphqlPath,
    // Yoga looks at the end of the whole URL, where a query may stand. No URL ends so.
    healthCheckEndpoint: ' ',
    // The HTTP layer and the pipeline do these.
    cors: false,
    graphiql: false,
    landingPage: false,
    multipart: false,
    maskedErrors: false,
    maxRequestBodySize: false,
    parserAndValidationCache: false,
    logging: false,
  });
}

/** Answers GraphQL over HTTP by GraphQL Yoga. */
export function createYogaHandler(options: YogaOptions): Handler {
  const yoga = createGatewayYoga(options);

  return async (exchange) => {
    let accepted = anything;
    let record: OperationRecord | undefined;
    try {
      accepted = negotiate(exchange.headers.accept);
      const operation = await readOperation(exchange);
      record = new OperationRecord(exchange);
      const context = { exchange, accepted, operation, record };
      const { url, ...init } = requestOf(exchange, accepted);
      return await replyOf(await yoga.fetch(url, init, context));
    } catch (error) {
      record?.end(undefined);
      return replyToError(error, exchange, accepted);
    }
  };
}

/**
 * The request as Yoga and its plugins read it. Without its body, which is read already, within the limits of the HTTP layer;
 * and with what was negotiated as Accept.
 */
function requestOf({ method, path, query, headers }: Exchange, accepted: Accepted) {
  const types = [accepted.headers['content-type'], accepted.events ? eventHeaders['content-type'] : undefined];
  const accept = types.filter((type) => type !== undefined).join(', ');
  return {
    // Yoga looks at the path alone.
    url: `http://gateway${path}${query === '' ? '' : `?${query}`}`,
    method: method === 'HEAD' ? 'GET' : method,
    headers: Object.entries({ ...headers, accept }).flatMap(([name, value]) =>
      [value ?? []].flat().map((each): [string, string] => [name, each]),
    ),
  };
}

async function replyOf(response: Response): Promise<Reply> {
  const { status, headers, body } = response;
  const type = headers.get('content-type');
  // Yoga's own headers of a stream speak of the connection, which is not its business here.
  if (type?.startsWith('text/event-stream') && body) {
    return { status, headers: { ...sentHeaders(headers), ...eventHeaders }, body };
  }
  return { status, headers: { 'cache-control': 'no-store', ...sentHeaders(headers) }, body: await response.text() };
}

/** Headers that Yoga writes of a connection or a body that is not its own. */
const leftOut: readonly string[] = ['connection', 'content-encoding', 'content-length', 'transfer-encoding'];

function sentHeaders(headers: Headers): Record<string, string> {
  const all = [...headers].map(([name, value]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries(all.filter(([name]) => !leftOut.includes(name)));
}
