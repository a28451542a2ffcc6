import { useGenericAuth } from '@envelop/generic-auth';
import { usePrometheus, type PrometheusTracingPluginConfig } from '@envelop/prometheus';
import { OperationTypeNode, type DocumentNode, type ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Exchange } from '../http/exchange';
import { authenticate, callerOf, type Identity } from '../pipeline/authenticate';
import { chooseOperation } from '../pipeline/choose-operation';
import type { PreparedDocument } from '../pipeline/documents';
import {
  executeOperation,
  openScope,
  subscribeOperation,
  type RunContext,
  type VariableInputs,
} from '../pipeline/execute-operation';
import type { OperationPlan } from '../pipeline/operation-plan';
import type { OperationRecord } from '../pipeline/operation-record';
import type { OperationRequest, PipelineOptions } from '../pipeline/pipeline';
import { fromGraphQLError, presentResult, type PresentedResult } from '../pipeline/present';
import { streamResults } from '../pipeline/stream-results';
import type { Metrics } from '../telemetry/metrics';
import type { Accepted } from './accept';
import { headOf } from './response-head';

/** What the door gives to Yoga with each request. */
export interface ServerContext {
  readonly exchange: Exchange;
  readonly accepted: Accepted;
  /** As the door has read it. */
  readonly operation: OperationRequest;
  readonly record: OperationRecord;
}

/** Envelop's context of an operation. It grows from phase to phase: what a hook reads here, an earlier phase has added. */
interface YogaContext extends ServerContext, RunContext {
  /** From parsing on. */
  readonly prepared: PreparedDocument;
  /** From parsing on, where the document is valid. */
  readonly plan?: OperationPlan;
  /** From context building on. */
  readonly identity: Identity;
  readonly release?: () => void;
}

/**
 * The pipeline as a plugin of envelop and GraphQL Yoga: each phase calls the same function as the pipeline does. Brings
 * @envelop/generic-auth, which carries the session, and @envelop/prometheus, which counts.
 *
 * @throws Error where the metrics were made without `graphqlPlugin`
 */
