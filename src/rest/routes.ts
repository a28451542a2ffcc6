import { GatewayError } from '../errors';
import { jsonHeaders, type Handler, type Route } from '../http/exchange';
import type { Pipeline } from '../pipeline/pipeline';
import { errorsOf, type PresentedResult } from '../pipeline/present';
import { shapeAnswer } from './answer-shape';
import type { RestOperation } from './rest-operation';
import { createVariableReader } from './variable-reader';

/** Mounts operations as REST routes. They run through the same pipeline as GraphQL. */
export function createRestRoutes(operations: readonly RestOperation[], pipeline: Pipeline): Route[] {
  return operations.flatMap((operation) => {
    const handle = createHandler(operation, pipeline);
    return operation.paths.map((path) => ({ method: operation.method, path, statuses: [operation.status], handle }));
  });
}

function createHandler(operation: RestOperation, pipeline: Pipeline): Handler {
  const { query, rootKey, status, shape } = operation;
  const isGet = operation.method === 'GET';
  const options = { navigation: isGet, safe: isGet, streams: false };
  const read = createVariableReader(operation);

  return async (exchange, params) => {
    const variables = await read(exchange, params);
    // Without streams there is one result.
    const result = (await pipeline.run({ query, variables }, exchange, options)) as PresentedResult;
    // A REST answer is one value. Where a part of it failed, all of it did.
    if (result.errors?.length) throw gravest(errorsOf(result));
    const value = result.data?.[rootKey];
    if (value === undefined || value === null) throw new GatewayError('NOT_FOUND');
    return { status, headers: jsonHeaders, body: JSON.stringify(shapeAnswer(value, shape)) };
  };
}

/** The first of those with the highest status; of those that say when to come again, the one that says the latest. */
function gravest(errors: readonly GatewayError[]): GatewayError {
  const isWorse = (error: GatewayError, than: GatewayError): boolean =>
    error.status > than.status || (error.status === than.status && (error.retryAfter ?? 0) > (than.retryAfter ?? 0));
  return errors.reduce((worst, error) => (isWorse(error, worst) ? error : worst));
}
