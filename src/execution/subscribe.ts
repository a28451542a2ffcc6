import { createSourceEventStream, type ExecutionArgs, type ExecutionResult } from 'graphql';
import { mapAsyncIterator } from '../internals/graphql';
import type { CompiledOperation } from './compiled-operation';

/**
 * Subscribes as graphql-js does (spec 6.2.3); each event is then executed in the compiled way.
 *
 * @returns a result with errors where the stream could not be made, or the stream of results
 */
export async function subscribe(
  operation: CompiledOperation,
  args: ExecutionArgs,
): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void, void>> {
  const events = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in events)) return events;
  // What does not fit was told in place of the stream.
  const { values: variables = {} } = operation.coerce(args.variableValues);
  return mapAsyncIterator(events, (event) => operation.execute({ root: event, context: args.contextValue, variables }));
}
