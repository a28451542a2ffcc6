import { isUtf8 } from 'node:buffer';
import type { ExecutionResult, GraphQLError } from 'graphql';
import { createYoga, getSSEProcessor, type Plugin, type YogaInitialContext } from 'graphql-yoga';
import { json, requireJson, type Exchange, type Reply, type Route } from '../exchange';
import { errorHeaders, GatewayError, toGatewayError, type ErrorCode } from '../errors';
import { errorsOf, presentError, presentResult, statusOf } from '../pipeline/errors';
import type { Pipeline } from '../pipeline/pipeline';
import { graphiqlAssets, graphiqlPage, wantsPage, type GraphiqlOptions } from './graphiql';

export interface GraphqlDoorOptions {
  readonly pipeline: Pipeline;
  /** GraphiQL for browsers; off where it is left out. */
  readonly graphiql?: GraphiqlOptions | undefined;
}

const graphqlPath = '/graphql';

interface ServerContext {
  readonly exchange: Exchange;
}

/** Templates of the paths that this door answers. */
export const graphqlPaths: readonly string[] = [graphqlPath, graphiqlAssets.path];

/** `/graphql`: GraphQL over HTTP, and subscriptions over SSE in distinct connections mode. */
export function createGraphqlRoutes({ pipeline, graphiql }: GraphqlDoorOptions): Route[] {
  const yoga = createYoga<ServerContext>({
    graphqlEndpoint: graphqlPath,
    plugins: [useGatewayPipeline(pipeline)],
    // All of these stand in the HTTP layer or in the pipeline, for every door.
    maskedErrors: false,
    parserAndValidationCache: false,
    maxRequestBodySize: false,
    cors: false,
    graphiql: false,
    landingPage: false,
    multipart: false,
    logging: false,
    batching: false,
    // Yoga would answer any URL that ends like this one with its own health check.
    healthCheckEndpoint: '/graphql/yoga-health-check-is-not-used',
  });

  async function answer(exchange: Exchange): Promise<Reply> {
    try {
      const response = await yoga.fetch(
        `http://gateway${exchange.path}${exchange.query === '' ? '' : `?${exchange.query}`}`,
        await requestInit(exchange),
        { exchange },
      );
      return await replyOf(response);
    } catch (error) {
      return errorReply(error, exchange);
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
  handle: () => ({ status: 302, headers: { location: '/graphql' } }),
};

async function requestInit(exchange: Exchange): Promise<RequestInit> {
  const headers: Record<string, string> = { accept: acceptedTypes(exchange) };
  const { 'content-type': type } = exchange.headers;
  if (type !== undefined) headers['content-type'] = type;
  if (exchange.method !== 'POST') return { method: 'GET', headers };
  requireJson(exchange);
  const body = await exchange.readBody();
  // Yoga would put U+FFFD for what is not UTF-8, and run what nobody has written.
  if (!isUtf8(body)) throw new GatewayError('BAD_USER_INPUT', 'The body is not valid JSON.');
  return { method: 'POST', headers, body: new Uint8Array(body) };
}

async function replyOf(response: Response): Promise<Reply> {
  // Yoga's headers keep the case that they were set in.
  const headers = Object.fromEntries([...response.headers].map(([name, value]) => [name.toLowerCase(), value]));
  if (headers['content-type']?.startsWith('text/event-stream') && response.body) {
    // "none" is no content coding (RFC 9110, 8.4.1), and connections are the HTTP layer's.
    const { 'content-encoding': _none, connection: _connection, ...kept } = headers;
    return {
      status: response.status,
      headers: { ...kept, ...streamHeaders },
      body: response.body as unknown as AsyncIterable<Uint8Array>,
    };
  }
  return { status: response.status, headers, body: await response.text() };
}

const acceptable =
  'Accept must allow application/graphql-response+json, application/json or, for subscriptions, text/event-stream.';

/** A request that never became an operation, answered in GraphQL's shape. */
function errorReply(thrown: unknown, exchange: Exchange): Reply {
  const error = toGatewayError(thrown);
  return json(error.status, { errors: [presentError(error, exchange)] }, errorHeaders(error));
}

const eventStream = getSSEProcessor();

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // nginx would otherwise hold events back.
  'x-accel-buffering': 'no',
};

const servedType = /^\s*(application\/(json|graphql-response\+json|\*)|text\/(event-stream|\*)|\*\/\*)\s*(;|$)/i;
const otherCharset = /;\s*charset=(?!utf-8\s*(;|$))/i;

/**
 * What of Accept is served. Yoga would find out that it cannot write an answer once the operation has run, and would write
 * some as multipart/mixed.
 */
function acceptedTypes({ headers: { accept = '' } }: Exchange): string {
  if (accept.trim() === '') return '*/*';
  const served = accept.split(',').filter((type) => servedType.test(type) && !otherCharset.test(type));
  if (served.length === 0) throw new GatewayError('NOT_ACCEPTABLE', acceptable);
  return served.join();
}

/** Whether the client takes a subscription's answer. */
function takesEvents(exchange: Exchange): boolean {
  return /text\/|\*\/\*/i.test(acceptedTypes(exchange));
}

/** Lets Yoga speak HTTP, and the pipeline run the operation. */
function useGatewayPipeline(pipeline: Pipeline): Plugin<YogaInitialContext, ServerContext> {
  return {
    onParams({ setParamsHandler }) {
      setParamsHandler(async ({ params, context }) => {
        const { exchange } = context as unknown as ServerContext;
        return (await pipeline.run(
          { query: params.query ?? '', operationName: params.operationName, variables: params.variables },
          exchange,
          { navigation: false, safe: exchange.method !== 'POST', streams: takesEvents(exchange) },
        )) as never;
      });
    },
    onResultProcess(payload) {
      const { result, serverContext } = payload;
      const { exchange } = serverContext;
      if (Array.isArray(result)) return;
      if (Symbol.asyncIterator in result) {
        // Yoga would prefer multipart/mixed for clients that take anything.
        payload.setResultProcessor(eventStream, 'text/event-stream');
        return;
      }
      const { errors } = result as ExecutionResult;
      const isMalformed = errors?.some(({ originalError }) => !(originalError instanceof GatewayError));
      const http = isMalformed ? malformed(errors ?? [], exchange) : answered(result as ExecutionResult, exchange);
      payload.setResult({
        ...http.result,
        extensions: { http: { status: http.status, headers: http.headers } },
      } as never);
    },
  };
}

/** A result with the HTTP status and headers that it is sent with. */
interface HttpResult {
  readonly result: ExecutionResult;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What Yoga found in the request itself, before there was an operation. */
function malformed(found: readonly GraphQLError[], exchange: Exchange): HttpResult {
  const errors = found.map((error) => {
    const http = error.extensions['http'];
    if (http) return new GatewayError('BAD_USER_INPUT', error.message);
    // The parameters of a GET are JSON within the query string.
    if (error.originalError instanceof SyntaxError) {
      return new GatewayError('BAD_USER_INPUT', 'variables and extensions must be JSON.');
    }
    return toGatewayError(error.originalError ?? error);
  });
  const result = presentResult({ errors: errors as never }, exchange);
  return { result, status: statusOf(result), headers: {} };
}

const documentErrors: readonly ErrorCode[] = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT'];

/**
 * What the pipeline answered. A client that asks for application/json by name, and not for the newer type, reads 200 where
 * its document or variables are wrong, as GraphQL over HTTP has it for that media type ("application/json", 6.4.1). All
 * others read the status of the catalogue.
 */
function answered(result: ExecutionResult, exchange: Exchange): HttpResult {
  const errors = errorsOf(result);
  const accept = exchange.headers.accept ?? '';
  const isLegacy = /application\/json/i.test(accept) && !/application\/graphql-response\+json/i.test(accept);
  const isDocumentError =
    errors.length > 0 && !('data' in result) && errors.every(({ code }) => documentErrors.includes(code));
  return {
    result,
    status: isLegacy && isDocumentError ? 200 : statusOf(result),
    headers: Object.assign({}, ...errors.map(errorHeaders)) as Record<string, string>,
  };
}
