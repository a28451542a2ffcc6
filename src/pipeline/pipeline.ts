import { envelop } from '@envelop/core';
import type { DocumentNode, ExecutionArgs, ExecutionResult, GraphQLError, GraphQLSchema } from 'graphql';
import { firstOf } from '../cancellation';
import { catalogue, GatewayError, type ErrorCode } from '../errors';
import type { Exchange } from '../http/exchange';
import type { Gatekeeper } from '../session/gatekeeper';
import type { CounterSeries, Metrics } from '../telemetry/metrics';
import { GatewayContext, OperationScope } from './context';
import { createDocuments } from './documents';
import { presentError, withoutSuggestions, type PresentedResult } from './errors';
import type { OperationPlan } from './plan';
import { createPlugins } from './plugins';

/** An operation, as a door read it. */
export interface OperationRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface RunOptions {
  /** True for a REST route that a user may open by following a link. */
  readonly navigation: boolean;
  /** True for a method that must not change anything. */
  readonly safe: boolean;
  /** True where the client takes a stream. */
  readonly streams: boolean;
}

/** One answer, or a stream of them. */
export type OperationResult = PresentedResult | AsyncIterable<PresentedResult>;

/** Runs operations, for every door alike. Never throws: what goes wrong is in the result, as errors of the catalogue. */
export interface Pipeline {
  run(request: OperationRequest, exchange: Exchange, options: RunOptions): Promise<OperationResult>;
}

export interface PipelineOptions {
  readonly schema: GraphQLSchema;
  readonly gatekeeper: Pick<Gatekeeper, 'admit' | 'authenticate' | 'guard'>;
  readonly metrics: Metrics;
  /** Whether clients may learn the schema: by introspection, and from the names that errors suggest. */
  readonly introspection: boolean;
  /** Ms that an operation may take, unless one of its fields says more. */
  readonly requestTimeout: number;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  const { schema, gatekeeper, metrics, introspection, requestTimeout } = options;
  const documents = createDocuments(schema, { introspection, metrics });
  const errorCounts = createErrorCounts(metrics);
  const getEnveloped = envelop({ plugins: createPlugins({ schema, documents, gatekeeper, metrics }) });

  function present(result: ExecutionResult, context: GatewayContext): PresentedResult {
    const { errors: found, data } = result;
    if (!found?.length) return data === undefined ? {} : { data };
    const errors = introspection ? found : found.map(withoutNames);
    const failed = presentErrors(errors, context, 'BAD_USER_INPUT');
    return data === undefined ? failed : { ...failed, data };
  }

  /** What went wrong, counted. */
  function presentErrors(errors: readonly unknown[], context: GatewayContext, otherwise: ErrorCode): PresentedResult {
    const counts = errorCounts[context.plan?.operation.operation ?? 'unknown'];
    const presented = errors.map((error) => presentError(error, context.exchange, otherwise));
    for (const { error } of presented) {
      counts[error.code].inc();
      if (error.status >= 500) context.failure ??= error.code;
    }
    return { errors: presented };
  }

  async function* presentStream(
    results: AsyncIterable<ExecutionResult>,
    context: GatewayContext,
    finished: () => void,
  ): AsyncGenerator<PresentedResult, void> {
    try {
      for await (const result of results) yield present(result, context);
    } finally {
      finished();
    }
  }

  function ran({ prepared }: GatewayContext): void {
    if (prepared) documents.ran(prepared);
  }

  /** @param subscribe - As the plugins have it. */
  async function stream(subscribe: Subscribe, args: ExecutionArgs, context: GatewayContext): Promise<OperationResult> {
    const { exchange, authenticated, scope, caller } = context;
    const watch = authenticated && gatekeeper.guard(authenticated, exchange);
    if (watch) {
      const ending = firstOf([exchange.cancellation, watch.ending]);
      context.scope = new OperationScope(exchange, context.trace, scope.deadline, caller, ending);
    }
    const result = await subscribe(args);
    if (!(Symbol.asyncIterator in result)) {
      watch?.release();
      return answered(present(result, context), context);
    }
    // The stream may never be read, where the client has left already.
    const left = (): void => {
      watch?.release();
      context.ended();
    };
    exchange.cancellation.addEventListener('abort', left, { once: true });
    return presentStream(result, context, () => {
      ran(context);
      left();
    });
  }

  return {
    async run({ query, operationName, variables }, exchange, { navigation, safe, streams }) {
      const context = new GatewayContext(exchange);
      const enveloped = getEnveloped(context);
      try {
        gatekeeper.admit(exchange, { navigation });
        const document = enveloped.parse(query) as DocumentNode;
        const invalid = enveloped.validate(schema, document) as readonly GraphQLError[];
        if (invalid.length > 0) return answered(presentErrors(invalid, context, 'GRAPHQL_VALIDATION_FAILED'), context);
        const plan = choose(context.prepared?.plans ?? [], operationName);
        const { operation: kind } = plan.operation;
        if (safe && kind !== 'query') {
          throw new GatewayError('METHOD_NOT_ALLOWED', `A ${kind} is sent by POST.`, { headers: { allow: 'POST' } });
        }
        if (kind === 'subscription' && !streams) {
          throw new GatewayError(
            'NOT_ACCEPTABLE',
            'A subscription is answered as text/event-stream, which Accept must allow.',
          );
        }
        context.plan = plan;
        exchange.facts.operation = kind;
        await enveloped.contextFactory();
        const deadline = exchange.deadlineFor(Math.max(requestTimeout, plan.timeout));
        context.scope = new OperationScope(exchange, context.trace, deadline, context.caller);
        const args: ExecutionArgs = {
          schema,
          document,
          contextValue: context,
          variableValues: variables ?? null,
          operationName: operationName ?? null,
        };
        if (kind === 'subscription') return await stream(enveloped.subscribe as Subscribe, args, context);
        const result = (await enveloped.execute(args)) as ExecutionResult;
        ran(context);
        return answered(present(result, context), context);
      } catch (error) {
        return answered(presentErrors([error], context, 'GRAPHQL_PARSE_FAILED'), context);
      }
    },
  };
}

function answered(result: PresentedResult, context: GatewayContext): PresentedResult {
  context.ended();
  return result;
}

type Subscribe = (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterable<ExecutionResult>>;

/** The series of errors: by the operation's type, unknown where none was chosen yet, and by code. */
function createErrorCounts({ graphqlErrors }: Metrics) {
  const byCode = (type: string): Record<ErrorCode, CounterSeries> => {
    const codes = Object.keys(catalogue) as ErrorCode[];
    const series = codes.map((code) => [code, graphqlErrors.series({ operation_type: type, code })] as const);
    return Object.fromEntries(series) as Record<ErrorCode, CounterSeries>;
  };
  return {
    query: byCode('query'),
    mutation: byCode('mutation'),
    subscription: byCode('subscription'),
    unknown: byCode('unknown'),
  };
}

/** What is said of the document or of variables may name what the client did not know. */
function withoutNames(error: GraphQLError): GraphQLError {
  return error.path ? error : withoutSuggestions(error);
}

/** The operation that a request names, or the only one that there is. */
function choose(plans: readonly OperationPlan[], name: string | null | undefined): OperationPlan {
  const named = name ? plans.filter(({ operation }) => operation.name?.value === name) : plans;
  const [plan] = named;
  if (plan && named.length === 1) return plan;
  if (plan) {
    throw new GatewayError('BAD_USER_INPUT', 'The document has several operations; operationName must name one.');
  }
  throw new GatewayError(
    'BAD_USER_INPUT',
    name ? 'The document has no operation of the name that operationName gives.' : 'The document has no operation.',
  );
}
