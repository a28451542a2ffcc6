import { GatewayError } from '../errors';
import { EventStream, Heartbeats } from '../http/event-stream';
import { eventHeaders, jsonHeaders, type Exchange, type Handler, type Reply, type Route } from '../http/exchange';
import type { OperationResult, Pipeline } from '../pipeline/pipeline';
import { errorsOf, type PresentedResult } from '../pipeline/present';
import { chooseForm, type Form } from './accept';
import { shapeAnswer } from './answer-shape';
import { gravest } from './gravest';
import type { RestOperation } from './rest-operation';
import { streamFormat } from './stream-format';
import { createVariableReader } from './variable-reader';

/** The operations of one method and path: what is answered whole, and what is answered as a stream. */
interface Operations {
  readonly whole?: RestOperation | undefined;
  readonly stream?: RestOperation | undefined;
}

/** Mounts operations as REST routes. They run through the same pipeline as GraphQL. */
export function createRestRoutes(operations: readonly RestOperation[], pipeline: Pipeline): Route[] {
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
    statuses: [whole?.status ?? 200, ...(stream ? [200] : [])],
    servesHead: whole !== undefined,
    handle: createHandler({ whole, stream }, pipeline, heartbeats),
  }));
}

const ndjsonHeaders = { ...eventHeaders, 'content-type': 'application/x-ndjson; charset=utf-8' };

/** Answers in the form that Accept chooses among those that the route has. */
function createHandler({ whole, stream }: Operations, pipeline: Pipeline, heartbeats: Heartbeats): Handler {
  const handlers = new Map<Form, Handler>();
  if (whole) handlers.set('json', createWholeHandler(whole, pipeline));
  if (stream) {
    for (const form of ['sse', 'ndjson'] as const) {
      handlers.set(form, createStreamHandler(stream, form, pipeline, heartbeats));
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
  const run = createRunner(operation, pipeline);
  return async (exchange, params) => replyWhole((await run(exchange, params)) as PresentedResult, operation);
}

function createStreamHandler(
  operation: RestOperation,
  form: 'sse' | 'ndjson',
  pipeline: Pipeline,
  heartbeats: Heartbeats,
): Handler {
  const run = createRunner(operation, pipeline);
  const headers = form === 'sse' ? eventHeaders : ndjsonHeaders;
  return async (exchange, params) => {
    const result = await run(exchange, params);
    // There is no stream where it could not begin.
    if (!(Symbol.asyncIterator in result)) throw gravest(errorsOf(result));
    return { status: 200, headers, body: new EventStream(result, streamFormat(operation, exchange, form), heartbeats) };
  };
}

/** Runs an operation with the variables of a request. */
function createRunner(operation: RestOperation, pipeline: Pipeline) {
  const { query, method, isStream } = operation;
  const isGet = method === 'GET';
  // A stream by GET changes nothing either, and EventSource knows no other method.
  const options = { navigation: isGet, safe: isGet && !isStream, streams: isStream };
  const read = createVariableReader(operation);
  return async (exchange: Exchange, params: Readonly<Record<string, string>>): Promise<OperationResult> => {
    const variables = await read(exchange, params);
    return pipeline.run({ query, variables }, exchange, options);
  };
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
