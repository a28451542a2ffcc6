import { GatewayError } from '../errors';
import { EventStream, Heartbeats } from '../http/event-stream';
import { eventHeaders, jsonHeaders, type Handler, type Reply, type Route } from '../http/exchange';
import type { DoorTraits, OperationResult, Pipeline } from '../pipeline/pipeline';
import { errorsOf, type PresentedResult } from '../pipeline/present';
import { chooseForm, type Form } from './accept';
import { shapeAnswer } from './answer-shape';
import { gravest } from './gravest';
import { lastEventReader } from './last-event';
import type { RestOperation } from './rest-operation';
import { eventFormat, eventsOf, type StreamEvent } from './stream-format';
import type { StreamReplays } from './stream-replays';
import { createVariableReader } from './variable-reader';

/** What the handlers of all routes share. */
interface Parts {
  readonly pipeline: Pipeline;
  readonly replays: StreamReplays | undefined;
  readonly heartbeats: Heartbeats;
}

/** The operations of one method and path: what is answered whole, and what is answered as a stream. */
interface Operations {
  readonly whole?: RestOperation | undefined;
  readonly stream?: RestOperation | undefined;
}

/**
 * Mounts operations as REST routes. They run through the same pipeline as GraphQL.
 *
 * @param replays - Left out where no streams are kept, so that clients cannot go on with one that broke off.
 */
export function createRestRoutes(
  operations: readonly RestOperation[],
  pipeline: Pipeline,
  replays?: StreamReplays,
): Route[] {
  const heartbeats = new Heartbeats();
  const mounted = new Map<string, Operations & { readonly method: string; readonly path: string }>();
  for (const operation of operations) {
    for (const path of operation.paths) {
      const key = `${operation.method} ${path}`;
      const at = mounted.get(key) ?? { method: operation.method, path };
      mounted.set(key, { ...at, [operation.isStream ? 'stream' : 'whole']: operation });
    }
  }
  return [...mounted.values()].map(({ method, path, whole, stream }) => ({
    method,
    path,
    statuses: [...new Set([whole?.status ?? 200, ...(stream ? [200, 204] : [])])],
    servesHead: whole !== undefined,
    handle: createHandler({ whole, stream }, { pipeline, replays, heartbeats }),
  }));
}

/** How a stream is sent, by its form. */
const streamForms = {
  sse: { headers: eventHeaders, format: eventFormat('sse') },
  ndjson: {
    headers: { ...eventHeaders, 'content-type': 'application/x-ndjson; charset=utf-8' },
    format: eventFormat('ndjson'),
  },
};

/** Answers in the form that Accept chooses among those that the route has. */
function createHandler({ whole, stream }: Operations, parts: Parts): Handler {
  const handlers = new Map<Form, Handler>();
  if (whole) handlers.set('json', createWholeHandler(whole, parts.pipeline));
  if (stream) {
    const open = createStreamOpener(stream, parts);
    for (const form of ['sse', 'ndjson'] as const) {
      const { headers, format } = streamForms[form];
      handlers.set(form, async (exchange, params) => {
        const events = await open(exchange, params);
        // Tells an EventSource not to come back (HTML, 9.2.2).
        if (!events) return { status: 204 };
        return { status: 200, headers, body: new EventStream(events, format, parts.heartbeats) };
      });
    }
  }
  const forms = [...handlers.keys()];
  // Nobody would read the stream.
  const headForms = forms.filter((form) => form === 'json');
  return async (exchange, params) => {
    const form = chooseForm(exchange.headers.accept, exchange.method === 'HEAD' ? headForms : forms);
    return handlers.get(form)!(exchange, params);
  };
}

function createWholeHandler(operation: RestOperation, pipeline: Pipeline): Handler {
  const { query } = operation;
  const read = createVariableReader(operation);
  const door = doorOf(operation);
  return async (exchange, params) => {
    const variables = await read(exchange, params);
    const result = await pipeline.run({ query, variables }, exchange, door);
    return replyWhole(result as PresentedResult, operation);
  };
}

/** Begins a stream, or goes on with one. Undefined where the client has all of it already. */
type StreamOpener = (...request: Parameters<Handler>) => Promise<AsyncIterable<StreamEvent> | undefined>;

function createStreamOpener(operation: RestOperation, { pipeline, replays }: Parts): StreamOpener {
  const { query } = operation;
  const read = createVariableReader(operation);
  const readLastEvent = lastEventReader(operation, replays !== undefined);
  const door = doorOf(operation);
  return async (exchange, params) => {
    const lastEvent = readLastEvent(exchange);
    if (lastEvent === 'done') return undefined;
    const variables = await read(exchange, params);
    const request = { operation, variables };
    if (replays && lastEvent) return replays.resume(exchange, { ...request, door }, lastEvent);
    const result = await pipeline.run({ query, variables }, exchange, door);
    const events = eventsOf(streamOf(result), operation, exchange);
    return replays ? replays.begin(exchange, request, events) : events;
  };
}

/** @throws GatewayError where the stream could not begin: why */
function streamOf(result: OperationResult): AsyncIterable<PresentedResult> {
  if (Symbol.asyncIterator in result) return result;
  throw gravest(errorsOf(result));
}

function doorOf({ method, isStream }: RestOperation): DoorTraits {
  const isGet = method === 'GET';
  // A stream by GET changes nothing either, and EventSource knows no other method.
  return { navigation: isGet, safe: isGet && !isStream, streams: isStream };
}

function replyWhole(result: PresentedResult, { rootKey, status, shape }: RestOperation): Reply {
  // A REST answer is one value. Where a part of it failed, all of it did.
  if (result.errors?.length) throw gravest(errorsOf(result));
  const value = result.data?.[rootKey];
  if (status !== 204 && (value === undefined || value === null)) throw new GatewayError('NOT_FOUND');
  const headers: Record<string, string> = {};
  const body = shapeAnswer(value, shape, headers);
  if (status === 204) return { status, headers };
  return { status, headers: { ...jsonHeaders, ...headers }, body: JSON.stringify(body) };
}
