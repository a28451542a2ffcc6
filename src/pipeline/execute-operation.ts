import type { DocumentNode, ExecutionResult } from 'graphql';
import { GatewayError } from '../errors';
import { locate } from '../execution/field-error';
import type { Variables } from '../execution/run';
import { subscribe } from '../execution/subscribe';
import type { Exchange } from '../http/exchange';
import { denial } from '../schema/access';
import type { ResolverContext } from '../schema/resolver-context';
import type { Gatekeeper } from '../session/gatekeeper';
import type { TraceContext } from '../telemetry/trace';
import { callerOf, type Identity } from './authenticate';
import { OperationScope, type OperationChecks, type OperationLimits } from './operation-context';
import { askPolicies } from './ask-policies';
import { refusalOf, rulesThatHold, type OperationPlan } from './operation-plan';
import { spendRateLimits } from './spend-rate-limits';

/** Variables of a request, as the client sent them. */
export type VariableInputs = Readonly<Record<string, unknown>> | null | undefined;

/** The context of an operation that is run. */
export type RunContext = ResolverContext & { readonly scope: OperationScope; readonly exchange: Exchange };

/** Runs a query or a mutation as it was compiled. Never throws: what goes wrong is in the result. */
export function executeOperation(
  plan: OperationPlan,
  context: RunContext,
  inputs: VariableInputs,
): ExecutionResult | Promise<ExecutionResult> {
  const admission = admitOperation(plan, context, inputs);
  return admission instanceof Promise
    ? admission.then((admitted) => run(plan, context, admitted))
    : run(plan, context, admission);
}

function run(
  plan: OperationPlan,
  context: RunContext,
  { refusal, values }: Admission,
): ExecutionResult | Promise<ExecutionResult> {
  if (refusal) return refusal;
  const { scope } = context;
  const result = plan.compiled.execute({ context, variables: values, limit: scope });
  return result instanceof Promise
    ? result.then((settled) => withinLimits(settled, scope))
    : withinLimits(result, scope);
}

/** Of an operation that went over a limit, the result says that alone. */
function withinLimits(result: ExecutionResult, { exceeded }: OperationScope): ExecutionResult {
  return exceeded ? refused(exceeded) : result;
}

/** The result of an operation that does not run, or the values of its variables. */
type Admission =
  | { readonly refusal: ExecutionResult; readonly values?: undefined }
  | { readonly refusal?: undefined; readonly values: Variables };

/** Decides whether an operation runs, without running any of it. */
function admitOperation(
  plan: OperationPlan,
  context: RunContext,
  inputs: VariableInputs,
): Admission | Promise<Admission> {
  const closed = plan.closedTo(context.caller);
  if (closed) return { refusal: { errors: closed } };
  const { values, errors } = plan.compiled.coerce(inputs);
  if (errors) return { refusal: { errors } };
  const tooDear = context.scope.admitCost(plan.costOf(values));
  if (tooDear) return { refusal: refused(tooDear) };
  if (plan.operation.operation === 'subscription' && plan.compiled.outcome(values).root().isEmpty) {
    return { refusal: refused(nothingSubscribed) };
  }
  if (plan.isCheckedFirst) return checkFirst(plan, context, values);
  const refusal = mutationRefusal(plan, context, values);
  return refusal ? { refusal } : { values };
}

/** Asks what has to be asked before an operation runs, and leaves the answers in the context. */
async function checkFirst(plan: OperationPlan, context: RunContext, values: Variables): Promise<Admission> {
  const { caller, scope } = context;
  context.policyAnswers = await askPolicies(plan, caller, values, scope);
  // What is refused anyway does not count.
  const refusal = mutationRefusal(plan, context, values) ?? (await rateLimitRefusal(plan, context, values));
  return refusal ? { refusal } : { values };
}

/** A mutation is refused whole: half of one is worse than none. */
function mutationRefusal(plan: OperationPlan, context: RunContext, values: Variables): ExecutionResult | undefined {
  if (plan.operation.operation !== 'mutation') return undefined;
  const denied = refusalOf(plan, context, values);
  return denied && { data: null, ...refused(denied) };
}

