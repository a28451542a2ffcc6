import { envelop } from '@envelop/core';
import { GraphQLError, type ExecutionResult, type GraphQLSchema } from 'graphql';
import type { Registry } from 'prom-client';
import type { Exchange } from '../exchange';
import { GatewayError, type ErrorCode } from '../errors';
import type { CallScope } from '../grpc/upstream';
import type { Authenticate, Authenticated } from '../session/authenticate';
import type { SessionGuard } from '../session/guards';
import type { GatewayContext } from './context';
import { createPrepareDocument } from './documents';
import { presentError, presentResult, presentStream } from './errors';
import { createPlugins } from './plugins';
import type { OperationPlan } from './plan';

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
}

/** Runs operations, for every door alike. Never throws: what goes wrong is in the result, as errors of the catalogue. */
export interface Pipeline {
  run(
    request: OperationRequest,
    exchange: Exchange,
    options: RunOptions,
  ): Promise<ExecutionResult | AsyncIterable<ExecutionResult>>;
}

export interface PipelineOptions {
  readonly schema: GraphQLSchema;
  readonly authenticate: Authenticate;
  /** Watches over the session of a stream. */
  readonly guard: (authenticated: Authenticated, exchange: Exchange) => SessionGuard;
  readonly registry: Registry;
  /** Whether clients may ask for the schema. */
  readonly introspection: boolean;
  /** Ms that an operation may take, unless one of its fields says more. */
  readonly requestTimeout: number;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  const { schema, authenticate, guard, registry, introspection, requestTimeout } = options;
  const prepare = createPrepareDocument(schema, { introspection });
  const getEnveloped = envelop({ plugins: createPlugins({ schema, prepare, authenticate, registry }) });

  return {
    async run({ query, operationName, variables }, exchange, { navigation, safe }) {
      const context = { exchange, navigation, loaders: new Map() } as unknown as GatewayContext & { scope: CallScope };
      const enveloped = getEnveloped(context);
      const failed = (errors: readonly unknown[], otherwise?: ErrorCode): ExecutionResult => ({
        errors: errors.map((error) => presentError(error, exchange, otherwise)),
      });
      try {
        const document = enveloped.parse(query);
        const invalid = enveloped.validate(schema, document) as readonly GraphQLError[];
        if (invalid.length > 0) return failed(invalid, 'GRAPHQL_VALIDATION_FAILED');
        const plan = choose(context.prepared?.plans ?? [], operationName);
        if (safe && plan.operation.operation !== 'query') {
          throw new GatewayError('METHOD_NOT_ALLOWED', `A ${plan.operation.operation} is sent by POST.`, {
            headers: { allow: 'POST' },
          });
        }
        context.plan = plan;
        exchange.facts.operation = plan.operation.operation;
        await enveloped.contextFactory();
        const watch =
          plan.operation.operation === 'subscription' &&
          context.authenticated &&
          guard(context.authenticated, exchange);
        context.scope = scopeOf(
          context,
          exchange.deadlineFor(Math.max(requestTimeout, plan.timeout)),
          watch || undefined,
        );
        const args = { schema, document, contextValue: context, variableValues: variables, operationName };
        if (plan.operation.operation !== 'subscription') {
          return presentResult((await enveloped.execute(args)) as ExecutionResult, exchange);
        }
        const result = (await enveloped.subscribe(args)) as ExecutionResult | AsyncIterable<ExecutionResult>;
        if (Symbol.asyncIterator in result) return presentStream(result, exchange, () => watch && watch.release());
        if (watch) watch.release();
        return presentResult(result, exchange);
      } catch (error) {
        return failed([error], error instanceof GraphQLError ? 'GRAPHQL_PARSE_FAILED' : undefined);
      }
    },
  };
}

/** The operation that a request names, or the only one that there is. */
function choose(plans: readonly OperationPlan[], name: string | null | undefined): OperationPlan {
  const named = name ? plans.filter(({ operation }) => operation.name?.value === name) : plans;
  const [plan] = named;
  if (plan && named.length === 1) return plan;
  if (plan)
    throw new GatewayError('BAD_USER_INPUT', 'The document has several operations; operationName must name one.');
  throw new GatewayError(
    'BAD_USER_INPUT',
    name ? 'The document has no operation of the name that operationName gives.' : 'The document has no operation.',
  );
}

function scopeOf({ exchange, caller }: GatewayContext, deadline: number, watch: SessionGuard | undefined): CallScope {
  return {
    requestId: exchange.id,
    trace: exchange.trace,
    ...(caller instanceof GatewayError ? {} : { identity: caller }),
    deadline,
    signal: watch ? AbortSignal.any([exchange.signal, watch.signal]) : exchange.signal,
  };
}
