import { EventStream, Heartbeats } from '../http/event-stream';
import { eventHeaders, type Exchange, type Handler, type Reply } from '../http/exchange';
import type { Pipeline } from '../pipeline/pipeline';
import { presentError, type PresentedResult } from '../pipeline/present';
import { anything, negotiate, type Accepted } from './accept';
import { graphqlEvents, streamOfOne } from './event-format';
import { readOperation } from './read-operation';
import { headOf } from './response-head';

/** Answers GraphQL over HTTP, and subscriptions over SSE in distinct connections mode. */
export function createGraphqlHandler(pipeline: Pipeline): Handler {
  const heartbeats = new Heartbeats();

  return async (exchange) => {
    let accepted = anything;
    try {
      accepted = negotiate(exchange.headers.accept);
      const request = await readOperation(exchange);
      const door = { navigation: false, safe: exchange.method !== 'POST', streams: accepted.events };
      const result = await pipeline.run(request, exchange, door);
      if (Symbol.asyncIterator in result) {
        return { status: 200, headers: eventHeaders, body: new EventStream(result, graphqlEvents, heartbeats) };
      }
      return replyWith(result, exchange, accepted);
    } catch (error) {
      return replyToError(error, exchange, accepted);
    }
  };
}

/** Answers a request that never became an operation, in GraphQL's shape. Its status is its own, whatever the client accepts. */
export function replyToError(error: unknown, exchange: Exchange, accepted: Accepted): Reply {
  return replyWith({ errors: [presentError(error, exchange)] }, exchange, { ...accepted, legacy: false });
}

function replyWith(result: PresentedResult, { facts }: Exchange, accepted: Accepted): Reply {
  const { status, headers, countedStatus } = headOf(result, accepted);
  if (countedStatus !== undefined) facts.countedStatus = countedStatus;
  const body = JSON.stringify(result);
  return { status, headers, body: accepted.onlyEvents ? streamOfOne(body) : body };
}
