import { OperationTypeNode } from 'graphql';
import type { Exchange } from '../http/exchange';
import type { Gatekeeper } from '../session/gatekeeper';
import type { Metrics } from '../telemetry/metrics';
import { authenticate, callerOf } from './authenticate';
import { chooseOperation, type AllowedOperations } from './choose-operation';
import type { Documents, PreparedDocument } from './documents';
import { executeOperation, openScope, subscribeOperation, type VariableInputs } from './execute-operation';
import { OperationContext, type OperationChecks, type OperationLimits } from './operation-context';
import { createOperationCounts } from './operation-counts';
import { OperationRecord } from './operation-record';
import { presentResult, type PresentedResult, type RawResult } from './present';
import { streamResults } from './stream-results';

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
  readonly checks: OperationChecks;
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
  const { documents, gatekeeper, metrics, introspection } = options;
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
    results: AsyncIterable<RawResult>,
    recorded: Recorded,
  ): AsyncGenerator<PresentedResult, void> {
    for await (const result of results) yield present(result, OperationTypeNode.SUBSCRIPTION, recorded);
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
      documents.ran(prepared);
      counts.executed(type, record.began);
      return conclude(results, type, recorded);
    }
    const streamed = streamResults(results, {
      cancellation: exchange.cancellation,
      finished() {
        documents.ran(prepared);
        counts.executed(type, record.began);
      },
      ended() {
        release?.();
        record.end(type);
      },
    });
    return presentStream(streamed, recorded);
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
        const { scope, release } = openScope(plan, identity, exchange, trace, options);
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
