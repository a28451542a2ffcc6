import type { ExecutionResult } from 'graphql';
import { whenAborted, type Cancellation } from '../cancellation';
import { isClientClosed } from '../errors';
import type { RawResult } from './present';

/** What is to happen as a stream of results ends. */
export interface StreamEnd {
  /** Aborted when the client leaves, who may never have read anything of the stream. */
  readonly cancellation: Cancellation;
  /** Called when the stream ends or the client leaves; twice where it does both. */
  readonly ended: () => void;
  /** Called when the stream ends, before {@link ended}. */
  readonly finished: () => void;
}

/** The results of a subscription. Where it fails, a last result says why, unless nobody is left to read that. */
export function streamResults(
  results: AsyncIterable<ExecutionResult>,
  { cancellation, ended, finished }: StreamEnd,
): AsyncGenerator<RawResult, void> {
  whenAborted(cancellation, ended);
  return (async function* () {
    try {
      yield* results;
    } catch (error) {
      if (!isClientClosed(error)) yield { errors: [error] };
    } finally {
      finished();
      ended();
    }
  })();
}
