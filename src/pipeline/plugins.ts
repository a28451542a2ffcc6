import { useEngine, useSchema, type Plugin } from '@envelop/core';
import { useGenericAuth } from '@envelop/generic-auth';
import { usePrometheus, type PrometheusTracingPluginConfig } from '@envelop/prometheus';
import {
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  OperationTypeNode,
} from 'graphql';
import { isClientClosed, toGatewayError, type GatewayError } from '../errors';
import { subscribe } from '../execution/subscribe';
import type { Caller } from '../schema/resolver-context';
import type { Authenticated, Gatekeeper } from '../session/gatekeeper';
import type { CounterSeries, Metrics } from '../telemetry/metrics';
import type { GatewayContext } from './context';
import type { Documents } from './documents';
import { refusal, type OperationPlan } from './plan';

export interface PluginOptions {
  readonly schema: GraphQLSchema;
  readonly documents: Documents;
  readonly gatekeeper: Pick<Gatekeeper, 'authenticate'>;
  readonly metrics: Metrics;
}

/** What happens to an operation, in this order, whichever door it came through. */
export function createPlugins({ schema, documents, gatekeeper, metrics }: PluginOptions): Plugin[] {
  return [
    useSchema(schema),
    useEngine({ execute, subscribe: subscribeToTheEnd }),
    // A document is parsed, validated and planned when it is first seen; after that this is a look-up.
    usePreparedDocuments(documents),
    // In front of what may refuse, so that refusals count.
    usePrometheus(prometheusConfig(metrics)),
    // Who asks. Operations of public fields alone ask nobody.
    useGenericAuth({
      mode: 'resolve-only',
      contextFieldName: 'caller',
      resolveUserFn: (context: GatewayContext) => resolveCaller(context, gatekeeper),
    }) as unknown as Plugin,
  ];
}

function planOf({ plan }: GatewayContext): OperationPlan {
  if (!plan) throw new Error('an operation is to be executed that was not planned');
  return plan;
}

/** Runs a query or a mutation as it was compiled. */
function execute(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const context = args.contextValue as GatewayContext;
  const plan = planOf(context);
  const { values, errors } = plan.compiled.coerce(args.variableValues);
  if (errors) return { errors };
  // A mutation is refused whole: half of one is worse than none.
  const refused = plan.operation.operation === 'mutation' ? refusal(plan, context.caller, values) : undefined;
  return refused ? { data: null, errors: [refused as never] } : plan.compiled.execute({ context, variables: values });
}

/** Subscribes to a stream that ends with a last result where it fails, for plugins see results and not what is thrown. */
async function subscribeToTheEnd(
  args: ExecutionArgs,
): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void>> {
  const results = await subscribe(planOf(args.contextValue as GatewayContext).compiled, args);
  return Symbol.asyncIterator in results ? toTheEnd(results) : results;
}

async function* toTheEnd(results: AsyncIterable<ExecutionResult>): AsyncGenerator<ExecutionResult, void> {
  try {
    yield* results;
  } catch (error) {
    if (isClientClosed(error)) return;
    yield { errors: [error as GraphQLError] };
  }
}

function usePreparedDocuments(documents: Documents): Plugin {
  return {
    onParse({ context, setParseFn }) {
      setParseFn((source) => {
        const prepared = documents.prepare(String(source));
        (context as GatewayContext).prepared = prepared;
        return prepared.document;
      });
    },
    onValidate({ context, setValidationFn }) {
      setValidationFn(() => (context as GatewayContext).prepared?.errors as GraphQLError[]);
    },
  };
}

/** Whose session the request carries, or why it carries none; fields that need it fail with that. */
function resolveCaller(
  context: GatewayContext,
  gatekeeper: PluginOptions['gatekeeper'],
): Caller | GatewayError | Promise<Caller | GatewayError> {
  return context.plan?.needsSession ? authenticate(context, gatekeeper) : context.caller;
}

function authenticate(
  context: GatewayContext,
  gatekeeper: PluginOptions['gatekeeper'],
): Caller | GatewayError | Promise<Caller | GatewayError> {
  const letIn = (authenticated: Authenticated): Caller => {
    context.authenticated = authenticated;
    return authenticated.session;
  };
  try {
    const found = gatekeeper.authenticate(context.exchange);
    return found instanceof Promise ? found.then(letIn, toGatewayError) : letIn(found);
  } catch (error) {
    return toGatewayError(error);
  }
}

/**
 * The plugin says when an operation has run, and calls what counts it by as much of prom-client as is here. It could count by
 * itself; but its labels are what clients send (operation names, and paths of errors with the indexes of lists), its
 * `phase_context` is always 0, its error_result knows no codes, and its request_duration begins when the operation is
 * executed, after the session was asked for.
 */
function prometheusConfig({ registry, graphqlRequests, graphqlDuration }: Metrics): PrometheusTracingPluginConfig {
  const seriesOf = <Series>(of: (type: OperationTypeNode) => Series): Record<OperationTypeNode, Series> => ({
    query: of(OperationTypeNode.QUERY),
    mutation: of(OperationTypeNode.MUTATION),
    subscription: of(OperationTypeNode.SUBSCRIPTION),
  });
  const requests = seriesOf((type) => graphqlRequests.series({ operation_type: type }));
  const durations = seriesOf((type) => graphqlDuration.series({ operation_type: type }));
  const typeOf = (context: GatewayContext): OperationTypeNode => planOf(context).operation.operation;
  const counter = { labels: (context: GatewayContext): CounterSeries => requests[typeOf(context)] };
  const histogram = {
    observe: (context: GatewayContext): void =>
      durations[typeOf(context)].observe((performance.now() - context.began) / 1000),
  };
  // In place of labels, which the plugin hands on as they are.
  const fillLabelsFn = (_params: unknown, context: GatewayContext): never => context as never;
  return {
    registry,
    metrics: {
      graphql_envelop_request: { counter: counter as never, fillLabelsFn },
      graphql_envelop_request_duration: { histogram: histogram as never, fillLabelsFn },
    },
  };
}