export function useApiGateway(options: PipelineOptions): Plugin<YogaContext, ServerContext> {
  const { documents, gatekeeper, metrics, introspection } = options;
  const prometheus = usePrometheus(prometheusConfig(metrics));
  const genericAuth = useGenericAuth<Identity, YogaContext, 'identity'>({
    mode: 'resolve-only',
    contextFieldName: 'identity',
    resolveUserFn: ({ plan, exchange }) => authenticate(planned(plan), exchange, gatekeeper),
  });

  function present(result: ExecutionResult, { exchange, record }: ServerContext): PresentedResult {
    const presented = presentResult(result, exchange, introspection);
    for (const { error } of presented.errors ?? []) record.noteError(error);
    return presented;
  }

  async function* presentStream(
    results: AsyncIterable<ExecutionResult>,
    context: ServerContext,
  ): AsyncGenerator<PresentedResult, void> {
    for await (const result of results) yield present(result, context);
  }

  return {
    onPluginInit({ addPlugin }) {
      addPlugin(inOurContext(prometheus));
      addPlugin(inOurContext(genericAuth));
    },

    onRequestParse({ serverContext: { operation }, setRequestParser }) {
      const { query, operationName, variables } = operation;
      setRequestParser(() => ({
        query,
        ...(operationName ? { operationName } : {}),
        ...(variables ? { variables } : {}),
      }));
    },

    onParse({ context, extendContext, setParseFn }) {
      const { exchange, accepted } = context;
      setParseFn((source: string): DocumentNode => {
        gatekeeper.admit(exchange, { navigation: false });
        const prepared = documents.prepare(source);
        extendContext({ prepared });
        if (prepared.errors.length > 0) return prepared.document;
        const allowed = { safe: exchange.method !== 'POST', streams: accepted.events };
        const plan = chooseOperation(prepared, context.params.operationName, allowed);
        exchange.facts.operation = plan.operation.operation;
        extendContext({ plan });
        return prepared.document;
      });
    },

    onValidate({ context, setResult }) {
      setResult(context.prepared.errors);
    },

    onContextBuilding() {
      // After generic-auth.
      return ({ context, extendContext }) => {
        const { plan, identity, exchange, record } = context;
        const { scope, release } = openScope(planned(plan), identity, exchange, record.trace, options);
        extendContext({ caller: callerOf(identity), scope, loaders: new Map(), ...(release ? { release } : {}) });
      };
    },

    onExecute({ args, setExecuteFn }) {
      const context = args.contextValue;
      setExecuteFn(() => executeOperation(planned(context.plan), context, args.variableValues as VariableInputs));
    },

    onSubscribe({ args, setSubscribeFn }) {
      const context = args.contextValue;
      setSubscribeFn(async () => {
        const { plan, prepared, release } = context;
        const inputs = args.variableValues as VariableInputs;
        const results = await subscribeOperation(planned(plan), prepared.document, context, inputs, release);
        return Symbol.asyncIterator in results ? watched(results, context) : results;
      });
    },

    onResultProcess(payload) {
      const { result, serverContext } = payload;
      // Yoga's context is the server context itself, so it has what earlier phases have added.
      const { record, plan, prepared } = serverContext as ServerContext & Partial<YogaContext>;
      if (Symbol.asyncIterator in result) {
        payload.setResult(asYogaResult(presentStream(result, serverContext)));
        return;
      }
      // Batching is off: never a list of results.
      const presented = present(result as ExecutionResult, serverContext);
      if (prepared) documents.ran(prepared);
      record.end(plan?.operation.operation);
      const { status, headers, countedStatus } = headOf(presented, serverContext.accepted);
      if (countedStatus !== undefined) serverContext.exchange.facts.countedStatus = countedStatus;
      // The result processor that Yoga has chosen knows the media type.
      const { 'content-type': _, ...own } = headers;
      payload.setResult(asYogaResult({ ...presented, extensions: { http: { status, headers: own } } }));
    },
  };

  function watched(results: AsyncIterable<ExecutionResult>, { exchange, record, prepared, release }: YogaContext) {
    const streamed = streamResults(results, {
      cancellation: exchange.cancellation,
      finished: () => documents.ran(prepared),
      ended() {
        release?.();
        record.end(OperationTypeNode.SUBSCRIPTION);
      },
    });
    // Errors are presented when Yoga processes the results.
    return streamed as AsyncGenerator<ExecutionResult, void>;
  }
}

/** A plugin of envelop is typed for the context that it adds itself, and runs in any that has more. */
function inOurContext(plugin: object): Plugin<YogaContext> {
  return plugin;
}

type YogaResult = Parameters<Parameters<NonNullable<Plugin['onResultProcess']>>[0]['setResult']>[0];

/** Yoga types errors as GraphQLErrors, and writes whatever they are as JSON. */
function asYogaResult(result: object): YogaResult {
  return result as YogaResult;
}

function planned(plan: OperationPlan | undefined): OperationPlan {
  if (!plan) throw new Error('an operation is to be executed that was not chosen');
  return plan;
}

/** The plugin's own labels are names and paths that clients send. Ours come from the schema and the catalogue of errors. */
function prometheusConfig({ registry, graphqlPlugin }: Metrics): PrometheusTracingPluginConfig {
  if (!graphqlPlugin) throw new Error('GRAPHQL_SERVER=yoga needs metrics that were created with graphqlPlugin');
  const { requests, duration, errors } = graphqlPlugin;
  const typeOf = ({ plan }: Partial<YogaContext>) => ({ operation_type: plan?.operation.operation ?? 'unknown' });
  return {
    registry,
    metrics: {
      graphql_envelop_request: { counter: requests, fillLabelsFn: (_, context) => typeOf(context as YogaContext) },
      graphql_envelop_request_duration: {
        histogram: duration,
        fillLabelsFn: (_, context) => typeOf(context as YogaContext),
      },
      graphql_envelop_error_result: {
        counter: errors,
        fillLabelsFn: ({ error, errorPhase }, context) => ({
          ...typeOf(context as YogaContext),
          // The plugin reports that validation failed, but not why.
          code: errorPhase === 'validate' ? 'GRAPHQL_VALIDATION_FAILED' : fromGraphQLError(error).countedAs,
        }),
      },
    },
  };
}
