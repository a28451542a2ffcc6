import { OperationTypeNode, type ExecutionResult } from 'graphql';
import { whenAborted } from '../cancellation';
import { isClientClosed } from '../errors';
import type { Exchange } from '../http/exchange';
import type { Gatekeeper } from '../session/gatekeeper';
import type { Metrics } from '../telemetry/metrics';
import { authenticate, callerOf } from './authenticate';
import { chooseOperation, type AllowedOperations } from './choose-operation';
import type { Documents, PreparedDocument } from './documents';
import { executeOperation, openScope, subscribeOperation, type VariableInputs } from './execute-operation';
import { OperationContext, type OperationLimits } from './operation-context';
import { createOperationCounts } from './operation-counts';
import { OperationRecord } from './operation-record';
import { presentResult, type PresentedResult, type RawResult } from './present';

/** An operation, as a door read it. */
export interface OperationRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: VariableInputs;
}

/** What the door of an operation is like. */
export interface DoorTraits extends AllowedOperations {
  /** True for a REST route that a user may open by following a link. */
  readonly navigation: boolean;
}

/** One answer, or a stream of them. */
export type OperationResult = PresentedResult | AsyncIterable<PresentedResult>;

/** Runs operations, for every door alike. Never throws: what goes wrong is in the result, as errors of the catalogue. */
export interface Pipeline {
  run(request: OperationRequest, exchange: Exchange, door: DoorTraits): Promise<OperationResult>;
}

export interface PipelineOptions {
  readonly documents: Documents;
  readonly gatekeeper: Pick<Gatekeeper, 'admit' | 'authenticate' | 'guard'>;
  readonly metrics: Metrics;
  /** Whether clients may learn the schema: by introspection, and from the names that errors suggest. */
  readonly introspection: boolean;
  /** Ms that an operation may take, unless one of its fields says more. */
  readonly requestTimeout: number;
  readonly limits: OperationLimits;
}

/** An operation's exchange, and what is recorded of it. */
interface Recorded {
  readonly exchange: Exchange;
  readonly record: OperationRecord;
}

/**
 * The life of an operation: admit, prepare, choose, authenticate, open its scope, run, present. Each step is a function of this
 * folder that takes what it needs and returns what it made; docs/life-of-a-request.md draws the way.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { documents, gatekeeper, metrics, introspection, requestTimeout, limits } = options;
  const counts = createOperationCounts(metrics);

  /** Presents a result, and records what is wrong with it. */
  function present(
    result: RawResult,
    type: OperationTypeNode | undefined,
    { exchange, record }: Recorded,
  ): PresentedResult {
    const presented = presentResult(result, exchange, introspection);
    if (!presented.errors) return presented;
    for (const { error } of presented.errors) {
      counts.failed(type, error.countedAs);
      record.noteError(error);
    }
    return presented;
  }

  /** Presents the only result of an operation. */
  function conclude(result: RawResult, type: OperationTypeNode | undefined, recorded: Recorded): PresentedResult {
    const presented = present(result, type, recorded);
    recorded.record.end(type);
    return presented;
  }

  async function* presentStream(
    results: AsyncIterable<ExecutionResult>,
    recorded: Recorded,
    finished: () => void,
  ): AsyncGenerator<PresentedResult, void> {
    try {
      for await (const result of results) yield present(result, OperationTypeNode.SUBSCRIPTION, recorded);
    } catch (error) {
      // The stream ends with a last result that says why. Nobody is left to read that the client left.
      if (!isClientClosed(error)) yield present({ errors: [error] }, OperationTypeNode.SUBSCRIPTION, recorded);
    } finally {
      finished();
    }
  }

  /** @param release - Ends the watch over the stream's session. */
  function stream(
    results: Awaited<ReturnType<typeof subscribeOperation>>,
    prepared: PreparedDocument,
    release: (() => void) | undefined,
    recorded: Recorded,
  ): OperationResult {
    const { exchange, record } = recorded;
    const type = OperationTypeNode.SUBSCRIPTION;
    if (!(Symbol.asyncIterator in results)) {
      counts.executed(type, record.began);
      return conclude(results, type, recorded);
    }
    const ended = (): void => {
      release?.();
      record.end(type);
    };
    // The stream may never be read, where the client leaves first.
    whenAborted(exchange.cancellation, ended);
    return presentStream(results, recorded, () => {
      documents.ran(prepared);
      counts.executed(type, record.began);
      ended();
    });
  }

  return {
    async run({ query, operationName, variables }, exchange, door) {
      const recorded = { exchange, record: new OperationRecord(exchange) };
      const { record } = recorded;
      let type: OperationTypeNode | undefined;
      try {
        gatekeeper.admit(exchange, door);
        const prepared = documents.prepare(query);
        if (prepared.errors.length > 0) return conclude({ errors: prepared.errors }, type, recorded);
        const plan = chooseOperation(prepared, operationName, door);
        type = plan.operation.operation;
        exchange.facts.operation = type;
        const found = authenticate(plan, exchange, gatekeeper);
        const identity = found instanceof Promise ? await found : found;
        const { trace } = record;
        const { scope, release } = openScope(plan, identity, { exchange, trace, gatekeeper, requestTimeout, limits });
        const context = new OperationContext(exchange, callerOf(identity), scope);
        if (type === OperationTypeNode.SUBSCRIPTION) {
          const results = await subscribeOperation(plan, prepared.document, context, variables, release);
          return stream(results, prepared, release, recorded);
        }
        const running = executeOperation(plan, context, variables);
        const result = running instanceof Promise ? await running : running;
        documents.ran(prepared);
        counts.executed(type, record.began);
        return conclude(result, type, recorded);
      } catch (error) {
        return conclude({ errors: [error] }, type, recorded);
      }
    },
  };
}