/** Of a query, only the fields over their limit are refused. */
async function rateLimitRefusal(
  plan: OperationPlan,
  context: RunContext,
  values: Variables,
): Promise<ExecutionResult | undefined> {
  const type = plan.operation.operation;
  context.overLimit = await spendRateLimits(plan, context, values, context.scope.checks.rateLimits);
  const [over] = context.overLimit?.values() ?? [];
  if (!over || type === 'query') return undefined;
  return type === 'mutation' ? { data: null, ...refused(over) } : refused(over);
}

/** The result of an operation that is refused whole. */
function refused(error: GatewayError): ExecutionResult {
  return { errors: [locate(error, [], undefined)] };
}

/** graphql-js fails on it otherwise than with an error of GraphQL. */
const nothingSubscribed = new GatewayError(
  'BAD_USER_INPUT',
  'The subscription selects nothing: @skip or @include leaves its field out.',
);

/**
 * Subscribes as the operation was compiled. The stream throws what it fails with.
 *
 * @param release - Ends the watch over the stream's session; called here where there is no stream.
 * @returns a result with errors where there is no stream, or the stream of results
 */
export async function subscribeOperation(
  plan: OperationPlan,
  document: DocumentNode,
  context: RunContext,
  inputs: VariableInputs,
  release: (() => void) | undefined,
): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void>> {
  const { compiled, operation } = plan;
  const { scope } = context;
  let results;
  try {
    const { refusal, values } = await admitOperation(plan, context, inputs);
    if (refusal) return refusal;
    const tooMany = scope.admitStream();
    if (tooMany) return refused(tooMany);
    const args = {
      schema: compiled.source.schema,
      document,
      contextValue: context,
      variableValues: inputs ?? null,
      operationName: operation.name?.value ?? null,
    };
    watchAccess(plan, context, values);
    results = await subscribe(args, async (event) => {
      scope.beginEvent();
      const result = await compiled.execute({ root: event, context, variables: values, limit: scope });
      // Ends the stream, and says why in its last result.
      if (scope.exceeded) throw scope.exceeded;
      return result;
    });
    return results;
  } finally {
    if (!results || !(Symbol.asyncIterator in results)) release?.();
  }
}

/** Ends a stream when its session loses what it serves: each time that the session is validated again, access is decided again. */
function watchAccess(plan: OperationPlan, context: RunContext, values: Variables): void {
  const { scope } = context;
  const { guard, requestId, trace, checks } = scope;
  if (!guard) return;
  // What the caller could not have from the beginning is null in every event.
  const held = rulesThatHold(plan, context, values);
  guard.onRenewed(async (session) => {
    const answers = await askPolicies(plan, session, values, { requestId, trace, deadline: Infinity, checks });
    for (const rule of held) {
      const denied = denial(rule, session, answers);
      if (denied) return denied;
    }
    return undefined;
  });
}

export interface ScopeOptions {
  readonly gatekeeper: Pick<Gatekeeper, 'guard'>;
  /** Ms that an operation may take, unless one of its fields says more. */
  readonly requestTimeout: number;
  readonly limits: OperationLimits;
  readonly checks: OperationChecks;
}

/** The scope of an operation's RPCs, and the end of what watches over it. */
export interface OpenScope {
  readonly scope: OperationScope;
  /** Ends the watch over a stream's session. To be called once the operation has ended; left out where nothing watches. */
  readonly release?: () => void;
}

/**
 * Opens the scope of an operation: its deadline, its caller, and for a stream the watch over its session. The access line can
 * tell what the operation asks for from here on.
 */
export function openScope(
  { timeout, operation, mergesCalls, rootFields }: OperationPlan,
  identity: Identity,
  exchange: Exchange,
  trace: TraceContext,
  { gatekeeper, requestTimeout, limits, checks }: ScopeOptions,
): OpenScope {
  exchange.facts.fields = rootFields;
  const deadline = exchange.deadlineFor(Math.max(requestTimeout, timeout));
  const caller = callerOf(identity);
  const options = { trace, deadline, limits, checks, mergesCalls };
  if (operation.operation !== 'subscription' || identity instanceof GatewayError) {
    return { scope: new OperationScope(exchange, caller, options) };
  }
  const guard = gatekeeper.guard(identity, exchange);
  const scope = new OperationScope(exchange, caller, { ...options, guard });
  return { scope, release: () => guard.release() };
}
