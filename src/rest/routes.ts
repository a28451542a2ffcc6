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
interface Mounted {
  whole?: RestOperation;
  stream?: RestOperation;
}

/** Mounts operations as REST routes. They run through the same pipeline as GraphQL. */
export function createRestRoutes(operations: readonly RestOperation[], pipeline: Pipeline): Route[] {
  const heartbeats = new Heartbeats();
  const mounted = new Map<string, Mounted & { readonly method: string; readonly path: string }>();
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
    handle: createHandler({ whole, stream }, pipeline, heartbeats),
  }));
}

const ndjsonHeaders = { ...eventHeaders, 'content-type': 'application/x-ndjson; charset=utf-8' };

function createHandler(
  { whole, stream }: { [Key in keyof Mounted]: Mounted[Key] | undefined },
  pipeline: Pipeline,
  heartbeats: Heartbeats,
): Handler {
  const forms: Form[] = [...(whole ? (['json'] as const) : []), ...(stream ? (['sse', 'ndjson'] as const) : [])];
  const answerWhole = whole && createRunner(whole, pipeline);
  const answerStream = stream && createRunner(stream, pipeline);

  return async (exchange, params) => {
    const form = chooseForm(exchange.headers.accept, forms);
    if (form === 'json') {
      if (!answerWhole || !whole) throw new Error('a form was chosen that the route does not have');
      return replyWhole((await answerWhole(exchange, params)) as PresentedResult, whole);
    }
    if (!answerStream || !stream) throw new Error('a form was chosen that the route does not have');
    const result = await answerStream(exchange, params);
    // There is no stream where it could not begin.
    if (!(Symbol.asyncIterator in result)) throw gravest(errorsOf(result));
    const body = new EventStream(result, streamFormat(stream, exchange, form), heartbeats);
    return { status: 200, headers: form === 'sse' ? eventHeaders : ndjsonHeaders, body };
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
