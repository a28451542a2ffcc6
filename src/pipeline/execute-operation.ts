import { GraphQLError, type DocumentNode, type ExecutionResult } from 'graphql';
import { firstOf } from '../cancellation';
import { GatewayError } from '../errors';
import { subscribe } from '../execution/subscribe';
import type { Exchange } from '../http/exchange';
import type { ResolverContext } from '../schema/resolver-context';
import type { Gatekeeper } from '../session/gatekeeper';
import type { TraceContext } from '../telemetry/trace';
import { callerOf, type Identity } from './authenticate';
import { OperationScope } from './operation-context';
import { refusalOf, type OperationPlan } from './operation-plan';

/** Variables of a request, as the client sent them. */
export type VariableInputs = Readonly<Record<string, unknown>> | null | undefined;

/** Runs a query or a mutation as it was compiled. Never throws: what goes wrong is in the result. */
export function executeOperation(
  plan: OperationPlan,
  context: ResolverContext,
  inputs: VariableInputs,
): ExecutionResult | Promise<ExecutionResult> {
  const { values, errors } = plan.compiled.coerce(inputs);
  if (errors) return { errors };
  // A mutation is refused whole: half of one is worse than none.
  const refused = plan.operation.operation === 'mutation' ? refusalOf(plan, context.caller, values) : undefined;
  if (!refused) return plan.compiled.execute({ context, variables: values });
  return { data: null, errors: [new GraphQLError(refused.message, { originalError: refused })] };
}

/**
 * Subscribes as the operation was compiled. The stream throws what it fails with.
 *
 * @param release - Ends the watch over the stream's session; called here where there is no stream.
 * @returns a result with errors where there is no stream, or the stream of results
 */
export async function subscribeOperation(
  { compiled, operation }: OperationPlan,
  document: DocumentNode,
  context: ResolverContext,
  inputs: VariableInputs,
  release: (() => void) | undefined,
): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void>> {
  let results;
  try {
    results = await subscribe(compiled, {
      schema: compiled.source.schema,
      document,
      contextValue: context,
      variableValues: inputs ?? null,
      operationName: operation.name?.value ?? null,
    });
    return results;
  } finally {
    if (!results || !(Symbol.asyncIterator in results)) release?.();
  }
}

export interface ScopeOptions {
  readonly exchange: Exchange;
  readonly trace: TraceContext;
  readonly gatekeeper: Pick<Gatekeeper, 'guard'>;
  /** Ms that an operation may take, unless one of its fields says more. */
  readonly requestTimeout: number;
}

/** The scope of an operation's RPCs, and the end of what watches over it. */
export interface OpenScope {
  readonly scope: OperationScope;
  /** Ends the watch over a stream's session. To be called once the operation has ended; left out where nothing watches. */
  readonly release?: () => void;
}

/** Opens the scope of an operation: its deadline, its caller, and for a stream the watch over its session. */
export function openScope(
  { timeout, operation }: OperationPlan,
  identity: Identity,
  { exchange, trace, gatekeeper, requestTimeout }: ScopeOptions,
): OpenScope {
  const deadline = exchange.deadlineFor(Math.max(requestTimeout, timeout));
  const caller = callerOf(identity);
  if (operation.operation !== 'subscription' || identity instanceof GatewayError) {
    return { scope: new OperationScope(exchange, trace, deadline, caller) };
  }
  const guard = gatekeeper.guard(identity, exchange);
  const ending = firstOf([exchange.cancellation, guard.ending]);
  return { scope: new OperationScope(exchange, trace, deadline, caller, ending), release: () => guard.release() };
}
