import { createSourceEventStream, type ExecutionArgs, type ExecutionResult } from 'graphql';
import { mapAsyncIterator } from '../internals/graphql';

/**
 * Subscribes as graphql-js does (spec 6.2.3).
 *
 * @param execute - Executes an event, which is the root of the operation then.
 * @returns a result with errors where the stream could not be made, or the stream of results
 */
export async function subscribe(
  args: ExecutionArgs,
  execute: (event: unknown) => ExecutionResult | Promise<ExecutionResult>,
): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void, void>> {
  const events = await createSourceEventStream(args);
  return Symbol.asyncIterator in events ? mapAsyncIterator(events, execute) : events;
}
