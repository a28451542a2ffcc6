import { envelop } from '@envelop/core';
import type { DocumentNode, ExecutionArgs, ExecutionResult, GraphQLError, GraphQLSchema } from 'graphql';
import type { Registry } from 'prom-client';
import type { Exchange } from '../exchange';
import { GatewayError, type ErrorCode } from '../errors';
import type { Gatekeeper } from '../session/gatekeeper';
import { GatewayContext, OperationScope } from './context';
import { createDocuments } from './documents';
import { presentError, presentResult, presentStream, withoutSuggestions } from './errors';
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
  /** True where the client takes a stream. */
  readonly streams: boolean;
}

/** One answer, or a stream of them. */
export type OperationResult = ExecutionResult | AsyncIterable<ExecutionResult>;

/** Runs operations, for every door alike. Never throws: what goes wrong is in the result, as errors of the catalogue. */
export interface Pipeline {
  run(request: OperationRequest, exchange: Exchange, options: RunOptions): Promise<OperationResult>;
}

export interface PipelineOptions {
  readonly schema: GraphQLSchema;
  readonly gatekeeper: Pick<Gatekeeper, 'admit' | 'authenticate' | 'guard'>;
  readonly registry: Registry;
  /** Whether clients may learn the schema: by introspection, and from the names that errors suggest. */
  readonly introspection: boolean;
  /** Ms that an operation may take, unless one of its fields says more. */
  readonly requestTimeout: number;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  const { schema, gatekeeper, registry, introspection, requestTimeout } = options;
  const documents = createDocuments(schema, { introspection });
  const getEnveloped = envelop({ plugins: createPlugins({ schema, documents, gatekeeper, registry }) });

  function present(result: ExecutionResult, exchange: Exchange): ExecutionResult {
    return presentResult(introspection || !result.errors ? result : withoutNames(result), exchange);
  }

  function ran({ prepared }: GatewayContext): void {
    if (prepared) documents.ran(prepared);
  }

  /** @param subscribe - As the plugins have it. */
  async function stream(subscribe: Subscribe, args: ExecutionArgs, context: GatewayContext): Promise<OperationResult> {
    const { exchange, authenticated, scope, caller } = context;
    const watch = authenticated && gatekeeper.guard(authenticated, exchange);
    if (watch) {
      const signal = AbortSignal.any([exchange.signal, watch.signal]);
      context.scope = new OperationScope(exchange, scope.deadline, caller, signal);
    }
    const result = await subscribe(args);
    if (!(Symbol.asyncIterator in result)) {
      watch?.release();
      return present(result, exchange);
    }
    // The stream may never be read, where the client has left already.
    exchange.cancellation.addEventListener('abort', () => watch?.release(), { once: true });
    return presentStream(result, exchange, () => {
      ran(context);
      watch?.release();
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
        if (invalid.length > 0) return refused(invalid, exchange, 'GRAPHQL_VALIDATION_FAILED');
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
        context.scope = new OperationScope(exchange, deadline, context.caller);
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
        return present(result, exchange);
      } catch (error) {
        return refused([error], exchange, 'GRAPHQL_PARSE_FAILED');
      }
    },
  };
}

type Subscribe = (args: ExecutionArgs) => Promise<OperationResult>;

function withoutNames(result: ExecutionResult): ExecutionResult {
  return { ...result, errors: result.errors?.map((error) => (error.path ? error : withoutSuggestions(error))) ?? [] };
}

/** The answer to a request of which nothing was executed. */
function refused(errors: readonly unknown[], exchange: Exchange, otherwise: ErrorCode): ExecutionResult {
  return { errors: errors.map((error) => presentError(error, exchange, otherwise)) };
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
