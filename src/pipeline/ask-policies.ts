import { GatewayError } from '../errors';
import type { Variables } from '../execution/run';
import type { CallScope } from '../grpc/upstream';
import type { Caller, PolicyAnswers } from '../schema/resolver-context';
import type { OperationChecks } from './operation-context';
import type { OperationPlan } from './operation-plan';

/** What an operation's policies are asked with. */
type AskScope = Pick<CallScope, 'requestId' | 'trace' | 'deadline' | 'clientDeadline' | 'signal'> & {
  readonly checks: OperationChecks;
};

/**
 * Asks about every permission that the policies of an operation name, all at once and each once. Never throws: what could not be
 * asked is in the answers. Undefined where there is nothing to ask, or nobody to ask for.
 */
export async function askPolicies(
  plan: OperationPlan,
  caller: Caller | GatewayError,
  variables: Variables,
  { checks, requestId, trace, deadline, clientDeadline, signal }: AskScope,
): Promise<PolicyAnswers | undefined> {
  const policies = plan.policies(variables);
  if (policies.length === 0 || caller instanceof GatewayError || !checks.policies) return undefined;
  return checks.policies.ask(policies, caller.userId, {
    requestId,
    deadline,
    ...(trace ? { trace } : {}),
    ...(clientDeadline === undefined ? {} : { clientDeadline }),
    ...(signal ? { signal } : {}),
  });
}
